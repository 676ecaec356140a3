"""Work that is asked for one item at a time and cheaper done for many at once."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import anyio

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")


class _Batch(Generic[Item, Result]):
    def __init__(self) -> None:
        self.items: list[Item] = []
        self.over = anyio.Event()
        self.results: list[Result] = []
        """The one result, once there is one."""


class Together(Generic[Key, Item, Result]):
    """Items with one key that are asked for within a moment are worked on in one piece, and each asker has the result."""

    def __init__(self, work: Callable[[Key, list[Item]], Awaitable[Result]], *, gather: float) -> None:
        """`gather` in seconds is the moment."""
        self._work = work
        self._gather = gather
        self._batches: dict[Key, _Batch[Item, Result]] = {}

    async def ask(self, key: Key, item: Item) -> Result:
        """Have it done. The first to ask does it for all; what fails fails for the first, and the others ask again."""
        while True:
            batch = self._batches.get(key)
            if batch is None:
                return await self._lead(key, item)
            batch.items.append(item)
            await batch.over.wait()
            if batch.results:
                return batch.results[0]

    async def _lead(self, key: Key, item: Item) -> Result:
        batch = self._batches[key] = _Batch[Item, Result]()
        batch.items.append(item)
        try:
            try:
                await anyio.sleep(self._gather)
            finally:
                del self._batches[key]
            batch.results.append(await self._work(key, batch.items))
        finally:
            batch.over.set()
        return batch.results[0]
