"""How well settings detect outages, judged on beats that came: how soon a human is told, and how often for nothing. Pure.

The measures are those of Chen, Toueg and Aguilera, "On the quality of service of failure detectors" (2002). A silence longer than
`outage_gap` was an outage, any other was not; detection time is what passes from a crash, at any moment of the period after any
of the beats, until a human is told.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec

from collections_supervisor.agents import learned
from collections_supervisor.agents.active_hours import active_seconds
from collections_supervisor.agents.health import first_state, next_due, step
from collections_supervisor.agents.silence import threshold_deadline
from collections_supervisor.agents.state import AgentState, HeartbeatRead
from collections_supervisor.config.schema import AgentConfig, LogSource, RestartPolicy
from collections_supervisor.messages import Beat, Now, Reading

MONTH = 30.0
"""Days that rates are given for."""

_DAY = 86_400.0


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What a setting would have done. Durations in seconds."""

    days: float
    detection: float | None
    """Mean detection time; None if nothing would ever be detected."""
    detection_in_outages: float | None
    """The same, only of crashes that began the outages."""
    false_escalations: int
    """How often a human would have been told though there was no outage."""
    false_misses: int
    """Silences that were no outage and passed their first deadline: each is a restart for nothing."""
    outages: int
    seen: int
    """Outages in which a human would have been told."""

    @property
    def false_escalations_per_month(self) -> float:
        """False escalations in 30 days."""
        return self.false_escalations * MONTH / self.days

    @property
    def false_misses_per_month(self) -> float:
        """Restarts for nothing in 30 days."""
        return self.false_misses * MONTH / self.days


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """One silence, and what a setting makes of it."""

    outage: bool
    told_after: float | None
    """Seconds from the beat before to the moment at which a human is told, if the silence lasts long enough for it."""
    missed: bool
    """Whether it passed its first deadline."""
    told: bool
    opened: bool
    """Whether that began an incident; an earlier one may still have been open."""


def summary(silences: Sequence[Silence], *, period: float, days: float) -> Quality:
    """The measures of silences that together took so many days."""
    usual = [silence for silence in silences if not silence.outage]
    outages = [silence for silence in silences if silence.outage]
    return Quality(
        days=days,
        detection=_detection(silences, period),
        detection_in_outages=_detection(outages, period),
        false_escalations=sum(silence.opened for silence in usual),
        false_misses=sum(silence.missed for silence in usual),
        outages=len(outages),
        seen=sum(silence.told for silence in outages),
    )


def _detection(silences: Sequence[Silence], period: float) -> float | None:
    # A crash comes half a period after the last beat, on average.
    found = [silence.told_after - period / 2 for silence in silences if silence.told_after is not None]
    return math.fsum(found) / len(found) if found else None


# --- By the judgement itself -----------------------------------------------------------------------------------------


def replay(policy: AgentConfig, stamps: Sequence[float], *, period: float, outage_gap: float) -> Quality:
    """What the program's own judgement makes of beats (Unix seconds, ascending, at least two) that are noticed as they come.

    Only the policy decides; restarts are left out, since nothing is known of what they would have done.
    """
    watched = msgspec.structs.replace(policy, restart=RestartPolicy(kind="none"), sources=(LogSource(path=Path("/")),))
    silences = list(_replayed(watched, stamps, outage_gap))
    return summary(silences, period=period, days=(stamps[-1] - stamps[0]) / _DAY)


def _replayed(policy: AgentConfig, stamps: Sequence[float], outage_gap: float) -> Iterator[Silence]:
    state = first_state(_now(stamps[0]))
    since: Now | None = None
    for at, end in pairwise(stamps):
        before, now = state, _now(at)
        beat = Beat(stamp=now.wall)
        state = _look(policy, state, beat, since, now)
        due = threshold_deadline(policy, state, now)
        told_after = None if due is None else due - at
        since, course = now, [before, state]
        for look, then in _silent(policy, state, beat, now, end):
            since = look
            course.append(then)
            if _is_told(then):
                told_after = look.mono - at
        state = course[-1]
        yield Silence(
            outage=_length(policy, at, end) > outage_gap,
            told_after=told_after,
            missed=any(then.missed for then in course[1:]),
            told=any(_is_told(then) for then in course[1:]),
            # An incident that is still open from before does not begin anew.
            opened=any(then.trouble is None and later.trouble is not None for then, later in pairwise(course)),
        )


def _silent(policy: AgentConfig, state: AgentState, beat: Beat, now: Now, end: float) -> Iterator[tuple[Now, AgentState]]:
    """The looks that time alone asks for, up to the next beat or until a human is told, and the state after each."""
    while not _is_told(state):
        due = next_due(policy, state, now)
        if due > end:
            return
        since, now = now, _now(due)
        state = _look(policy, state, beat, since, now)
        yield now, state


def _look(policy: AgentConfig, state: AgentState, beat: Beat, since: Now | None, now: Now) -> AgentState:
    reading = Reading(status="ok", beat=beat)
    state, _ = step(policy, state, HeartbeatRead(reading=reading, since=since), now, 0.0)
    return state


def _is_told(state: AgentState) -> bool:
    return state.trouble is not None and state.trouble.recovered_at is None


def _now(at: float) -> Now:
    return Now(mono=at, wall=datetime.fromtimestamp(at, UTC))


def _length(policy: AgentConfig, start: float, end: float) -> float:
    if policy.active_hours is None:
        return end - start
    return active_seconds(policy.active_hours, _now(start).wall, _now(end).wall)


# --- By a formula ----------------------------------------------------------------------------------------------------


def first_deadlines(policy: AgentConfig, gaps: Sequence[float]) -> list[float]:
    """For each of these silences in a row, the seconds after which it is a miss."""
    if not policy.adaptive or policy.period is None:
        return [policy.timeout] * len(gaps)
    known: tuple[float, ...] = ()
    found = [policy.timeout]
    for gap in gaps:
        known = learned.add(known, gap, policy.period)
        found.append(learned.deadline(known, policy.period))
    return found[:-1]


def wait(policy: AgentConfig) -> float:
    """Seconds from the first miss until a human is told."""
    return (policy.miss_threshold - 1) * policy.miss_interval


def estimate(
    gaps: Sequence[float], deadlines: Sequence[float], waited: float, *, period: float, outage_gap: float, days: float
) -> Quality:
    """What `replay` finds, a thousand times as fast: a human is told of a silence that lasts its deadline and the wait.

    What one incident does to the next one is left out.
    """
    silences = [
        Silence(
            outage=gap > outage_gap,
            told_after=deadline + waited,
            missed=gap >= deadline,
            told=gap >= deadline + waited,
            opened=gap >= deadline + waited,
        )
        for gap, deadline in zip(gaps, deadlines, strict=True)
    ]
    return summary(silences, period=period, days=days)


def least_wait(gaps: Sequence[float], deadlines: Sequence[float], *, outage_gap: float, allowed: int) -> float:
    """The wait beyond which at most so many of the silences that were no outages are told to a human; 0 if any wait does."""
    lasting = sorted(
        (gap - deadline for gap, deadline in zip(gaps, deadlines, strict=True) if gap <= outage_gap),
        reverse=True,
    )
    return max(0.0, lasting[allowed]) if allowed < len(lasting) else 0.0
