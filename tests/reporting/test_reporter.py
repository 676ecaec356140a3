"""When the page is written, and what happens when it cannot be."""

import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.config.schema import DashboardConfig
from collections_supervisor.messages import AgentReport, History, Now, Report
from collections_supervisor.reporting import current as module
from collections_supervisor.reporting.current import gap_after
from collections_supervisor.reporting.reporter import Reporter, put_page

HISTORY = History()

MakeReport = Callable[..., Report]
MakeAgent = Callable[..., AgentReport]


class Disk:
    """Takes pages, or fails as its script says."""

    def __init__(self) -> None:
        self.pages: list[tuple[float, str]] = []
        self.script: list[OSError | None] = []
        self.written = anyio.Event()
        self.hang = False

    async def write(self, path: Path, data: bytes) -> None:
        if self.hang:
            await anyio.sleep_forever()
        fault = self.script.pop(0) if self.script else None
        self.pages.append((anyio.current_time(), "" if fault else data.decode()))
        self.written.set()
        self.written = anyio.Event()
        if fault is not None:
            raise fault

    async def until(self, count: int) -> None:
        with anyio.fail_after(20):
            while len(self.pages) < count:
                await self.written.wait()


class WallClock:
    """The loop's clock for durations, a standing one for stamps."""

    def __init__(self, wall: datetime) -> None:
        self.wall = wall

    def now(self) -> Now:
        return Now(mono=anyio.current_time(), wall=self.wall)


class Bench:
    """A reporter and its surroundings."""

    def __init__(self, log: Any, now: datetime, path: Path | None, interval: float, template: Path | None = None) -> None:
        self.log = log
        self.disk = Disk()
        settings = DashboardConfig(path=path, interval=interval, title="Collections", template=template)
        self.returned: list[bool] = []
        clock, written = WallClock(now), self.returned.append
        self.reporter = Reporter(settings, clock, self.disk.write, log, recipient="caine", written=written)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Bench"]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.reporter.run)
            yield self
            tasks.cancel_scope.cancel()


@pytest.fixture
def bench(log: Any, now: datetime, tmp_path: Path) -> Callable[..., Bench]:
    def make(interval: float = 3600.0, path: Path | None = None) -> Bench:
        return Bench(log, now, path or tmp_path / "page.html", interval)

    return make


async def test_only_the_newest_report_is_written(
    bench: Callable[..., Bench], make_report: MakeReport, make_agent: MakeAgent
) -> None:
    async with bench().running() as at:
        for missed in range(100):
            at.reporter.publish(make_report(make_agent(missed=missed, detail=f"detail {missed}")), HISTORY)
        await at.disk.until(1)
    assert len(at.disk.pages) == 1
    assert "detail 99" in at.disk.pages[0][1]


async def test_a_change_is_written_at_once_but_not_more_than_once_a_second(
    bench: Callable[..., Bench], make_report: MakeReport, make_agent: MakeAgent
) -> None:
    async with bench().running() as at:
        at.reporter.publish(make_report(make_agent()), HISTORY)
        await at.disk.until(1)
        at.reporter.publish(make_report(make_agent(status="late")), HISTORY)
        at.reporter.publish(make_report(make_agent(status="unhealthy"), verdict="degraded"), HISTORY)
        await at.disk.until(2)
    (first, _), (second, page) = at.disk.pages
    assert second - first >= module.SHORTEST_GAP - 0.01
    assert "<h1>payment-watcher is unhealthy</h1>" in page


@pytest.mark.parametrize(("took", "interval", "gap"), [(0.01, 60, 1), (0.3, 60, 3), (30, 60, 60), (0.01, 0.05, 0.05)])
def test_writing_takes_at_most_a_tenth_of_the_time(took: float, interval: float, gap: float) -> None:
    assert gap_after(took, interval) == pytest.approx(gap)


async def test_it_is_written_again_and_again_though_nothing_changes(
    bench: Callable[..., Bench], make_report: MakeReport, make_agent: MakeAgent
) -> None:
    async with bench(interval=0.05).running() as at:
        at.reporter.publish(make_report(make_agent()), HISTORY)
        await at.disk.until(4)
    assert len({page for _, page in at.disk.pages}) == 1


async def test_failures_are_said_once_until_it_works_again(
    bench: Callable[..., Bench], make_report: MakeReport, make_agent: MakeAgent
) -> None:
    full = [OSError(errno.ENOSPC, "No space left on device", f"/tmp/{number}") for number in range(3)]
    at = bench(interval=0.02)
    at.disk.script = [None, None, *full, PermissionError(errno.EACCES, "Permission denied"), None, None, full[0]]
    async with at.running():
        at.reporter.publish(make_report(make_agent()), HISTORY)
        await at.disk.until(10)
    assert at.returned[:9] == [True, True, False, False, False, False, True, True, False]
    told = [(event["event"].removeprefix("dashboard."), event["level"]) for event in at.log.events][:8]
    assert told == [
        ("written", 20),
        ("written", 10),
        ("failed", 40),
        ("failed", 40),
        ("written", 20),
        ("written", 10),
        ("failed", 40),
        ("written", 20),
    ]
    assert at.log.of("dashboard.failed")[0]["message"].endswith("page.html cannot be written: no space left on device")


async def test_a_template_that_fails_is_told_once_and_our_page_is_written(
    log: Any, now: datetime, make_report: MakeReport, make_agent: MakeAgent, tmp_path: Path
) -> None:
    template = tmp_path / "my.html"
    template.write_text("{{ nothing }}")
    at = Bench(log, now, tmp_path / "page.html", 0.02, template)
    async with at.running():
        at.reporter.publish(make_report(make_agent()), HISTORY)
        await at.disk.until(3)
        assert all(page.startswith("<!DOCTYPE html>") for _, page in at.disk.pages)
        (failed,) = log.of("dashboard.failed")
        assert failed["message"].endswith(f"is written instead: {template}, line 1: 'nothing' is undefined")
        assert failed["path"] == str(template)
        template.write_text("{{ headline(report) }}")
        while at.disk.pages[-1][1] != "payment-watcher is healthy":
            await at.disk.until(len(at.disk.pages) + 1)
        template.unlink()
        while len(log.of("dashboard.failed")) == 1:
            await at.disk.until(len(at.disk.pages) + 1)
    assert log.of("dashboard.failed")[-1]["error"] == f"{template}: no such file or directory"


async def test_missing_folders_are_made(
    log: Any, now: datetime, make_report: MakeReport, make_agent: MakeAgent, tmp_path: Path
) -> None:
    path = tmp_path / "a" / "b" / "page.html"

    reporter = Reporter(DashboardConfig(path=path), WallClock(now), put_page, log)
    await reporter.close(make_report(make_agent()), HISTORY)
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert log.names() == ["dashboard.written"]


async def test_a_folder_that_cannot_be_made_is_said(
    log: Any, now: datetime, make_report: MakeReport, make_agent: MakeAgent, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("a file")

    reporter = Reporter(DashboardConfig(path=tmp_path / "a" / "page.html"), WallClock(now), put_page, log)
    await reporter.close(make_report(make_agent()), HISTORY)
    assert log.names() == ["dashboard.failed"]


async def test_nothing_replaces_the_last_page(
    bench: Callable[..., Bench], make_report: MakeReport, make_agent: MakeAgent, now: datetime
) -> None:
    async with bench(interval=0.01).running() as at:
        at.reporter.publish(make_report(make_agent()), HISTORY)
        await at.disk.until(2)
        await at.reporter.close(make_report(make_agent(), stopped_at=now), HISTORY)
        at.reporter.publish(make_report(make_agent(status="late")), HISTORY)
        count = len(at.disk.pages)
        await anyio.sleep(0.1)
    assert len(at.disk.pages) == count
    assert "<h1>Stopped at" in at.disk.pages[-1][1]


async def test_the_last_page_is_written_even_while_being_cancelled(
    bench: Callable[..., Bench], make_report: MakeReport, make_agent: MakeAgent
) -> None:
    at = bench()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await at.reporter.close(make_report(make_agent()), HISTORY)
    assert len(at.disk.pages) == 1


async def test_a_disk_that_hangs_does_not_hold_up_the_stop(
    bench: Callable[..., Bench], make_report: MakeReport, make_agent: MakeAgent
) -> None:
    at = bench()
    at.disk.hang = True
    with anyio.fail_after(20):
        await at.reporter.close(make_report(make_agent()), HISTORY, within=0.3)
    assert at.log.names() == ["dashboard.failed"]


async def test_without_a_path_there_is_no_page(log: Any, now: datetime, make_report: MakeReport) -> None:
    at = Bench(log, now, None, 0.01)
    async with at.running():
        at.reporter.publish(make_report(), HISTORY)
        await anyio.sleep(0.05)
    await at.reporter.close(make_report(), HISTORY)
    assert at.disk.pages == []
    assert log.events == []


async def test_after_a_bug_it_can_run_again(
    log: Any, now: datetime, make_report: MakeReport, make_agent: MakeAgent, tmp_path: Path
) -> None:
    calls = 0

    async def write(path: Path, data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise LookupError("a bug")

    reporter = Reporter(DashboardConfig(path=tmp_path / "p", interval=0.01), WallClock(now), write, log)
    reporter.publish(make_report(make_agent()), HISTORY)
    with pytest.raises(LookupError):
        await reporter.run()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reporter.run)
        with anyio.fail_after(20):
            while calls < 3:
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
