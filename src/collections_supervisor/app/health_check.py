"""What `--health-check` answers: a sweep of its own, or beside a running daemon what that one knows."""

from collections.abc import Mapping
from datetime import datetime

import anyio
import msgspec

from collections_supervisor.app.launch import launched
from collections_supervisor.app.oneshot import Sweep
from collections_supervisor.app.saved import read_saved
from collections_supervisor.config.schema import Config
from collections_supervisor.messages import AgentReport, Report
from collections_supervisor.system.lock import Holder, LockHeldError


class InterruptedSweepError(Exception):
    """A signal ended the sweep before it had looked at everything."""


def sweep(config: Config, environ: Mapping[str, str], *, dry: bool) -> Report:
    """Make one sweep; raises LaunchError, LockHeldError or InterruptedSweepError."""
    with launched(config, environ, once=True, dry=dry) as (run, _):
        once = Sweep(run)
        report = anyio.run(once.run)
    return as_printed(report, once)


def as_printed(report: Report, once: Sweep) -> Report:
    """What a sweep found, for whoever asked for it; raises InterruptedSweepError if that is not everything."""
    if once.interrupted:
        raise InterruptedSweepError
    agents = tuple(_without_promises(agent, once.config) for agent in report.agents)
    return msgspec.structs.replace(report, stopped_at=None, agents=agents)


def _without_promises(agent: AgentReport, config: Config) -> AgentReport:
    """What a sweep says of a process that only a daemon starts: nobody is going to do it."""
    owned = any(policy.name == agent.name and policy.restart.kind == "process" for policy in config.agents)
    if not owned or agent.status not in ("unhealthy", "escalated"):
        return agent
    return msgspec.structs.replace(agent, next_attempt_at=None, detail=f"{agent.detail}; only a running daemon starts it")


def check_health(config: Config, environ: Mapping[str, str], *, dry: bool, now: datetime) -> Report:
    """The report of a sweep, or that of the daemon which holds the lock; raises what `sweep` does, and UnknownStateError."""
    try:
        return sweep(config, environ, dry=dry)
    except LockHeldError as error:
        if error.once:
            raise
        holder = Holder(pid=error.pid)
        return anyio.run(read_saved, config, now, holder).report
