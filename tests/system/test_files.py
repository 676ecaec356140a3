"""Small files on a real disk: replaced whole, extended by whole lines, nothing left behind."""

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest

from collections_supervisor.system import files
from collections_supervisor.system.files import append_line, make_private_folder, open_regular, replace
from collections_supervisor.system.threads import DaemonPool


@pytest.fixture
def umask() -> Iterator[int]:
    """A umask that differs from both modes in use."""
    before = os.umask(0o026)
    yield 0o026
    os.umask(before)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


async def test_replace_creates_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "page"
    for data in (b"one", b"", b"x" * 1_000_000):
        await replace(path, data)
        assert path.read_bytes() == data
        assert mode(path) == 0o600
        assert names(tmp_path) == ["page"]


async def test_replace_swaps_the_file_and_not_its_content(tmp_path: Path) -> None:
    path = tmp_path / "page"
    await replace(path, b"old")
    with path.open("rb") as reader:
        await replace(path, b"new")
        assert reader.read() == b"old"


async def test_a_private_mode_is_exact_whatever_stood_there(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "page"
    path.touch(0o666)
    await replace(path, b"x", mode=0o644)
    assert (umask, mode(path)) == (0o026, 0o644)


async def test_without_a_mode_the_present_one_is_kept(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "page"
    path.touch()
    path.chmod(0o664)
    await replace(path, b"x", mode=None)
    assert (umask, mode(path)) == (0o026, 0o664)


async def test_without_a_mode_and_a_file_the_umask_decides(tmp_path: Path, umask: int) -> None:
    path, link = tmp_path / "page", tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    await replace(path, b"x", mode=None)
    await replace(link, b"x", mode=None)
    assert [mode(path), mode(link)] == [0o644 & ~umask] * 2
    assert not link.is_symlink()


async def test_a_failed_replace_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        await replace(path, b"x")
    with pytest.raises(FileNotFoundError):
        await replace(tmp_path / "missing" / "page", b"x")
    assert names(tmp_path) == ["folder"]


async def test_a_cancelled_replace_is_whole_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_bytes(b"old")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await replace(path, b"new" * 100_000)
    assert path.read_bytes() == b"new" * 100_000
    assert names(tmp_path) == ["page"]


def test_a_replace_given_up_does_not_overwrite_a_newer_one(tmp_path: Path) -> None:
    path, given_up = tmp_path / "page", threading.Event()
    path.write_bytes(b"newer")
    given_up.set()
    with pytest.raises(TimeoutError, match="given up"):
        files._replace(path, b"older", 0o600, given_up)
    assert path.read_bytes() == b"newer"
    assert names(tmp_path) == ["page"]


async def test_replacing_at_once_leaves_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "page"
    async with anyio.create_task_group() as tasks:
        for letter in b"abcdefgh":
            tasks.start_soon(replace, path, bytes([letter]) * 50_000)
    found = path.read_bytes()
    assert found == found[:1] * 50_000
    assert names(tmp_path) == ["page"]


async def test_append_creates_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    await append_line(path, b"one")
    await append_line(path, b"two", pool=DaemonPool("t", threads=1))
    assert path.read_bytes() == b"one\ntwo\n"
    assert mode(path) == 0o600


@pytest.mark.parametrize("torn", [b"x", b"one\n{", b"\0", b"one\r"])
async def test_append_ends_a_torn_line_first(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(torn)
    await append_line(path, b"mine")
    assert path.read_bytes() == torn + b"\nmine\n"


async def test_append_refuses_what_is_not_one_short_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with pytest.raises(ValueError, match=r"not one line: b'a\\nb'"):
        await append_line(path, b"a\nb")
    with pytest.raises(ValueError, match="4095 bytes, more than 4094"):
        await append_line(path, b"x" * 4095)
    assert not path.exists()
    path.write_bytes(b"torn")
    await append_line(path, b"x" * 4094)
    assert path.stat().st_size == 4 + files.MAX_LINE


async def test_append_writes_regular_files_only(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch()
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    kinds = {"link": "symbolic link", "dangling": "symbolic link", "fifo": "FIFO", "folder": "directory"}
    for name, kind in kinds.items():
        with pytest.raises(OSError, match=f"is a {kind}, not a regular file") as caught:
            await append_line(tmp_path / name, b"x")
        assert caught.value.filename == str(tmp_path / name)
    assert target.read_bytes() == b""
    assert not (tmp_path / "nowhere").exists()


def with_room_for_ten_bytes(path: Path, calls: str) -> str:
    """What a process says in which no file may grow beyond ten bytes: a full disk, as seen by one write.

    A process of its own: the limit would also hold for the test runner's report and coverage data.
    """
    script = f"""
import anyio, resource, sys
from pathlib import Path
from collections_supervisor.system.files import append_line, replace

async def main(path):
    try:
        {calls}
    except OSError as error:
        print(error.errno, error.strerror)

_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
anyio.run(main, Path(sys.argv[1]))
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    return done.stdout.strip()


def test_a_partly_written_line_is_an_error_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "log"
    said = with_room_for_ten_bytes(path, "await append_line(path, b'one'); await append_line(path, b'two and three')")
    assert said.startswith(f"{errno.ENOSPC} only a part of the line was written")
    assert path.read_bytes() == b"one\ntwo an"


def test_a_replace_without_room_keeps_the_old_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "page"
    said = with_room_for_ten_bytes(path, "await replace(path, b'old'); await replace(path, b'longer than there is room for')")
    assert said == f"{errno.EFBIG} File too large"
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["page"]


async def test_a_device_or_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is a device"):
        await append_line(Path("/dev/null"), b"x")
    with pytest.raises(FileNotFoundError):
        await append_line(tmp_path / "missing" / "log", b"x")


async def test_appends_at_once_are_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(append_line, path, b"%d" % number * 500)
    assert sorted(path.read_bytes().split()) == sorted(b"%d" % number * 500 for number in range(50))


async def test_folders_are_made_private(tmp_path: Path, umask: int) -> None:
    tmp_path.chmod(0o755)
    await make_private_folder(tmp_path / "a" / "b")
    await make_private_folder(tmp_path / "a" / "b")
    assert umask
    assert [mode(path) for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")] == [0o755, 0o700, 0o700]
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        await make_private_folder(tmp_path / "file")


def test_a_file_that_becomes_a_link_after_the_look_is_not_opened(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch()

    class Swapped(type(tmp_path)):  # type: ignore[misc]  # the concrete class of this platform's paths
        """Becomes a link between the look at it and its opening."""

        def lstat(self) -> os.stat_result:
            found: os.stat_result = super().lstat()
            self.unlink()
            self.symlink_to(target)
            return found

    path = Swapped(tmp_path / "log")
    path.touch()
    with pytest.raises(OSError, match=str(path)) as caught, open_regular(path, os.O_RDONLY):
        pass
    assert caught.value.errno == errno.ELOOP


def test_descriptors_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    with open_regular(path, os.O_RDONLY) as (fd, found):
        assert found.st_size == 0
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


async def test_a_write_that_finds_no_thread_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="all 1 threads of pool t hang"):
        await append_line(tmp_path / "log", b"x", pool=DaemonPool("t", threads=1, waiting=0))
    assert not (tmp_path / "log").exists()


def test_a_line_given_up_is_not_written_later(tmp_path: Path) -> None:
    path, given_up = tmp_path / "log", threading.Event()
    path.touch()
    given_up.set()
    append = partial(files._append_line, path, b"x")
    with pytest.raises(TimeoutError, match="given up"):
        append(given_up)
    assert path.read_bytes() == b""
