"""Opening regular files and nothing else, and the words for why one could not be used."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def open_regular(path: Path, flags: int) -> Iterator[tuple[int, os.stat_result]]:
    """A descriptor of a regular file and its status; blocks on nothing but the file system. Raises OSError for anything else.

    The kind is looked at before opening, because opening a device can have effects, and after it, because it may have changed.
    """
    with suppress(FileNotFoundError):  # if that is an error, opening says so
        require_regular(path, path.lstat())
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o600)
    try:
        found = os.fstat(fd)
        require_regular(path, found)
        yield fd, found
    finally:
        os.close(fd)


def require_regular(path: Path, found: os.stat_result) -> None:
    """Raise OSError (EINVAL) that says what `path` is, unless it is a regular file."""
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "a special file")
        raise OSError(errno.EINVAL, f"is {kind}, not a regular file", str(path))


def cause_of(error: OSError | ValueError) -> str:
    """Why a file could not be read or written, as the end of a sentence that names the file."""
    cause = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return cause[:1].lower() + cause[1:] if cause[1:2].islower() else cause
