"""Keeps a file current that is rendered from the report: always the newest one, never a backlog."""

import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import anyio
import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.messages import History, Report
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.files import cause_of

SHORTEST_GAP = 1.0
"""Seconds between two writes, however fast things change."""

SHARE = 0.1
"""The part of the time that may go into writing the file: a page of a thousand agents takes more than half a second to draw."""

Write = Callable[[Path, bytes], Awaitable[None]]
"""Puts the bytes in the place of the file in one step; raises OSError."""

NO_HISTORY = History()

Tell = Callable[..., object]
"""A method of the log, that of the level."""


def unheard(_worked: bool) -> None:
    """Nobody counts the writes."""


def gap_after(took: float, interval: float) -> float:
    """Seconds to wait after a write that took so many."""
    return min(interval, max(SHORTEST_GAP, took / SHARE))


class CurrentFile(ABC):
    """Writes the file when it must show something else, and at least every `interval`. Without a path it does nothing."""

    patience = 1.0
    """Intervals without a newer report after which it is written again as it is."""

    def __init__(
        self,
        path: Path | None,
        interval: float,
        clock: Clock,
        write: Write,
        log: FilteringBoundLogger,
        *,
        then: Callable[[Report, History], None] | None = None,
        written: Callable[[bool], None] = unheard,
    ) -> None:
        """`then` is given each report that was written, or could not be: what is to show the same at the same time.

        `written` hears when a write has returned, and whether it did what it should.
        """
        self._path = path
        self._interval = interval
        self._clock = clock
        self._write = write
        self._log = log
        self._then = then
        self._written = written
        self.written_at: datetime | None = None
        """When the file was last written, in this life of ours."""
        self._newest: Report | None = None
        self._history = NO_HISTORY
        self._shown: Report | None = None
        self._published = anyio.Event()
        self._writing = anyio.Lock()
        self._gap = 0.0
        self._closed = False
        self._works = False
        self._failures: set[tuple[str, int | None]] = set()

    def publish(self, report: Report, history: History = NO_HISTORY) -> None:
        """Take a newer report, and how it came to that; an older one that was not shown yet is forgotten."""
        self._newest = report
        self._history = history
        self._published.set()

    async def run(self) -> None:
        """Keep the file current until cancelled or closed."""
        while not self._closed:
            report = await self._next()
            async with self._writing:
                if not self._closed:
                    await self._put_and_pass_on(report)
            await anyio.sleep(self._gap)

    async def close(self, final: Report, history: History = NO_HISTORY, within: float = 2.0) -> None:
        """Write it for the last time, which nothing written before can replace any more; give up after `within` seconds."""
        self._closed = True
        self._history = history
        with anyio.move_on_after(within, shield=True) as deadline:
            async with self._writing:
                await self._put(final)
        if deadline.cancelled_caught:
            self._note_failure(self._path, TimeoutError(f"not written within {within:g} s"))

    async def _next(self) -> Report:
        """The newest report, as soon as the file must show it."""
        while True:
            longest = math.inf if self._shown is None else self.patience * self._interval - self._gap
            with anyio.move_on_after(longest):
                while not self._must_show(self._newest):
                    await self._published.wait()
                    self._published = anyio.Event()
            if self._newest is not None:
                return self._newest

    def _must_show(self, report: Report | None) -> bool:
        if report is None or self._shown is None:
            return report is not None
        newer = abs((report.generated_at - self._shown.generated_at).total_seconds())
        # That it was looked at again is no news, what was found there is.
        same = msgspec.structs.replace(self._shown, generated_at=report.generated_at, sources=report.sources)
        return newer >= self._interval / 2 or report != same

    async def _put_and_pass_on(self, report: Report) -> None:
        try:
            await self._put(report)
        finally:
            # A bug in drawing one of them must not keep the other from being written.
            if self._then is not None:
                self._then(report, self._history)

    async def _put(self, report: Report) -> None:
        path = self._path
        self._gap = gap_after(0.0, self._interval)
        # Set before the outcome is known: what cannot be written is not tried again before something changes or time passes.
        self._shown = report
        if path is None:
            return
        begun = self._clock.now().mono
        fault: OSError | None = None
        data = await self._draw(report, self._history)
        try:
            await self._write(path, data)
        except OSError as error:
            fault = error
        now = self._clock.now()
        self._gap = gap_after(now.mono - begun, self._interval)
        self._written(fault is None)
        if fault is None:
            self.written_at = now.wall
            self._note_success(path, len(data), now.mono - begun)
        else:
            self._note_failure(path, fault)

    def _note_success(self, path: Path, size: int, seconds: float) -> None:
        self._say_written(self._log.debug if self._works else self._log.info, path, size, round(seconds * 1000, 1))
        self._works = True
        self._failures.clear()

    def _note_failure(self, path: Path | None, error: OSError) -> None:
        """Say once what is wrong: a full disk would otherwise fill the log as well."""
        self._works = False
        # Not the text: it names a temporary file, another one each time.
        kind = (type(error).__name__, error.errno)
        if path is None or kind in self._failures:
            return
        self._failures.add(kind)
        self._say_failed(self._log.error, path, cause_of(error), str(error))

    # --- What each file has of its own ---

    @abstractmethod
    async def _draw(self, report: Report, history: History) -> bytes:
        """What the file is to hold."""

    @abstractmethod
    def _say_written(self, tell: Tell, path: Path, size_bytes: int, duration_ms: float) -> None:
        """Log that it is written."""

    @abstractmethod
    def _say_failed(self, tell: Tell, path: Path, cause: str, error: str) -> None:
        """Log that it cannot be written: the cause for people, and the error as it is."""
