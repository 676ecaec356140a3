"""A file of lines that says what the memory says: extended line by line, written anew where it is not what we left."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain, count
from pathlib import Path

import anyio
from structlog.typing import FilteringBoundLogger

from collections_supervisor.system.clock import Clock
from collections_supervisor.system.files import append_durable, cause_of, make_private_folder, read_patiently, replace, set_aside

LARGEST = 64 << 20
"""Bytes beyond which the file cannot be ours."""

HUNG = 10.0
"""Seconds for which a disk that did not answer is left alone: asking costs as many."""


class LineFile:
    """The file. It never raises for what the disk does: what cannot be written now is written as soon as the disk can."""

    def __init__(self, path: Path, render: Callable[[], Iterable[bytes]], clock: Clock, log: FilteringBoundLogger) -> None:
        """`render` gives all lines that are to stand in the file, without newlines."""
        self.size = 0
        """Bytes that were in it when we last looked."""
        self.whole_size = 0
        """How many it had when it was last written whole."""
        self._path = path
        self._render = render
        self._clock = clock
        self._log = log
        self._turn = anyio.Lock()
        self._inode: int | None = None
        self._behind = False
        self._failed = False
        self._left_alone_until = 0.0
        self._spoiled: list[bytes] = []
        self._unread = ""

    @property
    def behind(self) -> bool:
        """Whether something is missing in it."""
        return self._behind

    async def read(self) -> bytes:
        """All of it, nothing if there is none; what cannot be read is set aside before anything is written."""
        try:
            data = await read_patiently(self._path, LARGEST)
        except FileNotFoundError:
            return b""
        except OSError as error:
            self._unread = cause_of(error)
            self._behind = True
            return b""
        self._note()
        return data

    def spoiled(self, lines: list[bytes]) -> None:
        """These lines of it are of no use; they are kept elsewhere before it is written anew."""
        self._spoiled = lines

    async def append(self, line: bytes) -> None:
        """Add a line to what the file says; `render` gives it too."""
        written = False
        try:
            async with self._turn:
                await self._attempt(line)
                written = True
        finally:
            # Cancelled: memory and file are not the same any more.
            self._behind = self._behind or not written

    async def rewrite(self) -> None:
        """Write it whole."""
        async with self._turn:
            await self._attempt(None)

    async def _attempt(self, line: bytes | None) -> None:
        if self._clock.now().mono < self._left_alone_until:
            self._behind = True
            return
        try:
            if line is None or self._behind:
                await self._write_whole()
            else:
                await self._extend(line)
        except OSError as error:
            self._fail(error)
        else:
            self._recover()

    async def _extend(self, line: bytes) -> None:
        try:
            await append_durable(self._path, line)
        except TimeoutError:
            raise
        except (OSError, ValueError):
            # No regular file, no folder, a line too long for an append: written whole it may work all the same.
            await self._write_whole()
            return
        inode, size = self._inode, self.size + len(line) + 1
        self._note()
        if self.size != size or inode not in {None, self._inode}:
            await self._write_whole()
            self._tell_resumed("had been removed or changed, and is written anew")

    async def _write_whole(self) -> None:
        await self._put_aside()
        data = b"".join(line + b"\n" for line in self._render())
        try:
            await replace(self._path, data)
        except FileNotFoundError:
            await make_private_folder(self._path.parent)
            await replace(self._path, data)
        self._behind = False
        self._note()
        self.whole_size = self.size

    async def _put_aside(self) -> None:
        now = self._clock.now().wall
        if self._unread:
            with suppress(FileNotFoundError):
                self._tell_aside(await set_aside(self._path, now), self._unread)
            self._unread = ""
        if self._spoiled:
            place = _unused(self._path.with_name(f"{self._path.name}.unreadable-{now:%Y%m%dT%H%M%SZ}"))
            await replace(place, b"".join(line + b"\n" for line in self._spoiled))
            self._tell_aside(place, "some of its lines make no sense", len(self._spoiled))
            self._spoiled = []

    def _note(self) -> None:
        try:
            # One look at a file that was read or written this very moment needs no thread.
            found = os.lstat(self._path)
        except OSError:
            self._inode, self.size = None, -1
        else:
            self._inode, self.size = found.st_ino, found.st_size

    # --- What is said ---

    def _fail(self, error: OSError) -> None:
        self._behind = True
        if isinstance(error, TimeoutError):
            self._left_alone_until = self._clock.now().mono + HUNG
        if not self._failed:
            self._failed = True
            cause = cause_of(error)
            self._log.error(
                "supervisor.store_failed",
                message=f"{self._path} cannot be written: {cause}; what happens now would be forgotten if this program died",
                path=str(self._path),
                reason=cause,
            )

    def _recover(self) -> None:
        if self._failed:
            self._failed = False
            self._tell_resumed("can be written again, and holds everything")

    def _tell_resumed(self, how: str) -> None:
        self._log.info("supervisor.store_resumed", message=f"{self._path} {how}", path=str(self._path))

    def _tell_aside(self, place: Path, reason: str, lines: int | None = None) -> None:
        self._log.warning(
            "supervisor.state_set_aside",
            message=f"{self._path} cannot be used as it is: {reason}; what is of no use is kept as {place.name}",
            path=str(place),
            reason=reason,
            lines=lines,
        )


def _unused(place: Path) -> Path:
    numbers = (place.with_name(f"{place.name}-{number}") for number in count(2))
    return next(name for name in chain([place], numbers) if not os.path.lexists(name))
