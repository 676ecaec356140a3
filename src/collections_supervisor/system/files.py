"""Small files: replaced whole or extended by whole lines, in one hop to a thread, never left half done."""

import errno
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from collections_supervisor.system.threads import WRITES, DaemonPool, complete

TEMP_PREFIX = ".collections-supervisor-"
"""How the name of a file that is being written begins; a leftover of a killed process is known by it."""

MAX_LINE = 4096
"""Bytes that one append may write, newlines included."""

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


async def replace(path: Path, data: bytes, *, mode: int | None = 0o600) -> None:
    """Put `data` in the place of `path`, so that every reader and every crash finds the old content or the new one.

    `mode` None keeps the permissions of the present file; without one they are 0644 less the umask. Cancellation waits for the
    end. Raises OSError, also (as TimeoutError) when the disk does not answer; no temporary file is left then.
    """
    await complete(WRITES, partial(_replace, path, data, mode))


async def append_line(path: Path, line: bytes, *, pool: DaemonPool = WRITES) -> None:
    """Append `line` and a newline in one write, after ending a torn last line that another writer may have left.

    The file is created with 0600 if it is missing; only regular files are written, never through a symbolic link. Cancellation
    waits for the end. Raises ValueError if the line holds a newline or is too long for `MAX_LINE`, else OSError.
    """
    if b"\n" in line:
        raise ValueError(f"not one line: {line[:80]!r}")
    if len(line) + 2 > MAX_LINE:
        raise ValueError(f"a line of {len(line)} bytes, more than {MAX_LINE - 2}")
    await complete(pool, partial(_append_line, path, line))


async def make_private_folder(path: Path, *, pool: DaemonPool = WRITES) -> None:
    """Create a folder and the missing ones above it, each with 0700; existing ones keep their mode. Raises OSError."""
    await complete(pool, partial(_make_private_folder, path))


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


def cause_of(error: OSError | ValueError) -> str:
    """Why a file could not be read or written, as the end of a sentence that names the file."""
    cause = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return cause[:1].lower() + cause[1:] if cause[1:2].islower() else cause


def require_regular(path: Path, found: os.stat_result) -> None:
    """Raise OSError (EINVAL) that says what `path` is, unless it is a regular file."""
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "a special file")
        raise OSError(errno.EINVAL, f"is {kind}, not a regular file", str(path))


def _replace(path: Path, data: bytes, mode: int | None, given_up: threading.Event) -> None:
    temp = path.parent / f"{TEMP_PREFIX}{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(temp, flags, 0o644 if mode is None else mode)
    try:
        with os.fdopen(fd, "wb") as file:
            wanted = _mode_of(path) if mode is None else mode
            if wanted is not None:
                os.fchmod(fd, wanted)
            file.write(data)
            file.flush()
            os.fsync(fd)
        _check_wanted(path, given_up)
        temp.replace(path)
    except BaseException:
        with suppress(OSError):
            temp.unlink()
        raise
    _sync_folder(path.parent)


def _mode_of(path: Path) -> int | None:
    try:
        found = path.lstat().st_mode
    except FileNotFoundError:
        return None
    # The permissions of a symbolic link are 0777 and mean nothing.
    return found & 0o777 if stat.S_ISREG(found) else None


def _check_wanted(path: Path, given_up: threading.Event) -> None:
    if given_up.is_set():
        raise TimeoutError(errno.ETIMEDOUT, "given up before it was written", str(path))


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network and FUSE file systems have no such thing for folders; they lose nothing that we could keep.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(fd)


def _append_line(path: Path, line: bytes, given_up: threading.Event) -> None:
    with open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as (fd, found):
        torn = found.st_size > 0 and os.pread(fd, 1, found.st_size - 1) != b"\n"
        data = b"\n" * torn + line + b"\n"
        _check_wanted(path, given_up)
        if os.write(fd, data) != len(data):
            # What is there stays: cutting it off could cut off what someone else appended after it.
            raise OSError(errno.ENOSPC, "only a part of the line was written", str(path))


def _make_private_folder(path: Path, given_up: threading.Event) -> None:
    for folder in reversed([path, *path.parents]):
        if not folder.is_dir():
            _check_wanted(folder, given_up)
            folder.mkdir(mode=0o700, exist_ok=True)
