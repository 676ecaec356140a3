"""How long an agent's own rhythm says that it may be silent: an accrual failure detector. Pure.

After Hayashibara, Défago, Yared and Katayama, "The φ accrual failure detector" (SRDS 2004): the seconds between beats are taken
to be normally distributed, and φ(t) = -log10 P(an interval is longer than t) says how strongly a silence of t seconds speaks
for a failure. The deadline is the silence at which φ reaches 8: one false alarm in 10^8 intervals, if they were so distributed.
They are not, hence the bounds: an interval counts for at most three periods, and the deadline stays within 1.25 and 2 of them.
"""

import math

from collections_supervisor.agents.active_hours import active_seconds
from collections_supervisor.config.schema import ActiveHours
from collections_supervisor.messages import Beat

KEPT = 200
"""Intervals that are learned from; older ones are forgotten."""

ENOUGH = 20
"""With fewer intervals nothing is learned yet.

φ = 8 lies 5.6 standard deviations out, which multiplies the error of their estimate; from 20 intervals it is some 16 %.
"""

RUN = 0.1
"""Beats closer than this part of a period are one sign of life, such as the start and the end of one short job."""

_CLIP = 3.0
_LEAST, _MOST, _UNLEARNED = 1.25, 2.0, 1.5
"""Bounds of the deadline, and what it is until enough is known; in periods."""

DEVIATIONS = 5.612001244174789
"""Standard deviations above the mean at which φ is 8: the quantile of the standard normal distribution for 1 - 10^-8."""


def interval_of(previous: Beat, beat: Beat, hours: ActiveHours | None) -> float:
    """Seconds from one beat to the next, leaving out what lies outside of the hours in which it is expected to beat."""
    if hours is not None:
        return active_seconds(hours, previous.stamp, beat.stamp)
    return (beat.stamp - previous.stamp).total_seconds()


def add(intervals: tuple[float, ...], interval: float, period: float) -> tuple[float, ...]:
    """The intervals with one more, as far as they are kept; one within a run of beats tells nothing and is left out."""
    # The comparison is false for NaN, too.
    if not interval >= RUN * period:
        return intervals
    return (*intervals, min(interval, _CLIP * period))[-KEPT:]


def deadline(intervals: tuple[float, ...], period: float) -> float:
    """Seconds of silence at which an agent with these intervals counts as failed."""
    if len(intervals) < ENOUGH:
        return _UNLEARNED * period
    mean = math.fsum(intervals) / len(intervals)
    deviation = math.dist(intervals, (mean,) * len(intervals)) / math.sqrt(len(intervals))
    return min(_MOST * period, max(_LEAST * period, mean + DEVIATIONS * deviation))
