"""Who may begin a restart: in the order they asked, as many as there are slots, and not before the coordinator was heard."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collections_supervisor.agents.slots import RestartSlots, Waiter, grants

NOBODY: frozenset[str] = frozenset()


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    """Nothing here waits for the outside."""
    return virtual_backend


# --- The decision -----------------------------------------------------------------------------------------


def line(*names: str, unreviewed: str = "") -> list[Waiter]:
    return [Waiter(name, reviewed=name not in unreviewed) for name in names]


def named(waiters: list[Waiter]) -> str:
    return "".join(waiter.name for waiter in waiters)


@pytest.mark.parametrize(
    ("free", "held", "unreviewed", "granted"),
    [
        (0, "", "", ""),
        (-1, "", "", ""),
        (1, "", "", "a"),
        (2, "", "", "ab"),
        (9, "", "", "abc"),
        (1, "a", "", "b"),
        (2, "b", "", "ac"),
        (1, "", "a", "b"),
        (2, "b", "a", "c"),
        (2, "abc", "", ""),
    ],
)
def test_the_first_who_may_get_what_is_free(free: int, held: str, unreviewed: str, granted: str) -> None:
    assert named(grants(line("a", "b", "c", unreviewed=unreviewed), free=free, held=frozenset(held))) == granted


# --- The line ---------------------------------------------------------------------------------------------


class Fleet:
    """Agents that ask for slots, in tasks of their own."""

    def __init__(self, slots: RestartSlots, tasks: Any) -> None:
        self.slots = slots
        self.running: list[str] = []
        self._tasks = tasks
        self._scopes: dict[str, anyio.CancelScope] = {}

    async def ask(self, *names: str) -> None:
        for name in names:
            self._tasks.start_soon(self._ask, name)
            await anyio.wait_all_tasks_blocked()

    async def _ask(self, name: str) -> None:
        with anyio.CancelScope() as self._scopes[name]:
            await self.slots.acquire(name)
            self.running.append(name)

    async def cancel(self, name: str) -> None:
        self._scopes[name].cancel()
        await anyio.wait_all_tasks_blocked()

    async def release(self, *names: str) -> None:
        for name in names:
            self.slots.release(name)
            self.running = [other for other in self.running if other != name]
        await anyio.wait_all_tasks_blocked()

    async def restrain(self, held: str = "", *, one_at_a_time: bool = False) -> None:
        self.slots.restrain(frozenset(held), one_at_a_time)
        await anyio.wait_all_tasks_blocked()


async def scene(slots: RestartSlots, play: Callable[[Fleet], Awaitable[None]]) -> None:
    async with anyio.create_task_group() as tasks:
        await play(Fleet(slots, tasks))
        tasks.cancel_scope.cancel()


async def test_as_many_as_there_are_slots_in_the_order_they_asked() -> None:
    async def play(fleet: Fleet) -> None:
        await fleet.ask("a", "b", "c", "d")
        assert fleet.running == ["a", "b"]
        await fleet.release("b")
        assert fleet.running == ["a", "c"]
        await fleet.release("a", "c")
        assert fleet.running == ["d"]

    await scene(RestartSlots(2, reviewing=False), play)


async def test_who_has_a_slot_gets_no_second_one() -> None:
    """An agent's task that begins anew after a bug finds the slot it had."""

    async def play(fleet: Fleet) -> None:
        await fleet.ask("a", "a", "b")
        assert fleet.running == ["a", "a"]
        await fleet.release("a")
        assert fleet.running == ["b"]

    await scene(RestartSlots(1, reviewing=False), play)


async def test_what_runs_already_takes_a_slot_beyond_the_limit() -> None:
    async def play(fleet: Fleet) -> None:
        await fleet.ask("a")
        fleet.slots.seize("x")
        await fleet.ask("b")
        await fleet.release("a")
        assert fleet.running == [], "x runs still"
        await fleet.release("x")
        assert fleet.running == ["b"]

    await scene(RestartSlots(1, reviewing=False), play)


async def test_who_waits_may_be_given_its_slot_by_force() -> None:
    async def play(fleet: Fleet) -> None:
        await fleet.ask("a", "b")
        fleet.slots.seize("b")
        await anyio.wait_all_tasks_blocked()
        assert fleet.running == ["a", "b"]

    await scene(RestartSlots(1, reviewing=False), play)


async def test_who_is_not_known_gives_nothing_back() -> None:
    async def play(fleet: Fleet) -> None:
        await fleet.ask("a")
        await fleet.release("x", "x")
        await fleet.ask("b")
        assert fleet.running == ["a"]

    await scene(RestartSlots(1, reviewing=False), play)


async def test_who_leaves_the_line_is_passed_over() -> None:
    async def play(fleet: Fleet) -> None:
        await fleet.ask("a", "b", "c", "d")
        await fleet.release("b")
        await fleet.cancel("c")
        await fleet.release("a")
        assert fleet.running == ["d"]

    await scene(RestartSlots(1, reviewing=False), play)


async def test_who_is_cancelled_before_it_learns_of_the_grant_keeps_nothing() -> None:
    async def play(fleet: Fleet) -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await fleet.slots.acquire("a")
        await fleet.ask("b")
        assert fleet.running == ["b"]

    await scene(RestartSlots(1, reviewing=False), play)


async def test_who_is_cancelled_after_the_grant_has_it_and_knows() -> None:
    async def play(fleet: Fleet) -> None:
        await fleet.ask("a", "b", "c")
        fleet.slots.release("a")
        await fleet.cancel("b")
        assert fleet.running == ["a", "b"]

    await scene(RestartSlots(1, reviewing=False), play)


async def test_the_held_are_passed_over_until_they_are_not() -> None:
    async def play(fleet: Fleet) -> None:
        await fleet.restrain("ac")
        await fleet.ask("a", "b", "c", "d")
        assert fleet.running == ["b", "d"]
        await fleet.release("b", "d")
        assert fleet.running == []
        await fleet.restrain("c")
        assert fleet.running == ["a"]

    await scene(RestartSlots(2, reviewing=False), play)


async def test_one_at_a_time_while_the_coordinator_says_so() -> None:
    async def play(fleet: Fleet) -> None:
        await fleet.restrain(one_at_a_time=True)
        await fleet.ask("a", "b", "c", "d")
        assert fleet.running == ["a"]
        await fleet.release("a")
        assert fleet.running == ["b"]
        await fleet.restrain()
        assert fleet.running == ["b", "c", "d"]

    await scene(RestartSlots(3, reviewing=False), play)


async def test_more_slots_are_given_at_once_and_fewer_as_they_come_back() -> None:
    slots = RestartSlots(1, reviewing=False)
    begun: list[str] = []

    async def take(name: str) -> None:
        await slots.acquire(name)
        begun.append(name)

    async with anyio.create_task_group() as tasks:
        for name in "abcd":
            tasks.start_soon(take, name)
            await anyio.sleep(1)
        assert begun == ["a"]
        slots.resize(3, reviewing=False)
        await anyio.sleep(1)
        assert begun == ["a", "b", "c"]
        slots.resize(1, reviewing=False)
        slots.release("a")
        slots.release("b")
        await anyio.sleep(1)
        assert begun == ["a", "b", "c"]
        slots.release("c")
        await anyio.sleep(1)
        assert begun == ["a", "b", "c", "d"]


# --- Hearing the coordinator first ------------------------------------------------------------------------


async def test_the_first_goes_at_once_and_the_second_when_the_coordinator_has_spoken() -> None:
    async def play(fleet: Fleet) -> None:
        await fleet.ask("a", "b", "c")
        assert fleet.running == ["a"]
        await fleet.restrain("b")
        assert fleet.running == ["a", "c"]

    await scene(RestartSlots(3, reviewing=True), play)


async def test_a_word_from_before_it_asked_does_not_count() -> None:
    async def play(fleet: Fleet) -> None:
        await fleet.restrain()
        await fleet.ask("a", "b")
        assert fleet.running == ["a"]

    await scene(RestartSlots(3, reviewing=True), play)


async def test_the_end_of_the_first_is_no_word_of_the_coordinator() -> None:
    """It may have failed within a millisecond, as every other one will."""

    async def play(fleet: Fleet) -> None:
        await fleet.ask("a", "b")
        await fleet.release("a")
        assert fleet.running == []
        await fleet.ask("c")
        assert fleet.running == [], "nor does a third one pass the second"
        await fleet.restrain("c")
        assert fleet.running == ["b"]

    await scene(RestartSlots(3, reviewing=True), play)


async def test_an_action_that_runs_already_is_the_first() -> None:
    async def play(fleet: Fleet) -> None:
        fleet.slots.seize("x")
        await fleet.ask("a")
        assert fleet.running == []
        await fleet.restrain()
        assert fleet.running == ["a"]

    await scene(RestartSlots(3, reviewing=True), play)


async def test_a_later_first_one_goes_at_once_too() -> None:
    async def play(fleet: Fleet) -> None:
        await fleet.ask("a")
        await fleet.release("a")
        await fleet.ask("b")
        assert fleet.running == ["b"]

    await scene(RestartSlots(3, reviewing=True), play)


# --- Whatever happens -------------------------------------------------------------------------------------


class Storm:
    """Agents that ask, work, give back and are cancelled at any moment, and a coordinator that changes its mind."""

    def __init__(self, slots: RestartSlots, limit: int, chance: random.Random) -> None:
        self.slots, self.limit, self.chance = slots, limit, chance
        self.running: set[str] = set()
        self.held: frozenset[str] = NOBODY
        self.most = limit
        self.worked = 0

    async def agent(self, name: str, rounds: int) -> None:
        for _ in range(rounds):
            await anyio.sleep(self.chance.uniform(0, 2))
            with anyio.move_on_after(self.chance.choice([0, 0.5, 1, 2, 5])):
                await self.slots.acquire(name)
                try:
                    self.begin(name)
                    await anyio.sleep(self.chance.choice([0, 0.5, 1]))
                finally:
                    self.running.discard(name)
                    self.slots.release(name)

    def begin(self, name: str) -> None:
        assert name not in self.running
        self.running.add(name)
        self.worked += 1
        assert len(self.running) <= self.limit

    async def coordinator(self) -> None:
        while True:
            await anyio.sleep(self.chance.uniform(0, 1))
            held = frozenset(name for name in "abcdef" if self.chance.random() < 0.3)
            self.slots.restrain(held, self.chance.random() < 0.3)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), limit=st.integers(1, 3), reviewing=st.booleans())
async def test_no_slot_is_ever_lost_or_given_twice(seed: int, limit: int, reviewing: bool) -> None:
    slots = RestartSlots(limit, reviewing=reviewing)
    storm = Storm(slots, limit, random.Random(seed))
    async with anyio.create_task_group() as everything:
        everything.start_soon(storm.coordinator)
        async with anyio.create_task_group() as agents:
            for name in "abcdef":
                agents.start_soon(storm.agent, name, 10)
        everything.cancel_scope.cancel()
    # Afterwards all slots are there, and no more than those.
    slots.restrain(NOBODY, False)
    for number in range(limit):
        with anyio.fail_after(1):
            await slots.acquire(f"after {number}") if number == 0 or not reviewing else slots.seize(f"after {number}")
    with anyio.move_on_after(1) as one_more:
        await slots.acquire("one more")
    assert one_more.cancelled_caught
    assert storm.worked
