"""One trouble and what is owed of it. Structs, and the making of a notice. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from collections_supervisor.coordination.wording import group_text, notice_text
from collections_supervisor.messages import AgentReport, Grouped, Impact, IncidentKind, Notice, Trouble

FURTHEST = 1e10
"""Seconds from now at which something may have happened: all is read from files, and nothing is three hundred years old."""

Mono = Annotated[float, msgspec.Meta(ge=-FURTHEST, le=FURTHEST)]
"""Monotonic seconds."""

Stamp = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One trouble, from its opening until its last notice is settled."""

    id: str
    dedup_key: str
    kind: IncidentKind
    subject: str
    agent: str | None
    """Whom its notices name; also of a shared cause as long as it concerns one agent only."""
    reason: str
    missed: int
    opened_at: Stamp
    told_at: Mono
    """Monotonic instant of the opening; reminders count from it."""
    agents: tuple[str, ...] = ()
    """Whom an incident of a host or a provider is about."""
    sequence: Count = 0
    """Notices of its own so far."""
    told_with: tuple[str, int] | None = None
    """`dedup_key` and `sequence` of the notice of another incident that told of the opening of this one too."""
    reminders: Count = 0
    holds_told: dict[str, int] = {}
    """By kind, the most that a person was told of restarts being held: for a while (1), for good (2)."""
    held: bool = False
    restarts_before: int = 0
    """Restarts that the agent had had when it was last well."""
    evidence: str = ""
    outstanding: tuple[Notice, ...] = ()
    """Notices that nobody has yet."""
    delivered: bool = False
    attempts: int = 0
    next_at: Stamp | None = None
    error: str = ""
    acknowledged_until: Stamp | None = None
    paused: bool = False
    """A person stopped all judgement of the agent: nobody is told anything meanwhile."""
    spoken_for: bool = False
    """An incident of many stands over it: of this one nobody is reminded meanwhile."""
    apart: bool = False
    """The agent fell silent together with others and was given up by itself: it is not counted with them again."""
    canary: str = ""
    """The one agent of a silent host that may be restarted."""
    proven: bool = False
    """An agent of a silent host came back: the others may follow."""
    rebuilt: bool = False
    """Only the outbox told of it: it is not over merely because an agent that is judged afresh has missed nothing yet."""
    silent_since: Stamp | None = None
    """The last beat of its agent before it was opened."""
    impact: Impact | None = None
    """What the outage costs, as far as it is known."""
    recovered_at: Stamp | None = None
    resolved_at: Stamp | None = None


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What may be in trouble: an agent, a host, or a part of the supervisor itself."""

    kind: IncidentKind
    name: str
    report: AgentReport | None = None
    trouble: Trouble | None = None


def is_told(incident: Incident) -> bool:
    """Whether its opening was made known, or is on its way."""
    return incident.sequence > 0 or incident.told_with is not None


def with_notice(
    incident: Incident,
    what: Literal["opened", "reminder", "resolved"],
    subject: Subject,
    wall: datetime,
    *,
    merged: bool = False,
    ending: str = "works again",
    group: Iterable[Incident] = (),
) -> Incident:
    """The incident with one more notice; `group`: all incidents whose opening it tells of, if that is more than this one."""
    report = subject.report
    notice = Notice(
        dedup_key=incident.dedup_key,
        sequence=incident.sequence + 1,
        notice=what,
        incident_id=incident.id,
        kind=incident.kind,
        agent=incident.agent,
        missed=incident.missed,
        created_at=wall,
        since=incident.opened_at,
        last_heartbeat=report.last_heartbeat if report is not None else None,
        restarts=max(0, report.restarts - incident.restarts_before) if report is not None else 0,
        reason=incident.reason,
        text="",
        merged=merged,
        held=incident.held and what != "resolved",
        evidence=incident.evidence,
        impact=incident.impact,
        grouped=tuple(_grouped(one) for one in group),
    )
    text = group_text(notice) if notice.grouped else notice_text(notice, report, ending)
    notice = msgspec.structs.replace(notice, text=text)
    # A reminder that nobody got is outdated by the next one: the opening and the newest word are all that is owed.
    owed = tuple(old for old in incident.outstanding if old.notice == "opened")
    return msgspec.structs.replace(incident, sequence=notice.sequence, outstanding=(*owed, notice))


def _grouped(incident: Incident) -> Grouped:
    return Grouped(
        incident_id=incident.id,
        dedup_key=incident.dedup_key,
        agent=incident.agent,
        missed=incident.missed,
        reason=incident.reason,
    )
