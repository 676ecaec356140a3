"""Keeps the program small: what the start took, and bursts of work since then, is given back."""

import contextlib
from collections.abc import Callable

import anyio

from collections_supervisor.system.threads import WRITES, hop

FIRST = 10.0
"""Seconds until the start is over, the first page included."""

EVERY = 60.0
"""Seconds between two times, and the most that one may take."""


def give_back() -> bool:
    """Return unused memory; False where that is not possible."""
    # Imported at its time: it loads what nothing else of ours needs.
    from collections_supervisor.system import heap

    return heap.give_back()


class Thrift:
    """Gives unused memory back every minute."""

    def __init__(self, give_back: Callable[[], bool] = give_back) -> None:
        self._give_back = give_back

    async def run(self) -> None:
        """Work until cancelled, or until it turns out that this system has no way to do it."""
        await anyio.sleep(FIRST)
        possible = True
        while possible:
            # A disk that hangs may hold all threads: whoever writes there says so.
            with anyio.move_on_after(EVERY), contextlib.suppress(BlockingIOError):
                possible = await hop(WRITES, self._give_back)
            await anyio.sleep(EVERY)
