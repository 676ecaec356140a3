"""An event loop that never waits and has no threads: whoever makes it says what time it is and what every turn of it does."""

import asyncio
import selectors
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

Call = Callable[[], Any]

_MOMENT = 1e-9


class _Selector(selectors.DefaultSelector):
    """Nothing from outside ever wakes this loop: instead of asking the kernel it lets time pass."""

    def __init__(self, idle: Callable[[float | None], None], is_ready: Callable[[], bool]) -> None:
        super().__init__()
        self._idle = idle
        self._is_ready = is_ready

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # A timer of this very instant is due as soon as the clock has passed it.
        self._idle(_MOMENT if timeout == 0 and not self._is_ready() else timeout)
        return []


class _Task(asyncio.Task[Any]):
    """A task whose place in a set is the same whenever the same history is told."""

    made = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _Task.made += 1
        self._number = _Task.made
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs tasks under a time that is given to it, and has blocking calls made by whoever is given them."""

    _ready: Collection[Any]
    _stopping: bool

    def __init__(
        self,
        time: Callable[[], float],
        idle: Callable[[float | None], None],
        execute: Callable[[object, Call], "asyncio.Future[Any]"],
    ) -> None:
        """`idle` is called once each turn with the seconds until the next timer: None if there is none, 0 if one is due."""
        self._now = time
        self._execute = execute
        super().__init__(_Selector(idle, self._is_ready))
        # Or a timer would ring up to so much too early, and whoever set it would set it again, for ever in one instant.
        self._clock_resolution = 0.0
        _Task.made = 0
        self.set_task_factory(lambda loop, coro, **options: _Task(coro, loop=loop, **options))

    def _is_ready(self) -> bool:
        return bool(self._ready) or self._stopping

    def time(self) -> float:
        """The time of whoever made it."""
        return self._now()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """Have the call made without a thread."""
        return self._execute(executor, partial(func, *args))
