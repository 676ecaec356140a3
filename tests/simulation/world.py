"""What the supervisor lives in: time and how it is told, chance, and what happens at which moment."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from collections_supervisor.messages import Now

EPOCH = datetime(2031, 3, 3, 11, 0, tzinfo=UTC)
"""Long after the files of a history are made, by the real clock: what that says of them is always the same."""

TRAIL = 400
"""Happenings that are remembered, to be read when something went wrong."""

_BOOT = 30.0
"""Seconds between the boot of the machine and the first that anybody sees of it."""

_TICK = 1e-6
"""Time passes by at least so many seconds: a smaller step may vanish in the rounding of a large number."""


class Doom(msgspec.Struct):
    """Where the present life of the supervisor ends: when it has come to that place so many times."""

    place: str
    times: int
    turns: int = 0
    """And so many turns of the event loop later."""
    down: float = 1.0
    """Seconds until the next life."""
    reboot: bool = False
    """The whole machine goes down with it."""


class World:
    """One history, the same again for the same seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 0.0
        """Seconds since the beginning, without those for which the machine was suspended."""
        self.broken: list[str] = []
        """What must never be, and was."""
        self.doom: Doom | None = None
        self.die: Callable[[Doom], None] = lambda _: None
        """Ends the present life of the supervisor."""
        self.stood_still_until = 0.0
        """Nobody in the machine does anything before."""
        self.disturbed_at = -1e9
        """Until when a clock or the machine did what it ought not to."""
        self.stepped = 0.0
        """Seconds by which the wall clock was set so far, in either direction."""
        self.steps: list[tuple[float, float]] = []
        """When the wall clock was set, or went on alone, and by how many seconds."""
        self.set_at = -1e9
        """When the wall clock was set last."""
        self.boots = 1
        self.trail: deque[str] = deque(maxlen=TRAIL)
        self._booted = -_BOOT
        self.slept = 0.0
        """Seconds for which it was suspended, over all boots."""
        self._slept_before = 0.0
        self._set_by = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    # --- Time ---

    @property
    def mono(self) -> float:
        """The monotonic clock of the machine, which begins anew with every boot and stands while the machine sleeps."""
        return self.now - self._booted

    @property
    def wall(self) -> datetime:
        """The wall clock of the machine."""
        return EPOCH + timedelta(seconds=self.now + self.slept + self._set_by)

    @property
    def boot_id(self) -> str:
        """Names the present boot."""
        return f"boot-{self.boots}"

    def clock(self) -> Now:
        """The present instant on all clocks."""
        return Now(mono=self.mono, wall=self.wall, slept=self.slept - self._slept_before)

    def at_wall(self, stamp: datetime) -> float:
        """The instant that the wall clock, as it goes now, calls by that name."""
        return self.now - (self.wall - stamp).total_seconds()

    def later(self, seconds: float, happen: Callable[[], None]) -> None:
        """Have something happen after so many seconds."""
        self._count += 1
        heapq.heappush(self._queue, (self.now + seconds, self._count, happen))

    def let_pass(self, seconds: float) -> None:
        """Let so much time pass, with everything that happens in it."""
        until = self.now + seconds
        while self._queue and self._queue[0][0] <= until:
            self._next()
        self.now = max(self.now, until)

    def idle(self, seconds: float | None) -> None:
        """Let time pass until something happens, at most so many seconds."""
        until = self.now + max(seconds, _TICK) if seconds is not None else float("inf")
        if self._queue and self._queue[0][0] <= until:
            self._next()
        elif seconds is None:
            raise RuntimeError("nothing is left to happen")
        else:
            self.now = until

    def _next(self) -> None:
        at, _, happen = heapq.heappop(self._queue)
        self.now = max(self.now, at)
        happen()

    # --- What may happen to the machine ---

    def suspend(self, seconds: float) -> None:
        """The machine sleeps."""
        self.note(f"suspended for {seconds:.0f} s")
        self.steps.append((self.now, seconds))
        self.slept += seconds
        self._disturb()

    def set_clock(self, by: float) -> None:
        """Somebody sets the wall clock."""
        self.note(f"wall clock set by {by:+.1f} s")
        self._set_by += by
        self.set_at = self.now
        self.steps.append((self.now, by))
        self.stepped += abs(by)
        self._disturb()

    def stall(self, seconds: float, *, everybody: bool) -> None:
        """The supervisor stands still while time goes on; with `everybody`, so does all the machine."""
        self.note(f"{'machine' if everybody else 'supervisor'} stands still for {seconds:.0f} s")
        if everybody:
            self.stood_still_until = self.now + seconds
        self._disturb(seconds)
        self.let_pass(seconds)

    def boot(self, seconds: float) -> None:
        """The machine goes down, and is up again after so many seconds."""
        self.note(f"machine goes down for {seconds:.0f} s")
        self.stood_still_until = self.now + seconds
        self.let_pass(seconds)
        self._slept_before = self.slept
        self._booted = self.now - _BOOT
        self.boots += 1
        self._disturb()

    def _disturb(self, seconds: float = 0.0) -> None:
        self.disturbed_at = max(self.disturbed_at, self.now + seconds)

    # --- What is kept of it ---

    def passed(self, place: str) -> None:
        """The supervisor comes to a place where its life may end."""
        doom = self.doom
        if doom is None or doom.place != place:
            return
        doom.times -= 1
        if doom.times <= 0 and doom.turns:
            doom.place, doom.times, doom.turns = "turn", doom.turns, 0
        elif doom.times <= 0:
            self.doom = None
            self.note(f"killed at: {place}{', with the whole machine' * doom.reboot}")
            self.die(doom)

    def note(self, text: str) -> None:
        """Remember a happening."""
        self.trail.append(f"{self.now:12.3f} {self.wall:%d %H:%M:%S} {text}")

    def wrong(self, text: str) -> None:
        """Remember what must never be."""
        self.note(f"WRONG: {text}")
        self.broken.append(f"{text} (at {self.now:.3f})")
