"""The clocks of the program, what they say when the machine slept or was set, and how it writes an instant."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import anyio
import msgspec

from collections_supervisor.messages import Now

LEAST_JUMP = 2.0
"""Seconds between the clocks that are worth a word: less is noise, or a wall clock being slewed."""

_TORN_NS = 50_000_000
_LOOKS = 3
"""A reading during which we were stopped for so long compares clocks of different instants: it is taken again, so often."""

_SLEEPLESS = {"linux": "CLOCK_BOOTTIME", "darwin": "CLOCK_MONOTONIC_RAW"}
"""The clock that counts the time asleep. `time.monotonic` leaves it out: it is CLOCK_MONOTONIC on Linux, CLOCK_UPTIME_RAW on
macOS (clock_gettime(2), clock_gettime(3))."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BOOT_ID_COMMAND = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid") if sys.platform == "darwin" else ()
_BOOT_ID_DEADLINE = 5.0


class Clock(Protocol):
    """Where the time comes from; tests give their own."""

    def now(self) -> Now:
        """The present instant on all clocks."""
        ...


def sleepless_clock(platform: str = sys.platform) -> int | None:
    """The number of the system clock that goes on while the machine is suspended; None where there is none to be had."""
    number: int | None = getattr(time, _SLEEPLESS.get(platform, ""), None)
    # A container's system call filter may forbid what the kernel has.
    with contextlib.suppress(OSError):
        if number is not None:
            time.clock_gettime_ns(number)
            return number
    return None


HERE = sleepless_clock()
"""What this machine has."""


class SystemClock:
    """The machine's wall clock, the monotonic clock that the event loop's timers follow, and how long the machine slept."""

    def __init__(self, sleepless: int | None = HERE) -> None:
        """`sleepless` is the clock that goes on while the machine is suspended; without one it is taken never to be."""
        self._sleepless = sleepless

    def now(self) -> Now:
        """The present instant; must be called inside a running event loop."""
        for _ in range(_LOOKS):
            before = time.monotonic_ns()
            mono = anyio.current_time()
            wall = datetime.now(UTC)
            slept = self._slept(before)
            if time.monotonic_ns() - before < _TORN_NS:
                break
        return Now(mono=mono, wall=wall, slept=slept)

    def _slept(self, before: int) -> float:
        if self._sleepless is None:
            return 0.0
        sleepless = time.clock_gettime_ns(self._sleepless)
        after = time.monotonic_ns()
        # Between the two readings of the other clock: the same instant, so that a machine that never slept says exactly 0.
        return 0.0 if before <= sleepless <= after else (sleepless - (before + after) / 2) / 1e9


class Jump(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to the clocks between two instants, in seconds."""

    slept: float
    """The machine was suspended for so long."""
    stepped: float
    """The wall clock was set forward (or, negative, back) by so much. A sleep shows here where the system does not tell of it."""


def jump(before: Now, now: Now) -> Jump:
    """How the clocks moved against each other; whoever reads it decides what is worth a word, see `LEAST_JUMP`."""
    slept = now.slept - before.slept
    return Jump(slept=slept, stepped=(now.wall - before.wall).total_seconds() - (now.mono - before.mono) - slept)


def boot_id(path: Path = _BOOT_ID, command: Sequence[str] = _BOOT_ID_COMMAND) -> str:
    """What names the present boot of the machine: Linux has it in a file, macOS tells it by a command; empty elsewhere.

    Monotonic instants mean the same as long as it is the same. Blocks for a few seconds at most: ask once, at the start.
    """
    with contextlib.suppress(OSError):
        return path.read_text(encoding="ascii", errors="replace").strip()
    if not command:
        return ""
    try:
        said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_BOOT_ID_DEADLINE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.decode("ascii", "replace").strip() if said.returncode == 0 else ""


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
