"""What people and machines look at of a run: the page, and the metrics."""

from collections.abc import Callable

import anyio
import msgspec

from collections_supervisor.app.run import Run
from collections_supervisor.messages import History, Report
from collections_supervisor.reporting.metrics_file import MetricsFile, put_metrics
from collections_supervisor.reporting.reporter import Reporter, put_page
from collections_supervisor.system.post import Post

BY_CHECK = "by a single check"
"""How the page of a sweep came about."""

MOVING = 2.0
"""Seconds that the last words of a page may take that is written elsewhere from now on."""


class Display:
    """Writes the page and the metrics of one run, by other settings as often as somebody changes them."""

    def __init__(self, run: Run, written: Callable[[bool], None]) -> None:
        """`written` hears when a write of the page has returned, and whether it did what it should."""
        self._run = run
        self._written = written
        self._metrics = self._make_metrics()
        self._reporter = self._make_reporter()
        self.page, self.figures = Post(self._reporter), Post(self._metrics)

    def publish(self, report: Report, history: History) -> None:
        """Show this report, and how it came to that."""
        # The page passes on to the metrics what it shows.
        front = self._reporter or self._metrics
        if front is not None:
            front.publish(report, history)

    async def replace(self, run: Run, report: Report, history: History) -> None:
        """Write them by the settings of this run from now on; `report` is what they showed last."""
        last, before, self._run = self._reporter, self._run, run
        self._metrics = self._make_metrics()
        self._reporter = self._make_reporter()
        self.figures.give(self._metrics)
        self.page.give(self._reporter)
        if last is not None and before.config.dashboard.path != run.config.dashboard.path:
            # Nobody writes there any more: the page must not look as if somebody did.
            with anyio.move_on_after(MOVING):
                await last.close(msgspec.structs.replace(report, stopped_at=report.generated_at), history)

    async def close(self, report: Report, history: History, within: float) -> None:
        """Write the last page and the last metrics, each within so many seconds."""
        for file in (self._reporter, self._metrics):
            if file is not None:
                with anyio.move_on_after(within, shield=True):
                    await file.close(report, history)

    def _make_reporter(self) -> Reporter | None:
        run, page = self._run, self._run.config.dashboard
        if run.page is None:
            return None
        # Who waits for our sign of life waits for the page too.
        page = msgspec.structs.replace(page, interval=min(page.interval, run.cycle))
        return Reporter(
            page,
            run.clock,
            put_page,
            run.log,
            recipient=run.config.escalation.recipient,
            made=BY_CHECK if run.once else "",
            config=run.config.path,
            then=self._metrics.publish if self._metrics is not None else None,
            written=self._written,
        )

    def _make_metrics(self) -> MetricsFile | None:
        path = self._run.config.metrics.path
        if path is None or self._run.dry:
            return None
        return MetricsFile(
            path,
            self._run.config.dashboard.interval,
            self._run.clock,
            put_metrics,
            self._run.log,
            counters=self._run.counts.counters,
            page_written_at=lambda: self._reporter.written_at if self._reporter is not None else None,
        )
