"""Commands of an earlier life are found again, nobody else is taken for one, and their end is noticed."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import anyio
import pytest

from collections_supervisor.system.process import Child, spawn
from collections_supervisor.system.process_adopt import find_tree, outlast
from collections_supervisor.system.process_table import HERE, MARKER_VARIABLE, Facilities, read_table, start_time
from collections_supervisor.system.process_tree import Tree, end_trees

ELSEWHERE = f'{sys.executable} -I -S -c \'import os; os.setsid(); os.execvp("sleep", ["sleep", "1000"])\''
"""A process that goes into a session of its own."""

EARLIER = """
import anyio, os, sys
from collections_supervisor.system.process import spawn

async def main():
    argv = ["sh", "-c", sys.argv[2]]
    child = await spawn(argv, env=os.environ, cwd=None, stdout=None, stderr=None, marker=sys.argv[1])
    print(child.pid, child.start_time, flush=True)
    await child.wait()

anyio.run(main)
"""

Start = Callable[..., Awaitable[Child]]


@pytest.fixture(params=[HERE, Facilities(pidfd=False, procfs=False)], ids=["here", "fallback"])
def facilities(request: pytest.FixtureRequest) -> Facilities:
    found = request.param
    assert isinstance(found, Facilities)
    if not found.procfs and shutil.which("ps") is None:
        pytest.skip("no ps on this machine")
    return found


numbers = itertools.count()


@pytest.fixture
async def marker() -> AsyncIterator[str]:
    """A marker of this test's own; whatever carries it is gone after the test."""
    name = f"adopt-{os.getpid()}-{next(numbers)}"
    yield name
    with anyio.fail_after(30):
        assert await end_trees([Tree(pid=0, start_time=0, marker=name)], grace=0) == ()


@pytest.fixture
async def start(marker: str) -> AsyncIterator[Start]:
    """Start a shell script with the marker; returns when it has said as many lines as asked for."""
    started: list[Child] = []

    async def begin(script: str, *, lines: int = 0) -> Child:
        reading, writing = os.pipe()
        try:
            argv = ["sh", "-c", script]
            child = await spawn(argv, env=os.environ, cwd=None, stdout=writing, stderr=None, marker=marker)
        finally:
            os.close(writing)
        started.append(child)
        said = await hear(reading, lines)
        assert said.count("\n") == lines
        return child

    yield begin
    for child in started:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            with anyio.fail_after(10):
                await child.wait()


async def hear(fd: int, lines: int) -> str:
    said = b""
    try:
        with anyio.fail_after(20):
            while said.count(b"\n") < lines:
                await anyio.wait_readable(fd)
                said += os.read(fd, 4096)
    finally:
        os.close(fd)
    return said.decode()


def runs(pid: int) -> bool:
    process = read_table().get(pid)
    return process is not None and not process.exited


async def until(condition: Callable[[], bool]) -> None:
    """For what only the table of processes shows."""
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.02)


def started_at(pid: int, facilities: Facilities) -> int:
    found = start_time(pid, facilities)
    assert found is not None
    return found


# --- Across our death -------------------------------------------------------------------------------------


async def test_the_command_of_a_killed_supervisor_is_found_and_outlasted(marker: str, facilities: Facilities) -> None:
    earlier = subprocess.Popen([sys.executable, "-c", EARLIER, marker, "sleep 1000; :"], stdout=subprocess.PIPE, text=True)
    assert earlier.stdout is not None
    pid, _ = map(int, earlier.stdout.readline().split())
    earlier.kill()
    earlier.wait()
    earlier.stdout.close()
    tree = Tree(pid=pid, start_time=started_at(pid, facilities), marker=marker)
    assert await find_tree(pid, tree.start_time, marker, facilities=facilities) == tree
    assert await find_tree(0, 0, marker, facilities=facilities) == tree
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: outlast(tree, facilities=facilities))
            await anyio.wait_all_tasks_blocked()
            os.killpg(pid, signal.SIGKILL)
    assert not runs(pid)
    assert await find_tree(pid, tree.start_time, marker, facilities=facilities) is None
    with anyio.fail_after(30):
        # What it started was killed with it, and may take a moment longer.
        await outlast(Tree(pid=0, start_time=0, marker=marker), facilities=facilities)
    assert await find_tree(0, 0, marker, facilities=facilities) is None


# --- By its number ----------------------------------------------------------------------------------------


async def test_a_number_that_passed_to_somebody_else_is_nobody(start: Start, marker: str, facilities: Facilities) -> None:
    child = await start("sleep 1000")
    started = started_at(child.pid, facilities) - 1
    assert await find_tree(child.pid, started, marker, facilities=facilities) is None
    with anyio.fail_after(20):
        await outlast(Tree(pid=child.pid, start_time=started, marker=marker), facilities=facilities)
    assert runs(child.pid)


async def test_what_a_finished_command_left_running_is_not_the_command(start: Start, marker: str) -> None:
    """It may be the very agent that it brought back."""
    child = await start("sleep 1000 & echo; exit 0", lines=1)
    with anyio.fail_after(20):
        await child.wait()
    assert await find_tree(child.pid, child.start_time, marker) is None
    assert await find_tree(0, 0, marker) == Tree(pid=0, start_time=0, marker=marker)


async def test_a_zombie_has_ended(start: Start, marker: str, facilities: Facilities) -> None:
    child = await start("exit 0")
    await until(lambda: not runs(child.pid))
    started = started_at(child.pid, facilities)
    assert await find_tree(child.pid, started, marker, facilities=facilities) is None
    with anyio.fail_after(20):
        await outlast(Tree(pid=child.pid, start_time=started, marker=""), facilities=facilities)
    assert child.returncode is None


async def test_a_number_without_its_start_time_names_nothing(start: Start, marker: str) -> None:
    child = await start("sleep 1000; :")
    assert await find_tree(os.getpid(), 0, marker) == Tree(pid=child.pid, start_time=child.start_time, marker=marker)


# --- By its mark ------------------------------------------------------------------------------------------


async def test_the_command_is_told_from_what_it_started(start: Start, marker: str, facilities: Facilities) -> None:
    child = await start(f"sleep 1000 & {ELSEWHERE} & sleep 1000 & echo; wait", lines=1)
    found = await find_tree(0, 0, marker, facilities=facilities)
    assert found == Tree(pid=child.pid, start_time=started_at(child.pid, facilities), marker=marker)


async def test_a_double_fork_leaves_only_the_mark(start: Start, marker: str, facilities: Facilities) -> None:
    """Its parents are dead and it is nobody's leader."""
    child = await start("(sleep 1000 & echo $!) ; exit 0", lines=1)
    with anyio.fail_after(20):
        await child.wait()
    tree = await find_tree(0, 0, marker, facilities=facilities)
    assert tree == Tree(pid=0, start_time=0, marker=marker)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: outlast(tree, facilities=facilities))
            await anyio.wait_all_tasks_blocked()
            os.killpg(child.pid, signal.SIGKILL)
    assert await find_tree(0, 0, marker, facilities=facilities) is None


async def test_a_mark_is_outlasted_to_its_last_bearer(start: Start, marker: str, facilities: Facilities) -> None:
    """Each one ends a while after the one before, and the last was born only then."""
    heirs = "sleep 0.3; (sleep 0.3; (sleep 0.3 &) &) &"
    child = await start(f"({heirs}) & echo; exit 0", lines=1)
    with anyio.fail_after(30):
        await child.wait()
        await outlast(Tree(pid=0, start_time=0, marker=marker), facilities=facilities)
    assert await find_tree(0, 0, marker) is None


async def test_another_mark_and_none_are_nobody(start: Start, marker: str, facilities: Facilities) -> None:
    await start("echo; sleep 1000", lines=1)
    assert await find_tree(0, 0, f"{marker}0", facilities=facilities) is None
    assert await find_tree(0, 0, "", facilities=facilities) is None


async def test_our_own_session_is_never_a_command(marker: str) -> None:
    """We may ourselves have been started by what carries a mark."""
    kin = subprocess.Popen(["sleep", "1000"], env={**os.environ, MARKER_VARIABLE: marker})
    try:
        assert await find_tree(0, 0, marker) is None
    finally:
        kin.kill()
        kin.wait()


# --- When the machine falls short -------------------------------------------------------------------------


async def test_a_machine_that_shows_nothing_leaves_it_running(start: Start, marker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Better watched for nothing than paid for twice."""
    blind = Facilities(pidfd=False, procfs=False)
    child = await start("sleep 1000")
    with monkeypatch.context() as context:
        context.setenv("PATH", "/nowhere")
        assert await find_tree(0, 0, marker, facilities=blind) == Tree(pid=0, start_time=0, marker=marker)
        with anyio.move_on_after(0.1) as scope:
            await outlast(Tree(pid=0, start_time=0, marker=marker), facilities=blind)
        assert scope.cancelled_caught
    assert runs(child.pid)


async def test_waiting_can_be_cancelled_and_leaks_nothing(start: Start, marker: str, facilities: Facilities) -> None:
    child = await start("sleep 1000; :")
    tree = Tree(pid=child.pid, start_time=started_at(child.pid, facilities), marker=marker)
    await find_tree(0, 0, marker, facilities=facilities)
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208
    for each in (tree, Tree(pid=0, start_time=0, marker=marker)):
        async with anyio.create_task_group() as group:
            group.start_soon(partial(outlast, each, facilities=facilities))
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    await until(lambda: len(os.listdir("/dev/fd")) == before)  # noqa: PTH208
    assert runs(child.pid)
