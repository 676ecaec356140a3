"""Writing heartbeats for those who cannot: one beat, or a command with a beat before and after it."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import anyio
from anyio.abc import Process

from collections_supervisor.agents.heartbeat_line import encode_beat, parse_instant
from collections_supervisor.config.durations import parse_duration
from collections_supervisor.config.schema import AgentConfig, LogSource
from collections_supervisor.messages import BeatStatus
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.files import append_line, make_private_folder

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""Exit statuses that a shell gives for a command it cannot run."""


_PASSED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


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

    Raises NoHeartbeatLogError, or OSError if it cannot be written.
    """
    path = next((source.path for source in config.sources if isinstance(source, LogSource)), None)
    if path is None:
        raise NoHeartbeatLogError(f"agent {config.name} has no heartbeat log to write to")
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
        except (OSError, NoHeartbeatLogError) as error:
            complain(f"cannot write the heartbeat of agent {config.name}: {error}")

    # A signal that is ignored (nohup) must stay so for the command, and one with a handler is not inherited as ignored.
    passed = [number for number in _PASSED if signal.getsignal(number) is not signal.SIG_IGN]
    with anyio.open_signal_receiver(*passed) as signals:
        await beat("start")
        try:
            process = await anyio.open_process(argv, stdin=None, stdout=None, stderr=None)
        except OSError as error:
            status, cause = _not_run(argv[0], error)
            complain(cause)
        else:
            status, cause = await _attend(process, signals)
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


def _not_run(command: str, error: OSError) -> tuple[int, str]:
    if isinstance(error, FileNotFoundError):
        return NOT_FOUND, f"command not found: {command}"
    return NOT_EXECUTABLE, f"command cannot be executed: {command}: {error.strerror}"


async def _attend(process: Process, signals: AsyncIterator[signal.Signals]) -> tuple[int, str]:
    """Wait for the end of a command: its status, and what to say of it."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_pass_signals, signals, process)
        code = await process.wait()
        tasks.cancel_scope.cancel()
    if code >= 0:
        return code, f"exit status {code}"
    return 128 - code, f"ended by signal {-code} ({signal.strsignal(-code)})"


async def _pass_signals(signals: AsyncIterator[signal.Signals], process: Process) -> None:
    async for number in signals:
        if number == signal.SIGINT and _at_terminal():
            continue  # Ctrl-C went to the command as well, and twice means something else to many
        with suppress(ProcessLookupError):
            process.send_signal(number)


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
