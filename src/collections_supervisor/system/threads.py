"""Blocking calls off the event loop, on threads that a hung file system cannot turn into a program that never ends.

aiofiles makes the hop (`aiofiles.os.wrap`): one per call of ours, which may hold many system calls. Its own functions hop once
for each open, read and close, and so do the objects it returns.
"""

import errno
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

import aiofiles.os
import anyio

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DaemonPool(Executor):
    """At most `threads` threads, started when needed, and at most `waiting` calls in line for one.

    The standard pool joins its threads when the interpreter ends, so one read of a dead network mount would keep the process
    alive for ever. These threads are daemons: whoever needs a call to end waits for it.
    """

    def __init__(self, name: str, *, threads: int, waiting: int = 1000) -> None:
        self._name = name
        self._limit = threads
        self._waiting = waiting
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._starting = threading.Lock()
        self._started = 0

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have the call made; raises OSError (EAGAIN) if every thread hangs and too many calls are waiting already."""
        with self._starting:
            if self._calls.qsize() >= self._waiting:
                raise BlockingIOError(errno.EAGAIN, f"all {self._limit} threads of pool {self._name} hang")
            future: Future[_T] = Future()
            self._calls.put((future, partial(fn, *args, **kwargs)))
            if not self._idle.acquire(blocking=False) and self._started < self._limit:
                self._started += 1
                threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            future, call = self._calls.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits the call
                    future.set_exception(error)
            del future, call  # a result must not live until the next call
            self._idle.release()


READS = DaemonPool("file-read", threads=16)
"""For files of others, on mounts that may hang. If all its threads hang, further calls fail with TimeoutError."""

WRITES = DaemonPool("file-write", threads=4)
"""For files of our own, so that reads that hang never stand in their way."""

WRITE_DEADLINE = 10.0
"""Seconds until a write is given up."""


@aiofiles.os.wrap
def _make(call: Callable[[], _T]) -> _T:
    return call()


async def hop(pool: DaemonPool, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Await `call` on a thread of the pool. When cancelled before a thread took it, it is never made; later, it is abandoned."""
    # One wrapper for all calls: to make one anew costs more than most of them.
    result: _T = await _make(partial(call, *args, **kwargs), executor=pool)
    return result


async def complete(pool: DaemonPool, write: Callable[[threading.Event], None], *, deadline: float = WRITE_DEADLINE) -> None:
    """Await a write to its end, also when cancelled meanwhile, for at most `deadline` seconds.

    The write is given an event and must look at it before its last irrevocable step: once that is set nobody waits any more,
    and a newer write of the same file may have passed it. Raises TimeoutError then, else whatever the write raises.
    """
    given_up = threading.Event()
    with anyio.move_on_after(deadline, shield=True):
        await hop(pool, write, given_up)
        return
    given_up.set()
    raise TimeoutError(errno.ETIMEDOUT, f"not written within {deadline:g} s")


class Gate:
    """The way to one place that may hang: of all calls through it, at most one thread is ever stuck."""

    def __init__(self, pool: DaemonPool, *, deadline: float) -> None:
        self._pool = pool
        self._deadline = deadline
        self._occupied = threading.Lock()

    async def run(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Await `call`; raises TimeoutError after `deadline` seconds, or at once while an abandoned call still hangs."""
        if self._occupied.locked():
            raise self._still_hangs()
        with anyio.move_on_after(self._deadline):
            return await hop(self._pool, self._alone, partial(call, *args, **kwargs))
        raise TimeoutError(errno.ETIMEDOUT, f"no answer within {self._deadline:g} s")

    def _alone(self, call: Callable[[], _T]) -> _T:
        if not self._occupied.acquire(blocking=False):
            raise self._still_hangs()
        try:
            return call()
        finally:
            self._occupied.release()

    @staticmethod
    def _still_hangs() -> TimeoutError:
        return TimeoutError(errno.ETIMEDOUT, "an earlier call still hangs")
