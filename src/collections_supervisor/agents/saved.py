"""An agent's state as JSON, and back into the clocks of a later life of ours. Pure.

Monotonic instants are kept as they are: within one boot of the machine they mean the same to every process. State of another
boot is shifted as a whole, so that each instant keeps its place on the wall clock.
"""

import math
from datetime import datetime

import msgspec

from collections_supervisor.agents import tally
from collections_supervisor.agents.state import AgentState
from collections_supervisor.system import plain

_MOST = 3e10
"""Seconds, a thousand years: beyond them there are no dates to tell an instant by. Nor do we ever count so far."""

_decoder = msgspec.json.Decoder(AgentState)


def encode(state: AgentState) -> bytes:
    """The state as one JSON object."""
    return plain.encode(state)


def decode(data: bytes | msgspec.Raw, shift: float, latest: float = math.inf) -> AgentState:
    """The state, every monotonic instant moved by `shift` seconds; raises msgspec.DecodeError for anything else.

    What has happened has done so by `latest`: an instant later than now would hide a dead agent until then.
    """
    try:
        state = _decoder.decode(data)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error
    _check(state)
    state = msgspec.structs.replace(state, durations=tally.sound(state.durations))
    return shifted(state, shift, latest)


def _check(value: object) -> None:
    """Refuse what cannot be calculated with."""
    match value:
        case datetime() if value.tzinfo is None:
            raise msgspec.DecodeError(f"the instant {value.isoformat()} has no time zone")
        case int() | float() if abs(value) > _MOST:
            raise msgspec.DecodeError(f"{str(value)[:20]} is beyond all that can be counted or waited for")
        case msgspec.Struct():
            for name in value.__struct_fields__:
                _check(getattr(value, name))
        case tuple():
            for member in value:
                _check(member)
        case dict():
            for member in value.values():
                _check(member)
        case _:
            pass


def shifted(state: AgentState, by: float, latest: float = math.inf) -> AgentState:
    """The state with every monotonic instant moved by so many seconds, those of what has happened to `latest` at the most."""

    def move(instant: float | None) -> float | None:
        return instant + by if instant is not None else None

    def past(instant: float) -> float:
        return min(instant + by, latest)

    def past_if_any(instant: float | None) -> float | None:
        return past(instant) if instant is not None else None

    replace = msgspec.structs.replace
    return replace(
        state,
        known_at=past(state.known_at),
        beat_at=past_if_any(state.beat_at),
        contact_at=past_if_any(state.contact_at),
        looked=state.looked if by == 0.0 else None,
        unreadable_at=past_if_any(state.unreadable_at),
        vanished_at=past_if_any(state.vanished_at),
        attempt=replace(state.attempt, prove_by=move(state.attempt.prove_by)) if state.attempt is not None else None,
        next_attempt_at=move(state.next_attempt_at),
        starts=tuple(past(start) for start in state.starts),
        hold=replace(state.hold, until=move(state.hold.until)) if state.hold is not None else None,
        recovered_at=past_if_any(state.recovered_at),
        well_since=past_if_any(state.well_since),
        child=replace(state.child, started_at=past(state.child.started_at)) if state.child is not None else None,
        ready_by=move(state.ready_by),
        grace_until=move(state.grace_until),
        pause=replace(state.pause, until=move(state.pause.until)) if state.pause is not None else None,
        pause_all=replace(state.pause_all, until=move(state.pause_all.until)) if state.pause_all is not None else None,
    )


def dormant(state: AgentState, now: float) -> AgentState:
    """What is kept of an agent that nobody watches any more: what it may cost, a person's word, and what went wrong.

    Its trouble is over for whoever was told of it. Attempts are forgiven if it turns out well when it is watched again.
    """
    counted = tally.with_end(state, "interrupted")
    return AgentState(
        known_at=state.known_at,
        known=state.known,
        attempts=state.attempts,
        starts=state.starts,
        restarts=state.restarts,
        tokens_total=state.tokens_total,
        errors=state.errors,
        well_since=state.well_since if state.well_since is not None or not state.attempts else now,
        pause=state.pause,
        outcomes=counted.outcomes,
        durations=counted.durations,
        stopped=state.stopped,
    )
