"""Small files on a real disk: replaced whole, extended by whole lines, nothing left behind."""

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
import pytest

from collections_supervisor.system import files
from collections_supervisor.system.files import (
    append_durable,
    append_line,
    make_private_folder,
    open_regular,
    overwrite,
    put,
    read_bounded,
    replace,
    set_aside,
    sweep_temporaries,
)
from collections_supervisor.system.threads import DaemonPool

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def umask() -> Iterator[int]:
    """A umask that differs from both modes in use."""
    before = os.umask(0o026)
    yield 0o026
    os.umask(before)


@pytest.fixture
def calls() -> Iterator[list[str]]:
    """What was done to the disk, in order."""
    made: list[str] = []
    before, files.after_write = files.after_write, made.append
    yield made
    files.after_write = before


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


async def test_what_is_put_makes_the_folders_that_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    for data in (b"one", b"two"):
        await put(path, data, mode=0o644)
        assert path.read_bytes() == data
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path.parent.parent, path.parent, path)] == [0o700, 0o700, 0o644]
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotADirectoryError):
        await put(tmp_path / "file" / "x", b"")


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
        files._replace(path, b"older", 0o600, True, given_up)
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
from collections_supervisor.system.files import append_durable, append_line, replace

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
    append = partial(files._append_line, path, b"x", False)
    with pytest.raises(TimeoutError, match="given up"):
        append(given_up)
    assert path.read_bytes() == b""


# --- Files of our own -------------------------------------------------------------------------------------


async def test_what_is_replaced_is_on_disk_before_it_has_the_name(tmp_path: Path, calls: list[str]) -> None:
    await replace(tmp_path / "page", b"x")
    assert calls == ["create", "write", "fsync", "rename", "fsync_folder"]


async def test_what_need_not_outlive_a_loss_of_power_waits_for_no_disk(tmp_path: Path, calls: list[str]) -> None:
    await replace(tmp_path / "page", b"x", durable=False)
    assert (tmp_path / "page").read_bytes() == b"x"
    assert mode(tmp_path / "page") == 0o600
    assert calls == ["create", "write", "rename"]


async def test_what_is_written_over_waits_for_no_disk_and_makes_no_file(tmp_path: Path, calls: list[str]) -> None:
    path = tmp_path / "deep" / "record"
    await overwrite(path, b'{"pid":1}')
    assert (calls[-3:], mode(path)) == (["create", "write", "rename"], 0o600)
    calls.clear()
    inode = path.stat().st_ino
    await overwrite(path, b'{"pid":23}')
    assert path.read_bytes() == b'{"pid":23}'
    await overwrite(path, b"{}")
    assert path.read_bytes() == b"{}        ", "what was longer is filled up"
    assert (calls, path.stat().st_ino, names(path.parent)) == (["write", "write"], inode, ["record"])


@pytest.mark.parametrize("what", ["large before", "large now", "linked twice", "a link", "a pipe", "seen by others"])
async def test_what_cannot_be_written_over_safely_is_replaced(tmp_path: Path, calls: list[str], what: str) -> None:
    path, other = tmp_path / "record", tmp_path / "other"
    other.write_bytes(b"mine")
    other.chmod(0o600)
    data = b"x" * (files.MAX_OVERWRITTEN + 1) if what == "large now" else b"new"
    match what:
        case "a pipe":
            os.mkfifo(path)
        case "a link":
            path.symlink_to(other)
        case "linked twice":
            path.hardlink_to(other)
        case _:
            path.write_bytes(b"x" * (files.MAX_OVERWRITTEN + 1) if what == "large before" else b"old")
            path.chmod(0o644 if what == "seen by others" else 0o600)
    await overwrite(path, data)
    assert (path.read_bytes(), mode(path), path.is_symlink()) == (data, 0o600, False)
    assert other.read_bytes() == b"mine"
    assert calls[-3:] == ["create", "write", "rename"]


def test_what_nobody_waits_for_any_more_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "record"
    files._overwrite(path, b"newer", threading.Event())
    given_up = threading.Event()
    given_up.set()
    with pytest.raises(TimeoutError, match="given up"):
        files._overwrite(path, b"older", given_up)
    assert path.read_bytes() == b"newer"


def test_killed_right_after_it_was_written_over_it_is_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_bytes(b"old, and longer")
    path.chmod(0o600)
    assert not killed_after(1, path, "overwrite(path, b'new')")
    assert path.read_bytes() == b"new".ljust(len("old, and longer"))


async def test_a_durable_line_is_on_disk_and_so_is_the_name_of_a_new_file(tmp_path: Path, calls: list[str]) -> None:
    path = tmp_path / "outbox"
    await append_durable(path, b"one")
    assert calls == ["create", "fsync_folder", "append", "fsync"]
    calls.clear()
    await append_durable(path, b"two")
    assert calls == ["append", "fsync"]
    assert path.read_bytes() == b"one\ntwo\n"
    assert mode(path) == 0o600


async def test_an_empty_file_may_be_new_to_its_folder(tmp_path: Path, calls: list[str]) -> None:
    """Whoever made it may have died right after."""
    (tmp_path / "outbox").touch()
    await append_durable(tmp_path / "outbox", b"one")
    assert calls == ["create", "fsync_folder", "append", "fsync"]


async def test_the_line_of_an_agent_is_left_to_the_system(tmp_path: Path, calls: list[str]) -> None:
    await append_line(tmp_path / "log", b"one")
    await append_line(tmp_path / "log", b"two")
    assert calls == ["create", "append", "append"]


async def test_a_durable_line_may_be_long_but_is_one(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    path.write_bytes(b"torn")
    await append_durable(path, b"x" * (files.MAX_DURABLE_LINE - 2))
    assert path.stat().st_size == 4 + files.MAX_DURABLE_LINE
    with pytest.raises(ValueError, match="1048575 bytes, more than 1048574"):
        await append_durable(path, b"x" * (files.MAX_DURABLE_LINE - 1))
    with pytest.raises(ValueError, match="not one line"):
        await append_durable(path, b"a\nb")
    with pytest.raises(OSError, match="is a directory"):
        await append_durable(tmp_path, b"x")


def test_a_durable_line_without_room_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    path.write_bytes(b"12345\n")
    assert with_room_for_ten_bytes(path, "await append_durable(path, b'12345')").startswith(f"{errno.ENOSPC} only a part")
    assert path.read_bytes() == b"12345\n1234"


async def test_folders_are_counted_too(tmp_path: Path, calls: list[str]) -> None:
    await make_private_folder(tmp_path / "a" / "b")
    await make_private_folder(tmp_path / "a" / "b")
    assert calls == ["mkdir", "mkdir"]


async def test_reading_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"x" * 10)
    assert await read_bounded(path, 10) == b"x" * 10
    with pytest.raises(OSError, match="holds more than 9 bytes") as caught:
        await read_bounded(path, 9)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    path.write_bytes(b"")
    assert await read_bounded(path, 0) == b""


async def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "target").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name, kind in {"fifo": "FIFO", "link": "symbolic link", ".": "directory"}.items():
        with pytest.raises(OSError, match=f"is a {kind}, not a regular file"):
            await read_bounded(tmp_path / name, 100)
    with pytest.raises(FileNotFoundError):
        await read_bounded(tmp_path / "missing", 100)


async def test_what_is_set_aside_keeps_its_content_and_its_kind(tmp_path: Path, calls: list[str]) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(b"{")
    assert await set_aside(path, NOON) == tmp_path / "snapshot.json.unreadable-20261122T120000Z"
    assert (tmp_path / "snapshot.json.unreadable-20261122T120000Z").read_bytes() == b"{"
    assert calls == ["rename", "fsync_folder"]
    path.mkdir()
    assert (await set_aside(path, NOON)).is_dir()
    path.symlink_to("nowhere")
    assert (await set_aside(path, NOON)).is_symlink()
    assert not os.path.lexists(path)
    with pytest.raises(FileNotFoundError):
        await set_aside(path, NOON)


async def test_nothing_that_was_set_aside_is_lost_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    aside = tmp_path / "snapshot.json.unreadable-20261122T120000Z"
    aside.symlink_to("nowhere")
    for content in (b"one", b"two"):
        path.write_bytes(content)
        await set_aside(path, NOON)
    assert [aside.with_name(f"{aside.name}-{number}").read_bytes() for number in (2, 3)] == [b"one", b"two"]
    assert aside.is_symlink()
    for number in range(4, 100):
        aside.with_name(f"{aside.name}-{number}").touch()
    path.write_bytes(b"three")
    with pytest.raises(FileExistsError, match="too many"):
        await set_aside(path, NOON)
    assert path.read_bytes() == b"three"


def test_what_nobody_waits_for_any_more_is_not_set_aside(tmp_path: Path) -> None:
    """A newer file has the name by then."""
    path, given_up = tmp_path / "snapshot.json", threading.Event()
    path.touch()
    given_up.set()
    with pytest.raises(TimeoutError, match="given up"):
        files._set_aside(path, "aside", [], given_up)
    assert names(tmp_path) == ["snapshot.json"]


async def test_old_leftovers_are_swept_and_nothing_else(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ages = {"old": 61, "new": 30, "of tomorrow": -86400, "of a moment ahead": -30}
    for name, age in ages.items():
        path = tmp_path / f"{files.TEMP_PREFIX}{name}"
        path.touch()
        os.utime(path, (now.timestamp() - age,) * 2)
    (tmp_path / "snapshot.json").touch()
    os.utime(tmp_path / "snapshot.json", (0, 0))
    (tmp_path / f"{files.TEMP_PREFIX}folder").mkdir()
    os.utime(tmp_path / f"{files.TEMP_PREFIX}folder", (0, 0))
    assert await sweep_temporaries(tmp_path, now) == 2
    left = {"snapshot.json", *(f"{files.TEMP_PREFIX}{name}" for name in ("new", "of a moment ahead", "folder"))}
    assert set(names(tmp_path)) == left


async def test_sweeping_what_is_not_there(tmp_path: Path) -> None:
    assert await sweep_temporaries(tmp_path / "missing", NOON) == 0
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        await sweep_temporaries(tmp_path / "file", NOON)


def killed_after(count: int, path: Path, call: str) -> bool:
    """Whether a process that is killed right after that many changes of the disk got to do `call` to the end."""
    script = f"""
import anyio, os, signal, sys
from pathlib import Path
from collections_supervisor.system import files
from collections_supervisor.system.files import append_durable, overwrite, replace

left = {count}

def kill(_call):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

async def main(path):
    await {call}
    print("done")

files.after_write = kill
anyio.run(main, Path(sys.argv[1]))
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    return done.stdout == "done\n"


async def test_wherever_it_is_killed_a_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "state"
    found = []
    for count in range(1, 7):
        path.write_bytes(b"old")
        done = killed_after(count, path, "replace(path, b'new')")
        found.append((done, path.read_bytes()))
    assert found == [(False, b"old")] * 3 + [(False, b"new")] * 2 + [(True, b"new")]
    assert await sweep_temporaries(tmp_path, NOON) == 3
    assert names(tmp_path) == ["state"]
