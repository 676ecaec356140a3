"""Checkers: each turns a value as it stands in the file into the value the program uses, or says why it cannot.

A checker takes the value and the places that paths are relative to, and raises `Refused`. Those of texts are in `texts`.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from collections_supervisor.config.durations import format_duration, parse_duration
from collections_supervisor.config.problems import closest, shown

YEAR = 366 * 86_400.0
SHORTEST = 0.01
"""Below this many seconds an interval is a busy loop."""

_UNITS = {"": 1, "B": 1}
for _power, _letter in enumerate("KMGT", start=1):
    _UNITS |= {f"{_letter}B": 1000**_power, f"{_letter}iB": 1024**_power, _letter: 1024**_power}
_LONGEST_SIZE = 40
_SIZE = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,9}))? ?([KMGT]?i?B?)")


class Refused(Exception):  # noqa: N818 - a verdict on a value, always caught by who asked for it
    """A value that cannot be used: why, and what was probably meant."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


class Places(msgspec.Struct, frozen=True):
    """What paths are relative to: the folder of the file, and the home that `~` stands for; None where there is none."""

    base: Path | None
    home: Path | None

    def start(self, text: str) -> tuple[Path, str]:
        """The absolute folder that a path begins at, and what follows; raises Refused where there is no such folder."""
        first, _, rest = text.partition("/")
        match first:
            case "":
                return Path("/"), rest.lstrip("/")
            case "~" if self.home:
                return self.home, rest.lstrip("/")
            case "~":
                raise Refused(f"{shown(text)} cannot be made absolute: there is no home directory")
            case _ if first.startswith("~"):
                raise Refused(f"{shown(text)} names another user's home; write the path out")
            case _ if self.base:
                return self.base, text
            case _:
                raise Refused(f"{shown(text)} cannot be made absolute: there is no current directory")

    def absolute(self, text: str) -> Path:
        """The absolute path that a text means; raises Refused as `start` does."""
        folder, rest = self.start(text)
        return folder / rest


Check = Callable[[object, Places], object]


def boolean(value: object, _: Places) -> bool:
    """`true` or `false`, nothing that merely resembles them."""
    if not isinstance(value, bool):
        raise Refused(f"must be true or false, not {shown(value)}")
    return value


def integer(least: int, most: int) -> Check:
    """A whole number within bounds."""

    def check(value: object, _: Places) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Refused(f"must be a whole number, not {shown(value)}")
        if not least <= value <= most:
            raise Refused(f"must be from {least} to {most}, not {shown(value)}")
        return value

    return check


def number(least: float, most: float) -> Check:
    """A finite number within bounds."""

    def check(value: object, _: Places) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Refused(f"must be a number, not {shown(value)}")
        # The comparison is false for NaN.
        if not least <= value <= most:
            raise Refused(f"must be from {least:g} to {most:g}, not {shown(value)}")
        return float(value)

    return check


def duration(*, zero: bool = False, least: float = SHORTEST, most: float = YEAR, optional: bool = False) -> Check:
    """Seconds from a number or a text; `zero` allows 0, `optional` makes an empty text mean None."""

    def check(value: object, _: Places) -> float | None:
        if optional and value == "":
            return None
        seconds = _seconds(value)
        if seconds == 0 and not zero:
            raise Refused(f"must be more than zero, not {shown(value)}")
        if not (least <= seconds <= most or seconds == 0):
            bounds = f"from {format_duration(least)} to {format_duration(most)}" + (" (or 0)" if zero else "")
            raise Refused(f"must be {bounds}, not {shown(value)}")
        return seconds

    return check


def _seconds(value: object) -> float:
    if isinstance(value, int) and value.bit_length() > 64:
        return math.inf  # out of every range, and float() may overflow
    if isinstance(value, int | float) and not isinstance(value, bool):
        return abs(float(value)) if value == 0 else float(value)
    try:
        if isinstance(value, str):
            return parse_duration(value)
    except ValueError:
        pass
    raise Refused(f'must be a duration (seconds, or text like "90s", "15m", "1h30m", "2d"), not {shown(value)}')


def size(least: int, most: int, *, optional: bool = False) -> Check:
    """Bytes from a number or a text such as "500MiB"; `optional` makes an empty text mean None."""

    def check(value: object, _: Places) -> int | None:
        if optional and value == "":
            return None
        count = value if isinstance(value, int) and not isinstance(value, bool) else _bytes(value)
        if not least <= count <= most:
            raise Refused(f"must be from {format_size(least)} to {format_size(most)}, not {shown(value)}")
        return count

    return check


def _bytes(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) and len(value) <= _LONGEST_SIZE else None
    if match is None or match[3] not in _UNITS:
        raise Refused(f'must be a size (bytes, or text like "500MiB", "2GB"), not {shown(value)}')
    whole, fraction = match[1], match[2] or ""
    # In whole numbers: a float would round what is exact.
    unit: int = _UNITS[match[3]]
    scale: int = 10 ** len(fraction)
    return int(whole + fraction) * unit // scale


def format_size(count: int) -> str:
    """A text that reads back as exactly this number of bytes, in the largest unit that divides it."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count and count % _UNITS[unit] == 0:
            return f"{count // _UNITS[unit]}{unit}"
    return f"{count}B"


def choice(*options: str) -> Check:
    """One of a few words."""

    def check(value: object, _: Places) -> str:
        if isinstance(value, str) and value in options:
            return value
        words = ", ".join(shown(option) for option in options)
        raise Refused(f"must be one of {words}, not {shown(value)}", closest(value, options) if isinstance(value, str) else "")

    return check


def exit_codes(value: object, _: Places) -> tuple[int, ...]:
    """A list of exit statuses."""
    if not isinstance(value, list | tuple):
        raise Refused(f"must be a list of exit codes, not {shown(value)}")
    for code in value:
        if not isinstance(code, int) or isinstance(code, bool) or not 0 <= code <= 255:
            raise Refused(f"must be a list of exit codes from 0 to 255, which {shown(code)} is not")
    return tuple(dict.fromkeys(value))
