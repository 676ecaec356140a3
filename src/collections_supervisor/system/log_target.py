"""Where the lines of the log go: a stream that somebody reads, or a file that somebody rotates."""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeAlias

View: TypeAlias = Callable[[bytes], bytes]

IDLE_S = 0.8
"""Seconds between two looks, while nothing is written, at whether the file is still the one with that name."""
CHECK_S = 0.4
"""Seconds after which a file that is gone is made anew, or one that cannot be looked at is told of again."""
GAP_S = 0.05
"""Seconds that lines are kept while a file that was renamed has no successor yet."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PASSING = frozenset({errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM})


class Target(Protocol):
    """A place for lines. Only one thread uses it; every method may raise `OSError` and be called again."""

    name: str
    idle_s: float | None
    """How long at most `refresh` may go uncalled, in seconds; None: it need not be called."""

    def refresh(self) -> bool:
        """Make ready for writing. True if what was written of an unfinished line is not here: begin it again."""
        ...

    def show(self, line: bytes) -> bytes:
        """The line in the form in which this target wants it."""
        ...

    def write(self, data: bytes) -> int:
        """Write at least the beginning of the data; returns how many bytes."""
        ...

    def is_dead(self, error: OSError) -> bool:
        """Whether no later attempt can succeed."""
        ...

    def close(self) -> None:
        """Let go of it. Raises nothing."""
        ...


def is_busy(error: OSError) -> bool:
    """Whether the error says no more than "not at this moment"."""
    return error.errno in _PASSING


def is_temporary(error: OSError) -> bool:
    """Whether the error is expected to go away: a full disk, or a busy moment."""
    return error.errno in _FULL | _PASSING


class _Descriptor:
    """What both kinds of target have: a descriptor of their own, and a view of the lines."""

    def __init__(self, view: View | None) -> None:
        self._view = view
        self._descriptor = -1

    def show(self, line: bytes) -> bytes:
        """The line as JSON, or as the view has it."""
        return line if self._view is None else self._view(line)

    def close(self) -> None:
        """Close the descriptor, if one is open."""
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1


class StreamTarget(_Descriptor):
    """An open descriptor: a pipe, a terminal, a socket, a redirection to a file.

    It is written to as it is: making it non-blocking would do the same to every other process that shares it, the shell at
    the same terminal included.
    """

    idle_s: float | None = None

    def __init__(self, descriptor: int, *, name: str, view: View | None = None) -> None:
        """Keeps a copy of the descriptor, so that nothing opened later can take its number and be written to."""
        super().__init__(view)
        self.name = name
        with suppress(OSError):  # closed before we started: the first write will say so
            self._descriptor = os.dup(descriptor)

    def refresh(self) -> bool:
        """A stream is always ready."""
        return False

    def write(self, data: bytes) -> int:
        """One `write(2)`, which blocks while the reader does not read."""
        return os.write(self._descriptor, data)

    def is_dead(self, error: OSError) -> bool:
        """Every error is final but a full disk (of a redirection) and one that passes."""
        return not is_temporary(error)


class FileTarget(_Descriptor):
    """A file of ours (0600, its new folders 0700), appended to by name: renamed or removed, it is made anew within a second.

    A line that a full disk cut short is finished when there is room. If the file was rotated meanwhile, the whole line goes
    into the new one, and the old one ends with the beginning of it.
    """

    idle_s: float | None = IDLE_S

    def __init__(self, path: Path, *, monotonic: Callable[[], float], view: View | None = None) -> None:
        """`monotonic` is a clock in seconds. The file is opened by the first `refresh`."""
        super().__init__(view)
        self.name = str(path)
        self._path = path
        self._monotonic = monotonic
        self._identity = (0, 0)
        self._missing_since: float | None = None
        self._no_complaint_until = 0.0

    def refresh(self) -> bool:
        """Open the file unless the one that is open has its name.

        Looked at for each line: a reader that sees the file being renamed, as rsyslog does, reads it to its end and leaves it,
        and would never see a line that was written there later.
        """
        if self._descriptor >= 0 and self._is_current():
            return False
        self._open()
        return True

    def write(self, data: bytes) -> int:
        """Append. A file that fails otherwise than by being full is opened again before the next attempt."""
        try:
            return os.write(self._descriptor, data)
        except OSError as error:
            if not is_temporary(error):
                self.close()
            raise

    def is_dead(self, error: OSError) -> bool:  # noqa: ARG002 - the port's signature
        """Never: space, folders and permissions come back."""
        return False

    def _is_current(self) -> bool:
        try:
            found = os.stat(self.name)  # noqa: PTH116 - a path object would double what a line costs here
        except FileNotFoundError:
            # Rotation renames first and creates then: a file made by us in between would be in its way.
            now = self._monotonic()
            if self._missing_since is None:
                self._missing_since = now
            if now < self._missing_since + GAP_S:
                raise BlockingIOError(errno.EAGAIN, "the file is being rotated", self.name) from None
            return now < self._missing_since + CHECK_S
        except OSError:
            # The file that is open can be written to all the same.
            now = self._monotonic()
            if now < self._no_complaint_until:
                return True
            self._no_complaint_until = now + CHECK_S
            raise
        self._missing_since = None
        return (found.st_dev, found.st_ino) == self._identity

    def _open(self) -> None:
        _make_private_folders(self._path.parent)
        # Non-blocking concerns this description only, which is ours, and only if it is a FIFO, whose opening could hang.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
        descriptor = os.open(self._path, flags, 0o600)
        try:
            status = os.fstat(descriptor)
            if _ends_within_a_line(self._path, status):
                os.write(descriptor, b"\n")
        except OSError:
            os.close(descriptor)
            raise
        self.close()
        self._descriptor = descriptor
        self._identity = (status.st_dev, status.st_ino)
        self._missing_since = None


def _make_private_folders(folder: Path) -> None:
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)


def _ends_within_a_line(path: Path, status: os.stat_result) -> bool:
    """Whether a writer that was killed, or met a full disk, left the beginning of a line there."""
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return False
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except PermissionError:  # a log that we may write and not read: nothing can be known
        return False
