"""Our ends of the pipes to a command: they never block, and of what comes in only a bounded part is kept."""

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


class _Pipe:
    def __init__(self, reading: bool) -> None:
        ends = os.pipe()
        self.ours, self.theirs = ends if reading else reversed(ends)
        os.set_blocking(self.ours, False)
        self._open = set(ends)

    def close_theirs(self) -> None:
        """The command has its own copy by now; with ours open its end would never show."""
        self._close(self.theirs)

    def close_ours(self) -> None:
        self._close(self.ours)

    def _close(self, end: int) -> None:
        if end in self._open:
            self._open.remove(end)
            os.close(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close_theirs()
        self.close_ours()


class Intake(_Pipe):
    """What a command writes: the first or the last `limit` bytes are kept, the others counted."""

    def __init__(self, limit: int, keep: Literal["head", "tail"]) -> None:
        super().__init__(reading=True)
        self.dropped = 0
        self._limit = limit
        self._keep = keep
        self._kept = bytearray()
        self._ended = False

    @property
    def kept(self) -> bytes:
        return bytes(self._kept)

    async def drain(self) -> None:
        """Read until nobody holds the other end any more."""
        while not self._ended:
            await anyio.wait_readable(self.ours)
            self._read()

    def drain_rest(self) -> None:
        """Read what is in the pipe now, whoever still holds the other end and goes on writing."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_PIPE_SIZE // _PIECE):
                if not self._ended:
                    self._read()

    def _read(self) -> None:
        piece = os.read(self.ours, _PIECE)
        self._ended = not piece
        self._kept += piece
        excess = max(0, len(self._kept) - self._limit)
        self.dropped += excess
        if self._keep == "head":
            del self._kept[self._limit :]
        else:
            del self._kept[:excess]


class Outlet(_Pipe):
    """What a command reads: `data` and then the end."""

    def __init__(self, data: bytes) -> None:
        super().__init__(reading=False)
        self._rest = memoryview(data)

    async def feed(self) -> None:
        """Write it all; a command that does not want to read it is free to do so."""
        with contextlib.suppress(BrokenPipeError):
            while self._rest:
                await anyio.wait_writable(self.ours)
                self._rest = self._rest[os.write(self.ours, self._rest[:_PIECE]) :]
        self._rest = self._rest[:0]
        self.close_ours()


class Pipes:
    """The pipes of one command; `data` is what it reads, if anything. Raises OSError for want of descriptors."""

    def __init__(self, data: bytes | None, *, stdout_limit: int, stderr_limit: int) -> None:
        with contextlib.ExitStack() as stack:
            self.stdout = stack.enter_context(Intake(stdout_limit, "head"))
            self.stderr = stack.enter_context(Intake(stderr_limit, "tail"))
            self._stdin = None if data is None else stack.enter_context(Outlet(data))
            self._stack = stack.pop_all()

    @property
    def stdin_fd(self) -> int | None:
        """What the command reads from; None if there is nothing to read."""
        return None if self._stdin is None else self._stdin.theirs

    def close_theirs(self) -> None:
        """To be called when the command has been started."""
        for pipe in (self.stdout, self.stderr, self._stdin):
            if pipe is not None:
                pipe.close_theirs()

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
