"""Whether a process of ours uses more memory than it may. Pure."""

from collections_supervisor.agents.state import MemoryRead
from collections_supervisor.agents.turn import Turn

LOOKS = 2
"""Measurements in a row that must be too large: one may have met a moment of work."""

_MIB = 1 << 20


def measured(turn: Turn, event: MemoryRead) -> None:
    """Take in a measurement."""
    limit, state = turn.policy.restart.max_rss, turn.state
    if limit is None or state.child is None:
        return
    if event.rss <= limit:
        turn.set(oversized=0)
        return
    turn.set(oversized=min(state.oversized + 1, LOOKS))
    if state.oversized < LOOKS <= turn.state.oversized:
        reason = f"it uses {event.rss / _MIB:.0f} MiB of memory and may use {limit / _MIB:.0f} MiB"
        turn.error(reason)
        turn.emit(
            "warning",
            "agent.memory.exceeded",
            f"{turn.policy.name} is too large: {reason}",
            rss_bytes=event.rss,
            max_rss_bytes=limit,
        )
