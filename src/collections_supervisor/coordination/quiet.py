"""A person's word about all agents at once, for those that are watched now and those to come. Pure."""

from datetime import UTC, datetime

import msgspec

from collections_supervisor.coordination.state import FleetState, Quiet
from collections_supervisor.messages import AgentCommand, Emit
from collections_supervisor.system.clock import stamp


def note(state: FleetState, word: AgentCommand, wall: datetime) -> tuple[FleetState, Emit | None]:
    """The state after this word, and what to log of it."""
    if word.what == "pause":
        until = word.until.astimezone(UTC) if word.until is not None else None
        quiet = Quiet(since=wall, until=until, reason=word.reason)
        return msgspec.structs.replace(state, quiet=quiet), _paused(quiet)
    return _lifted(state, "a person said so")


def expire(state: FleetState, wall: datetime) -> tuple[FleetState, Emit | None]:
    """The state at this instant: the pause of all may be over."""
    quiet = state.quiet
    if quiet is None or quiet.until is None or wall < quiet.until:
        return state, None
    return _lifted(state, "its time is over")


def word(state: FleetState, wall: datetime) -> AgentCommand | None:
    """What an agent is to be told that is watched from this instant on."""
    quiet = expire(state, wall)[0].quiet
    if quiet is None:
        return None
    return AgentCommand(what="pause", until=quiet.until, reason=quiet.reason, everyone=True)


def _lifted(state: FleetState, why: str) -> tuple[FleetState, Emit | None]:
    if state.quiet is None:
        return state, None
    said = Emit(
        level="info", event="agent.resumed", message=f"all agents are watched again: {why}", fields={"agent": None, "reason": why}
    )
    return msgspec.structs.replace(state, quiet=None), said


def _paused(quiet: Quiet) -> Emit:
    lasts = f"until {stamp(quiet.until)}" if quiet.until is not None else "until they are resumed"
    why = f": {quiet.reason}" if quiet.reason else ""
    return Emit(
        level="info",
        event="agent.paused",
        message=f"all agents are paused {lasts}{why}",
        fields={
            "agent": None,
            "until": stamp(quiet.until) if quiet.until is not None else None,
            "reason": quiet.reason or None,
        },
    )
