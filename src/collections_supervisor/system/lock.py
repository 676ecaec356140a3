"""One supervisor per state folder: a lock that the kernel lets go of when its holder dies."""

import contextlib
import errno
import fcntl
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

LOCK = "supervisor.lock"
"""The name of the lock in a state folder."""

RETRY = 0.05
"""Seconds between two tries to get a lock that is held for a short while."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_HOLDER = re.compile(rb"([0-9]{1,10})( once)?\n")


class Holder(NamedTuple):
    """Who has the lock."""

    pid: int | None
    """None if it has not written it yet."""
    once: bool = False
    """It makes a single sweep."""


class LockHeldError(Exception):
    """Another supervisor has the lock; `pid` is its process, or None if it has not written it yet."""

    def __init__(self, path: Path, pid: int | None, *, once: bool = False) -> None:
        self.path = path
        self.pid = pid
        self.once = once
        """It makes a single sweep, so the lock will be free soon."""
        holder = f"process {pid}" if pid is not None else "another process"
        user = "a single sweep of another supervisor" if once else "another supervisor"
        super().__init__(f"{path}: held by {holder}: {user} uses this state folder")


class Lock:
    """An exclusive lock on a file, with the holder in it (`PID`, or `PID once` for a single sweep), as long as it is open."""

    def __init__(self, path: Path, *, once: bool = False, take: Callable[[int, int], None] = fcntl.flock) -> None:
        """Take the lock at once; raises LockHeldError, or OSError where there can be no such file."""
        self.unsupported: str | None = None
        """Why nothing is locked: one sentence; None where all is well. Two supervisors would not notice each other then."""
        self._path = path
        self._once = once
        # Without inheritance: a child that keeps the descriptor would keep the lock after our death.
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            self._take(path, take)
            # A full disk has no room for our name and must not keep us from watching: the lock holds without it.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
                os.pwrite(self._fd, b"%d%s\n" % (os.getpid(), b" once" * once), 0)
        except BaseException:
            os.close(self._fd)
            raise

    def _take(self, path: Path, take: Callable[[int, int], None]) -> None:
        try:
            take(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _named_in(self._fd)
            raise LockHeldError(path, holder.pid, once=holder.once) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            # Not watching would be worse than watching twice.
            self.unsupported = f"{path}: the file system has no locks: {error.strerror}"

    def is_in_place(self) -> bool:
        """Whether the locked file still has its name; once it does not, nobody else sees the lock. Blocks for one stat."""
        ours = os.fstat(self._fd)
        try:
            found = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)

    def retake(self) -> None:
        """Lock the file that has the name now, making it if it is missing; raises LockHeldError or OSError."""
        fresh = Lock(self._path, once=self._once)
        os.close(self._fd)
        self._fd, self.unsupported = fresh._fd, fresh.unsupported

    def close(self) -> None:
        """Let go of it. The file stays: removing it would let two holders lock two files of one name."""
        os.close(self._fd)


def find_holder(path: Path, *, take: Callable[[int, int], None] = fcntl.flock) -> Holder | None:
    """Who has the lock, None if nobody does; for somebody who does not want it. Raises OSError if that cannot be found out."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        # There is no asking without taking. Shared and given back at once: whoever wants it at this moment tries again.
        take(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _named_in(fd)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        named = _named_in(fd)
        return named if named.pid is not None and _lives(named.pid) else None
    else:
        return None
    finally:
        os.close(fd)


def _named_in(fd: int) -> Holder:
    found = _HOLDER.fullmatch(os.pread(fd, 32, 0))
    return Holder(int(found[1]), once=bool(found[2])) if found else Holder(None)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def wait_for_lock(path: Path, *, once: bool = False, seconds: float = 10.0) -> Lock:
    """Take the lock as soon as it is free, waiting up to `seconds` for single sweeps of others, but not for a daemon.

    Blocks: it belongs before the event loop. Raises LockHeldError, or OSError where there can be no such file.
    """
    deadline = time.monotonic() + seconds  # noqa: TID251 - there is no clock before there is an event loop
    daemon: int | None = None
    while True:
        try:
            return Lock(path, once=once)
        except LockHeldError as error:
            # Seen twice: whoever has only just taken the lock is still named by what the holder before left in the file.
            found = None if error.once else error.pid
            if (found is not None and found == daemon) or time.monotonic() >= deadline:  # noqa: TID251
                raise
            daemon = found
        time.sleep(RETRY)
