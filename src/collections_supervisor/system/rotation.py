"""Rotating a file that a program of somebody else's keeps open for appending. Call it from a worker thread."""

import os
import stat
from contextlib import suppress
from pathlib import Path

PIECE = 1 << 20
LAPS = 16
"""How often at most what was appended meanwhile is copied too, before the file is cut."""


def rotate(path: Path, most: int, keep: int) -> bool:
    """Move the content of a file of more than `most` bytes to `NAME.1`, that one to `NAME.2`, and so on up to `keep`.

    Whoever has the file open goes on appending to it: its content is copied and then cut off. What is written between the last
    look and the cut, some microseconds, is lost. Returns whether it was rotated. Raises OSError; then nothing is cut.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        return False
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size <= most:
            return False
        if keep:
            _copy(fd, path, stat.S_IMODE(found.st_mode), keep)
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)
    return True


def _copy(fd: int, path: Path, mode: int, keep: int) -> None:
    new = path.with_name(f"{path.name}.new")
    copy = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        done = _append(fd, copy, 0)
        _shift(path, keep)
        new.replace(_old(path, 1))
        # While that was copied more may have come: only the last look must be short.
        for _ in range(LAPS):
            more = _append(fd, copy, done)
            if more == done:
                break
            done = more
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    finally:
        os.close(copy)


def _append(fd: int, copy: int, done: int) -> int:
    """Copy what lies behind `done`; how far it is copied then."""
    while piece := os.pread(fd, PIECE, done):
        view = memoryview(piece)
        while view:
            view = view[os.write(copy, view) :]
        done += len(piece)
    return done


def _shift(path: Path, keep: int) -> None:
    for number in range(keep - 1, 0, -1):
        with suppress(FileNotFoundError):
            _old(path, number).replace(_old(path, number + 1))


def _old(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
