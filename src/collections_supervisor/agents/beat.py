"""Writing heartbeats for those who cannot: one beat, or a command with a beat before and after it."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import anyio

from collections_supervisor.agents.heartbeat_line import encode_beat, parse_instant
from collections_supervisor.config.durations import parse_duration
from collections_supervisor.config.schema import AgentConfig, LogSource
from collections_supervisor.messages import BeatStatus
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.files import append_line, cause_of, make_private_folder
from collections_supervisor.system.ownership import OthersFolderError, require_own

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""Exit statuses that a shell gives for a command it cannot run."""


_PASSED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


class NoHeartbeatLogError(Exception):
    """The agent has no heartbeat log: its sign of life is a touched file, or its process."""


async def append_beat(
    config: AgentConfig,
    *,
    now: datetime,
    status: BeatStatus = "ok",
    until: datetime | None = None,
    message: str = "",
    pid: int | None = None,
) -> Path:
    """Append one beat to the agent's (first) log and return its path; the log and its folder are created if missing.

    Raises NoHeartbeatLogError, OSError if it cannot be written, or OthersFolderError if root would make a log for another user.
    """
    path = _log_of(config)
    if path is None:
        raise NoHeartbeatLogError(f"agent {config.name} has no heartbeat log to write to")
    _require_own_log(path)
    await make_private_folder(path.parent)
    await append_line(path, encode_beat(now, status=status, until=until, message=message, pid=pid))
    return path


async def run_and_beat(config: AgentConfig, argv: Sequence[str], *, clock: Clock, complain: Callable[[str], None]) -> int:
    """Run a command between a beat `start` and a beat `ok` or `fail`; returns the exit status to pass on.

    That is the command's own, 128 + N if signal N ended it, 127 if it does not exist, 126 if it cannot be executed. It has our
    standard streams; signals that ask us to stop are passed to it. A beat that cannot be written is given to `complain` as one
    line, and the command runs all the same. Must be called in the main thread, with at least one element in `argv`.
    """

    async def beat(status: BeatStatus, message: str = "") -> None:
        try:
            await append_beat(config, now=clock.now().wall, status=status, message=message, pid=os.getpid())
        except (NoHeartbeatLogError, OthersFolderError) as error:
            complain(str(error))
        except OSError as error:
            complain(f"cannot write {_log_of(config)}: {cause_of(error)}")

    # A signal that is ignored (nohup) must stay so for the command, and one with a handler is not inherited as ignored.
    passed = [number for number in _PASSED if signal.getsignal(number) is not signal.SIG_IGN]
    with anyio.open_signal_receiver(signal.SIGCHLD, *passed) as signals:
        await beat("start")
        try:
            pid = _spawn(argv)
        except OSError as error:
            status, cause = _not_run(argv[0], error)
            complain(cause)
        else:
            status, cause = _ended(await _attend(pid, signals))
        await beat("fail" if status else "ok", cause)
    return status


def parse_until(text: str, *, now: datetime) -> datetime:
    """An instant that a person gave: ISO 8601 (naive is UTC), or a duration from now such as `20m`. Raises ValueError."""
    with suppress(ValueError, OverflowError):
        return now + timedelta(seconds=parse_duration(text))
    instant = parse_instant(text)
    if instant is None:
        raise ValueError(f"neither a time nor a duration: {text!r}")
    return instant


def _require_own_log(path: Path) -> None:
    """Raise OthersFolderError if root would make this log; one that is there stays its owner's."""
    if not os.path.lexists(path):
        require_own(path.parent, signs=path.parent.glob("*.log"))


def _log_of(config: AgentConfig) -> Path | None:
    return next((source.path for source in config.sources if isinstance(source, LogSource)), None)


def _spawn(argv: Sequence[str]) -> int:
    """Start a command that has everything of ours, also descriptors beyond the standard streams, such as a lock's."""
    return os.posix_spawnp(argv[0], tuple(argv), os.environ, setsigdef=_IGNORED_BY_PYTHON)


def _not_run(command: str, error: OSError) -> tuple[int, str]:
    if isinstance(error, FileNotFoundError):
        return NOT_FOUND, f"command not found: {command}"
    return NOT_EXECUTABLE, f"command cannot be executed: {command}: {cause_of(error)}"


async def _attend(pid: int, signals: AsyncIterator[signal.Signals]) -> int:
    """Pass signals to a command until it ends: its exit status, negative if a signal ended it.

    Passing and reaping happen in turn, so no signal can meet a process that has taken over the pid, and no exit status is lost to
    whoever else reaps (a child watcher's thread beside the poll that precedes every signal of the standard library).
    """
    async for number in signals:
        if number == signal.SIGCHLD:
            ended, status = os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222 - this does not wait
            if ended:
                return os.waitstatus_to_exitcode(status)
        elif number != signal.SIGINT or not _at_terminal():  # Ctrl-C went to the command as well, and two mean something else
            with suppress(PermissionError, ProcessLookupError):  # it runs as another user (sudo); it is about to be reaped
                os.kill(pid, number)
    raise AssertionError("the signals never end")


def _ended(code: int) -> tuple[int, str]:
    """The exit status to pass on, and what to say of it."""
    if code >= 0:
        return code, f"exit status {code}"
    return 128 - code, f"ended by signal {-code} ({signal.strsignal(-code)})"


def _at_terminal() -> bool:
    """Whether we are in the foreground of a terminal, whose keys signal the whole group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
