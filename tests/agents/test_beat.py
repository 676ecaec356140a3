"""What the `beat` command does: real files, real commands, real signals."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.agents.beat import NoHeartbeatLogError, append_beat, parse_until, run_and_beat
from collections_supervisor.config.schema import AgentConfig, LogSource, TouchSource
from collections_supervisor.messages import Now

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

PROGRAM = """
import sys, anyio
from pathlib import Path
from collections_supervisor.agents.beat import run_and_beat
from collections_supervisor.config.schema import AgentConfig, LogSource
from collections_supervisor.system.clock import SystemClock
config = AgentConfig(name="a", sources=(LogSource(path=Path(sys.argv[1])),))
async def main():
    return await run_and_beat(config, sys.argv[2:], clock=SystemClock(), complain=lambda line: print(line, file=sys.stderr))
sys.exit(anyio.run(main))
"""


class StoppedClock:
    """Always noon."""

    def now(self) -> Now:
        return Now(mono=0.0, wall=NOON)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "beats" / "a.log"


def config(log: Path) -> AgentConfig:
    return AgentConfig(name="a", sources=(TouchSource(path=str(log.with_suffix(".touch"))), LogSource(path=log)))


def beats(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_bytes().splitlines()]


def said(log: Path) -> list[tuple[str, str | None]]:
    return [(beat["status"], beat.get("message")) for beat in beats(log)]


async def run(log: Path, *argv: str) -> tuple[int, list[str]]:
    complaints: list[str] = []
    with anyio.fail_after(30):
        status = await run_and_beat(config(log), argv, clock=StoppedClock(), complain=complaints.append)
    return status, complaints


@contextmanager
def start(log: Path, *argv: str, **more: Any) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(log), *argv], stdout=subprocess.PIPE, **more) as process:
        try:
            yield process
        finally:
            process.kill()


# --- One beat --------------------------------------------------------------------------------------------


async def test_a_beat_is_a_line_in_the_first_log(log: Path) -> None:
    until = NOON + timedelta(minutes=20)
    assert await append_beat(config(log), now=NOON) == log
    assert await append_beat(config(log), now=NOON, status="busy", until=until, message="month end\n", pid=7) == log
    plain = {"timestamp": "2026-11-22T12:00:00.000000Z", "stale": False}
    busy = {**plain, "status": "busy", "pid": 7, "until": "2026-11-22T12:20:00.000000Z", "message": "month end"}
    assert beats(log) == [{**plain, "status": "ok"}, busy]
    assert [path.stat().st_mode & 0o777 for path in (log, log.parent)] == [0o600, 0o700]
    assert not log.with_suffix(".touch").exists()


async def test_an_agent_without_a_log_cannot_beat(tmp_path: Path) -> None:
    agent = AgentConfig(name="a", sources=(TouchSource(path=str(tmp_path / "x")),))
    with pytest.raises(NoHeartbeatLogError, match="agent a has no heartbeat log to write to"):
        await append_beat(agent, now=NOON)
    assert list(tmp_path.iterdir()) == []


async def test_a_log_that_cannot_be_written_is_an_error(log: Path) -> None:
    log.mkdir(parents=True)
    with pytest.raises(OSError, match="is a directory"):
        await append_beat(config(log), now=NOON)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20m", NOON + timedelta(minutes=20)),
        ("1h30m", NOON + timedelta(minutes=90)),
        ("2026-11-22T13:00:00Z", NOON + timedelta(hours=1)),
        ("2026-11-22 13:00", NOON + timedelta(hours=1)),
        ("2026-11-22T08:00:00-05:00", NOON + timedelta(hours=1)),
    ],
)
def test_until(text: str, expected: datetime) -> None:
    assert parse_until(text, now=NOON) == expected


@pytest.mark.parametrize("text", ["", "soon", "20", "2026-11-22", "9999999999999d", "-5m"])
def test_not_until(text: str) -> None:
    with pytest.raises(ValueError, match=f"neither a time nor a duration: '{text}'"):
        parse_until(text, now=NOON)


# --- A command between two beats -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "status", "end"),
    [
        (["true"], 0, ("ok", "exit status 0")),
        (["sh", "-c", "exit 3"], 3, ("fail", "exit status 3")),
        (["sh", "-c", "exit 127"], 127, ("fail", "exit status 127")),
        (["sh", "-c", "kill -TERM $$"], 143, ("fail", "ended by signal 15 (Terminated)")),
        (["sh", "-c", "kill -KILL $$"], 137, ("fail", "ended by signal 9 (Killed)")),
    ],
)
async def test_the_exit_status_is_told_and_passed_on(log: Path, argv: Sequence[str], status: int, end: tuple[str, str]) -> None:
    assert await run(log, *argv) == (status, [])
    assert said(log) == [("start", None), end]
    assert {beat["pid"] for beat in beats(log)} == {os.getpid()}


async def test_a_command_that_does_not_exist(log: Path) -> None:
    cause = "command not found: /no/such/thing"
    assert await run(log, "/no/such/thing", "x") == (127, [cause])
    assert said(log) == [("start", None), ("fail", cause)]


async def test_a_command_that_cannot_be_executed(log: Path, tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_bytes(b"\0")
    denied = f"command cannot be executed: {file}: permission denied"
    assert await run(log, str(file)) == (126, [denied])
    file.chmod(0o755)
    assert await run(log, str(file)) == (126, [f"command cannot be executed: {file}: exec format error"])
    assert said(log)[:2] == [("start", None), ("fail", denied)]


async def test_the_command_runs_even_if_no_beat_can_be_written(log: Path, tmp_path: Path) -> None:
    log.mkdir(parents=True)
    status, complaints = await run(log, "sh", "-c", f"echo ran > {tmp_path}/ran; exit 5")
    assert status == 5
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert complaints == [f"cannot write {log}: is a directory, not a regular file"] * 2


async def test_the_command_runs_even_for_an_agent_without_a_log() -> None:
    complaints: list[str] = []
    status = await run_and_beat(AgentConfig(name="a"), ["true"], clock=StoppedClock(), complain=complaints.append)
    assert (status, complaints) == (0, ["agent a has no heartbeat log to write to"] * 2)


def test_the_standard_streams_are_the_commands_own(log: Path) -> None:
    with start(log, "sh", "-c", "cat; echo err >&2", stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(b"in \xff\0 out\n", timeout=30)
    assert (out, err, process.returncode) == (b"in \xff\0 out\n", b"err\n", 0)


TRAPPING = "trap 'echo got $1; exit 9' $1; echo ready; while :; do sleep 0.05; done"


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
def test_a_signal_is_passed_to_the_command_and_the_end_still_told(log: Path, name: str) -> None:
    with start(log, "sh", "-c", TRAPPING, "sh", name, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(getattr(signal, f"SIG{name}"))
        assert process.stdout.read() == f"got {name}\n".encode()
        assert process.wait(30) == 9
    assert said(log) == [("start", None), ("fail", "exit status 9")]


def test_a_signal_that_was_ignored_stays_ignored_for_the_command(log: Path) -> None:
    command = "trap '' HUP; exec \"$@\""
    argv = [sys.executable, "-c", PROGRAM, str(log), "sh", "-c", "kill -HUP $$; echo alive"]
    done = subprocess.run(["sh", "-c", command, "sh", *argv], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"alive\n", b"")


TERMINAL = """
import os, signal, sys, anyio
from collections_supervisor.agents.beat import _attend
COMMAND = (
    "import os, signal, sys, time\\n"
    "hits = []\\n"
    "signal.signal(signal.SIGINT, lambda *_: hits.append(1))\\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(10 + len(hits)))\\n"
    "os.write(1, b'x')\\n"
    "while True: time.sleep(0.05)\\n"
)
async def received():
    yield signal.SIGINT
    yield signal.SIGTERM
    while True:
        await anyio.sleep(0.01)
        yield signal.SIGCHLD
async def main():
    reading, writing = os.pipe()
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", COMMAND], os.environ,
                         file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
    assert os.read(reading, 1) == b"x"
    with anyio.fail_after(30):
        return await _attend(pid, received())
sys.exit(anyio.run(main))
"""


@pytest.mark.skipif(shutil.which("setsid") is None, reason="no setsid here to give a process a terminal")
@pytest.mark.parametrize("at_terminal", [True, False])
def test_ctrl_c_at_a_terminal_is_not_given_to_the_command_twice(at_terminal: bool) -> None:
    """The command counts how often it is interrupted before it is ended; its exit status is ten more."""
    ours, theirs = pty.openpty()
    argv = ["setsid", *["--ctty"] * at_terminal, sys.executable, "-c", TERMINAL]
    done = subprocess.run(argv, stdin=theirs, timeout=40, check=False)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == (10 if at_terminal else 11)


@pytest.mark.skipif(shutil.which("setsid") is None, reason="no setsid here to give a process a terminal")
def test_ctrl_c_ends_the_command_and_the_end_is_told(log: Path) -> None:
    ours, theirs = pty.openpty()
    argv = ["setsid", "--ctty", sys.executable, "-c", PROGRAM, str(log), "sh", "-c", TRAPPING, "sh", "INT"]
    with subprocess.Popen(argv, stdin=theirs, stdout=subprocess.PIPE) as process:
        os.close(theirs)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.write(ours, b"\x03")
        assert process.stdout.read() == b"got INT\n"
        assert process.wait(30) == 9
    os.close(ours)
    assert said(log) == [("start", None), ("fail", "exit status 9")]


def test_a_command_ended_together_with_us_keeps_its_status(log: Path) -> None:
    """As a service manager ends all processes of a job at once."""
    for _ in range(5):
        with start(log, "sh", "-c", "echo ready; exec sleep 30", start_new_session=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            os.killpg(process.pid, signal.SIGTERM)
            assert process.wait(30) == 143
    assert said(log) == [("start", None), ("fail", "ended by signal 15 (Terminated)")] * 5


def test_further_descriptors_are_inherited(log: Path, tmp_path: Path) -> None:
    """`9>lock beat … -- CMD` holds its lock."""
    with (tmp_path / "lock").open("wb") as lock:
        command = [sys.executable, "-c", f"import os; os.write({lock.fileno()}, b'held\\n')"]
        with start(log, *command, pass_fds=[lock.fileno()]) as process:
            assert process.wait(30) == 0
    assert (tmp_path / "lock").read_bytes() == b"held\n"


def test_a_broken_pipe_ends_the_command_as_everywhere(log: Path) -> None:
    with start(log, "sh", "-c", "kill -PIPE $$; echo alive") as process:
        assert process.wait(30) == 128 + signal.SIGPIPE
