"""Calls that hang must cost a bounded number of threads, and nobody's time."""

import errno
import subprocess
import sys
import threading

import anyio
import pytest

from collections_supervisor.system.threads import DaemonPool, Gate, complete, hop


class Hang:
    """A call that blocks its thread until it is released."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.released = threading.Event()
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        self.started.set()
        assert self.released.wait(30)
        return "late"


async def test_a_hop_returns_and_raises_what_the_call_does() -> None:
    pool = DaemonPool("t", threads=1)
    assert await hop(pool, divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await hop(pool, divmod, 7, 0)


async def test_idle_threads_are_used_again() -> None:
    pool = DaemonPool("t", threads=4)
    first = await hop(pool, threading.get_ident)
    # A thread calls itself idle just after it has given its result, so a second one may have been started; no more than that.
    assert len({first, *[await hop(pool, threading.get_ident) for _ in range(20)]}) <= 2


async def test_a_full_pool_refuses_instead_of_growing() -> None:
    pool, hang = DaemonPool("t", threads=1, waiting=2), Hang()
    running = pool.submit(hang)
    assert hang.started.wait(10)
    waiting = [pool.submit(divmod, 1, 1) for _ in range(2)]
    with pytest.raises(OSError, match="all 1 threads of pool t hang") as caught:
        await hop(pool, divmod, 1, 1)
    assert caught.value.errno == errno.EAGAIN
    hang.released.set()
    assert running.result(10) == "late"
    assert [future.result(10) for future in waiting] == [(1, 0), (1, 0)]


async def test_a_gate_gives_up_and_lets_no_second_call_hang() -> None:
    pool, hang = DaemonPool("t", threads=1), Hang()
    gate = Gate(pool, deadline=0.02)
    with pytest.raises(TimeoutError, match=r"no answer within 0.02 s"):
        await gate.run(hang)
    for _ in range(5):
        with pytest.raises(TimeoutError, match="an earlier call still hangs"):
            await gate.run(hang)
    assert hang.calls == 1
    hang.released.set()
    with anyio.fail_after(10):
        while True:
            try:
                assert await gate.run(divmod, 9, 2) == (4, 1)
            except TimeoutError:
                await anyio.sleep(0)
            else:
                break


async def test_a_hung_gate_leaves_the_threads_to_others() -> None:
    pool, hang = DaemonPool("t", threads=2), Hang()
    with pytest.raises(TimeoutError):
        await Gate(pool, deadline=0.02).run(hang)
    assert await Gate(pool, deadline=10).run(divmod, 9, 2) == (4, 1)
    hang.released.set()


async def test_a_call_still_waiting_at_the_deadline_is_never_made() -> None:
    pool, hang, called = DaemonPool("t", threads=1), Hang(), threading.Event()
    running = pool.submit(hang)
    with pytest.raises(TimeoutError):
        await Gate(pool, deadline=0.02).run(called.set)
    hang.released.set()
    running.result(10)
    assert pool.submit(divmod, 1, 1).result(10) == (1, 0)
    assert not called.is_set()


async def test_a_write_is_awaited_to_its_end_although_cancelled() -> None:
    hang, order, scope = Hang(), list[str](), anyio.CancelScope()

    def write(given_up: threading.Event) -> None:
        hang()
        order.append(f"written, given up: {given_up.is_set()}")

    async def writer() -> None:
        with scope:
            await complete(DaemonPool("t", threads=1), write)
        order.append("returned")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        hang.released.set()
    assert order == ["written, given up: False", "returned"]


async def test_a_write_that_hangs_is_told_that_nobody_waits() -> None:
    pool, hang, told = DaemonPool("t", threads=1), Hang(), threading.Event()

    def write(given_up: threading.Event) -> None:
        hang()
        if given_up.is_set():
            told.set()

    with pytest.raises(TimeoutError, match=r"not written within 0.02 s"):
        await complete(pool, write, deadline=0.02)
    hang.released.set()
    assert told.wait(10)


def test_a_hung_thread_does_not_keep_the_process_alive() -> None:
    program = (
        "import threading, anyio\n"
        "from collections_supervisor.system.threads import READS, Gate\n"
        "async def main():\n"
        "    try: await Gate(READS, deadline=0.02).run(threading.Event().wait)\n"
        "    except TimeoutError: print('gave up')\n"
        "anyio.run(main)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "gave up\n", "")
