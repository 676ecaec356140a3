"""Trees ended together by those who do not know of each other."""

import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import anyio
import pytest

from collections_supervisor.system.process import Child, spawn
from collections_supervisor.system.process_endings import Endings

Start = Callable[[str], Awaitable[Child]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a script, which is ready when this returns."""
    started: list[Child] = []

    async def run(script: str) -> Child:
        reading, writing = os.pipe()
        marker = f"endings-{os.getpid()}-{len(started)}"
        try:
            child = await spawn(["sh", "-c", script], env=os.environ, cwd=None, stdout=writing, stderr=None, marker=marker)
        finally:
            os.close(writing)
        started.append(child)
        with anyio.fail_after(20):
            await anyio.wait_readable(reading)
            assert os.read(reading, 10)
        os.close(reading)
        return child

    yield run
    for child in started:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()


async def end(endings: Endings, child: Child, grace: float, **options: object) -> tuple[tuple[int, ...], int, float]:
    begun = time.monotonic()
    left = await endings.end(child.tree, grace=grace, signal=signal.SIGTERM, **options)  # type: ignore[arg-type]
    code = await child.wait()
    return left, code, time.monotonic() - begun


async def test_all_of_them_are_ended_each_with_its_grace(start: Start) -> None:
    obedient = [await start("echo up; exec sleep 1000") for _ in range(5)]
    stubborn = [await start("trap '' TERM; echo up; while :; do sleep 0.05; done") for _ in range(2)]
    endings = Endings()
    ends: dict[int, tuple[tuple[int, ...], int, float]] = {}

    async def one(child: Child, grace: float) -> None:
        ends[child.pid] = await end(endings, child, grace)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for child in obedient:
                tasks.start_soon(one, child, 20.0)
            for child in stubborn:
                tasks.start_soon(one, child, 0.5)
    assert [left for left, _, _ in ends.values()] == [()] * 7
    assert {ends[child.pid][1] for child in obedient} == {-signal.SIGTERM}
    assert {ends[child.pid][1] for child in stubborn} == {-signal.SIGKILL}
    assert min(ends[child.pid][2] for child in stubborn) >= 0.5


async def test_who_was_asked_already_is_not_asked_again(start: Start) -> None:
    # It counts how often it is asked, and takes its time to end.
    child = await start(
        "n=0; trap 'n=$((n+1))' TERM; echo up; until [ $n -gt 0 ]; do sleep 0.05; done; sleep 0.5; exit $((40+n))"
    )
    child.signal_group(signal.SIGTERM)
    with anyio.fail_after(20):
        left, code, _ = await end(Endings(), child, 10.0, asked=True)
    assert (left, code) == ((), 41)


async def test_what_was_not_asked_with_its_group_is_asked(start: Start) -> None:
    child = await start("setsid sh -c 'echo up; exec sleep 1000' & trap 'exit 3' TERM; while :; do sleep 0.05; done")
    child.signal_group(signal.SIGTERM)
    with anyio.fail_after(20):
        left, code, took = await end(Endings(), child, 10.0, asked=True)
    assert (left, code) == ((), 3)
    assert took < 9, "the one in another session was asked to end, and not killed when the grace was over"


async def test_a_cut_short_grace_is_cut_short_for_all(start: Start) -> None:
    children = [await start("trap '' TERM; echo up; while :; do sleep 0.05; done") for _ in range(2)]
    endings, now = Endings(), anyio.Event()

    async def one(child: Child) -> None:
        await end(endings, child, 1000.0, kill_now=now)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for child in children:
                tasks.start_soon(one, child)
            await anyio.sleep(0.3)
            now.set()
    assert {child.returncode for child in children} == {-signal.SIGKILL}
