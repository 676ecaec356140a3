"""Keeps the page current: always the newest report, never a backlog."""

import math
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.config.schema import DashboardConfig
from collections_supervisor.messages import History, Report
from collections_supervisor.reporting.dashboard import TemplateFaultError, render
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.files import make_private_folder

SHORTEST_GAP = 1.0
"""Seconds between two writes, however fast things change."""

SHARE = 0.1
"""The part of the time that may go into writing the page: one of a thousand agents takes a third of a second to draw."""

Write = Callable[[Path, bytes], Awaitable[None]]
"""Puts the bytes in the place of the file in one step; raises OSError."""


def gap_after(took: float, interval: float) -> float:
    """Seconds to wait after a write that took so many."""
    return min(interval, max(SHORTEST_GAP, took / SHARE))


class Reporter:
    """Writes the page when it must show something else, and at least every `interval`. Without a path it does nothing."""

    def __init__(
        self,
        settings: DashboardConfig,
        clock: Clock,
        write: Write,
        log: FilteringBoundLogger,
        *,
        recipient: str = "a human",
        made: str = "",
    ) -> None:
        """`made` as for `render`."""
        self._settings = settings
        self._clock = clock
        self._write = write
        self._log = log
        self._recipient = recipient
        self._made = made
        self._newest: Report | None = None
        self._history = History()
        self._shown: Report | None = None
        self._published = anyio.Event()
        self._writing = anyio.Lock()
        self._gap = 0.0
        self._closed = False
        self._works = False
        self._failures: set[tuple[str, int | None]] = set()
        self._template_fault = ""

    def publish(self, report: Report, history: History) -> None:
        """Take a newer report, and how it came to that; an older one that was not shown yet is forgotten."""
        self._newest = report
        self._history = history
        self._published.set()

    async def run(self) -> None:
        """Keep the page current until cancelled or closed."""
        while not self._closed:
            report = await self._next()
            async with self._writing:
                if not self._closed:
                    await self._put(report)
            await anyio.sleep(self._gap)

    async def close(self, final: Report, history: History, within: float = 2.0) -> None:
        """Write the last page, which nothing written before it can replace any more; give up after `within` seconds."""
        self._closed = True
        self._history = history
        with anyio.move_on_after(within, shield=True) as deadline:
            async with self._writing:
                await self._put(final)
        if deadline.cancelled_caught:
            self._tell_failure(TimeoutError(f"not written within {within:g} s"))

    async def _next(self) -> Report:
        """The newest report, as soon as the page must show it."""
        while True:
            longest = math.inf if self._shown is None else self._settings.interval - self._gap
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
        return newer >= self._settings.interval / 2 or report != same

    async def _put(self, report: Report) -> None:
        path = self._settings.path
        self._gap = gap_after(0.0, self._settings.interval)
        # Set before the outcome is known: what cannot be written is not tried again before something changes or time passes.
        self._shown = report
        if path is None:
            return
        begun = self._clock.now().mono
        fault: OSError | None = None
        page = await self._draw(report)
        try:
            await self._replace(path, page)
        except OSError as error:
            fault = error
        took = self._clock.now().mono - begun
        self._gap = gap_after(took, self._settings.interval)
        if fault is None:
            self._tell_success(len(page), took)
        else:
            self._tell_failure(fault)

    async def _draw(self, report: Report) -> bytes:
        """The page by the user's template, or by ours if that one fails: what is wrong with it must not hide all else."""
        settings = self._settings
        draw = partial(
            render,
            report,
            history=self._history,
            title=settings.title,
            interval=settings.interval,
            recipient=self._recipient,
            made=self._made,
        )
        # In a thread: a page of a thousand agents would hold up every deadline. Drawing has no effects, so it can be abandoned.
        run = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
        try:
            page: bytes = await run(partial(draw, template=settings.template))
        except TemplateFaultError as error:
            self._tell_template_fault(str(error))
            return await run(draw)
        self._template_fault = ""
        return page

    async def _replace(self, path: Path, page: bytes) -> None:
        try:
            await self._write(path, page)
        except FileNotFoundError:
            await make_private_folder(path.parent)
            await self._write(path, page)

    def _tell_success(self, size: int, seconds: float) -> None:
        tell = self._log.debug if self._works else self._log.info
        tell(
            "dashboard.written",
            message=f"the page is written: {self._settings.path}",
            path=str(self._settings.path),
            size_bytes=size,
            duration_ms=round(seconds * 1000, 1),
        )
        self._works = True
        self._failures.clear()

    def _tell_template_fault(self, fault: str) -> None:
        if fault == self._template_fault:
            return
        self._template_fault = fault
        self._log.error(
            "dashboard.failed",
            message=f"the page's template cannot be used, the built-in page is written instead: {fault}",
            path=str(self._settings.template),
            error=fault,
        )

    def _tell_failure(self, error: OSError) -> None:
        """Say once what is wrong: a full disk would otherwise fill the log as well."""
        self._works = False
        # Not the text: it names a temporary file, another one each time.
        kind = (type(error).__name__, error.errno)
        if kind in self._failures:
            return
        self._failures.add(kind)
        cause = error.strerror or str(error)
        self._log.error(
            "dashboard.failed",
            message=f"the page {self._settings.path} cannot be written: {cause}",
            path=str(self._settings.path),
            error=str(error),
        )
