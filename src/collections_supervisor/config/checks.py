"""Checkers: each turns a value as it stands in the file into the value the program uses, or says why it cannot.

A checker takes the value and the places that paths are relative to, and raises `Refused`. Those of texts are in `texts`.
"""

import math
from collections.abc import Callable
from pathlib import Path

import msgspec

from collections_supervisor.config.durations import format_duration, parse_duration
from collections_supervisor.config.problems import closest, shown

YEAR = 366 * 86_400.0
SHORTEST = 0.01
"""Below this many seconds an interval is a busy loop."""


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


def duration(*, zero: bool = False, most: float = YEAR, optional: bool = False) -> Check:
    """Seconds from a number or a text; `zero` allows 0, `optional` makes an empty text mean None."""

    def check(value: object, _: Places) -> float | None:
        if optional and value == "":
            return None
        seconds = _seconds(value)
        if seconds == 0 and not zero:
            raise Refused(f"must be more than zero, not {shown(value)}")
        if not (SHORTEST <= seconds <= most or seconds == 0):
            bounds = f"from {format_duration(SHORTEST)} to {format_duration(most)}" + (" (or 0)" if zero else "")
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
