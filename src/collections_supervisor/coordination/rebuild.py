"""What the outbox still knows against what the snapshot says: an alarm that went out belongs to an incident again. Pure.

Without that, a lost snapshot would have everything told once more under the same keys, or never told to be over.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta

import msgspec

from collections_supervisor.coordination.incident import FURTHEST, Incident
from collections_supervisor.coordination.incidents import ANY, reminder_due_at
from collections_supervisor.coordination.state import FleetState, agents_of, count, give_up, key_of, note_end
from collections_supervisor.messages import Grouped, Notice, Now
from collections_supervisor.system.naming import subject_of


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A notice as the outbox knows it."""

    notice: Notice
    taken: bool
    """A channel took it."""
    pending: bool
    """Some channel is still to try it."""
    lost: bool
    """Every channel was given up, and none took it."""
    error: str = ""


def rebuild(known: FleetState | None, sent: Iterable[Sent], repeat_after: float, now: Now) -> FleetState:
    """What the snapshot knew, and whatever else was told or is to be told; `repeat_after` as for reminders."""
    by_key: defaultdict[str, list[Sent]] = defaultdict(list)
    for entry in sent:
        if _is_credible(entry.notice, now):
            by_key[entry.notice.dedup_key].append(entry)
    state = known or FleetState()
    if known is None:
        state = _settled(state, [entry for entries in by_key.values() for entry in entries])
    # The newest first: one subject has one open incident.
    for entries in sorted(by_key.values(), key=lambda entries: max(entry.notice.since for entry in entries), reverse=True):
        entries.sort(key=lambda entry: entry.notice.sequence)
        incident = _find(state, entries[0].notice.dedup_key)
        if incident is not None:
            state = _catch_up(state, incident, entries)
        else:
            state = _add(state, entries, repeat_after, now)
            state = _add_followers(state, entries, by_key, repeat_after, now)
    return state


def _is_credible(notice: Notice, now: Now) -> bool:
    stamps = (notice.since, notice.created_at)
    return all(at.tzinfo is not None and abs((now.wall - at) / timedelta(seconds=1)) < FURTHEST for at in stamps)


def _is_over(entries: Iterable[Sent]) -> bool:
    return any(entry.notice.notice == "resolved" for entry in entries)


def _find(state: FleetState, dedup_key: str) -> Incident | None:
    return next((one for one in [*state.open.values(), *state.closing.values()] if one.dedup_key == dedup_key), None)


def _settled(state: FleetState, entries: list[Sent]) -> FleetState:
    """The state with the ends of notices that it did not hear of."""
    for entry in entries:
        if entry.taken:
            state = count(state, agents_of(entry.notice), "delivered")
        if entry.lost:
            state = give_up(state, (entry.notice,), entry.error, entry.notice.created_at)
    return state


def _catch_up(state: FleetState, incident: Incident, entries: list[Sent]) -> FleetState:
    """The state after an incident that the snapshot knows learned what became of its notices since."""
    outstanding = {notice.sequence for notice in incident.outstanding}
    state = _settled(state, [entry for entry in entries if entry.notice.sequence in outstanding])
    incident = _with_notices(incident, entries)
    if incident.resolved_at is None and not _is_over(entries):
        return _replace(state, opened={key_of(incident): incident})
    state = _replace(state, without=key_of(incident) if incident.resolved_at is None else "")
    closed = msgspec.structs.replace(incident, resolved_at=incident.resolved_at or entries[-1].notice.created_at)
    return _replace(state, closing={closed.id: closed})


def _add(state: FleetState, entries: list[Sent], repeat_after: float, now: Now) -> FleetState:
    """The state with the incident that only the outbox knows of, as far as anything of it is left to be done."""
    incident = _with_notices(_from_notice(entries[-1].notice, entries[0].notice, repeat_after, now), entries)
    if not _is_over(entries):
        return state if key_of(incident) in state.open else _replace(state, opened={key_of(incident): incident})
    state = msgspec.structs.replace(state, ended=note_end(state.ended, incident.dedup_key))
    if not incident.outstanding:
        return state
    closed = msgspec.structs.replace(incident, resolved_at=entries[-1].notice.created_at)
    return _replace(state, closing={closed.id: closed})


def _replace(
    state: FleetState, opened: dict[str, Incident] | None = None, closing: dict[str, Incident] | None = None, without: str = ""
) -> FleetState:
    kept = {key: incident for key, incident in state.open.items() if key != without}
    return msgspec.structs.replace(state, open={**kept, **(opened or {})}, closing={**state.closing, **(closing or {})})


def _with_notices(incident: Incident, entries: list[Sent]) -> Incident:
    pending = {entry.notice.sequence for entry in entries if not entry.taken and not entry.lost}
    newest = entries[-1].notice.sequence
    # What came before the newest and is not there was dropped: told now, it would come after its own end.
    kept = [notice for notice in incident.outstanding if notice.sequence in pending or notice.sequence > newest]
    owed = [entry.notice for entry in entries if entry.notice.sequence > incident.sequence and entry.pending and not entry.taken]
    return msgspec.structs.replace(
        incident,
        sequence=max(incident.sequence, newest),
        outstanding=(*kept, *owed),
        delivered=incident.delivered or any(entry.taken for entry in entries),
        evidence=incident.evidence or entries[-1].notice.evidence,
    )


def _from_notice(newest: Notice, oldest: Notice, repeat_after: float, now: Now) -> Incident:
    incident = Incident(
        id=newest.incident_id,
        dedup_key=newest.dedup_key,
        kind=newest.kind,
        subject=subject_of(newest.dedup_key),
        agent=newest.agent,
        agents=(newest.agent,) if newest.kind == "host" and newest.agent is not None else (),
        reason=newest.reason,
        missed=newest.missed,
        opened_at=newest.since,
        told_at=_mono(oldest, now),
        holds_told={ANY: 2} if newest.held else {},
        held=newest.held,
        rebuilt=True,
    )
    return _without_reminders_before(incident, newest, repeat_after, now)


def _mono(notice: Notice, now: Now) -> float:
    """When the notice was made."""
    return now.mono - max(0.0, (now.wall - notice.created_at) / timedelta(seconds=1))


def _without_reminders_before(incident: Incident, newest: Notice, repeat_after: float, now: Now) -> Incident:
    """The incident with those reminders behind it that were due when the newest notice was made."""
    while reminder_due_at(incident, repeat_after) <= _mono(newest, now):
        incident = msgspec.structs.replace(incident, reminders=incident.reminders + 1)
    return incident


def _add_followers(
    state: FleetState, entries: list[Sent], by_key: Mapping[str, list[Sent]], repeat_after: float, now: Now
) -> FleetState:
    """The state with the incidents whose opening was told together with that of the one that was added."""
    for entry in entries:
        for one in entry.notice.grouped if not entry.lost else ():
            if _find(state, one.dedup_key) is None and one.dedup_key not in by_key:
                follower = _follower(one, entry, repeat_after, now)
                state = _replace(state, opened={key_of(follower): follower, **state.open})
    return state


def _follower(one: Grouped, entry: Sent, repeat_after: float, now: Now) -> Incident:
    notice = entry.notice
    alike = msgspec.structs.replace(
        notice, incident_id=one.incident_id, dedup_key=one.dedup_key, agent=one.agent, missed=one.missed, reason=one.reason
    )
    incident = _from_notice(alike, notice, repeat_after, now)
    return msgspec.structs.replace(incident, told_with=(notice.dedup_key, notice.sequence), delivered=entry.taken)
