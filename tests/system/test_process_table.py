"""The kernel's list of processes, read through /proc and through `ps`."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collections_supervisor.system.process_table import (
    HERE,
    MARKER_VARIABLE,
    Facilities,
    is_alive,
    read_markers,
    read_table,
    start_time,
)

THROUGH_PS = Facilities(pidfd=False, procfs=False)
NO_SUCH_PID = (1 << 30) + 1

Run = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture(params=[HERE, THROUGH_PS], ids=["here", "ps"])
def facilities(request: pytest.FixtureRequest) -> Facilities:
    found = request.param
    assert isinstance(found, Facilities)
    if not found.procfs and shutil.which("ps") is None:
        pytest.skip("no ps on this machine")
    return found


@pytest.fixture
def run() -> Iterator[Run]:
    """Start a command with one end of a pipe that it says it is ready on, if it says anything."""
    children: list[subprocess.Popen[bytes]] = []

    def start(*argv: str, ready: bool = False, **env: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            argv, env={**os.environ, **env}, stdout=subprocess.PIPE if ready else subprocess.DEVNULL, start_new_session=True
        )
        children.append(child)
        if child.stdout is not None:
            assert child.stdout.readline() == b"ready\n"
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def test_we_are_in_the_table(facilities: Facilities) -> None:
    ours = read_table(facilities)[os.getpid()]
    assert (ours.parent, ours.group, ours.session) == (os.getppid(), os.getpgrp(), os.getsid(0))
    assert not ours.exited
    assert ours.start_time == start_time(os.getpid(), facilities)


def test_a_child_of_ours(facilities: Facilities, run: Run) -> None:
    child = run("sleep", "1000")
    found = read_table(facilities)[child.pid]
    assert (found.parent, found.group, found.session, found.exited) == (os.getpid(), child.pid, child.pid, False)
    assert found.start_time >= read_table(facilities)[os.getpid()].start_time


def test_identity(facilities: Facilities, run: Run) -> None:
    child = run("sleep", "1000")
    started = start_time(child.pid, facilities)
    assert started is not None
    assert is_alive(child.pid, started, facilities)
    assert not is_alive(child.pid, started + 1, facilities)
    assert not is_alive(NO_SUCH_PID, started, facilities)
    assert start_time(NO_SUCH_PID, facilities) is None


def test_a_zombie_keeps_its_start_time_and_is_not_alive(facilities: Facilities, run: Run) -> None:
    child = run("sleep", "1000")
    started = start_time(child.pid, facilities)
    assert started is not None
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert start_time(child.pid, facilities) == started
    assert read_table(facilities)[child.pid].exited
    assert not is_alive(child.pid, started, facilities)


def test_markers(facilities: Facilities, run: Run) -> None:
    marked = run("sleep", "1000", **{"A": "x", MARKER_VARIABLE: "action-1", "Z": "y"})
    empty = run("sleep", "1000", **{MARKER_VARIABLE: ""})
    similar = run("sleep", "1000", **{f"X{MARKER_VARIABLE}": "action-1", "B": f"={MARKER_VARIABLE}"})
    pids = [marked.pid, empty.pid, similar.pid, os.getpid(), NO_SUCH_PID]
    assert read_markers(pids, facilities) == {marked.pid: "action-1"}
    assert read_markers([os.getpid()], facilities) == {}


@pytest.mark.skipif(not HERE.procfs, reason="only /proc shows it so")
def test_a_marker_is_seen_while_its_process_becomes_another_program(run: Run, tmp_path: Path) -> None:
    """Which this one does all the time; then it has no environment for an instant."""
    program = tmp_path / "again"
    program.write_text('#!/bin/sh\nexec "$0"\n')
    program.chmod(0o700)
    child = run(str(program), **{MARKER_VARIABLE: "action-1"})
    environment = Path(f"/proc/{child.pid}/environ")
    looks = empty = 0
    while empty < 30:
        looks += 1
        empty += not environment.read_bytes()
    assert sum(not read_markers([child.pid]) for _ in range(looks)) < 15


@pytest.mark.skipif(sys.platform != "linux", reason="sets a name of its own through /proc")
def test_a_name_that_looks_like_the_rest_of_the_line(run: Run) -> None:
    script = "import time; open('/proc/self/comm', 'wb').write(b') Z 1 1\\n1 (a'); print('ready', flush=True); time.sleep(1000)"
    child = run(sys.executable, "-I", "-S", "-c", script, ready=True)
    found = read_table()[child.pid]
    assert (found.parent, found.session, found.exited) == (os.getpid(), child.pid, False)


@pytest.mark.skipif(sys.platform != "linux", reason="ends its first thread by a system call of Linux")
def test_alive_as_long_as_one_thread_is(run: Run) -> None:
    script = (
        "import ctypes, threading, time\n"
        "def say():\n"
        "    while open('/proc/self/stat').read().rpartition(')')[2].split()[0] != 'Z': time.sleep(0.001)\n"
        "    print('ready', flush=True); time.sleep(1000)\n"
        "threading.Thread(target=say).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    child = run(sys.executable, "-I", "-S", "-c", script, ready=True)
    assert not read_table()[child.pid].exited


def test_readable_while_processes_come_and_go(facilities: Facilities) -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            subprocess.run(["true"], check=True)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(20):
            assert os.getpid() in read_table(facilities)
    finally:
        stop.set()
        thread.join()


def test_an_unusable_ps_is_an_empty_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert read_table(THROUGH_PS) == {}
    assert read_markers([os.getpid()], THROUGH_PS) == {}
    assert start_time(os.getpid(), THROUGH_PS) is None
