"""Waking all who wait, and nobody else."""

import anyio

from collections_supervisor.system.bell import Bell


async def test_it_wakes_all_who_wait_and_none_who_comes_later() -> None:
    bell, woken = Bell(), list[int]()

    async def wait(number: int) -> None:
        await bell.wait()
        woken.append(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, 1)
        tasks.start_soon(wait, 2)
        await anyio.wait_all_tasks_blocked()
        assert bell.is_awaited
        bell.ring()
        tasks.start_soon(wait, 3)
        await anyio.wait_all_tasks_blocked()
        assert sorted(woken) == [1, 2]
        tasks.cancel_scope.cancel()
    assert not bell.is_awaited


async def test_rung_twice_or_for_nobody_it_does_no_harm() -> None:
    bell = Bell()
    bell.ring()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bell.wait)
        await anyio.wait_all_tasks_blocked()
        bell.ring()
        bell.ring()


async def test_whoever_is_cancelled_is_waited_for_no_more() -> None:
    bell = Bell()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await bell.wait()
    assert scope.cancelled_caught
    assert not bell.is_awaited
    bell.ring()
