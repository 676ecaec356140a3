"""The restart slots of the fleet: who may begin, in which order, and for whom the coordinator says to wait."""

from collections.abc import Collection, Iterable

import anyio


class Waiter:
    """One agent in line for a slot."""

    def __init__(self, name: str, *, reviewed: bool) -> None:
        self.name = name
        self.reviewed = reviewed
        """The coordinator has had its say since it asked, or need not have it."""
        self.granted = anyio.Event()


def grants(waiting: Iterable[Waiter], *, free: int, held: Collection[str]) -> list[Waiter]:
    """Whom of those that wait, in the order they asked, the `free` slots go to."""
    eligible = [waiter for waiter in waiting if waiter.reviewed and waiter.name not in held]
    return eligible[: max(0, free)]


class RestartSlots:
    """At most so many restarts at one time; first come, first served, but those that the coordinator holds are passed over."""

    def __init__(self, limit: int, *, reviewing: bool) -> None:
        """`reviewing`: a failure of the whole host can be recognised in this fleet, so that the coordinator is heard first.

        Only the first one to ask while nothing runs or waits is then let go at once. Every further one waits for a `restrain`
        that came after it asked: until then nobody has judged whether it is the second of many.
        """
        self._limit = limit
        self._reviewing = reviewing
        self._waiting: dict[str, Waiter] = {}
        self._running: set[str] = set()
        self._held: frozenset[str] = frozenset()
        self._one_at_a_time = False

    async def acquire(self, name: str) -> None:
        """Wait for a slot for this agent; returns at once if it has one. Cancelling leaves the line and keeps no slot."""
        if name in self._running:
            return
        waiter = Waiter(name, reviewed=not self._reviewing or not (self._running or self._waiting))
        self._waiting[name] = waiter
        self._grant()
        try:
            await waiter.granted.wait()
        except BaseException:
            self.release(name)
            raise

    def seize(self, name: str) -> None:
        """Take a slot at once, also beyond the limit, for an action that runs already."""
        self._let_go(self._waiting.get(name) or Waiter(name, reviewed=True))

    def release(self, name: str) -> None:
        """Give the slot of this agent back, or leave the line: an `acquire` that still waits then has to be cancelled."""
        self._waiting.pop(name, None)
        self._running.discard(name)
        self._grant()

    def restrain(self, held: frozenset[str], one_at_a_time: bool) -> None:
        """The coordinator's word: these agents wait, and the others begin one after the other. Holds until the next word."""
        self._held = held
        self._one_at_a_time = one_at_a_time
        for waiter in self._waiting.values():
            waiter.reviewed = True
        self._grant()

    def resize(self, limit: int, *, reviewing: bool) -> None:
        """Have so many slots from now on; whoever is beyond them runs to the end."""
        self._limit, self._reviewing = limit, reviewing
        self._grant()

    def _grant(self) -> None:
        limit = 1 if self._one_at_a_time else self._limit
        for waiter in grants(self._waiting.values(), free=limit - len(self._running), held=self._held):
            self._let_go(waiter)

    def _let_go(self, waiter: Waiter) -> None:
        self._waiting.pop(waiter.name, None)
        self._running.add(waiter.name)
        waiter.granted.set()
