"""How long an agent may be silent, and how many deadlines its silence has passed. Pure."""

import math
from datetime import datetime, timedelta

from collections_supervisor.agents.state import AgentState, Child
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.system.clock import stamp

BUSY_STRETCH = 4
"""An agent that says it is busy may move its deadline to at most this many timeouts after the beat."""


def is_owned(policy: AgentConfig) -> bool:
    """Whether the agent is a process of ours."""
    return policy.restart.kind == "process"


def has_beaten(state: AgentState, child: Child) -> bool:
    """Whether a beat came in this life of an owned process."""
    return state.beat is not None and state.beat.stamp > child.started


def never_ready(policy: AgentConfig, state: AgentState, now: float) -> bool:
    """Whether the present life of an owned process has had its time for a first beat and gave none."""
    if not is_owned(policy) or not policy.sources or state.child is None:
        return False
    return not has_beaten(state, state.child) and now >= state.child.started_at + policy.startup_grace


def first_deadline(policy: AgentConfig, state: AgentState) -> float | None:
    """The instant at which the present silence becomes a miss; None: never (an owned process that is not up)."""
    if not policy.sources or (is_owned(policy) and state.ready_by is None):
        # An owned process is silent for good reason until it was started.
        return None
    signs = [at for at in (state.beat_at, state.contact_at) if at is not None]
    if signs:
        base = max(signs)
        deadline = base + policy.timeout
        if state.beat is not None and state.beat_at == base and state.beat.status == "busy" and state.beat.until is not None:
            announced = base + (state.beat.until - state.beat.stamp).total_seconds()
            deadline = max(deadline, min(announced, base + BUSY_STRETCH * policy.timeout))
    else:
        deadline = state.known_at + policy.startup_grace
    return deadline if state.ready_by is None else max(deadline, state.ready_by)


def deadlines_passed(policy: AgentConfig, state: AgentState, now: float) -> int:
    """How many deadlines the present silence has passed."""
    first = first_deadline(policy, state)
    if first is None or now < first:
        return 0
    count = 1 + math.floor((now - first) / policy.miss_interval)
    # Rounding must not make a deadline one that is due and not passed: the same sum as in `next_deadline` decides.
    while first + count * policy.miss_interval <= now:
        count += 1
    while count > 1 and first + (count - 1) * policy.miss_interval > now:
        count -= 1
    return count


def next_deadline(policy: AgentConfig, state: AgentState, now: float) -> float | None:
    """The next instant at which a miss will be counted."""
    first = first_deadline(policy, state)
    return None if first is None else first + deadlines_passed(policy, state, now) * policy.miss_interval


def last_seen(state: AgentState) -> str:
    """When it was last heard of, in words."""
    if state.future is not None:
        return f"its clock is wrong: the newest beat is stamped {stamp(state.future.stamp)}, in the future"
    if state.beat is not None:
        return f"no heartbeat since {stamp(state.beat.stamp)}"
    only_ours = any(line.ours for line in state.trailing)
    return "never seen" if only_ours or state.source == "missing" else "no valid heartbeat in its log"


def stale_lines(policy: AgentConfig, state: AgentState) -> int:
    """Misses that stand in the log: the run of stale lines at its end, ours only if they speak of the present silence.

    Ours about an owned process may be of an earlier life of ours, which it did not survive; its deadlines alone count.
    """
    newest = state.beat.stamp if state.beat is not None else None
    ours_count = not is_owned(policy)
    return sum(1 for line in state.trailing if not line.ours or (ours_count and line.last_heartbeat == newest))


def recorded_lines(state: AgentState) -> int:
    """The highest miss of the present silence that a line of ours in the log already carries."""
    newest = state.beat.stamp if state.beat is not None else None
    return max((line.missed for line in state.trailing if line.ours and line.last_heartbeat == newest), default=0)


def deadline_stamp(policy: AgentConfig, state: AgentState, number: int) -> datetime:
    """The wall instant of deadline `number` of the present silence.

    Taken from stamps and settings alone (to the millisecond), so that it is the same again after a crash of ours.
    """
    first = first_deadline(policy, state)
    anchor, anchor_at = (state.known, state.known_at)
    if state.beat is not None and state.beat_at is not None:
        anchor, anchor_at = (state.beat.stamp, state.beat_at)
    allowance = policy.timeout if first is None else round(first - anchor_at, 3)
    return anchor + timedelta(seconds=allowance + (number - 1) * policy.miss_interval)
