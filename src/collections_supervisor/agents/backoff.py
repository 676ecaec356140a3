"""When the next restart may be made: delays between attempts, and the budget of rolling windows. Pure."""

from collections.abc import Sequence

from collections_supervisor.config.schema import Backoff, RestartPolicy

HOUR = 3600.0
DAY = 86400.0

# 2 ** 64 seconds is past any cap; an uncapped exponent would overflow after a few hundred attempts.
_MAX_EXPONENT = 64


def delay(backoff: Backoff, attempt: int, jitter: float) -> float:
    """Seconds between the failure of attempt `attempt - 1` and attempt `attempt`; the first is made at once.

    `jitter` in [0, 1) lengthens the delay by up to `backoff.jitter` of itself, never shortens it.
    """
    if attempt <= 1:
        return 0.0
    exponent = min(attempt - 2, _MAX_EXPONENT)
    try:
        plain = backoff.initial * backoff.factor**exponent
    except OverflowError:
        plain = backoff.max
    return min(backoff.max, plain) * (1.0 + backoff.jitter * jitter)


def recent(starts: Sequence[float], now: float) -> tuple[float, ...]:
    """The starts that still count for the longest window."""
    return tuple(start for start in starts if start + DAY > now)


def _window_opens(starts: Sequence[float], limit: int, window: float) -> float:
    return starts[-limit] + window if limit and len(starts) >= limit else float("-inf")


def budget_opens_at(policy: RestartPolicy, starts: Sequence[float], now: float) -> float | None:
    """When the budget allows the next start; None: now. `starts` is in order, oldest first."""
    opens = max(_window_opens(starts, policy.per_hour, HOUR), _window_opens(starts, policy.per_day, DAY))
    return opens if opens > now else None


def budget_left(policy: RestartPolicy, starts: Sequence[float], now: float) -> int | None:
    """How many automatic starts the day's budget still has; None: unlimited."""
    return max(0, policy.per_day - len(recent(starts, now))) if policy.per_day else None
