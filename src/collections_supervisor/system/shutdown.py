"""How the program is asked to stop, and how much time what it runs still has."""

import os
import signal

import anyio

from collections_supervisor.system.clock import Clock

TREE_GRACE = 5.0
"""Seconds between TERM and KILL for what an action started."""


MOST_ASKED = 2
"""Signals to stop that are obeyed in order; one more ends the process on the spot."""


class Shutdown:
    """The operator's signals as events: stop, kill what runs now, and the time that is left."""

    def __init__(self, grace: float, clock: Clock) -> None:
        """`grace` in seconds is what a stop may take."""
        self.requested = anyio.Event()
        self.kill_now = anyio.Event()
        self.signal = ""
        self._asked = 0
        self._grace = grace
        self._clock = clock
        self._deadline: float | None = None

    def ask(self, number: int) -> None:
        """Take one signal: the first stops, the second kills what runs, the third ends the process on the spot."""
        self._asked += 1
        if self._asked > MOST_ASKED:
            os._exit(128 + number)
        if self.requested.is_set():
            self.kill_now.set()
            return
        self.signal = signal.Signals(number).name
        self._deadline = self._clock.now().mono + self._grace
        self.requested.set()

    def grant(self, grace: float) -> None:
        """A stop may take so many seconds from now on, if none was asked for yet."""
        self._grace = grace

    async def run(self) -> None:
        """Once asked to stop, see to it that the grace ends for all, also for what was being ended before."""
        await self.requested.wait()
        await anyio.sleep(self._grace)
        self.kill_now.set()

    def tree_grace(self) -> float:
        """Seconds that a process tree has between TERM and KILL at this moment."""
        return self.bounded(TREE_GRACE)

    def bounded(self, grace: float) -> float:
        """`grace`, or what is left of the time to stop if that is less."""
        if self.kill_now.is_set():
            return 0.0
        if self._deadline is None:
            return grace
        return max(0.0, min(grace, self._deadline - self._clock.now().mono))
