"""Our ends of the pipes to a command: they never block, and of what comes in only a bounded part is kept.

We hold both ends until the command has exited. So there is neither an end of its output nor a broken pipe to see: its exit is
what counts, whoever else may have got hold of a pipe.
"""

import contextlib
import os
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Literal, Self, TypeVar

import anyio

T = TypeVar("T")

_PIECE = 65536
_PIPE_SIZE = 1 << 20
"""Bytes that a pipe holds at most without privileges (/proc/sys/fs/pipe-max-size)."""


class Intake:
    """What a command writes to `theirs`: the first or the last `limit` bytes are kept, the others counted."""

    def __init__(self, limit: int, keep: Literal["head", "tail"]) -> None:
        self.dropped = 0
        self._limit = limit
        self._keep = keep
        self._kept = bytearray()
        self._ours, self.theirs = os.pipe()
        os.set_blocking(self._ours, False)

    @property
    def kept(self) -> bytes:
        return bytes(self._kept)

    async def drain(self) -> None:
        """Read until cancelled."""
        while True:
            await anyio.wait_readable(self._ours)
            self._read()

    def drain_rest(self) -> None:
        """Read what is in the pipe now, even if somebody goes on writing."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_PIPE_SIZE // _PIECE):
                self._read()

    def close(self) -> None:
        os.close(self._ours)
        os.close(self.theirs)

    def _read(self) -> None:
        piece = os.read(self._ours, _PIECE)
        self._kept += piece
        excess = max(0, len(self._kept) - self._limit)
        self.dropped += excess
        if self._keep == "head":
            del self._kept[self._limit :]
        else:
            del self._kept[:excess]


class Outlet:
    """What a command reads from `theirs`: `data` and then the end."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)
        self.theirs, ours = os.pipe()
        os.set_blocking(ours, False)
        self._ours: int | None = ours

    async def feed(self) -> None:
        """Write it all, as fast as it is read."""
        while self._ours is not None:
            if self._rest:
                await anyio.wait_writable(self._ours)
                self._rest = self._rest[os.write(self._ours, self._rest[:_PIECE]) :]
            else:
                self._close_ours()

    def close(self) -> None:
        self._close_ours()
        os.close(self.theirs)

    def _close_ours(self) -> None:
        ours, self._ours = self._ours, None
        if ours is not None:
            os.close(ours)


class Pipes:
    """The pipes of one command; `data` is what it reads, if anything. Raises OSError for want of descriptors."""

    def __init__(self, data: bytes | None, *, stdout_limit: int, stderr_limit: int) -> None:
        with contextlib.ExitStack() as stack:
            self.stdout = stack.enter_context(contextlib.closing(Intake(stdout_limit, "head")))
            self.stderr = stack.enter_context(contextlib.closing(Intake(stderr_limit, "tail")))
            self._stdin = None if data is None else stack.enter_context(contextlib.closing(Outlet(data)))
            self._stack = stack.pop_all()

    @property
    def stdin_fd(self) -> int | None:
        """What the command reads from; None if there is nothing to read."""
        return None if self._stdin is None else self._stdin.theirs

    async def pump_during(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` while everything flows; what is in the pipes at its end is read too."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.stdout.drain)
            group.start_soon(self.stderr.drain)
            if self._stdin is not None:
                group.start_soon(self._stdin.feed)
            result = await work()
            group.cancel_scope.cancel()
        self.stdout.drain_rest()
        self.stderr.drain_rest()
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._stack.close()
