"""Keeps the page current."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio.to_thread
from structlog.typing import FilteringBoundLogger

from collections_supervisor.config.schema import DashboardConfig
from collections_supervisor.messages import History, Report
from collections_supervisor.reporting.current import CurrentFile, Tell, Write
from collections_supervisor.reporting.dashboard import TemplateFaultError, render
from collections_supervisor.system.clock import Clock


class Reporter(CurrentFile):
    """The page."""

    def __init__(
        self,
        settings: DashboardConfig,
        clock: Clock,
        write: Write,
        log: FilteringBoundLogger,
        *,
        recipient: str = "a human",
        made: str = "",
        then: Callable[[Report, History], None] | None = None,
    ) -> None:
        """`made` as for `render`."""
        super().__init__(settings.path, settings.interval, clock, write, log, then=then)
        self._settings = settings
        self._recipient = recipient
        self._made = made
        self._template_fault = ""

    async def _draw(self, report: Report, history: History) -> bytes:
        """The page by the user's template, or by ours if that one fails: what is wrong with it must not hide all else."""
        settings = self._settings
        draw = partial(
            render,
            report,
            history=history,
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
            self._note_template_fault(str(error))
            return await run(draw)
        self._template_fault = ""
        return page

    def _note_template_fault(self, fault: str) -> None:
        if fault == self._template_fault:
            return
        self._template_fault = fault
        self._log.error(
            "dashboard.failed",
            message=f"the page's template cannot be used, the built-in page is written instead: {fault}",
            path=str(self._settings.template),
            error=fault,
        )

    def _say_written(self, tell: Tell, path: Path, size_bytes: int, duration_ms: float) -> None:
        tell(
            "dashboard.written",
            message=f"the page is written: {path}",
            path=str(path),
            size_bytes=size_bytes,
            duration_ms=duration_ms,
        )

    def _say_failed(self, tell: Tell, path: Path, cause: str, error: str) -> None:
        tell("dashboard.failed", message=f"the page {path} cannot be written: {cause}", path=str(path), error=error)
