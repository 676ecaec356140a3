"""Descriptors and files as places for lines."""

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest

from collections_supervisor.system.log_target import CHECK_S, GAP_S, FileTarget, StreamTarget, is_busy


class Watch:
    """A monotonic clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a" / "b" / "supervisor.log"


def test_the_file_and_its_folders_are_private(path: Path, watch: Watch) -> None:
    previous = os.umask(0)
    try:
        target = FileTarget(path, monotonic=watch)
        assert target.refresh()
    finally:
        os.umask(previous)
    assert target.write(b"one\n") == 4
    assert path.read_bytes() == b"one\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in (path.parent, path.parent.parent)} == {0o700}
    target.close()


def test_folders_and_files_that_exist_keep_their_modes_and_contents(tmp_path: Path, watch: Watch) -> None:
    path = tmp_path / "supervisor.log"
    path.write_bytes(b"before\n")
    path.chmod(0o640)
    tmp_path.chmod(0o755)
    target = FileTarget(path, monotonic=watch)
    target.refresh()
    target.write(b"after\n")
    target.close()
    assert path.read_bytes() == b"before\nafter\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_torn_last_line_is_ended_before_anything_is_appended(tmp_path: Path, watch: Watch) -> None:
    path = tmp_path / "supervisor.log"
    path.write_bytes(b'{"torn')
    target = FileTarget(path, monotonic=watch)
    target.refresh()
    target.write(b"whole\n")
    target.close()
    assert path.read_bytes() == b'{"torn\nwhole\n'


def test_a_file_replaced_under_its_name_is_opened_before_the_next_line(path: Path, watch: Watch) -> None:
    target = FileTarget(path, monotonic=watch)
    target.refresh()
    assert not target.refresh()
    target.write(b"old\n")
    rotated = path.rename(path.with_suffix(".1"))
    with pytest.raises(BlockingIOError) as kept:
        target.refresh()
    assert is_busy(kept.value), "whoever rotates is about to make the new file"
    path.touch()
    assert target.refresh()
    target.write(b"new\n")
    assert not target.refresh()
    target.close()
    assert (rotated.read_bytes(), path.read_bytes()) == (b"old\n", b"new\n")


def test_a_name_that_cannot_be_looked_up_is_told_of_now_and_then(path: Path, watch: Watch) -> None:
    target = FileTarget(path, monotonic=watch)
    target.refresh()
    path.parent.rename(path.parent.with_name("c"))
    path.parent.touch()
    for _ in range(2):
        with pytest.raises(NotADirectoryError):
            target.refresh()
        assert not target.refresh(), "the file that is open takes lines all the same"
        watch.now += CHECK_S
    target.close()


@pytest.mark.parametrize("how", ["renamed", "removed", "folder removed"])
def test_a_missing_file_is_made_anew_within_a_second(path: Path, watch: Watch, how: str) -> None:
    target = FileTarget(path, monotonic=watch)
    target.refresh()
    if how == "renamed":
        path.rename(path.with_suffix(".1"))
    else:
        path.unlink()
    if how == "folder removed":
        path.parent.rmdir()
    started = watch.now
    done = False
    while not done:
        with suppress(BlockingIOError):
            done = target.refresh()
        watch.now += 0.1
    assert watch.now - started < 1
    target.write(b"new\n")
    target.close()
    assert path.read_bytes() == b"new\n"


def test_rotation_that_creates_a_little_later_is_not_forestalled(path: Path, watch: Watch) -> None:
    target = FileTarget(path, monotonic=watch)
    target.refresh()
    path.rename(path.with_suffix(".1"))
    watch.now += CHECK_S
    with pytest.raises(BlockingIOError):
        target.refresh()
    watch.now += GAP_S
    assert not target.refresh(), "lines are not kept for longer"
    assert not path.exists()
    target.close()


def test_a_file_that_cannot_be_opened_says_which(tmp_path: Path, watch: Watch) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        FileTarget(tmp_path / "folder", monotonic=watch).refresh()
    assert caught.value.filename == str(tmp_path / "folder")


def test_a_pipe_that_nobody_reads_is_refused_at_once(tmp_path: Path, watch: Watch) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe") as caught:
        FileTarget(tmp_path / "pipe", monotonic=watch).refresh()
    assert caught.value.errno == errno.ENXIO


def test_a_file_that_failed_is_opened_again_and_the_line_begun_again(path: Path, watch: Watch) -> None:
    target = FileTarget(path, monotonic=watch)
    target.refresh()
    target.write(b"half a li")
    with Path("/dev/null").open("rb") as unwritable:
        os.dup2(unwritable.fileno(), target._descriptor, inheritable=False)
    with pytest.raises(OSError, match="Bad file descriptor"):
        target.write(b"ne\n")
    assert target.refresh()
    target.write(b"whole line\n")
    target.close()
    assert path.read_bytes() == b"half a li\nwhole line\n"


def test_a_file_is_never_dead(path: Path, watch: Watch) -> None:
    target = FileTarget(path, monotonic=watch)
    assert not any(target.is_dead(OSError(code, "")) for code in (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EPIPE))


@pytest.mark.parametrize("code", [errno.EPIPE, errno.EIO, errno.EBADF, errno.ECONNRESET])
def test_a_stream_that_failed_for_good_is_dead(code: int) -> None:
    assert StreamTarget(-1, name="stream").is_dead(OSError(code, ""))


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ENOSPC, errno.EDQUOT])
def test_a_stream_that_is_full_is_not_dead(code: int) -> None:
    assert not StreamTarget(-1, name="stream").is_dead(OSError(code, ""))


def test_a_stream_leaves_the_shared_description_and_its_flags_alone() -> None:
    reader, writer = os.pipe()
    target = StreamTarget(writer, name="pipe")
    target.refresh()
    target.write(b"x")
    assert os.get_blocking(writer)
    target.close()
    assert os.write(writer, b"y") == 1
    for descriptor in (reader, writer):
        os.close(descriptor)


def test_a_descriptor_that_is_reused_is_not_written_to(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    target = StreamTarget(writer, name="pipe")
    with (tmp_path / "precious").open("wb", buffering=0) as precious:
        os.dup2(precious.fileno(), writer)
    target.write(b"line\n")
    target.close()
    assert os.read(reader, 100) == b"line\n"
    assert (tmp_path / "precious").read_bytes() == b""
    for descriptor in (reader, writer):
        os.close(descriptor)


def test_no_child_inherits_a_descriptor(path: Path, watch: Watch) -> None:
    targets = FileTarget(path, monotonic=watch), StreamTarget(1, name="standard output")
    for target in targets:
        target.refresh()
        assert not os.get_inheritable(target._descriptor)
        target.close()


def test_a_stream_closed_before_we_started_is_dead_at_the_first_write() -> None:
    target = StreamTarget(-1, name="standard output")
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        target.write(b"x")
    assert target.is_dead(caught.value)


def test_a_view_shows_the_line() -> None:
    target = StreamTarget(1, name="standard output", view=bytes.upper)
    assert target.show(b"line\n") == b"LINE\n"
    target.close()
