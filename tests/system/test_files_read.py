"""Reading where the machine lacks something for a moment."""

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.system.files import read_bounded, read_patiently
from collections_supervisor.system.threads import WRITE_DEADLINE, WRITES


@contextmanager
def no_descriptor_left() -> Iterator[Any]:
    """Gives what ends it early: until then nothing can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_what_is_lacking_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"whole")
    with no_descriptor_left() as give_back:
        with pytest.raises(OSError, match="Too many open files"):
            await read_bounded(path, 100)
        async with anyio.create_task_group() as tasks:

            async def later() -> None:
                await anyio.sleep(0.1)
                give_back()

            tasks.start_soon(later)
            assert await read_patiently(path, 100) == b"whole"


async def test_a_disk_that_does_not_answer_is_asked_twice(tmp_path: Path) -> None:
    free = threading.Event()
    for _ in range(4):  # its threads are all there are
        WRITES.submit(free.wait)
    began = anyio.current_time()
    try:
        with pytest.raises(TimeoutError):
            await read_patiently(tmp_path / "file", 10)
    finally:
        free.set()
    assert 2 * WRITE_DEADLINE <= anyio.current_time() - began < 3 * WRITE_DEADLINE


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest, virtual_backend: Any) -> Any:
    """Virtual time where no thread ever answers."""
    return virtual_backend if "disk" in request.node.name else "asyncio"
