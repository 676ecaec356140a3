"""Starting a command in a session of its own and learning how it ended, without a thread per child.

Nothing here ends a process tree; that is `process_tree`'s work.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import anyio
import anyio.lowlevel

from collections_supervisor.system.bell import Bell
from collections_supervisor.system.process_errors import SpawnError, check_enterable, explain, find_program
from collections_supervisor.system.process_table import HERE, MARKER_VARIABLE, STARTED, Facilities, start_time
from collections_supervisor.system.process_tree import Tree
from collections_supervisor.system.threads import DaemonPool, hop

__all__ = ["UNKNOWN_EXIT", "Child", "SpawnError", "child_environment", "spawn"]

UNKNOWN_EXIT = 255
"""The exit code of a child whose status somebody else took, which happens where SIGCHLD is ignored."""

_SPAWNS = DaemonPool("spawn", threads=8)
_SPAWN_DEADLINE = 10.0
_POLL = 0.05
_NOT_INHERITED = frozenset(
    {
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "LISTEN_PIDFDID",
        "JOURNAL_STREAM",
        "STATE_DIRECTORY",
    }
)
"""What a service manager says to us alone: a child that answers in our name would have us restarted, or kept for alive."""

_abandoned: set[int] = set()
_burying = threading.Lock()


def child_environment(base: Mapping[str, str], extra: Mapping[str, str], *, drop: Collection[str]) -> dict[str, str]:
    """The environment of a child: `base` without what a service manager tells us and without `drop`, then `extra`."""
    return {name: value for name, value in base.items() if name not in _NOT_INHERITED and name not in drop} | dict(extra)


class Child:
    """A command we started. Its exit status is taken by whoever waits, or when the object is forgotten."""

    def __init__(self, pid: int, start_time: int, marker: str, pidfd: int | None) -> None:
        self.pid = pid
        self.start_time = start_time
        """What the kernel says, see `process_table.Process`; 0 where it could not be read."""
        self.marker = marker
        self.returncode: int | None = None
        """None until somebody waited for the end. Negative: ended by that signal."""
        self.left_group = False
        """Whether others of its process group were still there when its status was taken."""
        self._pidfd = pidfd
        self._ended = Bell()
        self._call: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        """Where its end is listened for, while it is."""

    @property
    def tree(self) -> Tree:
        """The command and everything it started, for `end_trees`."""
        return Tree(pid=self.pid, start_time=self.start_time, marker=self.marker)

    async def wait(self) -> int:
        """The exit code, negative if a signal ended it. May be awaited by several tasks, and cancelled."""
        while (code := self._take_status()) is None:
            if self._pidfd is None:
                # There is nothing to wait on that needs no thread.
                await anyio.sleep(_POLL)
            else:
                await self._sign_of_its_end(self._pidfd)
        return code

    def when_ended(self, call: Callable[[], None] | None) -> bool:
        """Have this called once, when `wait` would return, unless whoever waits learns of it first; None: have nothing called.

        False if nothing tells of the end. For hundreds of children that live long: a task that waits takes three kilobytes.
        """
        if self._pidfd is None or self.returncode is not None:
            return False
        self._call = call
        if call is not None:
            self._listen(self._pidfd)
        return True

    async def _sign_of_its_end(self, pidfd: int) -> None:
        self._listen(pidfd)
        try:
            await self._ended.wait()
        finally:
            if not self._ended.is_awaited and self._call is None:
                self._rest()

    def _listen(self, pidfd: int) -> None:
        # An event loop takes one reader for a file descriptor. Not by anyio, which needs three times the memory for each.
        if self._loop is None:
            loop = asyncio.get_running_loop()
            loop.add_reader(pidfd, self._note_end)
            self._loop = loop

    def _note_end(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()
        if self._ended.is_awaited:
            self._ended.ring()
        else:
            self._rest()

    def _rest(self) -> None:
        """Listen no more; the descriptor is let go of once there is nothing left to listen for."""
        loop, self._loop = self._loop, None
        if loop is not None and self._pidfd is not None:
            loop.remove_reader(self._pidfd)
        if self.returncode is not None:
            self._close()

    def signal_group(self, *numbers: int) -> None:
        """Send these signals, in this order, to its process group, unless its status was taken already.

        Until then its number, and with it that of the group, is nobody else's.
        """
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                for number in numbers:
                    os.killpg(self.pid, number)

    def _take_status(self) -> int | None:
        if self.returncode is None:
            self.returncode = _reap(self.pid)
            if self.returncode is not None:
                # Asked at once: the number of a group that is gone can be given to somebody else, but numbers come in turn.
                self.left_group = _has_group(self.pid)
                if not self._ended.is_awaited:
                    self._rest()
        return self.returncode

    def _close(self) -> None:
        pidfd, self._pidfd = self._pidfd, None
        if pidfd is not None:
            os.close(pidfd)

    def __del__(self) -> None:
        self._close()
        if self.returncode is None:
            _abandoned.add(self.pid)


async def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None,
    stdout: int | None,
    stderr: int | None,
    marker: str,
    stdin: int | None = None,
    facilities: Facilities = HERE,
) -> Child:
    """Start `argv` in a session of its own, with `env`, the `marker` in it, and these file descriptors and no others.

    A descriptor of None is /dev/null, never ours. The program is sought on the PATH in `env`. `marker` is a word that no
    other tree has. Cancellation waits until the child is there (at most ten seconds), so that the caller always gets it and
    can end it. Raises SpawnError.
    """
    if not argv or not argv[0]:
        raise SpawnError("not_found", "no program is named")
    await anyio.lowlevel.checkpoint_if_cancelled()
    environment = {**env, MARKER_VARIABLE: marker}
    handover = _Handover()

    def start() -> None:
        handover.give(_start(argv, environment, cwd, (stdin, stdout, stderr), facilities))

    try:
        with anyio.move_on_after(_SPAWN_DEADLINE, shield=True):
            await hop(_SPAWNS, start)
        child = handover.take()
    except BlockingIOError as error:
        raise SpawnError("failed", f"program {argv[0]!r} cannot be started: earlier starts still hang") from error
    finally:
        handover.refuse()
    if child is None:
        raise SpawnError("failed", f"program {argv[0]!r} did not start within {_SPAWN_DEADLINE:g} s")
    return child


class _Handover:
    """Passes a child from the thread that starts it to the task that asked; kills it when nobody takes it any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._refused = False

    def give(self, child: Child) -> None:
        with self._lock:
            self._child = child
            refused = self._refused
        if refused:
            self.refuse()

    def take(self) -> Child | None:
        with self._lock:
            child, self._child = self._child, None
        return child

    def refuse(self) -> None:
        with self._lock:
            self._refused = True
            child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)


def _start(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path | None, stdio: tuple[int | None, ...], facilities: Facilities
) -> Child:
    _bury_abandoned()
    # Before Python 3.12 all our threads stand still from the fork to the exec: what may hang on a dead mount has to do so
    # here, where only this thread waits.
    check_enterable(cwd)
    found = find_program(argv[0], env, cwd)
    stdin, stdout, stderr = (subprocess.DEVNULL if end is None else end for end in stdio)
    try:
        popen = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, close_fds=True, start_new_session=True
        )
    except OSError as error:
        raise explain(error, argv[0], found, env, cwd) from error
    except (ValueError, subprocess.SubprocessError) as error:  # ValueError: a NUL or a lone surrogate in an argument
        raise SpawnError("failed", f"program {argv[0]!r} cannot be started: {error}") from error
    popen.returncode = 0  # keeps its destructor quiet: taking the status is our work
    return _child_of(popen.pid, env[MARKER_VARIABLE], facilities)


def _child_of(pid: int, marker: str, facilities: Facilities) -> Child:
    started, pidfd = None, None
    with contextlib.suppress(OSError):  # no descriptor left; the child lives and can be waited for without either
        started = start_time(pid, facilities)
        pidfd = os.pidfd_open(pid) if facilities.pidfd else None
    if started is not None:
        STARTED[pid] = started
    return Child(pid, started or 0, marker, pidfd)


def _reap(pid: int) -> int | None:
    """The exit code of a child of ours, None as long as it runs. Nobody can take it a second time."""
    try:
        reaped, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        STARTED.pop(pid, None)
        return UNKNOWN_EXIT
    if reaped:
        STARTED.pop(pid, None)
    return os.waitstatus_to_exitcode(status) if reaped else None


def _has_group(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody in it has become another user
        return True
    return True


def _bury_abandoned() -> None:
    """Take the status of children nobody waited for. As long as that is open their numbers cannot be given out again."""
    with _burying:
        for pid in tuple(_abandoned):
            if _reap(pid) is not None:
                _abandoned.discard(pid)
