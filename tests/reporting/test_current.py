"""When a file that shows the report is written, and when not, in time that passes as fast as nothing happens."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from tests.reporting.conftest import NOW

from collections_supervisor.messages import History, Now, Report, Source
from collections_supervisor.reporting.current import CurrentFile, Tell

MakeReport = Callable[..., Report]
MakeAgent = Callable[..., Any]

INTERVAL = 60.0


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    return virtual_backend


class LoopClock:
    """The loop's time on both clocks."""

    def now(self) -> Now:
        return Now(mono=anyio.current_time(), wall=NOW)


class Plain(CurrentFile):
    """Shows the state of the only agent, and notes when."""

    def __init__(self, log: Any) -> None:
        self.written: list[tuple[float, str]] = []
        super().__init__(Path("/x"), INTERVAL, LoopClock(), self._note, log)

    async def _note(self, _path: Path, data: bytes) -> None:
        self.written.append((anyio.current_time(), data.decode()))

    async def _draw(self, report: Report, history: History) -> bytes:
        return report.agents[0].status.encode()

    def _say_written(self, tell: Tell, path: Path, size_bytes: int, duration_ms: float) -> None:
        pass

    def _say_failed(self, tell: Tell, path: Path, cause: str, error: str) -> None:
        pass

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.run)
            yield
            tasks.cancel_scope.cancel()


@pytest.fixture
def file(log: Any) -> Plain:
    return Plain(log)


async def test_a_change_is_written_once(file: Plain, make_report: MakeReport, make_agent: MakeAgent) -> None:
    async with file.running():
        begun = anyio.current_time()
        for status in ("healthy", "late"):
            file.publish(make_report(make_agent(status=status)))
            await anyio.sleep(INTERVAL / 4)
        file.publish(make_report(make_agent(status="late")))
        await anyio.sleep(INTERVAL / 4)
    assert [(round(at - begun), what) for at, what in file.written] == [(0, "healthy"), (15, "late")]


async def test_that_it_was_looked_at_again_is_no_news_for_half_an_interval(
    file: Plain, make_report: MakeReport, make_agent: MakeAgent
) -> None:
    async with file.running():
        begun = anyio.current_time()
        for second in range(50):
            at = NOW + timedelta(seconds=second)
            read = Source(name="payment-watcher", path="/x", read_at=at, changed_at=at)
            file.publish(replace(make_report(make_agent()), generated_at=at, sources=(read,)))
            await anyio.sleep(1)
    assert [round(at - begun) for at, _ in file.written] == [0, 30]


async def test_without_a_newer_report_it_is_written_again_in_each_interval(
    file: Plain, make_report: MakeReport, make_agent: MakeAgent
) -> None:
    async with file.running():
        begun = anyio.current_time()
        file.publish(make_report(make_agent()))
        await anyio.sleep(2.5 * INTERVAL)
    assert [round(at - begun) for at, _ in file.written] == [0, 60, 120]
