"""What `--health-check` answers: a sweep of its own, or beside a running daemon what that one knows."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import anyio
import msgspec

from collections_supervisor.app.launch import UnknownStateError, launched
from collections_supervisor.app.oneshot import Sweep
from collections_supervisor.app.parts import cycle_of
from collections_supervisor.config.schema import Config
from collections_supervisor.coordination.store import read_report
from collections_supervisor.messages import AgentReport, Report
from collections_supervisor.system.lock import LockHeldError

STALE_CYCLES = 2
"""Cycles after which what a daemon has saved says nothing any more about now."""


class InterruptedSweepError(Exception):
    """A signal ended the sweep before it had looked at everything."""


def sweep(config: Config, environ: Mapping[str, str], *, dry: bool) -> Report:
    """Make one sweep; raises LaunchError, LockHeldError or InterruptedSweepError."""
    with launched(config, environ, once=True, dry=dry) as (run, _):
        once = Sweep(run)
        report = anyio.run(once.run)
    if once.interrupted:
        raise InterruptedSweepError
    agents = tuple(_without_promises(agent, config) for agent in report.agents)
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
        return anyio.run(of_daemon, config.supervisor.state_dir, cycle_of(config), now)


async def of_daemon(folder: Path, cycle: float, now: datetime) -> Report:
    """What the daemon saved last; once that is too old nothing is known. Raises UnknownStateError if there is nothing."""
    seen = await read_report(folder, now)
    if seen.report is None:
        raise UnknownStateError(f"a daemon is running, and what it knows cannot be read: {seen.error}")
    if seen.age_s <= STALE_CYCLES * cycle:
        return seen.report
    return msgspec.structs.replace(seen.report, verdict="unknown", stale=True)
