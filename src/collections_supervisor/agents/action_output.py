"""What a running action writes: two files, so that it never writes into a broken pipe of ours, and both bounded."""

import errno
import os
import tempfile
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from collections_supervisor.agents import openclaw

LIMIT = openclaw.MAX_ANSWER_BYTES
"""Bytes of output after which a running action's file is cut to nothing and begins anew, at the next look."""

CLOSE = 1.0
"""Seconds that shortening the files at the end may take."""

TAIL = 64 * 1024

ROOM = 4096
"""Bytes that there must be room for: a file can be made on a full disk, and the command that writes into it would fail."""


class Output:
    """The two files that a running action writes into. Raises OSError if there can be none."""

    def __init__(self, folder: Path, agent: str, *, begun_before: bool = False) -> None:
        """`begun_before`: an action of an earlier life of ours writes into them already."""
        self._open: list[int] = []
        self._flags = 0 if begun_before else os.O_TRUNC
        try:
            self.stdout = self._file(folder / f"{agent}.out")
            self.stderr = self._file(folder / f"{agent}.err")
        except BaseException:
            self.let_go()
            raise

    def _file(self, path: Path) -> int:
        try:
            fd = _private(path, self._flags)
        except OSError:
            # The state folder is full or gone: a nameless file elsewhere still catches the answer.
            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        self._open.append(fd)
        return fd

    async def bound(self) -> int:
        """Cut what has grown too large; the size of standard output."""
        await anyio.to_thread.run_sync(self._cut)
        return os.fstat(self.stdout).st_size

    def _cut(self) -> None:
        for fd in self._open:
            if os.fstat(fd).st_size > LIMIT:
                os.ftruncate(fd, 0)

    async def read_stdout(self) -> bytes:
        return await anyio.to_thread.run_sync(os.pread, self.stdout, LIMIT, 0)

    async def read_stderr(self) -> bytes:
        return await anyio.to_thread.run_sync(partial(_tail, self.stderr))

    async def read_tail(self) -> bytes:
        """The end of both, standard error last."""
        return await anyio.to_thread.run_sync(partial(_tail, self.stdout)) + await self.read_stderr()

    async def close(self) -> None:
        """Leave no more than the ends of what was written."""
        with anyio.move_on_after(CLOSE, shield=True):
            await anyio.to_thread.run_sync(self._keep_tails, abandon_on_cancel=True)
        self.let_go()

    def _keep_tails(self) -> None:
        for fd in self._open:
            if os.fstat(fd).st_size > TAIL:
                tail = _tail(fd)
                os.ftruncate(fd, 0)
                os.write(fd, tail)

    def let_go(self) -> None:
        while self._open:
            os.close(self._open.pop())


def _tail(fd: int) -> bytes:
    size = os.fstat(fd).st_size
    return os.pread(fd, TAIL, max(0, size - TAIL))


def _private(path: Path, flags: int) -> int:
    """A private file for a command to append to; it outlives us, so the command never writes into a broken pipe."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    try:
        if flags & os.O_TRUNC:
            _require_room(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _require_room(fd: int) -> None:
    """Raise OSError unless a few lines can be written into this empty file, which stays empty."""
    try:
        written = os.write(fd, b"\0" * ROOM)
    finally:
        os.ftruncate(fd, 0)
    if written < ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
