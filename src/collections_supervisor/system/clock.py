"""The two clocks of the program, and the one form in which it writes an instant."""

from datetime import UTC, datetime
from typing import Protocol

import anyio

from collections_supervisor.messages import Now


class Clock(Protocol):
    """Where the time comes from; tests give their own."""

    def now(self) -> Now:
        """The present instant on both clocks."""
        ...


class SystemClock:
    """The machine's wall clock and the monotonic clock that the event loop's timers follow."""

    def now(self) -> Now:
        """The present instant; must be called inside a running event loop."""
        return Now(mono=anyio.current_time(), wall=datetime.now(UTC))


def stamp(instant: datetime) -> str:
    """An instant as RFC 3339 in UTC with `Z` and always six fractional digits.

    Plain `isoformat()` drops a fraction that is zero, once in a million lines, and a strict parser misses that line.
    """
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def span(seconds: float) -> str:
    """A duration for people: its two largest units, such as `45 s`, `3 min 20 s`, `2 h 05 min` or `3 d 4 h`."""
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
