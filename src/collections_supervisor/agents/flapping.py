"""Whether an agent goes up and down so often that every single change is no news any more. Pure.

The rule is that of Nagios ("Detection and Handling of State Flapping"): of the last 21 judgements, how many differ from the one
before, newer changes weighing up to 1.25 and older ones down to 0.75.
"""

from collections.abc import Sequence
from itertools import pairwise

REMEMBERED = 21
STARTS = 30.0
"""Percent of changes from which on it flaps."""
ENDS = 20.0
"""Percent of changes below which it does not flap any more."""

_LIGHTEST = 0.75
_HEAVIEST = 1.25


def remember(verdicts: tuple[bool, ...], *new: bool) -> tuple[bool, ...]:
    """The judgements with the new ones behind them, as many as matter."""
    return (*verdicts, *new)[-REMEMBERED:]


def change(verdicts: Sequence[bool]) -> float:
    """Weighted percentage of changes; what was before the first judgement counts as well."""
    padded = [True] * (REMEMBERED - len(verdicts)) + list(verdicts)
    pairs = REMEMBERED - 1
    weights = (_LIGHTEST + (_HEAVIEST - _LIGHTEST) * place / (pairs - 1) for place in range(pairs))
    changes = (before != after for before, after in pairwise(padded))
    return 100.0 * sum(weight for weight, changed in zip(weights, changes, strict=True) if changed) / pairs


def flaps(verdicts: Sequence[bool], *, already: bool) -> bool:
    """Whether it flaps; once it does, it takes more quiet to stop than it took noise to start."""
    percent = change(verdicts)
    return percent >= STARTS or (already and percent >= ENDS)
