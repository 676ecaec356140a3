"""Keeps the metrics file current, beside the page."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import anyio.to_thread
from structlog.typing import FilteringBoundLogger

from collections_supervisor.messages import Counters, History, Report
from collections_supervisor.reporting.current import CurrentFile, Tell, Write
from collections_supervisor.reporting.metrics import render
from collections_supervisor.system.clock import Clock


class MetricsFile(CurrentFile):
    """A file for the node exporter's textfile collector."""

    makes_folders = False
    """The node exporter could not read what lies in a private folder, and nobody would ever hear of it."""

    patience = 1.5
    """It is given every report that the page shows, a moment later: it is not to run ahead of the page with an old one."""

    def __init__(
        self,
        path: Path,
        interval: float,
        clock: Clock,
        write: Write,
        log: FilteringBoundLogger,
        *,
        counters: Callable[[], Counters],
        page_written_at: Callable[[], datetime | None],
    ) -> None:
        """`counters` tells what this run has counted of itself."""
        super().__init__(path, interval, clock, write, log)
        self._counters = counters
        self._page_written_at = page_written_at

    async def _draw(self, report: Report, history: History) -> bytes:  # noqa: ARG002 - metrics are of now
        draw = partial(render, report, self._counters(), self._page_written_at())
        return await anyio.to_thread.run_sync(draw, abandon_on_cancel=True)

    def _say_written(self, tell: Tell, path: Path, size_bytes: int, duration_ms: float) -> None:
        tell(
            "metrics.written",
            message=f"the metrics are written: {path}",
            path=str(path),
            size_bytes=size_bytes,
            duration_ms=duration_ms,
        )

    def _say_failed(self, tell: Tell, path: Path, cause: str, error: str) -> None:
        tell("metrics.failed", message=f"the metrics file {path} cannot be written: {cause}", path=str(path), error=error)
