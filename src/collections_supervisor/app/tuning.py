"""The settings under which an agent's outages would have been noticed soonest, without more false alarms than allowed. Pure."""

import math
from collections.abc import Sequence

import msgspec

from collections_supervisor.agents import learned
from collections_supervisor.agents.history import History
from collections_supervisor.agents.quality import MONTH, Quality, estimate, first_deadlines, least_wait, wait
from collections_supervisor.config.schema import AgentConfig

OUTAGE = 4.0
"""A silence of more periods was an outage."""

_LEAST_TIMEOUT = 1.2
"""In periods: an agent that is on time must never miss, whatever a short history says."""

_LEAST_PAID_TIMEOUT = 300.0
"""Seconds, where each miss costs a restart that is paid for."""

_MISSES_PER_ALARM = 10.0
"""False misses that are proposed at most for each false alarm that is allowed, where each costs a restart that is paid for.

A paid turn costs a small part of what it costs to call a person for nothing, so several are worth one alarm less, or being told
sooner; hundreds are not. Who allows fewer alarms than one in 30 days means persons, and is granted the ten. What the present
settings cost is no measure: they may be the ones that waste.
"""

_LEAST_INTERVAL = 0.1
_STEPS = 60
"""In how many steps a period is divided for durations that a person reads."""

_PAID = ("openclaw", "command")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of an agent, and what they would have done."""

    policy: AgentConfig
    quality: Quality


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """The present settings beside the best with a deadline that is fixed, and with one that is learned."""

    present: Setting
    fixed: Setting
    learned: Setting
    allowed: int
    """False escalations that were allowed in the whole history."""
    allowed_misses: float
    """False misses that were; without a bound where they cost nothing."""

    @property
    def best(self) -> Setting:
        """The one with a fixed deadline, unless the other one is clearly sooner and keeps what is allowed."""
        fixed, other = self.fixed.quality, self.learned.quality
        sooner = (other.detection or math.inf) < 0.95 * (fixed.detection or math.inf)
        good = other.false_escalations <= self.allowed and other.seen >= fixed.seen
        cheap = other.false_misses <= self.allowed_misses and _may_be_learned(self.learned.policy)
        return self.learned if sooner and good and cheap else self.fixed

    @property
    def present_will_do(self) -> bool:
        """Whether the present settings keep what is allowed, and no others are worth a change."""
        now, best = self.present.quality, self.best.quality
        as_soon = (now.detection or math.inf) <= 1.02 * (best.detection or math.inf)
        kept = now.false_escalations <= self.allowed and now.false_misses <= self.allowed_misses
        return kept and now.seen >= best.seen and as_soon


def search(policy: AgentConfig, history: History, allowed_per_month: float) -> Tuned:
    """The best settings for a history of at least two beats."""
    # The least excess must not turn a rate that is met exactly into one less.
    allowed = math.floor(allowed_per_month * history.days / MONTH + 1e-9)
    misses = math.inf
    if _is_paid(policy):
        misses = _MISSES_PER_ALARM * max(1.0, allowed_per_month) * history.days / MONTH
    return Tuned(
        present=_judged(policy, history),
        fixed=_judged(_fixed(policy, history, allowed, misses), history),
        learned=_judged(_learned(policy, history, allowed), history),
        allowed=allowed,
        allowed_misses=misses,
    )


def _is_paid(policy: AgentConfig) -> bool:
    return policy.restart.kind in _PAID


def _least_timeout(policy: AgentConfig) -> float:
    return _LEAST_PAID_TIMEOUT if _is_paid(policy) else 0.0


def _may_be_learned(policy: AgentConfig) -> bool:
    """Whether no deadline that can be learned is shorter than a first miss may come."""
    period = policy.period or 0.0
    shortest = learned.deadline((0.0,) * learned.ENOUGH, period)
    return shortest >= _least_timeout(policy)


def _judged(policy: AgentConfig, history: History) -> Setting:
    deadlines = first_deadlines(policy, history.gaps)
    gap = OUTAGE * history.period
    found = estimate(history.gaps, deadlines, wait(policy), period=history.period, outage_gap=gap, days=history.days)
    return Setting(policy=policy, quality=found)


def _fixed(policy: AgentConfig, history: History, allowed: int, misses: float) -> AgentConfig:
    """The least time until a human is told, the most of it before the first miss: that one may cost a restart for nothing."""
    at_once = [0.0] * len(history.gaps)
    total = _needed(history, at_once, allowed)
    waits, step = policy.miss_threshold - 1, _step(history)
    interval = _least_interval(policy, history)
    least = _up(max(_LEAST_TIMEOUT * history.period, _least_timeout(policy)), step)
    cheap = _needed(history, at_once, math.floor(min(misses, len(history.gaps))))
    timeout = max(least, total - waits * interval, cheap)
    return msgspec.structs.replace(policy, period=history.period, timeout=timeout, miss_interval=interval, adaptive=False)


def _learned(policy: AgentConfig, history: History, allowed: int) -> AgentConfig:
    adaptive = msgspec.structs.replace(policy, period=history.period, adaptive=True)
    interval = _least_interval(policy, history)
    if policy.miss_threshold > 1:
        needed = _needed(history, first_deadlines(adaptive, history.gaps), allowed)
        interval = max(interval, _up(needed / (policy.miss_threshold - 1), _step(history)))
    return msgspec.structs.replace(adaptive, miss_interval=interval)


def _needed(history: History, deadlines: Sequence[float], allowed: int) -> float:
    """The least wait after these deadlines that keeps what is allowed, as a whole number of steps."""
    least = least_wait(history.gaps, deadlines, outage_gap=OUTAGE * history.period, allowed=allowed)
    step = _step(history)
    # A silence as long as the wait would be told, so it must be longer.
    return (math.floor(least / step) + 1) * step


def _least_interval(policy: AgentConfig, history: History) -> float:
    """A human is not told before a restart has had its time to prove itself."""
    proof = policy.restart.timeout + policy.restart.verify_within if _is_paid(policy) else 0.0
    return _up(max(proof, _LEAST_INTERVAL * history.period), _step(history))


def _step(history: History) -> float:
    return max(1.0, round(history.period / _STEPS))


def _up(seconds: float, step: float) -> float:
    # Rounding errors are no reason for one step more.
    return math.ceil(seconds / step - 1e-9) * step
