"""Reading one invoice file, and what its status says of whether it is still the one that was read."""

import os
import stat
from array import array
from collections.abc import Iterable
from operator import attrgetter

from collections_supervisor.system.files import cause_of

LIMIT = 1 << 20
"""Bytes of the largest file that is read: a real one has about a thousand."""

_CHUNK = 1 << 16
_STATE = attrgetter("st_size", "st_ctime_ns", "st_ino")
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class UnusableError(OSError):
    """A file that is there and cannot be read; its text says why."""


def sign(found: os.stat_result) -> int:
    """A number that is another one as soon as the file may be: of its size, its inode and the time of its last change.

    That time is the ctime: everything that sets the mtime sets it too, and nobody can set it back. One number of 64 bits, because
    there are a hundred thousand of them; that two states of a file share one is a chance of one in 2 ** 61. Never -1.
    """
    return hash(_STATE(found))


def signs(folder: int, names: Iterable[str]) -> "array[int]":
    """Those of files in the folder of that descriptor, as they are now. Raises OSError."""
    lstat = os.lstat
    # Without a call of ours for each: a hundred thousand files are looked at like this.
    return array("q", [hash(_STATE(lstat(name, dir_fd=folder))) for name in names])


def read_invoice_file(folder: int, name: str) -> tuple[bytes, os.stat_result]:
    """The content of a regular file in the folder of that descriptor, and its status from before that was read.

    Raises FileNotFoundError if it is gone, UnusableError if it cannot be read.
    """
    try:
        fd = os.open(name, _FLAGS, dir_fd=folder)
        try:
            found = os.fstat(fd)
            fit = found.st_size <= LIMIT and stat.S_ISREG(found.st_mode)
            data = os.read(fd, _CHUNK) if fit else b""
            if len(data) == _CHUNK:
                data = _all(fd, data)
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnusableError(cause_of(error)) from None
    if not fit:
        raise UnusableError(_unfit(found))
    return data, found


def _all(fd: int, data: bytes) -> bytes:
    parts = [data]
    while data and sum(map(len, parts)) <= LIMIT:
        data = os.read(fd, _CHUNK)
        parts.append(data)
    return b"".join(parts)


def _unfit(found: os.stat_result) -> str:
    if stat.S_ISREG(found.st_mode):
        return f"holds {found.st_size} bytes, more than {LIMIT}"
    return "is not a regular file"
