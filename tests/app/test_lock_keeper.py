"""Keeping the lock while somebody removes the folder that it is in."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.app.lock_keeper import LockKeeper
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.lock import Lock, LockHeldError
from collections_supervisor.system.shutdown import Shutdown

DEADLINE = 30.0


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(DEADLINE):
        while not condition():
            await anyio.sleep(0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir()
    return made


async def test_a_removed_folder_is_made_again_and_locked(folder: Path, log: Any) -> None:
    lock = Lock(folder / "supervisor.lock")
    keeper = LockKeeper(lock, folder, log, Shutdown(1.0, SystemClock()), every=0.01)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keeper.run)
        shutil.rmtree(folder)
        await until(lambda: log.of("supervisor.state_removed"))
        assert (folder / "actions").is_dir()
        with pytest.raises(LockHeldError):
            Lock(folder / "supervisor.lock")
        tasks.cancel_scope.cancel()
    assert len(log.events) == 1
    lock.close()


async def test_whoever_was_replaced_stops(folder: Path, log: Any) -> None:
    lock = Lock(folder / "supervisor.lock")
    (folder / "supervisor.lock").unlink()
    other = Lock(folder / "supervisor.lock")
    shutdown = Shutdown(1.0, SystemClock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(LockKeeper(lock, folder, log, shutdown, every=0.01).run)
        with anyio.fail_after(DEADLINE):
            await shutdown.requested.wait()
        tasks.cancel_scope.cancel()
    assert log.names() == ["supervisor.replaced"]
    for each in (lock, other):
        each.close()


async def test_a_folder_that_cannot_be_made_again_is_said_once(folder: Path, log: Any) -> None:
    lock = Lock(folder / "supervisor.lock")
    shutil.rmtree(folder)
    folder.write_text("in the way")
    keeper = LockKeeper(lock, folder, log, Shutdown(1.0, SystemClock()), every=0.01)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keeper.run)
        await until(lambda: log.of("supervisor.unlocked"))
        folder.unlink()
        await until(lambda: log.of("supervisor.state_removed"))
        tasks.cancel_scope.cancel()
    assert log.names() == ["supervisor.unlocked", "supervisor.state_removed"]
    lock.close()
