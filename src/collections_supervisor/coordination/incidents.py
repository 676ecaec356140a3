"""From what is wrong to who must be told: incidents opened, reminded of and resolved, each with its notices. Pure.

Incidents are level-triggered: whatever is in trouble has one, however the trouble became known.
"""

import math
from datetime import datetime
from typing import Literal

import msgspec

from collections_supervisor.coordination.wording import notice_text
from collections_supervisor.messages import AgentReport, IncidentKind, Notice, Trouble
from collections_supervisor.system.clock import stamp

REMINDERS = 3
"""Reminders at `repeat_after` each, before they become daily."""

DAY = 86400.0


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One trouble, from its opening until its last notice is settled."""

    id: str
    dedup_key: str
    kind: IncidentKind
    subject: str
    agent: str | None
    reason: str
    missed: int
    opened_at: datetime
    told_at: float
    """Monotonic instant of the opening; reminders count from it."""
    sequence: int = 0
    reminders: int = 0
    hold_told: int = 0
    """The most that a person was told of restarts being held: nothing, for a while (1), for good (2)."""
    outstanding: tuple[Notice, ...] = ()
    """Notices that nobody has yet."""
    delivered: bool = False
    attempts: int = 0
    next_at: datetime | None = None
    error: str = ""
    recovered_at: datetime | None = None
    resolved_at: datetime | None = None


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What may be in trouble: an agent, or a part of the supervisor itself."""

    kind: IncidentKind
    name: str
    report: AgentReport | None = None
    trouble: Trouble | None = None


def open_incident(subject: Subject, trouble: Trouble, wall: datetime, mono: float) -> Incident:
    """A new incident with its first notice."""
    agent = subject.name if subject.kind == "agent" else None
    key = f"{subject.kind}/{subject.name}/{stamp(trouble.since)}"
    incident = Incident(
        id=f"{trouble.since:%Y%m%dT%H%M%S%f}Z-{subject.kind}-{subject.name}",
        dedup_key=key,
        kind=subject.kind,
        subject=subject.name,
        agent=agent,
        reason=trouble.reason,
        missed=trouble.missed,
        opened_at=trouble.since,
        told_at=mono,
        hold_told=_hold(subject, trouble),
    )
    return _with_notice(incident, "opened", subject, wall)


def update(incident: Incident, subject: Subject, trouble: Trouble, wall: datetime) -> Incident:
    """The incident with what is known now; being held is news that a person must have at once."""
    told = 0 if trouble.recovered_at is not None else incident.hold_told
    hold = _hold(subject, trouble)
    changed = msgspec.structs.replace(
        incident,
        reason=trouble.reason,
        missed=trouble.missed,
        recovered_at=trouble.recovered_at,
        hold_told=max(told, hold),
    )
    return _with_notice(changed, "reminder", subject, wall) if hold > told else changed


def _hold(subject: Subject, trouble: Trouble) -> int:
    if not trouble.held:
        return 0
    held = subject.report.held if subject.report is not None else None
    return 1 if held is not None and held.until is not None else 2


def reminder_due_at(incident: Incident, repeat_after: float) -> float:
    """The monotonic instant of the next reminder: three at `repeat_after` seconds each, then one a day after the opening."""
    if incident.reminders < REMINDERS:
        return incident.told_at + (incident.reminders + 1) * repeat_after
    whole_days = math.floor(REMINDERS * repeat_after / DAY) + 1 + incident.reminders - REMINDERS
    return incident.told_at + whole_days * DAY


def remind(incident: Incident, subject: Subject, repeat_after: float, wall: datetime, mono: float) -> Incident:
    """The incident with a reminder, if one is due and the trouble lasts; reminders missed meanwhile count as one."""
    if incident.resolved_at is not None or incident.recovered_at is not None:
        return incident
    due = incident
    while mono >= reminder_due_at(due, repeat_after):
        due = msgspec.structs.replace(due, reminders=due.reminders + 1)
    return incident if due is incident else _with_notice(due, "reminder", subject, wall)


def resolve(incident: Incident, subject: Subject, wall: datetime) -> Incident:
    """The incident at its end; a person who never got the alarm gets one notice that says both."""
    merged = not incident.delivered
    closed = msgspec.structs.replace(incident, resolved_at=wall, outstanding=() if merged else incident.outstanding)
    return _with_notice(closed, "resolved", subject, wall, merged=merged)


def _with_notice(
    incident: Incident,
    what: Literal["opened", "reminder", "resolved"],
    subject: Subject,
    wall: datetime,
    *,
    merged: bool = False,
) -> Incident:
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
        restarts=report.restarts if report is not None else 0,
        reason=incident.reason,
        text="",
        merged=merged,
    )
    notice = msgspec.structs.replace(notice, text=notice_text(notice, report))
    # A reminder that nobody got is outdated by the next one: the opening and the newest word are all that is owed.
    owed = tuple(old for old in incident.outstanding if old.notice == "opened")
    return msgspec.structs.replace(incident, sequence=notice.sequence, outstanding=(*owed, notice))


def settle(incident: Incident, sequence: int, *, delivered: bool, attempts: int, error: str) -> Incident:
    """The incident after a notice was delivered, or given up."""
    left = tuple(notice for notice in incident.outstanding if notice.sequence != sequence)
    return msgspec.structs.replace(
        incident,
        outstanding=left,
        delivered=incident.delivered or delivered,
        attempts=attempts,
        next_at=None,
        error="" if delivered else error,
    )
