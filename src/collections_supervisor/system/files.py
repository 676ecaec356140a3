"""Small files: replaced whole, extended by whole lines or set aside, in one hop to a thread, never left half done."""

import errno
import os
import secrets
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from collections_supervisor.system.files_open import cause_of, open_regular, require_regular
from collections_supervisor.system.files_read import MOMENTARY, read_bounded, read_patiently
from collections_supervisor.system.threads import WRITES, DaemonPool, complete

__all__ = [
    "MAX_DURABLE_LINE",
    "MAX_LINE",
    "MOMENTARY",
    "TEMP_PREFIX",
    "append_durable",
    "append_line",
    "cause_of",
    "make_private_folder",
    "open_regular",
    "overwrite",
    "put",
    "read_bounded",
    "read_patiently",
    "replace",
    "require_regular",
    "set_aside",
    "sweep_temporaries",
]

TEMP_PREFIX = ".collections-supervisor-"
"""How the name of a file that is being written begins; a leftover of a killed process is known by it."""

MAX_LINE = 4096
"""Bytes that one append may write, newlines included."""

MAX_DURABLE_LINE = 1 << 20
"""The same for a line of our own files."""

MAX_OVERWRITTEN = 4096
"""Bytes of a file that is written over in its place: one page of memory, which the kernel takes whole or not at all."""

LEFTOVER_AGE = 60.0
"""Seconds after which nobody can still be writing a temporary file."""


def _go_on(_call: str) -> None:
    """Nothing happens between two writes."""


after_write: Callable[[str], None] = _go_on
"""Called on the writing thread after each system call of this module that changes the disk, with its name (`create`, `write`,
`fsync`, `rename`, `fsync_folder`, `append`, `unlink`, `mkdir`): a test puts in its place what ends the process there."""


async def replace(path: Path, data: bytes, *, mode: int | None = 0o600, durable: bool = True) -> None:
    """Put `data` in the place of `path`, so that every reader and every crash finds the old content or the new one.

    `mode` None keeps the permissions of the present file; without one they are 0644 less the umask. What is not `durable`
    survives our death, but perhaps not a loss of power. Cancellation waits for the end. Raises OSError, also (as TimeoutError)
    when the disk does not answer; no temporary file is left then.
    """
    await complete(WRITES, partial(_replace, path, data, mode, durable))


async def put(path: Path, data: bytes, *, mode: int | None = 0o600, durable: bool = True) -> None:
    """What `replace` does, with the missing folders above it made, private."""
    await _with_folder(path, partial(_replace, path, data, mode, durable))


async def overwrite(path: Path, data: bytes) -> None:
    """What `put` does, not durable, for JSON that is written often and must not wait: over what stands there, in one write.

    A file that takes the place of another one has its content sent to the disk at once, and whoever does that waits for a disk
    that is busy. A shorter text is filled up with spaces. Our death leaves the old text or the new one; a loss of power may
    leave neither, and whoever reads in the very moment of the write sees a part of each: for files that nobody else reads.
    """
    await _with_folder(path, partial(_overwrite, path, data))


async def append_line(path: Path, line: bytes, *, pool: DaemonPool = WRITES) -> None:
    """Append `line` and a newline in one write, after ending a torn last line that another writer may have left.

    The file is created with 0600 if it is missing; only regular files are written, never through a symbolic link. Cancellation
    waits for the end. Raises ValueError if the line holds a newline or is too long for `MAX_LINE`, else OSError.
    """
    _check_line(line, MAX_LINE)
    await complete(pool, partial(_append_line, path, line, False))


async def append_durable(path: Path, line: bytes) -> None:
    """What `append_line` does, for a file of our own: up to `MAX_DURABLE_LINE`, and on disk when this returns.

    After an OSError the line may stand there all the same, whole or torn.
    """
    _check_line(line, MAX_DURABLE_LINE)
    await complete(WRITES, partial(_append_line, path, line, True))


async def set_aside(path: Path, now: datetime) -> Path:
    """Rename what cannot be used, so that nothing of it is lost, to a name in its folder that nothing has; returns that.

    `now` is in UTC. Raises OSError.
    """
    places: list[Path] = []
    await complete(WRITES, partial(_set_aside, path, f"{path.name}.unreadable-{now:%Y%m%dT%H%M%SZ}", places))
    return places[0]


async def sweep_temporaries(folder: Path, now: datetime) -> int:
    """Remove what a killed process left half written in `folder`; returns how many files that were.

    What cannot be removed stays. Raises OSError if the folder cannot be read; a missing one holds nothing.
    """
    swept: list[str] = []
    await complete(WRITES, partial(_sweep, folder, now.timestamp(), swept))
    return len(swept)


async def make_private_folder(path: Path, *, pool: DaemonPool = WRITES) -> None:
    """Create a folder and the missing ones above it, each with 0700; existing ones keep their mode. Raises OSError."""
    await complete(pool, partial(_make_private_folder, path))


async def _with_folder(path: Path, write: Callable[[threading.Event], None]) -> None:
    try:
        await complete(WRITES, write)
    except FileNotFoundError:
        await make_private_folder(path.parent)
        await complete(WRITES, write)


def _check_line(line: bytes, limit: int) -> None:
    if b"\n" in line:
        raise ValueError(f"not one line: {line[:80]!r}")
    if len(line) + 2 > limit:
        raise ValueError(f"a line of {len(line)} bytes, more than {limit - 2}")


def _replace(path: Path, data: bytes, mode: int | None, durable: bool, given_up: threading.Event) -> None:
    temp = path.parent / f"{TEMP_PREFIX}{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(temp, flags, 0o644 if mode is None else mode)
    try:
        with os.fdopen(fd, "wb") as file:
            after_write("create")
            wanted = _mode_of(path) if mode is None else mode
            if wanted is not None:
                os.fchmod(fd, wanted)
            file.write(data)
            file.flush()
            after_write("write")
            if durable:
                _sync(fd)
        _check_wanted(path, given_up)
        temp.replace(path)
        after_write("rename")
    except BaseException:
        with suppress(OSError):
            temp.unlink()
        raise
    if durable:
        _sync_folder(path.parent)


def _overwrite(path: Path, data: bytes, given_up: threading.Event) -> None:
    with suppress(OSError):  # whatever cannot be written over can be replaced, or not: that is the error to tell of
        fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if _is_overwritten(fd, path, data, given_up):
                return
        finally:
            os.close(fd)
    _replace(path, data, 0o600, False, given_up)


def _is_overwritten(fd: int, path: Path, data: bytes, given_up: threading.Event) -> bool:
    found = os.fstat(fd)
    size = max(found.st_size, len(data))
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_mode & 0o077 or size > MAX_OVERWRITTEN:
        return False
    padded = data.ljust(size)
    _check_wanted(path, given_up)
    written = os.pwrite(fd, padded, 0)
    after_write("write")
    return written == len(padded)


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


def _sync(fd: int) -> None:
    os.fsync(fd)
    after_write("fsync")


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
        after_write("fsync_folder")
    except OSError as error:
        # Some network and FUSE file systems have no such thing for folders; they lose nothing that we could keep.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(fd)


def _append_line(path: Path, line: bytes, durable: bool, given_up: threading.Event) -> None:
    with open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as (fd, found):
        if found.st_size == 0:
            after_write("create")
            if durable:  # before the first line: a file that holds one needs no second look at its folder, whoever died when
                _sync_folder(path.parent)
        torn = found.st_size > 0 and os.pread(fd, 1, found.st_size - 1) != b"\n"
        data = b"\n" * torn + line + b"\n"
        _check_wanted(path, given_up)
        written = os.write(fd, data)
        after_write("append")
        if written != len(data):
            # What is there stays: cutting it off could cut off what someone else appended after it.
            raise OSError(errno.ENOSPC, "only a part of the line was written", str(path))
        if durable:
            _sync(fd)


def _set_aside(path: Path, name: str, places: list[Path], given_up: threading.Event) -> None:
    for number in range(1, 100):
        place = path.with_name(name if number == 1 else f"{name}-{number}")
        # Only we give such names, and one supervisor at a time: nothing takes this one between the look and the renaming.
        if not os.path.lexists(place):
            _check_wanted(path, given_up)
            path.rename(place)
            after_write("rename")
            _sync_folder(path.parent)
            places.append(place)
            return
    raise FileExistsError(errno.EEXIST, "too many of its kind were set aside within one second", str(path))


def _sweep(folder: Path, now: float, swept: list[str], _given_up: threading.Event) -> None:
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.name.startswith(TEMP_PREFIX):
                with suppress(OSError):
                    # Apart in either direction: the clock may have been set meanwhile.
                    if abs(now - path.lstat().st_mtime) > LEFTOVER_AGE:
                        path.unlink()
                        after_write("unlink")
                        swept.append(path.name)


def _make_private_folder(path: Path, given_up: threading.Event) -> None:
    for folder in reversed([path, *path.parents]):
        if not folder.is_dir():
            _check_wanted(folder, given_up)
            folder.mkdir(mode=0o700, exist_ok=True)
            after_write("mkdir")
