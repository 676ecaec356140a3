"""How long an agent may be silent, and how many deadlines its silence has passed. Pure."""

import math
from datetime import datetime, timedelta

from collections_supervisor.agents import active_hours
from collections_supervisor.agents.state import AgentState, Child
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import Now
from collections_supervisor.system.clock import stamp

BUSY_STRETCH = 4
"""An agent that says it is busy may move its deadline to at most this many timeouts after the beat."""

LEAST_GRACE = 120.0
"""Seconds that every agent gets after a standstill that was not its own, if its timeout is not shorter."""


def is_owned(policy: AgentConfig) -> bool:
    """Whether the agent is a process of ours."""
    return policy.restart.kind == "process"


def is_left_alone(state: AgentState) -> bool:
    """Whether a person has it paused or stopped: nothing is missed, restarted or told meanwhile."""
    return state.paused is not None or state.stopped is not None


def has_beaten(state: AgentState, child: Child) -> bool:
    """Whether a beat came in this life of an owned process."""
    return state.beat is not None and state.beat.stamp > child.started


def never_ready(policy: AgentConfig, state: AgentState, now: float) -> bool:
    """Whether the present life of an owned process has had its time for a first beat and gave none."""
    if not is_owned(policy) or not policy.sources or state.child is None:
        return False
    return not has_beaten(state, state.child) and now >= state.child.started_at + policy.startup_grace


# --- Deadlines -------------------------------------------------------------------------------------------------------


def timeout(policy: AgentConfig, state: AgentState) -> float:
    """Seconds of silence that make the first miss: as configured, or as learned from the agent's own beats."""
    return state.learned if policy.adaptive and state.learned is not None else policy.timeout


def _allowance(policy: AgentConfig, state: AgentState) -> tuple[float, float] | None:
    """The instant from which the present silence counts, and for how long it is no miss; None: for ever.

    An owned process that is not up is silent for good reason.
    """
    if not policy.sources or (is_owned(policy) and state.ready_by is None):
        return None
    signs = [at for at in (state.beat_at, state.contact_at) if at is not None]
    base = max(signs, default=state.known_at)
    seconds = timeout(policy, state) if signs else policy.startup_grace
    if state.beat is not None and state.beat_at == base and state.beat.status == "busy" and state.beat.until is not None:
        announced = (state.beat.until - state.beat.stamp).total_seconds()
        seconds = max(seconds, min(announced, BUSY_STRETCH * seconds))
    if state.ready_by is not None:
        seconds = max(seconds, state.ready_by - base)
    return base, seconds


def deadline(policy: AgentConfig, state: AgentState, number: int, now: Now) -> float | None:
    """The instant of deadline `number` of the present silence."""
    allowance = _allowance(policy, state)
    if allowance is None:
        return None
    base, seconds = allowance
    seconds += (number - 1) * policy.miss_interval
    if policy.active_hours is None:
        return base + seconds + state.pardon
    begun = now.wall + timedelta(seconds=base - now.mono)
    due = active_hours.after(policy.active_hours, begun, seconds)
    return now.mono + (due - now.wall).total_seconds() + state.pardon


def first_deadline(policy: AgentConfig, state: AgentState, now: Now) -> float | None:
    """The instant at which the present silence becomes a miss; None: never (an owned process that is not up)."""
    return deadline(policy, state, 1, now)


def deadlines_passed(policy: AgentConfig, state: AgentState, now: Now) -> int:
    """How many deadlines the present silence has passed."""
    first = first_deadline(policy, state, now)
    if first is None or now.mono < first:
        return 0
    silent = now.mono - first
    if policy.active_hours is not None:
        wall = now.wall - timedelta(seconds=silent)
        silent = active_hours.active_seconds(policy.active_hours, wall, now.wall)
    count = 1 + math.floor(silent / policy.miss_interval)
    # Rounding must not make a deadline one that is due and not passed: the same sum as in `next_deadline` decides.
    while _is_over(policy, state, count + 1, now):
        count += 1
    while count > 1 and not _is_over(policy, state, count, now):
        count -= 1
    return count


def _is_over(policy: AgentConfig, state: AgentState, number: int, now: Now) -> bool:
    due = deadline(policy, state, number, now)
    return due is not None and due <= now.mono


def next_deadline(policy: AgentConfig, state: AgentState, now: Now) -> float | None:
    """The next instant at which a miss will be counted."""
    return deadline(policy, state, deadlines_passed(policy, state, now) + 1, now)


def threshold_deadline(policy: AgentConfig, state: AgentState, now: Now) -> float | None:
    """The instant at which silence alone puts the agent in trouble."""
    return deadline(policy, state, policy.miss_threshold, now)


def deadline_stamp(policy: AgentConfig, state: AgentState, number: int) -> datetime:
    """The wall instant of deadline `number` of the present silence.

    Taken from stamps and settings alone (to the millisecond), so that it is the same again after a crash of ours.
    """
    anchor, anchor_at = (state.known, state.known_at)
    if state.beat is not None and state.beat_at is not None:
        anchor, anchor_at = (state.beat.stamp, state.beat_at)
    allowance = _allowance(policy, state)
    base, seconds = allowance if allowance is not None else (anchor_at, policy.timeout)
    begun = anchor + timedelta(seconds=round(base - anchor_at, 3))
    silent = round(seconds, 3) + (number - 1) * policy.miss_interval
    excused = timedelta(seconds=round(state.pardon, 3))
    if policy.active_hours is None:
        return begun + timedelta(seconds=silent) + excused
    return active_hours.after(policy.active_hours, begun, silent) + excused


def is_late(policy: AgentConfig, state: AgentState, now: Now) -> bool:
    """Whether it should have beaten by now, though that is no miss yet."""
    due = late_at(policy, state, now)
    return due is not None and now.mono >= due


def late_at(policy: AgentConfig, state: AgentState, now: Now) -> float | None:
    """The instant at which its next beat is expected."""
    if policy.period is None or state.beat_at is None:
        return None
    if policy.active_hours is None:
        return state.beat_at + policy.period
    begun = now.wall + timedelta(seconds=state.beat_at - now.mono)
    return now.mono + (active_hours.after(policy.active_hours, begun, policy.period) - now.wall).total_seconds()


# --- Standstills that are not the agent's ----------------------------------------------------------------------------


def grace(policy: AgentConfig) -> float:
    """Seconds that an agent gets to beat after a boot, a sleep or a pause."""
    return min(policy.timeout, max(1.25 * (policy.period or 0.0), LEAST_GRACE))


# --- What the log says of the silence --------------------------------------------------------------------------------


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
    counted = (line for line in state.trailing if not _forgiven(state, line.stamp))
    return sum(1 for line in counted if not line.ours or (ours_count and line.last_heartbeat == newest))


def recorded_lines(state: AgentState) -> int:
    """The highest miss of the present silence that a line of ours in the log already carries."""
    newest = state.beat.stamp if state.beat is not None else None
    return max(
        (
            line.missed
            for line in state.trailing
            if line.ours and line.last_heartbeat == newest and not _forgiven(state, line.stamp)
        ),
        default=0,
    )


def _forgiven(state: AgentState, recorded: datetime | None) -> bool:
    return state.afresh is not None and recorded is not None and recorded < state.afresh
