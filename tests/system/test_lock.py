"""One supervisor per state folder."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from collections_supervisor.system.lock import Holder, Lock, LockHeldError, find_holder, wait_for_lock

HOLD = """
import sys
from pathlib import Path
from collections_supervisor.system.lock import Lock
lock = Lock(Path(sys.argv[1]), once=len(sys.argv) > 2)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "supervisor.lock"


def hold(path: Path, *once: str) -> "subprocess.Popen[str]":
    """Another process that has the lock."""
    argv = [sys.executable, "-c", HOLD, str(path), *once]
    holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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
        assert (caught.value.pid, caught.value.once) == (holder.pid, False)
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


# --- Single sweeps ----------------------------------------------------------------------------------------


def test_a_single_sweep_says_that_it_is_one(path: Path) -> None:
    path.write_text("99999 and much more of it\n")
    lock = Lock(path, once=True)
    assert path.read_text() == f"{os.getpid()} once\n"
    with pytest.raises(LockHeldError, match="a single sweep of another supervisor uses this state folder") as caught:
        Lock(path)
    assert (caught.value.pid, caught.value.once) == (os.getpid(), True)
    lock.close()


@pytest.mark.parametrize("content", ["7 twice\n", "7 once", "7  once\n", " once\n", "7\n8\n"])
def test_half_written_names_name_nobody(path: Path, content: str) -> None:
    first = Lock(path)
    path.write_text(content)
    with pytest.raises(LockHeldError) as caught:
        Lock(path)
    assert (caught.value.pid, caught.value.once) == (None, False)
    first.close()


def test_who_waits_for_a_single_sweep_gets_the_lock(path: Path) -> None:
    holder = hold(path, "once")
    ending = threading.Timer(0.2, end, [holder])
    ending.start()
    lock = wait_for_lock(path, seconds=30)
    ending.join()
    assert path.read_text() == f"{os.getpid()}\n"
    lock.close()
    wait_for_lock(path, once=True).close()
    assert path.read_text() == f"{os.getpid()} once\n"


def test_a_single_sweep_is_not_waited_for_for_ever(path: Path) -> None:
    first = Lock(path, once=True)
    with pytest.raises(LockHeldError) as caught:
        wait_for_lock(path, seconds=0.2)
    assert caught.value.once
    first.close()


def test_a_daemon_is_not_waited_for(path: Path) -> None:
    """With the patience of a day this test would not end."""
    first = Lock(path)
    with pytest.raises(LockHeldError) as caught:
        wait_for_lock(path, once=True, seconds=86400)
    assert (caught.value.pid, caught.value.once) == (os.getpid(), False)
    first.close()


@pytest.mark.parametrize("left", ["", "4711\n"])
def test_a_holder_that_has_not_written_yet_is_given_a_moment(path: Path, left: str) -> None:
    """What the file says then is empty, or about the holder before: here a daemon that has died."""
    first = Lock(path, once=True)
    said = path.read_text()
    path.write_text(left)
    writing = threading.Timer(0.01, path.write_text, [said])
    releasing = threading.Timer(0.2, first.close)
    writing.start()
    releasing.start()
    wait_for_lock(path, seconds=30).close()
    writing.join()
    releasing.join()


# --- File systems that fall short -------------------------------------------------------------------------


@pytest.mark.parametrize("number", sorted({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}))
def test_a_file_system_without_locks_is_said_and_used(path: Path, number: int) -> None:
    def take(fd: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    lock = Lock(path, take=take)
    assert lock.unsupported == f"{path}: the file system has no locks: {os.strerror(number)}"
    assert path.read_text() == f"{os.getpid()}\n"
    lock.close()


def test_with_locks_nothing_is_said(path: Path) -> None:
    lock = Lock(path)
    assert lock.unsupported is None
    lock.close()


def test_another_error_is_one(path: Path) -> None:
    def take(fd: int, operation: int) -> None:
        assert operation == fcntl.LOCK_EX | fcntl.LOCK_NB
        raise OSError(errno.EIO, "Input/output error")

    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(OSError, match="Input/output error"):
        Lock(path, take=take)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_full_disk_does_not_keep_it_from_being_taken(path: Path) -> None:
    script = """
import resource, signal, sys
from pathlib import Path
from collections_supervisor.system.lock import Lock
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
lock = Lock(Path(sys.argv[1]))
print("held")
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("held\n", "")
    assert path.read_text() == ""


def test_a_lock_whose_file_was_removed_or_replaced_is_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "supervisor.lock"
    lock = Lock(path)
    assert lock.is_in_place()
    path.unlink()
    assert not lock.is_in_place()
    lock.retake()
    assert lock.is_in_place()
    with pytest.raises(LockHeldError):
        Lock(path)
    path.unlink()
    path.touch()
    assert not lock.is_in_place()
    other = Lock(path)
    with pytest.raises(LockHeldError):
        lock.retake()
    other.close()
    lock.retake()
    assert lock.is_in_place()
    lock.close()


def test_who_has_it_can_be_asked_without_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert find_holder(path) is None
    assert find_holder(tmp_path / "lock" / "x") is None
    assert not path.exists()
    for once in (False, True):
        lock = Lock(path, once=once)
        before = path.stat()
        assert find_holder(path) == Holder(os.getpid(), once=once)
        assert path.stat().st_mtime_ns == before.st_mtime_ns
        lock.close()
        assert find_holder(path) is None, "whoever was the last one still stands in the file"
    lock = Lock(path)
    path.write_bytes(b"")
    assert find_holder(path) == Holder(None)
    lock.close()
    Lock(path).close()


def test_where_there_are_no_locks_the_process_is_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def take(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    for content, found in (
        (b"%d\n" % os.getpid(), Holder(os.getpid())),
        (b"4194305\n", None),
        (b"9999999999\n", None),
        (b"", None),
    ):
        path.write_bytes(content)
        assert find_holder(path, take=take) == found


def test_a_file_that_cannot_be_looked_at_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="link"):
        find_holder(tmp_path / "link")

    def take(fd: int, how: int) -> None:
        raise OSError(errno.EIO, "broken")

    (tmp_path / "lock").touch()
    with pytest.raises(OSError, match="broken"):
        find_holder(tmp_path / "lock", take=take)
