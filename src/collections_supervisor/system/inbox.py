"""What one actor is told, and when it wants to be woken."""

import asyncio  # noqa: TID251 - anyio has no timer but the deadline of a cancel scope
from typing import Generic, TypeVar

from collections_supervisor.system.bell import Bell

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """Items in the order they came, at most so many, for one reader that waits for them up to an instant.

    An anyio stream under `move_on_after` does the same, but sets up and tears down a cancellation for every wait. A fleet's
    agents wait once a minute or once a second, for years, and that was four fifths of all the program's work.
    """

    def __init__(self, limit: int) -> None:
        self._items: list[Item] = []
        self._limit = limit
        self._changed = Bell()
        self._late = False

    async def put(self, item: Item) -> None:
        """Hand over an item; waits while the inbox is full."""
        while len(self._items) >= self._limit:
            await self._changed.wait()
        self._items.append(item)
        self._changed.ring()

    async def next(self, until: float) -> Item | None:
        """The next item; None if none has come by the monotonic instant `until`."""
        self._late = False
        alarm = asyncio.get_running_loop().call_at(until, self._ring)
        try:
            while not self._items:
                if self._late:
                    return None
                await self._changed.wait()
        finally:
            if not self._late:
                alarm.cancel()
        item = self._items.pop(0)
        self._changed.ring()
        return item

    def _ring(self) -> None:
        self._late = True
        self._changed.ring()
