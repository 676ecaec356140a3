"""Durations as people write them (`"90s"`, `"1h30m"`) and as the program counts them (seconds)."""

import re
from decimal import Decimal
from fractions import Fraction

from collections_supervisor.config.problems import shortened

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
# A minute must not swallow the first letter of a millisecond.
_PATTERN = re.compile(rf"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m(?!s))?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?")
_LONGEST = 400


def parse_duration(text: str) -> float:
    """Seconds in a text such as `500ms`, `90s`, `15m`, `1h30m` or `2d`: units from large to small, each at most once.

    A bare `0` needs no unit. Raises ValueError, which repeats the text, if it is anything else. The sum is exact until it is
    rounded once, to a float.
    """
    if text == "0":
        return 0.0
    match = _PATTERN.fullmatch(text) if 0 < len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f'{shortened(text)} is not a duration, such as "90s", "15m", "1h30m" or "2d"')
    parts = zip(match.groups(), _MILLISECONDS.values(), strict=True)
    total = sum((Fraction(number) * unit for number, unit in parts if number is not None), Fraction(0))
    try:
        return float(total / 1000)
    except OverflowError:
        raise ValueError(f"{shortened(text)} is too long a duration") from None


def format_duration(seconds: float) -> str:
    """A text that `parse_duration` reads back as exactly this number of seconds, in whole units where that is possible.

    Takes finite numbers from 0 up; what is finer than a millisecond becomes a fraction of a second.
    """
    left = round(seconds * 1000)
    if left / 1000 != seconds:
        return f"{Decimal(repr(seconds)):f}s"
    text = ""
    for unit, size in _MILLISECONDS.items():
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
