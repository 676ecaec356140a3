"""A bounded queue that numbers lines and accounts for those it had to turn away, and in which no caller ever waits.

Callers may be the event loop, worker threads, signal handlers, and finalizers that run in the midst of any other call, one of
this module's included. So nobody waits for a lock. A caller leaves its request in `_incoming` (appending to a deque is one
atomic step) and then tries, without waiting, to become the one who works off what lies there; whoever does not get the lock
can go, because its holder looks again after letting go. A lock that waits would deadlock when a finalizer logs in the thread
that holds it; a reentrant one would let the finalizer in, to number and count in a state half changed.
The queue itself is a `SimpleQueue`, whose `put` may interrupt a `put` or `get` of the same thread.
"""

import queue
import threading
from collections import deque
from enum import Enum, auto
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

from collections_supervisor.messages import Level
from collections_supervisor.system.log_layouts import Parts

MAX_LINES = 10_000
MAX_BYTES = 8 * 2**20
REFILL = 0.75
"""After a drop, the share of the bounds below which lines are taken again: else every other line might tell of a drop."""


class Render(Protocol):
    """Makes the line of an event that the log itself has to tell."""

    def __call__(self, level: Level, fields: dict[str, object]) -> Parts:
        """The line, stamped with the present time. Raises nothing."""
        ...


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What was logged since the start, by level, and how much of it (all levels) was not written."""

    events: dict[Level, int]
    dropped: int


class Line(NamedTuple):
    """A numbered line. `numbers` is how many sequence numbers are missing if it gets lost: a `log.dropped` stands for more."""

    data: bytes
    numbers: int


class _Offer(NamedTuple):
    level: Level
    parts: Parts
    must: bool


class _Request(Enum):
    REPORT_DROPS = auto()
    CLOSE = auto()


_Incoming: TypeAlias = _Offer | Line | threading.Event | _Request


class LineQueue:
    """Lines for one reader, in the order of their numbers. At most `max_lines` and `max_bytes` wait in it."""

    def __init__(self, render: Render, *, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        """`render` makes the `log.dropped` lines."""
        self._render = render
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._incoming: deque[_Incoming] = deque()
        self._ready: queue.SimpleQueue[Line | threading.Event | None] = queue.SimpleQueue()
        self._at_work = threading.Lock()
        # Changed by the holder of the lock only:
        self._last_seq = 0
        self._unreported = 0
        self._dropped = 0
        self._events: dict[Level, int] = {"debug": 0, "info": 0, "warning": 0, "error": 0, "critical": 0}
        self._queued_bytes = 0
        self._closed = False
        # Changed by the reader only:
        self._taken_bytes = 0

    def offer(self, level: Level, parts: Parts, *, must: bool = False) -> None:
        """Queue the line, or count it as dropped. `must`, for the reader's use, lets it in over the bounds and behind the end."""
        self._incoming.append(_Offer(level, parts, must))
        self._work_off()

    def lose(self, line: Line) -> None:
        """Account for a line that was taken and could not be written."""
        self._incoming.append(line)
        self._work_off()

    def mark(self, reached: threading.Event) -> None:
        """Have the reader given this event after every line offered before."""
        self._incoming.append(reached)
        self._work_off()

    def close(self) -> None:
        """Take no more lines; the reader is given None behind the last one."""
        self._incoming.append(_Request.CLOSE)
        self._work_off()

    def take(self, timeout_s: float | None) -> Line | threading.Event | None:
        """The next line or mark, for the one reader; None at the end. Raises `queue.Empty` after `timeout_s` seconds."""
        if self.is_empty():
            self._incoming.append(_Request.REPORT_DROPS)
            self._work_off()
        item = self._ready.get(timeout=timeout_s)
        if isinstance(item, Line):
            self._taken_bytes += len(item.data)
        return item

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._ready.empty()

    @property
    def counts(self) -> Counts:
        """What was offered so far."""
        return Counts(events=dict(self._events), dropped=self._dropped)

    def _work_off(self) -> None:
        while self._incoming and self._at_work.acquire(blocking=False):
            try:
                while self._incoming:
                    self._handle(self._incoming.popleft())
            finally:
                self._at_work.release()

    def _handle(self, request: _Incoming) -> None:
        match request:
            case _Offer():
                self._admit(request)
            case Line():
                self._count_loss(request.numbers)
            case threading.Event() if self._closed:
                request.set()
            case threading.Event():
                self._ready.put(request)
            case _Request.REPORT_DROPS:
                self._report_drops()
            case _Request.CLOSE:
                self._report_drops()
                self._closed = True
                self._ready.put(None)

    def _admit(self, offer: _Offer) -> None:
        self._events[offer.level] += 1
        if not offer.must and (self._closed or not self._has_room(offer.parts)):
            self._last_seq += 1
            self._count_loss(1)
            return
        self._report_drops()
        self._put(offer.parts, 1)

    def _has_room(self, parts: Parts) -> bool:
        waiting = self._ready.qsize()
        if waiting == 0:
            return True
        share = REFILL if self._unreported else 1.0
        needed = self._queued_bytes - self._taken_bytes + len(parts.head) + len(parts.tail)
        return waiting < self._max_lines * share and needed <= self._max_bytes * share

    def _count_loss(self, numbers: int) -> None:
        self._unreported += numbers
        self._dropped += 1

    def _report_drops(self) -> None:
        """Tell of the gap where it is: between the last line before it and the first one behind it."""
        if self._unreported == 0 or self._closed:
            return
        missing, self._unreported = self._unreported, 0
        message = f"{missing} events could not be written in time and are missing here"
        self._events["warning"] += 1
        self._put(self._render("warning", {"event": "log.dropped", "message": message, "dropped": missing}), 1 + missing)

    def _put(self, parts: Parts, numbers: int) -> None:
        self._last_seq += 1
        data = parts.head + str(self._last_seq).encode() + parts.tail
        self._queued_bytes += len(data)
        self._ready.put(Line(data, numbers))
