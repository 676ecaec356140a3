"""One supervisor per state folder: a lock that the kernel lets go of when its holder dies."""

import fcntl
import os
from pathlib import Path


class LockHeldError(Exception):
    """Another supervisor has the lock; `pid` is its process, or None if it has not written it yet."""

    def __init__(self, path: Path, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"{path}: held by {holder}: another supervisor uses this state folder")


class Lock:
    """An exclusive lock on a file, with the holder's pid in it, as long as it is open."""

    def __init__(self, path: Path) -> None:
        """Take the lock at once; raises LockHeldError, or OSError where there can be no such file."""
        # Without inheritance: a child that keeps the descriptor would keep the lock after our death.
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            self._take(path)
        except BaseException:
            os.close(self._fd)
            raise

    def _take(self, path: Path) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockHeldError(path, self._holder()) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def _holder(self) -> int | None:
        text = os.pread(self._fd, 32, 0).strip()
        return int(text) if text.isdigit() else None

    def close(self) -> None:
        """Let go of it. The file stays: removing it would let two holders lock two files of one name."""
        os.close(self._fd)
