"""One-for-one supervision of our own tasks, under virtual time."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import pytest

from collections_supervisor.messages import ActorCrashed, Now
from collections_supervisor.system.supervision import LONGEST_PAUSE, STEADY, pause, supervise

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    return virtual_backend


class VirtualClock:
    def now(self) -> Now:
        return Now(mono=anyio.current_time(), wall=EPOCH + timedelta(seconds=anyio.current_time()))


class Actor:
    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work

    async def run(self) -> None:
        await self._work()


class Bench:
    """Supervises actors whose work is a function, and remembers when each began."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.begun: list[float] = []
        self.crashes: list[ActorCrashed] = []

    async def crashed(self, crash: ActorCrashed) -> None:
        self.crashes.append(crash)

    async def supervise(self, work: Callable[[], Awaitable[None]], name: str = "reporter", agent: str | None = None) -> None:
        def make() -> Actor:
            self.begun.append(anyio.current_time())
            return Actor(work)

        await supervise(name, make, clock=VirtualClock(), log=self.log, crashed=self.crashed, agent=agent)


@pytest.fixture
def bench(log: Any) -> Bench:
    return Bench(log)


def crash_after(*lives: float) -> Callable[[], Awaitable[None]]:
    """Work that ends with a bug after so many seconds, each time, and then goes on for ever."""
    left = list(lives)

    async def work() -> None:
        if not left:
            await anyio.sleep_forever()
        await anyio.sleep(left.pop(0))
        raise RuntimeError("a bug")

    return work


async def watch(bench: Bench, seconds: float, *works: Callable[[], Awaitable[None]]) -> None:
    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as tasks:
            for work in works:
                tasks.start_soon(bench.supervise, work)


def test_pauses_double_up_to_a_minute() -> None:
    assert [pause(crashes) for crashes in (1, 2, 3, 6, 7, 8, 1000, 10**9)] == [1.0, 2.0, 4.0, 32.0, 60.0, 60.0, 60.0, 60.0]
    assert pause(100) == LONGEST_PAUSE


async def test_an_actor_that_is_done_is_not_begun_again(bench: Bench) -> None:
    async def work() -> None:
        await anyio.sleep(1.0)

    await bench.supervise(work)
    assert bench.begun == [0.0]
    assert bench.log.events == []


async def test_a_crash_is_logged_told_and_the_actor_begun_again_after_a_pause(bench: Bench) -> None:
    with anyio.move_on_after(100.0):
        await bench.supervise(crash_after(5.0, 0.0), name="agent mailer", agent="mailer")
    assert bench.begun == [0.0, 6.0, 8.0]
    assert [(crash.actor, crash.agent, crash.crashes) for crash in bench.crashes] == [
        ("agent mailer", "mailer", 1),
        ("agent mailer", "mailer", 2),
    ]
    assert bench.crashes[0].error == "RuntimeError('a bug')"
    first, second = bench.log.of("supervisor.actor_crashed")
    assert (first["level"], first["actor"], first["agent"], first["crashes"]) == (50, "agent mailer", "mailer", 1)
    assert first["exc_info"].__traceback__ is not None
    assert "again in 1 s" in first["message"]
    assert "again in 2 s" in second["message"]


async def test_its_siblings_never_notice(bench: Bench) -> None:
    ticks: list[float] = []

    async def sibling() -> None:
        while True:
            ticks.append(anyio.current_time())
            await anyio.sleep(1.0)

    await watch(bench, 60.5, crash_after(*[0.0] * 100), sibling)
    assert ticks == [float(n) for n in range(61)]
    assert len(bench.crashes) == 6


async def test_one_that_was_steady_is_forgiven_earlier_crashes(bench: Bench) -> None:
    await watch(bench, 3 * STEADY, crash_after(0.0, 0.0, 0.0, STEADY, 0.0))
    assert [crash.crashes for crash in bench.crashes] == [1, 2, 3, 1, 2]
    assert bench.begun == [0.0, 1.0, 3.0, 7.0, 7.0 + STEADY + 1, 7.0 + STEADY + 1 + 2]


async def test_one_that_lives_nearly_long_enough_is_not_forgiven(bench: Bench) -> None:
    await watch(bench, 3 * STEADY, crash_after(0.0, 0.0, STEADY - 1, 0.0))
    assert [crash.crashes for crash in bench.crashes] == [1, 2, 3, 4]


async def test_a_bug_in_making_it_is_a_crash_too(bench: Bench) -> None:
    async def nothing() -> None:
        pass

    made = 0

    def make() -> Actor:
        nonlocal made
        made += 1
        if made < 3:
            raise ValueError("a bug in the constructor")
        return Actor(nothing)

    await supervise("reporter", make, clock=VirtualClock(), log=bench.log, crashed=bench.crashed)
    assert [crash.crashes for crash in bench.crashes] == [1, 2]


async def test_a_group_of_errors_is_one_crash(bench: Bench) -> None:
    async def fail(message: str) -> None:
        raise RuntimeError(message)

    calls = 0

    async def work() -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail, "one")
            tasks.start_soon(fail, "two")

    await bench.supervise(work)
    [crash] = bench.crashes
    assert "one" in crash.error
    [entry] = bench.log.of("supervisor.actor_crashed")
    assert isinstance(entry["exc_info"], ExceptionGroup)


async def test_what_no_actor_may_swallow_goes_through(bench: Bench) -> None:
    class Leave(BaseException):
        pass

    async def leave() -> None:
        raise Leave

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leave)
            tasks.start_soon(anyio.sleep_forever)

    for broken in (leave, work):
        with pytest.raises((Leave, BaseExceptionGroup)):
            await bench.supervise(broken)
    assert bench.crashes == []


@pytest.mark.parametrize("at", [0.5, 2.25])
async def test_a_cancellation_ends_it_in_its_work_and_in_its_pause(bench: Bench, at: float) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.supervise, crash_after(2.0, 100.0))
        await anyio.sleep(at)
        tasks.cancel_scope.cancel()
    assert anyio.current_time() == at
    assert len(bench.begun) == 1


async def test_a_bug_in_its_cleanup_while_it_is_cancelled_is_logged_and_does_not_begin_it_again(bench: Bench) -> None:
    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise RuntimeError("a bug in the cleanup")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(bench.supervise, work))
        await anyio.sleep(1.0)
        tasks.cancel_scope.cancel()
    assert bench.begun == [0.0]
    assert len(bench.log.of("supervisor.actor_crashed")) == 1


async def test_whoever_hears_of_a_crash_slowly_delays_only_that_actor(bench: Bench) -> None:
    heard: list[float] = []

    async def slowly(_: ActorCrashed) -> None:
        heard.append(anyio.current_time())
        await anyio.sleep(5.0)

    def make() -> Actor:
        bench.begun.append(anyio.current_time())
        return Actor(crash_after(1.0))

    with anyio.move_on_after(20.0):
        await supervise("reporter", make, clock=VirtualClock(), log=bench.log, crashed=slowly)
    assert heard == [1.0, 8.0, 16.0]
    assert bench.begun == [0.0, 7.0, 15.0]
