"""Being called when a descriptor has something to read, without a task that waits for it.

A waiting task and the group that it lives in take ten kilobytes, and a supervisor may listen to hundreds of children.
"""

import asyncio  # noqa: TID251 - anyio wakes tasks only
from collections.abc import Callable


class Listener:
    """Calls `ready` whenever `fd` can be read, from the event loop, until it is closed, which must be before `fd` is."""

    def __init__(self, fd: int, ready: Callable[[], None]) -> None:
        self._fd = fd
        self._ready = ready
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._loop.add_reader(fd, ready)

    def pause(self, seconds: float) -> None:
        """Call nobody for so long."""
        if self._pause is None:
            self._loop.remove_reader(self._fd)
            self._pause = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._fd, self._ready)

    def remind(self, seconds: float, call: Callable[[], None]) -> None:
        """Call this once, so much later, unless it is closed by then or a reminder is due already."""
        if self._alarm is None:
            self._alarm = self._loop.call_later(seconds, self._ring, call)

    def _ring(self, call: Callable[[], None]) -> None:
        self._alarm = None
        call()

    def close(self) -> None:
        """Call nobody any more."""
        self._loop.remove_reader(self._fd)
        for timer in (self._pause, self._alarm):
            if timer is not None:
                timer.cancel()
        self._pause = self._alarm = None
