"""Where a process of ours writes: a named pipe that we read, or a file that we only rotate.

Either outlives us. The process holds its pipe open for reading too, so that it meets neither a broken pipe nor an end when we
die; what it says meanwhile waits there for the next supervisor, as much as a pipe holds.
"""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import anyio
from structlog.typing import FilteringBoundLogger

from collections_supervisor.agents.owned_lines import Lines
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.listening import Listener
from collections_supervisor.system.process_errors import SpawnError
from collections_supervisor.system.rotation import rotate
from collections_supervisor.system.threads import WRITES, hop

PIECE = 65536
"""What a pipe holds."""

PACE = 0.01
"""Seconds between two reads of one that says too much: it waits, and not everybody else."""

OPEN_DEADLINE = 10.0


class Output(Protocol):
    """One way of taking what a process of ours writes."""

    async def handle(self) -> int:
        """A descriptor for the process to write into, which the caller closes. Raises SpawnError."""
        ...

    def listen(self) -> None:
        """Take what it writes, as it comes, until it is drained."""
        ...

    def drain(self) -> None:
        """It has ended: take what is still there, and listen no more."""
        ...

    async def look_after(self, most: int, keep: int) -> None:
        """Do what is due once a cycle: a file may have `most` bytes before it is rotated, and `keep` old ones are kept."""
        ...

    def close(self) -> None:
        """Let go of it; may be asked for a handle again."""
        ...


class LogOutput:
    """A named pipe, read line by line into the log."""

    def __init__(self, agent: str, path: Path, clock: Clock, log: FilteringBoundLogger) -> None:
        self._path = path
        self._clock = clock
        self._lines = Lines(agent, log)
        self._reading = -1
        self._spare = -1
        """Our copy of the other end, where the pipe has no name to open it by."""
        self._listener: Listener | None = None

    async def handle(self) -> int:
        """The other end of the pipe; one without a name where none can be made in the folder, which then does not outlive us."""
        try:
            return self._named()
        except OSError as refused:
            try:
                return self._nameless()
            except OSError:
                raise SpawnError("failed", f"no pipe for its output can be made: {refused}") from refused

    def attach(self) -> None:
        """Go on reading what an earlier life of ours read. Raises OSError if its pipe is gone."""
        self._reading = _open(self._path, os.O_NONBLOCK)

    def listen(self) -> None:
        """Read whenever there is something."""
        if self._reading >= 0 and self._listener is None:
            self._listener = Listener(self._reading, self._heard)

    def _heard(self) -> None:
        read = self._read()
        if self._lines.skipped and self._listener is not None:
            self._listener.remind(self._lines.second_ends(self._now()), self._lines.tell_skipped)
            if read == PIECE:
                self._listener.pause(PACE)

    def drain(self) -> None:
        """Take what is there, and the unfinished last line."""
        self._deafen()
        if self._reading >= 0:
            for _ in range(16):
                if not self._read():
                    break
        self._lines.end(self._now())

    async def look_after(self, most: int, keep: int) -> None:
        """There is nothing to do: what is read is gone."""

    def close(self) -> None:
        """Close our ends."""
        self._deafen()
        for end in (self._reading, self._spare):
            if end >= 0:
                os.close(end)
        self._reading = self._spare = -1

    def _deafen(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _read(self) -> int:
        try:
            piece = os.read(self._reading, PIECE)
        except BlockingIOError:
            return 0
        self._lines.take(piece, self._now())
        return len(piece)

    def _now(self) -> float:
        return self._clock.now().mono

    def _named(self) -> int:
        try:
            theirs = _open(self._path)
        except OSError:
            _make(self._path)
            theirs = _open(self._path)
        try:
            if self._reading < 0 or not os.path.samestat(os.fstat(theirs), os.fstat(self._reading)):
                self.close()
                self.attach()
        except BaseException:
            os.close(theirs)
            raise
        return theirs

    def _nameless(self) -> int:
        if self._spare < 0:
            self.close()
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "output"
                _make(path)
                self._reading, self._spare = _open(path, os.O_NONBLOCK), _open(path)
        return os.dup(self._spare)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if not stat.S_ISFIFO(path.lstat().st_mode):
            path.unlink()  # the output of an action, from when this agent was restarted in another way
    with suppress(FileExistsError):
        os.mkfifo(path, 0o600)


def _open(path: Path, flags: int = 0) -> int:
    """Both ends of a named pipe in one, which never waits for anybody and never ends. Raises OSError for anything else."""
    if not stat.S_ISFIFO(path.lstat().st_mode):
        raise FileNotFoundError(f"{path} is no pipe")
    return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | flags)


class FileOutput:
    """A file of the operator's choice. The process appends to it without us; we cut it where it has grown too large."""

    def __init__(self, path: Path, agent: str, log: FilteringBoundLogger) -> None:
        self._path = path
        self._agent = agent
        self._log = log
        self._refused = ""

    async def handle(self) -> int:
        """The file, opened for appending."""
        try:
            with anyio.fail_after(OPEN_DEADLINE):
                return await hop(WRITES, self._open)
        except OSError as error:
            raise SpawnError("failed", f"its output {self._path} cannot be written: {error}") from error

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            mode = self._path.stat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
                raise FileExistsError("it is no file")
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, 0o600)

    def listen(self) -> None:
        """Nothing passes through us."""

    def drain(self) -> None:
        """Everything is where it belongs."""

    async def look_after(self, most: int, keep: int) -> None:
        """Rotate it if it has grown too large; that it cannot be is said once."""
        try:
            await hop(WRITES, rotate, self._path, most, keep)
        except OSError as error:
            if str(error) != self._refused:
                self._refused = str(error)
                self._log.warning(
                    "agent.output.unrotated",
                    message=f"the output of {self._agent} in {self._path} grows on: {error}",
                    agent=self._agent,
                    path=str(self._path),
                    reason=str(error),
                )
        else:
            self._refused = ""

    def close(self) -> None:
        """Nothing is held open."""
