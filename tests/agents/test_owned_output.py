"""The pipe and the file that children write into, both of which outlive whoever reads them."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.agents.owned_output import PIECE, FileOutput, LogOutput
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.process_errors import SpawnError

DEADLINE = 20.0


@pytest.fixture
def make(tmp_path: Path, log: Any) -> Any:
    made: list[LogOutput] = []

    def output(path: Path | None = None) -> LogOutput:
        made.append(LogOutput("worker", path or tmp_path / "worker.out", SystemClock(), log))
        return made[-1]

    yield output
    for output_ in made:
        output_.close()


def said(log: Any) -> list[str]:
    return [entry["message"] for entry in log.of("agent.output")]


async def until(condition: Callable[[], Any]) -> None:
    with anyio.fail_after(DEADLINE):
        while not condition():
            await anyio.sleep(0.005)


def descriptors() -> set[str]:
    """What this process has open, apart from what it looks with."""
    return {path.name for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}


def flood(handle: int) -> None:
    """Write until the pipe is full."""
    while True:
        os.write(handle, b"y\n" * 2048)


# --- The pipe ---


async def test_what_is_written_is_heard(make: Any, log: Any) -> None:
    output = make()
    handle = await output.handle()
    output.listen()
    os.write(handle, b"hello\n")
    await until(lambda: said(log) == ["hello"])
    os.close(handle)


async def test_it_is_private_and_meets_no_broken_pipe_and_no_end(make: Any, tmp_path: Path) -> None:
    output = make()
    handle = await output.handle()
    output.close()
    assert stat.S_IMODE((tmp_path / "worker.out").stat().st_mode) == 0o600
    # Nobody else has it open now: with a pipe of another kind this write would end the writer.
    assert os.write(handle, b"x" * PIECE) == PIECE
    os.close(handle)


async def test_what_was_said_while_nobody_listened_is_heard_by_the_next_one(make: Any, log: Any) -> None:
    first = make()
    handle = await first.handle()
    first.close()
    os.write(handle, b"one\ntwo\n")
    second = make()
    second.attach()
    second.listen()
    os.write(handle, b"three\n")
    await until(lambda: said(log) == ["one", "two", "three"])
    os.close(handle)


async def test_a_pipe_that_is_gone_cannot_be_gone_on_with(make: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make().attach()
    (tmp_path / "worker.out").write_text("the output of an action")
    with pytest.raises(FileNotFoundError):
        make().attach()


async def test_what_lies_in_its_place_is_replaced(make: Any, log: Any, tmp_path: Path) -> None:
    (tmp_path / "worker.out").write_text("the output of an action")
    output = make()
    handle = await output.handle()
    output.listen()
    os.write(handle, b"hello\n")
    await until(lambda: said(log) == ["hello"])
    os.close(handle)


async def test_a_folder_that_somebody_removed_is_made_again(make: Any, log: Any, tmp_path: Path) -> None:
    path = tmp_path / "actions" / "worker.out"
    output = make(path)
    os.close(await output.handle())
    path.unlink()
    path.parent.rmdir()
    handle = await output.handle()
    output.listen()
    os.write(handle, b"hello\n")
    await until(lambda: said(log) == ["hello"])
    os.close(handle)


async def test_where_there_can_be_none_it_is_heard_all_the_same(make: Any, log: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    output = make(tmp_path / "file" / "worker.out")
    for handle in (await output.handle(), await output.handle()):
        output.listen()
        os.write(handle, b"hello\n")
        os.close(handle)
    await until(lambda: said(log) == ["hello", "hello"])


async def test_the_last_words_are_heard_and_nothing_after_them(make: Any, log: Any) -> None:
    output = make()
    handle = await output.handle()
    output.listen()
    os.write(handle, b"last\nwords")
    output.drain()
    assert said(log) == ["last", "words"]
    os.write(handle, b"of another\n")
    await anyio.sleep(0.05)
    assert said(log) == ["last", "words"]
    os.close(handle)


async def test_closed_it_leaves_nothing_open_and_can_be_used_again(make: Any, log: Any) -> None:
    before = descriptors()
    output = make()
    for _ in range(3):
        handle = await output.handle()
        output.listen()
        output.close()
        os.close(handle)
    assert descriptors() == before


async def test_who_says_too_much_waits_and_what_was_skipped_is_told_soon(make: Any, log: Any) -> None:
    output = make()
    handle = await output.handle()
    output.listen()
    os.set_blocking(handle, False)
    for _ in range(5):
        await anyio.sleep(0.02)
        with pytest.raises(BlockingIOError):
            flood(handle)
    await until(lambda: log.of("agent.output.skipped"))
    os.close(handle)


# --- The file ---


MOST, KEPT = 1000, 2


def file_output(path: Path, log: Any) -> FileOutput:
    return FileOutput(path, "worker", log)


async def test_a_file_is_appended_to_and_rotated_once_a_cycle(tmp_path: Path, log: Any) -> None:
    path = tmp_path / "logs" / "worker.log"
    output = file_output(path, log)
    handle = await output.handle()
    os.write(handle, b"x" * 1001)
    await output.look_after(MOST, KEPT)
    os.write(handle, b"y")
    await output.look_after(MOST, KEPT)
    os.close(handle)
    again = await output.handle()
    os.write(again, b"z")
    os.close(again)
    assert (path.read_bytes(), path.with_name("worker.log.1").read_bytes()) == (b"yz", b"x" * 1001)
    assert log.events == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("make_place", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
async def test_what_is_no_file_is_refused_and_nobody_waits_for_it(tmp_path: Path, log: Any, make_place: Any) -> None:
    path = tmp_path / "worker.log"
    make_place(path)
    with anyio.fail_after(DEADLINE), pytest.raises(SpawnError, match=r"worker\.log"):
        await file_output(path, log).handle()


async def test_that_it_cannot_be_rotated_is_said_once(tmp_path: Path, log: Any) -> None:
    path = tmp_path / "worker.log"
    path.write_bytes(b"x" * 1001)
    (tmp_path / "worker.log.new").symlink_to(tmp_path / "elsewhere")
    output = file_output(path, log)
    for _ in range(3):
        await output.look_after(MOST, KEPT)
    [entry] = log.of("agent.output.unrotated")
    assert entry["path"] == str(path)
    (tmp_path / "worker.log.new").unlink()
    await output.look_after(MOST, KEPT)
    assert path.read_bytes() == b""
