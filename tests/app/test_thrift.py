"""Memory that is given back, again and again, under virtual time."""

import errno
from typing import Any

import anyio
import pytest

from collections_supervisor.app.thrift import EVERY, FIRST, Thrift


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    return virtual_backend


class Heap:
    """Does nothing but note when it was asked to."""

    def __init__(self, *, possible: bool = True, fault: OSError | None = None, takes: float = 0.0) -> None:
        self.done: list[tuple[str, float]] = []
        self._possible = possible
        self._fault = fault
        self._takes = takes

    def settle(self) -> None:
        self.done.append(("settle", anyio.current_time()))

    async def give_back(self) -> bool:
        self.done.append(("give back", anyio.current_time()))
        await anyio.sleep(self._takes)
        if self._fault is not None:
            raise self._fault
        return self._possible

    async def watched(self, seconds: float) -> list[tuple[str, float]]:
        with anyio.move_on_after(seconds):
            await Thrift(self.settle, self.give_back).run()
        return self.done


async def test_the_start_is_left_alone() -> None:
    assert await Heap().watched(FIRST - 0.1) == []


async def test_after_the_start_it_settles_once_and_gives_back_every_minute() -> None:
    times = [("give back", FIRST + number * EVERY) for number in range(3)]
    assert await Heap().watched(FIRST + 2.5 * EVERY) == [("settle", FIRST), *times]


async def test_where_it_cannot_be_done_it_is_not_tried_again() -> None:
    assert [what for what, _ in await Heap(possible=False).watched(10 * EVERY)] == ["settle", "give back"]


@pytest.mark.parametrize("heap", [Heap(fault=BlockingIOError(errno.EAGAIN, "all threads hang")), Heap(takes=1e6)])
async def test_threads_that_hang_do_not_end_it(heap: Heap) -> None:
    assert len(await heap.watched(FIRST + 4.5 * EVERY)) >= 3
