"""Commands as real processes: how they start, how they end, what stays behind."""

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import anyio
import pytest

from collections_supervisor.system.process import _SPAWNS, Child, SpawnError, child_environment, spawn
from collections_supervisor.system.process_table import (
    HERE,
    MARKER_VARIABLE,
    STARTED,
    Facilities,
    is_alive,
    read_markers,
    read_table,
)

WITHOUT_PIDFD = Facilities(pidfd=False, procfs=HERE.procfs)
PYTHON = (sys.executable, "-I", "-S", "-c")

Start = Callable[..., Awaitable[Child]]


@pytest.fixture(params=[HERE, WITHOUT_PIDFD], ids=["pidfd", "polling"])
def facilities(request: pytest.FixtureRequest) -> Facilities:
    found = request.param
    assert isinstance(found, Facilities)
    return found


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """`spawn` with what these tests do not care about filled in; nothing it started outlives the test."""
    children: list[Child] = []

    async def start_one(
        *argv: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdout: int | None = None,
        facilities: Facilities = HERE,
    ) -> Child:
        child = await spawn(
            argv,
            env=dict(os.environ) if env is None else env,
            cwd=cwd,
            stdout=stdout,
            stderr=None,
            marker=f"test-{os.getpid()}-{len(children)}",
            facilities=facilities,
        )
        children.append(child)
        return child

    yield start_one
    for child in children:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            with anyio.fail_after(10):
                await child.wait()


async def output_of(start: Start, argv: Sequence[str], **options: object) -> str:
    reading, writing = os.pipe()
    try:
        child = await start(*argv, stdout=writing, **options)
        os.close(writing)
        with anyio.fail_after(20):
            assert await child.wait() == 0
        return os.read(reading, 65536).decode()
    finally:
        os.close(reading)


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def children_of_ours() -> set[int]:
    return {process.pid for process in read_table().values() if process.parent == os.getpid()}


# --- How a command ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 78, 255])
async def test_exit_code(start: Start, facilities: Facilities, code: int) -> None:
    child = await start("sh", "-c", f"exit {code}", facilities=facilities)
    with anyio.fail_after(20):
        assert await child.wait() == code
    assert child.returncode == code


async def test_end_by_a_signal_is_negative(start: Start, facilities: Facilities) -> None:
    child = await start("sh", "-c", "kill -USR1 $$", facilities=facilities)
    with anyio.fail_after(20):
        assert await child.wait() == -signal.SIGUSR1


async def test_several_wait_and_one_of_them_gives_up(start: Start, facilities: Facilities) -> None:
    child = await start("sleep", "1000", facilities=facilities)
    codes: list[int] = []
    first = anyio.CancelScope()
    gave_up = anyio.Event()

    async def wait_in(scope: anyio.CancelScope) -> None:
        with scope:
            codes.append(await child.wait())
        if scope.cancelled_caught:
            gave_up.set()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(wait_in, first)
            await anyio.wait_all_tasks_blocked() if facilities.pidfd else await anyio.sleep(0)
            for _ in range(3):
                group.start_soon(wait_in, anyio.CancelScope())
            first.cancel()
            await gave_up.wait()
            os.kill(child.pid, signal.SIGKILL)
    assert codes == [-signal.SIGKILL] * 3


async def test_the_status_is_there_for_who_comes_late(start: Start, facilities: Facilities) -> None:
    child = await start("true", facilities=facilities)
    with anyio.fail_after(20):
        await child.wait()
        assert await child.wait() == 0
    assert not is_alive(child.pid, child.start_time)
    assert child.pid not in children_of_ours()


async def test_no_thread_waits(start: Start) -> None:
    await start("sleep", "1000")
    before = threading.active_count()
    children = [await start("sleep", "1000") for _ in range(20)]
    async with anyio.create_task_group() as group:
        for child in children:
            group.start_soon(child.wait)
        await anyio.wait_all_tasks_blocked()
        assert threading.active_count() <= before + 8
        group.cancel_scope.cancel()


# --- What a command is given ------------------------------------------------------------------------------


async def test_a_session_of_its_own_without_our_input_and_descriptors(start: Start, tmp_path: Path) -> None:
    script = (
        "import json, os, sys;"
        "fds = [fd for fd in map(int, os.listdir('/dev/fd')) if fd > 2 and os.path.exists(f'/dev/fd/{fd}')];"
        "print(json.dumps([os.getpid(), os.getsid(0), os.getpgrp(), sys.stdin.read(), fds, os.getcwd(), sys.argv[1]]))"
    )
    inheritable = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    try:
        said = await output_of(start, [*PYTHON, script, "$HOME; {agent} *"], cwd=tmp_path)
    finally:
        os.close(inheritable)
    pid, session, group, stdin, descriptors, cwd, argument = json.loads(said)
    assert session == group == pid
    assert (stdin, descriptors, cwd, argument) == ("", [], os.path.realpath(tmp_path), "$HOME; {agent} *")


async def test_the_environment_is_the_given_one_and_the_marker(start: Start) -> None:
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    environment = json.loads(await output_of(start, [*PYTHON, script], env={"PATH": "/bin", "A": "1"}))
    environment.pop("LC_CTYPE", None)  # Python's own
    assert environment == {"PATH": "/bin", "A": "1", MARKER_VARIABLE: f"test-{os.getpid()}-0"}


async def test_the_marker_can_be_read_from_outside(start: Start) -> None:
    child = await start("sleep", "1000")
    assert read_markers([child.pid, os.getpid()]) == {child.pid: child.marker}


async def test_the_program_is_sought_on_the_path_of_the_child(start: Start, tmp_path: Path) -> None:
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o700)
    assert await output_of(start, ["only-here"], env={"PATH": f"/nowhere:{tmp_path}"}) == "found\n"
    assert await output_of(start, ["./only-here"], cwd=tmp_path) == "found\n"
    with pytest.raises(SpawnError) as caught:
        await start("only-here")
    assert caught.value.kind == "not_found"


def test_child_environment() -> None:
    base = {
        "PATH": "/bin",
        "NOTIFY_SOCKET": "/run/n",
        "WATCHDOG_USEC": "1",
        "LISTEN_FDS": "1",
        "LISTEN_ADDRESS": "::",
        "TOKEN": "s",
    }
    assert child_environment(base, {"PATH": "/usr/bin", "B": "2"}, drop=["TOKEN"]) == {
        "PATH": "/usr/bin",
        "LISTEN_ADDRESS": "::",
        "B": "2",
    }


def test_child_environment_lets_a_setting_outrank_a_drop() -> None:
    assert child_environment({"TOKEN": "ours"}, {"TOKEN": "theirs"}, drop={"TOKEN"}) == {"TOKEN": "theirs"}


# --- What stays behind ------------------------------------------------------------------------------------


async def test_cancelled_at_any_moment_no_child_is_lost(facilities: Facilities) -> None:
    """The caller either never gets one, and there is none, or gets it and can end it."""
    before = children_of_ours()
    returned: list[Child] = []

    async def spawn_and_keep(scope: anyio.CancelScope) -> None:
        with scope:
            returned.append(
                await spawn(
                    ["sleep", "1000"], env=os.environ, cwd=None, stdout=None, stderr=None, marker="test", facilities=facilities
                )
            )

    with anyio.fail_after(30):
        for delay in range(24):
            scope = anyio.CancelScope(deadline=anyio.current_time() + delay / 4000)
            await spawn_and_keep(scope)
        assert children_of_ours() - before == {child.pid for child in returned}
        for child in returned:
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    assert children_of_ours() == before


async def test_a_start_under_way_is_not_cancelled(start: Start) -> None:
    """It would be killed unasked: who called it gets it, and ends it as it should be."""
    children: list[Child] = []
    busy = threading.Event()
    scope = anyio.CancelScope()

    async def start_in_scope() -> None:
        with scope:
            children.append(await start("sleep", "1000"))

    threads = [_SPAWNS.submit(busy.wait, 20) for _ in range(8)]
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(start_in_scope)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            await anyio.wait_all_tasks_blocked()
            busy.set()
    finally:
        busy.set()
    assert all(thread.result() for thread in threads)
    assert is_alive(children[0].pid, children[0].start_time)


async def test_a_task_cancelled_by_force_leaves_no_child() -> None:
    """A cancellation that no shield stops, as at the end of the event loop, finds somebody who ends the child."""
    before = children_of_ours()
    for _ in range(10):
        task = asyncio.ensure_future(
            spawn(["sleep", "1000"], env=os.environ, cwd=None, stdout=None, stderr=None, marker="test-forced")
        )
        while not task.done() and children_of_ours() == before:
            await anyio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            child = await task
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    deadline = time.monotonic() + 20
    while children_of_ours() != before and time.monotonic() < deadline:
        # The next start takes the status of those that were given up.
        await (await spawn(["true"], env=os.environ, cwd=None, stdout=None, stderr=None, marker="test")).wait()
    assert children_of_ours() == before


async def test_no_start_once_cancelled(tmp_path: Path) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await spawn(["touch", str(tmp_path / "started")], env=os.environ, cwd=None, stdout=None, stderr=None, marker="test")
    assert scope.cancelled_caught
    assert not list(tmp_path.iterdir())


async def test_a_forgotten_child_neither_warns_nor_stays_a_zombie(facilities: Facilities) -> None:
    pids = []
    before = open_descriptors()
    for _ in range(3):
        child = await spawn(["true"], env=os.environ, cwd=None, stdout=None, stderr=None, marker="test", facilities=facilities)
        pids.append(child.pid)
        del child
    gc.collect()
    assert open_descriptors() == before
    with anyio.fail_after(20):
        while children_of_ours() & set(pids):
            await (await spawn(["true"], env=os.environ, cwd=None, stdout=None, stderr=None, marker="test")).wait()


async def test_no_descriptor_is_lost(start: Start, facilities: Facilities) -> None:
    await (await start("true", facilities=facilities)).wait()
    before = open_descriptors()
    for _ in range(20):
        await (await start("true", facilities=facilities)).wait()
        with pytest.raises(SpawnError):
            await start("/nowhere/program", facilities=facilities)
    assert open_descriptors() == before


async def test_whether_others_of_its_group_are_left_is_known_when_it_ended() -> None:
    for script, left in (("exit 0", False), ("sleep 1000 & exit 0", True)):
        child = await spawn(["sh", "-c", script], env=os.environ, cwd=None, stdout=None, stderr=None, marker="group")
        with anyio.fail_after(20):
            await child.wait()
        assert child.left_group is left
        if left:
            os.killpg(child.pid, signal.SIGKILL)


async def test_its_group_is_signalled_only_as_long_as_its_number_is_its_own() -> None:
    child = await spawn(["sleep", "1000"], env=os.environ, cwd=None, stdout=None, stderr=None, marker="group")
    child.signal_group(signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT)
    with anyio.fail_after(20):
        assert await child.wait() == -signal.SIGTERM
    child.signal_group(signal.SIGKILL)


async def test_its_end_calls_once_and_is_waited_for_without_waiting() -> None:
    child = await spawn(["sleep", "1000"], env=os.environ, cwd=None, stdout=None, stderr=None, marker="calls")
    called = anyio.Event()
    calls: list[int] = []
    before = open_descriptors()

    def call() -> None:
        calls.append(1)
        called.set()

    assert child.when_ended(call)
    with anyio.move_on_after(0.01):
        await child.wait()
    child.signal_group(signal.SIGKILL)
    with anyio.fail_after(20):
        await called.wait()
        # Nobody has taken its status yet, but the loop is not to be told of it again and again.
        assert child._pidfd is not None
        assert not asyncio.get_running_loop().remove_reader(child._pidfd)
        assert await child.wait() == -signal.SIGKILL
    assert calls == [1]
    assert open_descriptors() == before - 1
    assert not child.when_ended(called.set), "it has ended"


async def test_whoever_wants_no_call_any_more_gets_none_and_others_may_wait_all_the_same() -> None:
    child = await spawn(["sleep", "1000"], env=os.environ, cwd=None, stdout=None, stderr=None, marker="calls")
    calls: list[str] = []
    before = open_descriptors()
    for call in (lambda: calls.append("first"), lambda: calls.append("second"), None):
        assert child.when_ended(call)
    child.signal_group(signal.SIGKILL)
    with anyio.fail_after(20):
        assert await child.wait() == -signal.SIGKILL
    await anyio.wait_all_tasks_blocked()
    assert calls == []
    assert open_descriptors() == before - 1


async def test_where_nothing_tells_of_its_end_nothing_is_called() -> None:
    child = await spawn(
        ["sleep", "1000"], env=os.environ, cwd=None, stdout=None, stderr=None, marker="calls", facilities=WITHOUT_PIDFD
    )
    assert not child.when_ended(lambda: None)
    child.signal_group(signal.SIGKILL)
    with anyio.fail_after(20):
        assert await child.wait() == -signal.SIGKILL


async def test_several_may_wait_and_one_who_gives_up_leaves_the_others_waiting() -> None:
    child = await spawn(["sleep", "1000"], env=os.environ, cwd=None, stdout=None, stderr=None, marker="waiters")
    codes: list[int] = []

    async def wait() -> None:
        codes.append(await child.wait())

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            with anyio.move_on_after(0.05):
                async with anyio.create_task_group() as impatient:
                    impatient.start_soon(wait)
                    await anyio.sleep(0.01)
                    tasks.start_soon(wait)
                    tasks.start_soon(wait)
            child.signal_group(signal.SIGKILL)
    assert codes == [-signal.SIGKILL] * 2
    assert child.pid not in STARTED
