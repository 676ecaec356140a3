"""A disk that refuses, under virtual time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.coordination.writer import TRY_AGAIN, Writer
from collections_supervisor.messages import Now

PATH = Path("/state/x.json")


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    return virtual_backend


class Disk:
    """Refuses when it is told to, after some seconds if it hangs."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.hangs = 0.0
        self.tries = 0

    async def write(self) -> None:
        self.tries += 1
        await anyio.sleep(self.hangs)
        if self.error is not None:
            raise self.error


class Clock:
    def now(self) -> Now:
        mono = anyio.current_time()
        return Now(mono=mono, wall=datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=mono))


async def test_a_refusal_is_said_once_and_so_is_its_end(log: Any) -> None:
    disk, writer = Disk(), Writer(Clock(), log, "this goes on")
    assert await writer.write(PATH, disk.write)
    assert (log.events, writer.is_failing) == ([], False)
    disk.error = OSError(28, "No space left on device")
    for _ in range(5):
        assert not await writer.write(PATH, disk.write)
        assert writer.is_failing
        await anyio.sleep(TRY_AGAIN)
    disk.error = None
    assert await writer.write(PATH, disk.write)
    assert await writer.write(PATH, disk.write)
    [failed, resumed] = log.events
    assert (failed["event"], failed["level"], failed["path"]) == ("supervisor.store_failed", 40, str(PATH))
    assert failed["reason"] == "no space left on device"
    assert failed["message"] == "/state/x.json cannot be written: no space left on device; this goes on"
    assert (resumed["event"], resumed["path"], resumed["failed_s"]) == ("supervisor.store_resumed", str(PATH), 50.0)


async def test_a_disk_that_hangs_is_tried_once_in_a_while(log: Any) -> None:
    disk, writer = Disk(), Writer(Clock(), log, "this goes on")
    disk.error, disk.hangs = TimeoutError(110, "not written within 10 s"), 10.0
    begun = anyio.current_time()
    for _ in range(1000):
        await writer.write(PATH, disk.write)
        await anyio.sleep(0.1)
    took = anyio.current_time() - begun
    assert disk.tries <= took / (disk.hangs + TRY_AGAIN) + 1
    assert log.names() == ["supervisor.store_failed"]
