"""The thread that writes: whole lines, in order, whatever becomes of the target."""

import errno
import json
import os
import pty
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from collections_supervisor.messages import Level
from collections_supervisor.system.log_layouts import Parts
from collections_supervisor.system.log_queue import LineQueue
from collections_supervisor.system.log_render import LineRenderer
from collections_supervisor.system.log_sink import Sink
from collections_supervisor.system.log_target import FileTarget, StreamTarget, Target

DEADLINE_S = 20
RENDERER = LineRenderer(run_id="r-1", version="1", max_bytes=8000)
WALL = datetime(2026, 11, 22, tzinfo=UTC)


def render(level: Level, fields: dict[str, object]) -> Parts:
    return RENDERER.parts(level, fields, WALL)


class Log:
    """A queue and a sink on it."""

    def __init__(self, target: Target, *, fallback: Callable[[], Target] | None = None, max_lines: int = 10_000) -> None:
        self.lines = LineQueue(render, max_lines=max_lines)
        self.sink = Sink(self.lines, target, render=render, fallback=fallback)

    def offer(self, note: object) -> None:
        self.lines.offer("info", render("info", {"event": "e", "note": note}))


class Disk:
    """A target with room for so many bytes, that takes what fits of a write before it fails, as a full disk does."""

    name = "disk"
    idle_s: float | None = 0.05

    def __init__(self, room: int) -> None:
        self.room = room
        self.data = b""
        self.writes: list[bytes] = []
        self.failed = threading.Event()
        self.error: OSError | None = None

    def refresh(self) -> bool:
        return False

    def show(self, line: bytes) -> bytes:
        return line

    def write(self, data: bytes) -> int:
        self.writes.append(data)
        if self.error is not None:
            self.failed.set()
            raise self.error
        if self.room == 0:
            self.failed.set()
            raise OSError(errno.ENOSPC, "no space left on device")
        part = data[: self.room]
        self.room -= len(part)
        self.data += part
        return len(part)

    def is_dead(self, error: OSError) -> bool:
        return error.errno == errno.EPIPE

    def close(self) -> None:
        self.writes.append(b"closed")


class Pipe:
    """A pipe and everything that ever came out of it."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.data = b""
        self._thread = threading.Thread(target=self._read)

    def start_reading(self) -> None:
        self._thread.start()

    def read_to_end(self) -> bytes:
        os.close(self.writer)
        self._thread.join(DEADLINE_S)
        return self.data

    def _read(self) -> None:
        while chunk := os.read(self.reader, 65536):
            self.data += chunk


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    for descriptor in (made.reader, made.writer):
        with suppress(OSError):
            os.close(descriptor)


def records(data: bytes) -> list[dict[str, object]]:
    """Every line, each of which must be whole."""
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.splitlines()]


def assert_accounted_for(read: list[dict[str, object]]) -> None:
    """Numbers rise by one, and where some are missing the very next line says how many."""
    expected = 1
    for record in read:
        seq = record["seq"]
        assert isinstance(seq, int)
        assert record.get("dropped", 0) == seq - expected
        expected = seq + 1


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_each_line_is_one_write() -> None:
    disk = Disk(10**9)
    log = Log(disk)
    for note in range(20):
        log.offer("x" * 6000 + str(note))
    assert log.sink.close(DEADLINE_S)
    assert len(disk.writes) == 21
    assert disk.writes[-1] == b"closed"
    assert_accounted_for(records(disk.data))


def test_flush_waits_for_what_was_offered() -> None:
    disk = Disk(10**9)
    log = Log(disk)
    log.offer(1)
    assert log.sink.flush(DEADLINE_S)
    assert len(records(disk.data)) == 1
    log.sink.close(DEADLINE_S)


def test_a_stalled_reader_costs_lines_and_every_one_is_accounted_for(pipe: Pipe) -> None:
    log = Log(StreamTarget(pipe.writer, name="pipe"), max_lines=50)
    for note in range(3000):
        log.offer(note)
    assert log.lines.counts.dropped > 0
    pipe.start_reading()
    assert log.sink.flush(DEADLINE_S)
    for note in range(3000, 3020):
        log.offer(note)
    assert log.sink.close(DEADLINE_S)
    read = records(pipe.read_to_end())
    assert_accounted_for(read)
    written = [record["note"] for record in read if record["event"] == "e"]
    assert written[-20:] == list(range(3000, 3020))
    assert len(written) + log.lines.counts.dropped == 3020


def test_close_does_not_wait_longer_for_a_stalled_reader(pipe: Pipe) -> None:
    log = Log(StreamTarget(pipe.writer, name="pipe"))
    for note in range(2000):
        log.offer(note)
    assert not log.sink.flush(0.05)
    assert not log.sink.close(0.05)
    pipe.start_reading()
    log.sink._thread.join(DEADLINE_S)
    assert not log.sink._thread.is_alive()
    assert len(records(pipe.read_to_end())) < 2000


def test_the_log_goes_on_in_the_fallback_when_the_reader_is_gone(pipe: Pipe, tmp_path: Path) -> None:
    path = tmp_path / "state" / "fallback.log"
    log = Log(StreamTarget(pipe.writer, name="pipe"), fallback=partial(FileTarget, path, monotonic=time.monotonic))
    log.offer("read")
    assert log.sink.flush(DEADLINE_S)
    os.close(pipe.reader)
    for note in range(5):
        log.offer(note)
    assert log.sink.close(DEADLINE_S)
    read = records(path.read_bytes())
    failed = [record for record in read if record["event"] == "log.sink_failed"]
    assert [record["seq"] for record in read] == list(range(2, 8))
    assert [record["note"] for record in read if record["event"] == "e"] == list(range(5))
    assert len(failed) == 1
    assert failed[0]["path"] == str(path)
    assert failed[0]["level"] == "error"
    assert "BrokenPipeError" in str(failed[0]["error"])


def test_the_log_goes_on_in_the_fallback_when_the_terminal_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "fallback.log"
    master, terminal = pty.openpty()
    log = Log(StreamTarget(terminal, name="terminal"), fallback=partial(FileTarget, path, monotonic=time.monotonic))
    os.close(terminal)
    os.close(master)
    log.offer(1)
    assert log.sink.close(DEADLINE_S)
    first, second = records(path.read_bytes())
    assert (first["note"], second["event"]) == (1, "log.sink_failed")


def test_a_line_cut_short_by_death_is_whole_in_the_fallback() -> None:
    first, second = Disk(100), Disk(10**9)
    log = Log(first, fallback=lambda: second)
    log.offer(1)
    assert first.failed.wait(DEADLINE_S)
    first.error = OSError(errno.EPIPE, "broken pipe")
    assert log.sink.close(DEADLINE_S)
    assert [record["seq"] for record in records(second.data)] == [1, 2, 3]


def test_without_a_fallback_everything_is_counted_as_dropped(pipe: Pipe) -> None:
    os.close(pipe.reader)
    log = Log(StreamTarget(pipe.writer, name="pipe"))
    for note in range(5):
        log.offer(note)
    log.sink._thread.join(DEADLINE_S)
    log.offer("late")
    assert log.lines.counts.dropped == 6
    assert log.sink.close(DEADLINE_S)


def test_a_full_disk_delays_lines_and_merges_none() -> None:
    disk = Disk(500)
    log = Log(disk)
    for note in range(10):
        log.offer(note)
    assert disk.failed.wait(DEADLINE_S)
    disk.room = 10**9
    assert log.sink.close(DEADLINE_S)
    read = records(disk.data)
    assert_accounted_for(read)
    assert [record.get("note") for record in read] == [*range(10), None]
    assert read[-1]["event"] == "log.sink_failed"


def test_a_disk_that_stays_full_costs_lines_and_every_one_is_accounted_for() -> None:
    disk = Disk(500)
    log = Log(disk, max_lines=20)
    for note in range(3):
        log.offer(note)
    assert disk.failed.wait(DEADLINE_S)
    for note in range(3, 100):
        log.offer(note)
    disk.room = 10**9
    assert log.sink.close(DEADLINE_S)
    read = records(disk.data)
    assert_accounted_for(read)
    assert sum(record["event"] == "e" for record in read) + log.lines.counts.dropped == 100


def test_a_disk_with_room_now_and_then_is_one_failure() -> None:
    disk = Disk(0)
    log = Log(disk)
    for note in range(10):
        log.offer(note)
    for _ in range(5):
        assert disk.failed.wait(DEADLINE_S)
        disk.failed.clear()
        disk.room += 300
    disk.room = 10**9
    assert log.sink.close(DEADLINE_S)
    assert sum(record["event"] == "log.sink_failed" for record in records(disk.data)) == 1


def test_the_real_full_disk_and_the_way_back(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    path = tmp_path / "supervisor.log"
    path.symlink_to("/dev/full")
    log = Log(FileTarget(path, monotonic=time.monotonic))
    for note in range(5):
        log.offer(note)
    wait_for(lambda: log.lines.counts.events["error"] == 1)
    path.unlink()
    path.touch()
    assert log.sink.close(DEADLINE_S)
    read = records(path.read_bytes())
    assert_accounted_for(read)
    assert [record.get("note") for record in read] == [*range(5), None]
    assert "No space left" in str(read[-1]["error"])


def test_a_closing_log_does_not_wait_for_a_disk_to_get_room() -> None:
    disk = Disk(0)
    log = Log(disk)
    log.offer(1)
    assert disk.failed.wait(DEADLINE_S)
    assert not log.sink.close(0)
    log.sink._thread.join(DEADLINE_S)
    assert not log.sink._thread.is_alive()
    assert log.lines.counts.dropped == 1


def test_a_pipe_that_others_made_non_blocking_gets_whole_lines(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    log = Log(StreamTarget(pipe.writer, name="pipe"))
    for note in range(300):
        log.offer("x" * 1000 + str(note))
    assert not log.sink.flush(0.05)
    pipe.start_reading()
    assert log.sink.close(DEADLINE_S)
    read = records(pipe.read_to_end())
    assert [record["seq"] for record in read] == list(range(1, 301))
    assert not os.get_blocking(pipe.reader) or not any(record["event"] == "log.sink_failed" for record in read)


@pytest.mark.parametrize("create", [False, True], ids=["rename", "rename and create"])
def test_a_rotated_file_loses_no_line(tmp_path: Path, create: bool) -> None:
    path = tmp_path / "supervisor.log"
    rotated = tmp_path / "supervisor.log.1"
    log = Log(FileTarget(path, monotonic=time.monotonic))
    log.offer("first")
    assert log.sink.flush(DEADLINE_S)
    path.rename(rotated)
    if create:
        path.touch()
    note = 0
    while not path.exists() or path.stat().st_size == 0:
        log.offer(note)
        assert log.sink.flush(DEADLINE_S)
        note += 1
        threading.Event().wait(0.01)
    assert log.sink.close(DEADLINE_S)
    read = records(rotated.read_bytes()) + records(path.read_bytes())
    assert [record["seq"] for record in read] == list(range(1, note + 2))


def test_a_removed_file_comes_back_though_nothing_is_logged(tmp_path: Path) -> None:
    path = tmp_path / "supervisor.log"
    log = Log(FileTarget(path, monotonic=time.monotonic))
    log.offer("first")
    assert log.sink.flush(DEADLINE_S)
    path.unlink()
    wait_for(path.exists)
    log.sink.close(DEADLINE_S)


def test_a_bug_in_a_view_costs_its_line_only() -> None:
    class Choosy(Disk):
        def show(self, line: bytes) -> bytes:
            if b'"note":1' in line:
                raise RuntimeError("cannot show this")
            return line

    disk = Choosy(10**9)
    log = Log(disk)
    for note in range(3):
        log.offer(note)
    assert log.sink.flush(DEADLINE_S)
    assert log.sink.close(DEADLINE_S)
    read = records(disk.data)
    assert [record["event"] for record in read] == ["e", "e", "log.dropped", "log.sink_failed"]
    assert read[2]["dropped"] == 1
