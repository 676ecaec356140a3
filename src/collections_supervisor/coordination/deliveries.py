"""What came back from outside about incidents: notices delivered, tried and given up, and what a person knows. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from collections_supervisor.coordination import incidents as rules
from collections_supervisor.coordination.incident import Incident
from collections_supervisor.coordination.state import FleetState, agents_of, count, give_up
from collections_supervisor.messages import Acknowledge, Notice, NoticeAttempted, NoticeDelivered, NoticeExpired
from collections_supervisor.system.naming import subject_of

Word = NoticeAttempted | NoticeDelivered | NoticeExpired


def delivered(state: FleetState, word: NoticeDelivered) -> FleetState:
    """The state once a channel took a notice."""
    last = state.proven.get(word.channel)
    at = _utc(word.at) if last is None else max(_utc(word.at), last)
    settled = msgspec.structs.replace(_settled(state, word, error=""), proven={**state.proven, word.channel: at})
    # Said again, or by a second channel, it is owed no longer.
    for notice in _owed(state, word):
        settled = count(settled, agents_of(notice), "delivered")
    return settled


def expired(state: FleetState, word: NoticeExpired, wall: datetime) -> FleetState:
    """The state once a notice was given up everywhere."""
    lost = _owed(state, word)
    settled = _settled(state, word, error=word.error)
    return give_up(settled, lost, word.error, wall) if lost else settled


def attempted(state: FleetState, word: NoticeAttempted) -> FleetState:
    """The state after a try that failed."""
    state = count(state, _named_by(state, word), "failed")
    if word.taken:
        return state
    next_at = _utc(word.next_at) if word.next_at is not None else None

    def note(incident: Incident) -> Incident:
        return msgspec.structs.replace(incident, attempts=word.attempts, error=word.error, next_at=next_at)

    return _each(state, word, note)


def _owed(state: FleetState, word: Word) -> tuple[Notice, ...]:
    """The notice that is spoken of, as long as it is owed."""
    return tuple(
        notice
        for incident in [*state.open.values(), *state.closing.values()]
        for notice in incident.outstanding
        if (notice.dedup_key, notice.sequence) == (word.dedup_key, word.sequence)
    )


def _named_by(state: FleetState, word: NoticeAttempted) -> tuple[str | None, ...]:
    """The agents that a notice tells of, which may be owed no longer."""
    known = [one.agent for one in (*state.open.values(), *state.closing.values()) if _concerns(one, word)]
    kind, _, _ = word.dedup_key.partition("/")
    return tuple(known) or ((subject_of(word.dedup_key) if kind == "agent" else None),)


def _utc(instant: datetime) -> datetime:
    """An instant that others named; one without a time zone could be written to the snapshot, but not read again."""
    return instant.astimezone(UTC)


def _settled(state: FleetState, word: NoticeDelivered | NoticeExpired, error: str) -> FleetState:
    def note(incident: Incident) -> Incident:
        # Of its own notices only: what told of it belongs to another incident.
        sequence = word.sequence if incident.dedup_key == word.dedup_key else 0
        is_delivered = isinstance(word, NoticeDelivered)
        return rules.settle(incident, sequence, delivered=is_delivered, attempts=word.attempts, error=error)

    return _each(state, word, note)


def _each(state: FleetState, word: Word, note: Callable[[Incident], Incident]) -> FleetState:
    """The state with `note` made at the incident of the notice, and at all others that it told of."""

    def noted(kept: dict[str, Incident]) -> dict[str, Incident]:
        return {key: note(incident) if _concerns(incident, word) else incident for key, incident in kept.items()}

    return msgspec.structs.replace(state, open=noted(state.open), closing=noted(state.closing))


def _concerns(incident: Incident, word: Word) -> bool:
    return incident.dedup_key == word.dedup_key or incident.told_with == (word.dedup_key, word.sequence)


# --- What a person knows ---


def named(state: FleetState, subject: str) -> tuple[str, ...]:
    """The keys of the open incidents that a person means by an agent, an id or a subject."""
    direct = [key for key, one in state.open.items() if subject in (one.agent, one.id, one.subject)]
    # What is told of a whole host is all that there is to be known of one of its agents.
    return tuple(direct or [key for key, one in state.open.items() if subject in one.agents])


def is_known(state: FleetState, subject: str) -> bool:
    """Whether there is anything to acknowledge under that name."""
    return bool(named(state, subject)) or any(lost.incident_id == subject for lost in state.undelivered)


def acknowledge(state: FleetState, word: Acknowledge) -> FleetState:
    """The state once a person knows of an incident: no reminders, and what nobody could be told need not be shown any more."""
    known = {key: rules.acknowledge(state.open[key], _utc(word.until)) for key in named(state, word.subject)}
    seen = tuple(lost for lost in state.undelivered if lost.incident_id != word.subject)
    return msgspec.structs.replace(state, open={**state.open, **known}, undelivered=seen)
