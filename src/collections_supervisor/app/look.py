"""What is known without acting: what a living daemon has saved, else a judgement of what lies on disk that changes nothing."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

import anyio
import msgspec

from collections_supervisor.app.health_check import as_printed
from collections_supervisor.app.launch import looking
from collections_supervisor.app.oneshot import Sweep
from collections_supervisor.app.saved import read_past, read_saved
from collections_supervisor.app.told import UnknownStateError, find_daemon
from collections_supervisor.config.schema import Config
from collections_supervisor.messages import AgentReport, History, IncidentReport, Report
from collections_supervisor.reporting import metrics
from collections_supervisor.reporting.dashboard import render

BY_HAND = "by hand"
UNWATCHED = "by hand, while no supervisor was running"
"""How a page came about; the second one says that nothing of what it shows is being acted on."""

ONLY_A_LOOK = "this was only a look, which tells nobody"


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to see."""

    report: Report
    history: History
    made: str
    """How a page of it came about."""


def look(config: Config, environ: Mapping[str, str], *, now: datetime) -> Look:
    """See how things are; raises InterruptedSweepError.

    Beside a daemon it is what that one knows, marked as stale if that is too old. Without one, or before it has saved anything,
    everything is judged by what was saved and by the beats and books on disk.
    """
    made = UNWATCHED
    with suppress(UnknownStateError):  # what cannot be read there is said by the judgement, which reads it too
        if (daemon := find_daemon(config.supervisor.state_dir)) is not None:
            made = BY_HAND
            saved = anyio.run(read_saved, config, now, daemon)
            return Look(report=saved.report, history=anyio.run(read_past, config, now), made=made)
    with looking(config, environ) as run:
        once = Sweep(run)
        report = anyio.run(once.run)
    return Look(report=_without_deeds(as_printed(report, once)), history=once.history, made=made)


def draw(seen: Look, config: Config) -> bytes:
    """The page of it; raises TemplateFaultError if it is to be drawn by a template that cannot be used."""
    return render(
        seen.report,
        history=seen.history,
        title=config.dashboard.title,
        interval=config.dashboard.interval,
        recipient=config.escalation.recipient,
        made=seen.made,
        config=config.path,
        template=config.dashboard.template,
    )


def count(seen: Look) -> bytes:
    """The metrics of it, without those that only a running program has of itself."""
    return metrics.render(seen.report, watched=seen.made != UNWATCHED)


def _without_deeds(report: Report) -> Report:
    """The report without what nobody is going to do."""
    return msgspec.structs.replace(
        report,
        agents=tuple(map(_without_restart, report.agents)),
        incidents=tuple(map(_without_notice, report.incidents)),
    )


def _without_restart(agent: AgentReport) -> AgentReport:
    return agent if agent.next_attempt_at is None else msgspec.structs.replace(agent, next_attempt_at=None)


def _without_notice(incident: IncidentReport) -> IncidentReport:
    if incident.delivered:
        return incident
    return msgspec.structs.replace(incident, error=incident.error or ONLY_A_LOOK, next_at=None)
