"""One supervisor per state folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from collections_supervisor.system.lock import Lock, LockHeldError

HOLD = """
import sys
from pathlib import Path
from collections_supervisor.system.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "supervisor.lock"


def hold(path: Path) -> "subprocess.Popen[str]":
    """Another process that has the lock."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def end(holder: "subprocess.Popen[str]", number: int = signal.SIGKILL) -> None:
    holder.send_signal(number)
    holder.wait()
    for stream in (holder.stdin, holder.stdout):
        assert stream is not None
        stream.close()


def test_the_holder_writes_its_pid_into_a_private_file(path: Path) -> None:
    lock = Lock(path)
    assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    lock.close()


def test_the_second_is_told_who_has_it(path: Path) -> None:
    holder = hold(path)
    try:
        with pytest.raises(LockHeldError) as caught:
            Lock(path)
        assert caught.value.pid == holder.pid
        assert str(caught.value) == f"{path}: held by process {holder.pid}: another supervisor uses this state folder"
        assert path.read_text() == f"{holder.pid}\n", "the first is untouched"
    finally:
        end(holder)


def test_the_kernel_lets_go_of_it_when_its_holder_is_killed(path: Path) -> None:
    end(hold(path))
    lock = Lock(path)
    assert path.read_text() == f"{os.getpid()}\n"
    lock.close()


def test_closed_it_is_free_and_the_file_stays(path: Path) -> None:
    Lock(path).close()
    assert path.exists()
    Lock(path).close()


@pytest.mark.parametrize("content", ["", "not a pid\n", "-1\n", "9" * 100, "\x00\x00"])
def test_a_holder_that_wrote_no_pid_is_another_process(path: Path, content: str) -> None:
    first = Lock(path)
    path.write_text(content)
    with pytest.raises(LockHeldError) as caught:
        Lock(path)
    assert caught.value.pid is None or str(caught.value.pid) == content[:32]
    assert "held by" in str(caught.value)
    first.close()


def test_a_shorter_pid_leaves_nothing_of_a_longer_one(path: Path) -> None:
    path.write_text("99999999999\n")
    lock = Lock(path)
    assert path.read_text() == f"{os.getpid()}\n"
    lock.close()


def test_a_child_does_not_inherit_it(path: Path) -> None:
    lock = Lock(path)
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        close_fds=False,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        lock.close()
        Lock(path).close()
    finally:
        end(child)


def test_it_is_no_symbolic_link(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    path.symlink_to(target)
    with pytest.raises(OSError, match=str(path)):
        Lock(path)
    assert target.read_text() == "precious"


def test_where_there_can_be_no_file_there_is_no_lock(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "missing" / "supervisor.lock")
    with pytest.raises(IsADirectoryError):
        Lock(tmp_path)


def test_a_refused_lock_leaks_no_descriptor(path: Path) -> None:
    first = Lock(path)
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(10):
        with pytest.raises(LockHeldError):
            Lock(path)
    assert len(list(Path("/dev/fd").iterdir())) == before
    first.close()
