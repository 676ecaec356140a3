"""Work that many ask for and that is done once."""

from typing import Any

import anyio
import pytest

from collections_supervisor.system.together import Together


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    return virtual_backend


class Work:
    def __init__(self, takes: float = 1.0) -> None:
        self.takes = takes
        self.done: list[tuple[str, list[int]]] = []
        self.fails = 0

    async def __call__(self, key: str, items: list[int]) -> int:
        await anyio.sleep(self.takes)
        if self.fails:
            self.fails -= 1
            raise OSError("no luck")
        self.done.append((key, items))
        return sum(items)


async def test_those_who_ask_within_a_moment_are_served_together() -> None:
    work = Work()
    together = Together(work, gather=0.5)
    results: dict[int, int] = {}

    async def ask(item: int, after: float) -> None:
        await anyio.sleep(after)
        results[item] = await together.ask("a", item)

    async with anyio.create_task_group() as tasks:
        for item, after in ((1, 0.0), (2, 0.25), (4, 0.375), (8, 0.625)):
            tasks.start_soon(ask, item, after)
    assert work.done == [("a", [1, 2, 4]), ("a", [8])], "who comes while it is being done is not served by it"
    assert results == {1: 7, 2: 7, 4: 7, 8: 8}


async def test_other_keys_are_other_work() -> None:
    work = Work()
    together = Together(work, gather=0.5)
    async with anyio.create_task_group() as tasks:
        for key, item in (("a", 1), ("b", 2), ("a", 3)):
            tasks.start_soon(together.ask, key, item)
    assert sorted(work.done) == [("a", [1, 3]), ("b", [2])]


@pytest.mark.parametrize("after", [0.25, 1.0])
async def test_those_behind_one_who_gives_up_ask_again(after: float) -> None:
    work = Work()
    together = Together(work, gather=0.5)
    results: list[int] = []

    async def lead() -> None:
        with anyio.move_on_after(after):
            await together.ask("a", 1)

    async def follow() -> None:
        await anyio.sleep(0.125)
        results.append(await together.ask("a", 2))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lead)
        tasks.start_soon(follow)
        tasks.start_soon(follow)
    assert results == [4, 4]
    assert work.done == [("a", [2, 2])]


async def test_what_fails_fails_for_the_first_alone() -> None:
    work = Work()
    work.fails = 1
    together = Together(work, gather=0.5)
    results: list[object] = []

    async def ask(item: int) -> None:
        try:
            results.append(await together.ask("a", item))
        except OSError as error:
            results.append(str(error))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, 1)
        tasks.start_soon(ask, 2)
    assert results == ["no luck", 2]
