"""From what is wrong to who must be told: one incident opened, kept current, reminded of and resolved. Pure.

Incidents are level-triggered: whatever is in trouble has one, however the trouble became known.
"""

import math
from datetime import datetime, timedelta

import msgspec

from collections_supervisor.coordination.incident import Incident, Subject, is_told, with_notice
from collections_supervisor.messages import Trouble
from collections_supervisor.system.clock import stamp

__all__ = [
    "ANY",
    "DAY",
    "REMINDERS",
    "Incident",
    "Subject",
    "acknowledge",
    "begin",
    "is_acknowledged",
    "open_incident",
    "remind",
    "reminder_due_at",
    "renamed",
    "resolve",
    "settle",
    "update",
]

REMINDERS = 3
"""Reminders at `repeat_after` each, before they become daily."""

DAY = 86400.0

ANY = "any"
"""In `Incident.holds_told`: that restarts are held was told, but it is not known any more which kind that was."""


def begin(subject: Subject, trouble: Trouble, mono: float, *, restarts_before: int = 0) -> Incident:
    """A new incident that nobody has been told of yet; `mono` is now."""
    since = trouble.since
    hold = _hold(subject, trouble)
    return Incident(
        id=_id(subject.kind, subject.name, since),
        dedup_key=_dedup_key(subject.kind, subject.name, since),
        kind=subject.kind,
        subject=subject.name,
        agent=subject.name if subject.kind == "agent" else None,
        reason=trouble.reason,
        missed=trouble.missed,
        opened_at=since,
        told_at=mono,
        holds_told={trouble.hold: hold} if hold else {},
        held=trouble.held,
        restarts_before=restarts_before,
        silent_since=subject.report.last_heartbeat if subject.report is not None else None,
        recovered_at=trouble.recovered_at,
    )


def _id(kind: str, name: str, at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%S%f}Z-{kind}-{name}"


def _dedup_key(kind: str, name: str, at: datetime) -> str:
    return f"{kind}/{name}/{stamp(at)}"


def renamed(incident: Incident, wall: datetime) -> Incident:
    """A new incident under a name of its own, where the one that it would have by its beginning was used before."""
    return msgspec.structs.replace(
        incident,
        id=_id(incident.kind, incident.subject, wall),
        dedup_key=_dedup_key(incident.kind, incident.subject, wall),
    )


def open_incident(subject: Subject, trouble: Trouble, wall: datetime, mono: float) -> Incident:
    """A new incident with its first notice."""
    return with_notice(begin(subject, trouble, mono), "opened", subject, wall)


def update(incident: Incident, subject: Subject, trouble: Trouble, wall: datetime, *, silent: bool = False) -> Incident:
    """The incident with what is known now; being held is news that a person must have at once, unless it is kept silent."""
    told = {} if trouble.recovered_at is not None else incident.holds_told
    hold = _hold(subject, trouble)
    is_news = hold > max(told.get(trouble.hold, 0), told.get(ANY, 0))
    changed = msgspec.structs.replace(
        incident,
        reason=trouble.reason,
        missed=trouble.missed,
        held=trouble.held,
        recovered_at=trouble.recovered_at,
        paused=False,
        holds_told={**told, trouble.hold: hold} if is_news else told,
    )
    # The opening that is still to be told will say it.
    loud = is_news and is_told(incident) and not silent and not is_acknowledged(incident, wall)
    return with_notice(changed, "reminder", subject, wall) if loud else changed


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


def remind(
    incident: Incident, subject: Subject, repeat_after: float, wall: datetime, mono: float, *, silent: bool = False
) -> Incident:
    """The incident with a reminder, if one is due and the trouble lasts; reminders missed meanwhile count as one.

    Those that fall into an acknowledgement, or become due while it is kept silent, are not made up.
    """
    if incident.resolved_at is not None or incident.recovered_at is not None or not is_told(incident):
        return incident
    due, loud = incident, False
    while (at := reminder_due_at(due, repeat_after)) <= mono:
        loud = loud or not is_acknowledged(incident, wall - timedelta(seconds=mono - at))
        due = msgspec.structs.replace(due, reminders=due.reminders + 1)
    return with_notice(due, "reminder", subject, wall) if loud and not silent else due


def is_acknowledged(incident: Incident, wall: datetime) -> bool:
    """Whether a person knows of it and wants no reminders at that instant."""
    return incident.acknowledged_until is not None and wall < incident.acknowledged_until


def acknowledge(incident: Incident, until: datetime) -> Incident:
    """The incident once a person knows of it: a reminder that is still owed is not needed any more."""
    owed = tuple(notice for notice in incident.outstanding if notice.notice != "reminder")
    return msgspec.structs.replace(incident, acknowledged_until=until, outstanding=owed)


def resolve(incident: Incident, subject: Subject, wall: datetime, ending: str = "works again") -> Incident:
    """The incident at its end; a person who never got the alarm gets one notice that says both."""
    # An alarm that tells of other incidents too has to go out all the same.
    merged = not incident.delivered and not any(notice.grouped for notice in incident.outstanding)
    closed = msgspec.structs.replace(incident, resolved_at=wall, outstanding=() if merged else incident.outstanding)
    return with_notice(closed, "resolved", subject, wall, merged=merged, ending=ending)


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
