"""When the metrics are written, beside the page or without one."""

import errno
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from collections_supervisor.config.schema import DashboardConfig
from collections_supervisor.messages import Counters, History, Now, Report
from collections_supervisor.reporting.metrics_file import MetricsFile, put_metrics
from collections_supervisor.reporting.reporter import Reporter

Make = Callable[..., Any]


class WallClock:
    """The loop's clock for durations, a standing one for stamps."""

    def __init__(self, wall: datetime) -> None:
        self.wall = wall

    def now(self) -> Now:
        return Now(mono=anyio.current_time(), wall=self.wall)


class Disk:
    """Takes what is written, and can be waited for."""

    def __init__(self) -> None:
        self.files: list[tuple[str, str]] = []
        self.fault: OSError | None = None
        self._written = anyio.Event()

    async def write(self, path: Path, data: bytes) -> None:
        self.files.append((path.suffix, data.decode()))
        self._written.set()
        self._written = anyio.Event()
        if self.fault is not None and path.suffix == ".prom":
            raise self.fault

    async def until(self, suffix: str, count: int) -> None:
        with anyio.fail_after(20):
            while len(self.of(suffix)) < count:
                await self._written.wait()

    def of(self, suffix: str) -> list[str]:
        return [text for own, text in self.files if own == suffix]


class BrokenPage(Reporter):
    """A page that nobody can draw."""

    async def _draw(self, report: Report, history: History) -> bytes:
        raise LookupError("a bug")


class Bench:
    """The page and the metrics, as the program has them."""

    def __init__(
        self,
        log: Any,
        now: datetime,
        folder: Path,
        *,
        interval: float = 3600.0,
        page: bool = True,
        kind: type[Reporter] = Reporter,
    ) -> None:
        self.log, self.disk, self.clock = log, Disk(), WallClock(now)
        self.counters = Counters(started_at=now)
        self.metrics = MetricsFile(
            folder / "x.prom",
            interval,
            self.clock,
            self.disk.write,
            log,
            counters=lambda: self.counters,
            page_written_at=lambda: self.page.written_at,
        )
        settings = DashboardConfig(path=folder / "x.html" if page else None, interval=interval)
        self.page = kind(settings, self.clock, self.disk.write, log, then=self.metrics.publish)

    async def run(self, act: Callable[[], Any]) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.page.run)
            tasks.start_soon(self.metrics.run)
            await act()
            tasks.cancel_scope.cancel()


@pytest.fixture
def bench(log: Any, now: datetime, tmp_path: Path) -> Make:
    return partial(Bench, log, now, tmp_path)


async def test_they_show_what_the_page_shows_each_once(bench: Make, make_report: Make, make_agent: Make) -> None:
    at = bench()

    async def act() -> None:
        for number, status in enumerate(("healthy", "late", "unhealthy"), start=1):
            at.page.publish(make_report(make_agent(status=status)))
            await at.disk.until(".prom", number)
        at.page.publish(make_report(make_agent(status="unhealthy")))
        await anyio.wait_all_tasks_blocked()

    await at.run(act)
    assert [suffix for suffix, _ in at.disk.files] == [".html", ".prom"] * 3
    for text, status in zip(at.disk.of(".prom"), ("healthy", "late", "unhealthy"), strict=True):
        assert f'agent_state{{agent="payment-watcher",state="{status}"}} 1.0' in text


async def test_they_know_of_the_page_that_goes_with_them(bench: Make, make_report: Make, now: datetime) -> None:
    at = bench()

    async def act() -> None:
        at.page.publish(make_report())
        await at.disk.until(".prom", 1)

    await at.run(act)
    assert f"dashboard_last_write_timestamp_seconds {now.timestamp()}" in _plain(at.disk.of(".prom")[0])


def _plain(text: str) -> str:
    """With numbers as Python writes them."""
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return "\n".join(f"{name} {float(value)}" for name, _, value in lines)


async def test_a_page_that_cannot_be_drawn_is_no_reason_for_no_metrics(bench: Make, make_report: Make) -> None:
    at = bench(kind=BrokenPage)

    async def act() -> None:
        at.page.publish(make_report())
        await at.disk.until(".prom", 1)

    with pytest.raises(ExceptionGroup) as caught:
        await at.run(act)
    assert caught.group_contains(LookupError)


async def test_without_a_page_they_are_written_all_the_same(bench: Make, make_report: Make) -> None:
    at = bench(page=False)

    async def act() -> None:
        at.metrics.publish(make_report())
        await at.disk.until(".prom", 1)

    await at.run(act)
    assert at.disk.of(".html") == []
    assert "dashboard_last_write" not in at.disk.of(".prom")[0]


async def test_what_the_program_counts_is_as_new_as_the_text(bench: Make, make_report: Make, now: datetime) -> None:
    at = bench(page=False)

    async def act() -> None:
        at.metrics.publish(make_report())
        await at.disk.until(".prom", 1)
        at.counters = Counters(started_at=now, log_dropped=5)
        at.metrics.publish(make_report(generated_at=now + timedelta(hours=1)))
        await at.disk.until(".prom", 2)

    await at.run(act)
    assert ["log_events_dropped_total 5.0" in text for text in at.disk.of(".prom")] == [False, True]


async def test_what_is_wrong_is_said_once_until_it_works_again(bench: Make, make_report: Make, make_agent: Make) -> None:
    at = bench(page=False, interval=0.02)
    at.disk.fault = OSError(errno.ENOSPC, "No space left on device")

    async def act() -> None:
        at.metrics.publish(make_report(make_agent()))
        await at.disk.until(".prom", 3)
        at.disk.fault = None
        await at.disk.until(".prom", 6)

    await at.run(act)
    told = [(event["event"], event["level"]) for event in at.log.events][:3]
    assert told == [("metrics.failed", 40), ("metrics.written", 20), ("metrics.written", 10)]
    failed, written = at.log.events[:2]
    assert set(failed) - {"event", "level", "message"} == {"path", "error"}
    assert set(written) - {"event", "level", "message"} == {"path", "size_bytes", "duration_ms"}
    assert failed["message"].endswith("x.prom cannot be written: no space left on device")


async def test_the_last_ones_are_of_the_last_report(bench: Make, make_report: Make, now: datetime) -> None:
    at = bench()
    final = make_report(stopped_at=now)
    await at.page.close(final)
    await at.metrics.close(final)
    at.metrics.publish(msgspec.structs.replace(final, version="later"))
    assert [suffix for suffix, _ in at.disk.files] == [".html", ".prom"]


async def test_a_missing_folder_is_said_and_not_made(log: Any, now: datetime, make_report: Make, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "x.prom"
    counters = Counters(started_at=now)
    file = MetricsFile(path, 60.0, WallClock(now), put_metrics, log, counters=lambda: counters, page_written_at=lambda: None)
    await file.close(make_report())
    assert not path.parent.exists()
    assert log.names() == ["metrics.failed"]
    path.parent.mkdir()
    await file.close(make_report())
    assert (path.stat().st_mode & 0o777, log.names()) == (0o644, ["metrics.failed", "metrics.written"])
