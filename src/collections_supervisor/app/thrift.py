"""Keeps the program small and prompt: what the start took is given back, and never looked through again."""

import contextlib
from collections.abc import Awaitable, Callable

import anyio

FIRST = 10.0
"""Seconds until the start is over, the first page included."""

EVERY = 60.0
"""Seconds between two times, and the most that one may take."""


class Thrift:
    """Gives unused memory back every minute."""

    def __init__(self, settle: Callable[[], None], give_back: Callable[[], Awaitable[bool]]) -> None:
        """`settle` is called once, when the start is over; `give_back` again and again, while it says True."""
        self._settle = settle
        self._give_back = give_back

    async def run(self) -> None:
        """Work until cancelled, or until it turns out that this system has no way to do it."""
        await anyio.sleep(FIRST)
        self._settle()
        possible = True
        while possible:
            # A disk that hangs may hold all threads: whoever writes there says so.
            with anyio.move_on_after(EVERY), contextlib.suppress(BlockingIOError):
                possible = await self._give_back()
            await anyio.sleep(EVERY)
