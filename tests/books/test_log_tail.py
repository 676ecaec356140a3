"""A log that grows, is rotated, rewritten and cut: real files, looked at again and again."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collections_supervisor.books.activity_lines import Judge
from collections_supervisor.books.blocks import BLOCK, LONGEST
from collections_supervisor.books.log_tail import READ_LIMIT, LogTail, Look

NOW = 1_800_000_000.0
DAY = 86400.0


def line(at: float, kind: str = "SENT", **members: object) -> bytes:
    return json.dumps({"timestamp": at, "type": kind, **members}).encode() + b"\n"


class Log:
    """A log, its reader, and how many blocks it read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reads = 0
        self.since = NOW - DAY
        self.tail = self.fresh()

    def fresh(self) -> LogTail:
        return LogTail(self.path, Judge(member="type", values=("SENT",)))

    def write(self, *lines: bytes) -> None:
        with self.path.open("ab") as file:
            file.writelines(lines)

    def check(self) -> None:
        self.reads += 1

    def look(self) -> Look | None:
        self.reads = 0
        return self.tail.look(since=self.since, check=self.check)

    def times(self) -> list[float]:
        """What the reader says, which must be what another one says who remembers nothing."""
        look, cold = self.look(), self.fresh().look(since=self.since, check=lambda: None)
        assert look is not None
        assert cold is not None
        assert look.events == cold.events
        return [event.at - NOW for event in look.events]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "a.log")


def test_no_log_is_none_and_an_empty_one_says_nothing(log: Log) -> None:
    assert log.look() is None
    log.write()
    assert log.look() == Look(events=[], since=None, named=False, empty=True)


def test_what_happened_since_and_nothing_older(log: Log) -> None:
    log.write(line(NOW - DAY - 1), line(NOW - DAY), line(NOW - 5), line(NOW - 4, "OTHER"), line(NOW - 6), line(NOW + 9))
    assert log.times() == [-DAY, -6, -5, 9]


def test_it_goes_on_where_it_was_and_an_unchanged_one_is_not_read(log: Log) -> None:
    log.write(*(line(NOW - 100, "OTHER") for _ in range(20_000)), line(NOW - 9))
    assert log.times() == [-9]
    assert log.reads > 10
    log.write(line(NOW - 8), line(NOW - 7))
    assert log.times() == [-9, -8, -7]
    assert log.reads == 1
    assert log.times() == [-9, -8, -7]
    assert log.reads == 0


def test_what_has_become_too_old_is_forgotten(log: Log) -> None:
    log.write(line(NOW - 9), line(NOW - 8))
    assert log.times() == [-9, -8]
    log.since = NOW - 8
    assert log.times() == [-8]


def test_a_time_further_back_is_read_again(log: Log) -> None:
    log.write(line(NOW - 2 * DAY), line(NOW - 9))
    assert log.times() == [-9]
    log.since = NOW - 3 * DAY
    assert log.times() == [-2 * DAY, -9]


def test_an_unfinished_line_counts_once(log: Log) -> None:
    log.write(line(NOW - 9), line(NOW - 8).rstrip())
    assert log.times() == [-9, -8]
    assert log.times() == [-9, -8]
    log.write(b"\n", line(NOW - 7)[:-9])
    assert log.times() == [-9, -8]
    log.write(line(NOW - 7)[-9:])
    assert log.times() == [-9, -8, -7]


def test_a_log_of_one_unfinished_line_tells_how_far_it_reaches(log: Log) -> None:
    log.write(line(NOW - 8, invoice="A", template="t").rstrip())
    look = log.look()
    assert look is not None
    assert (look.since, look.named) == (NOW - 8, True)


def test_an_unfinished_line_that_is_longer_than_memory_allows_is_one_line_still(log: Log) -> None:
    log.write(line(NOW - 9), b'{"x": "' + b"x" * (3 * LONGEST), line(NOW - 8).rstrip())
    assert log.times() == [-9]
    log.write(b"\n", line(NOW - 7))
    assert log.times() == [-9, -7]
    # What follows the beginning of such a line looks like a line only if that beginning is forgotten.
    log.write(b'{"x": "' + b"x" * (LONGEST + BLOCK // 2))
    assert log.times() == [-9, -7]
    log.write(b" " * (2 * LONGEST), line(NOW - 6).rstrip())
    assert log.times() == [-9, -7]
    log.write(b'"}\n', line(NOW - 5))
    assert log.times() == [-9, -7, -5]


def _rotate(log: Log) -> None:
    log.path.rename(log.path.with_suffix(".1"))


def _truncate(log: Log) -> None:
    os.truncate(log.path, 0)


def _rewrite(log: Log) -> None:
    log.path.with_suffix(".new").write_bytes(line(NOW - 50, "OTHER") * 10)
    log.path.with_suffix(".new").rename(log.path)


def _rewrite_in_place(log: Log) -> None:
    log.path.write_bytes(line(NOW - 50, "OTHER") * 10)


@pytest.mark.parametrize("change", [_rotate, _truncate, _rewrite, _rewrite_in_place])
def test_another_file_is_begun_anew(log: Log, change: Callable[[Log], None]) -> None:
    log.write(line(NOW - 9), line(NOW - 8))
    assert log.times() == [-9, -8]
    change(log)
    log.write(line(NOW - 7))
    assert log.times() == [-7]


OLD = [line(NOW - 3 * DAY, "OTHER")] * 20_000


def test_it_is_read_backwards_no_further_than_two_old_blocks(log: Log) -> None:
    log.write(line(NOW - 5), *OLD, line(NOW - 9))
    assert log.times() == [-9]
    assert log.reads <= 4


def test_one_line_with_a_broken_clock_does_not_hide_a_day(log: Log) -> None:
    block = [line(NOW - 9, "OTHER")] * (BLOCK // len(line(NOW - 9, "OTHER")))
    log.write(*OLD, line(NOW - 5), *block, line(1.0), *block, line(1.0))
    assert log.times() == [-5]
    log.path.unlink()
    log.write(*OLD, line(NOW - 5), *OLD[: BLOCK // len(OLD[0])], line(NOW - 4))
    assert log.times() == [-5, -4], "one old block is not the end"


def test_lines_that_do_not_say_when_end_nothing(log: Log) -> None:
    log.write(line(NOW - 5), b"  at some place\n" * 20_000)
    assert log.times() == [-5]


def reaches(log: Log) -> float | None:
    look = log.look()
    assert look is not None
    return None if look.since is None else look.since - NOW


def test_how_far_back_it_tells_of_everything(log: Log) -> None:
    log.write(b"garbage\n")
    assert reaches(log) is None
    log.write(line(NOW - 50, "OTHER"), line(NOW - 60))
    assert reaches(log) == -50
    log.since = NOW - 20
    assert reaches(log) == -20
    log.path.unlink()
    log.write(*OLD)
    assert reaches(log) == -20


def test_it_knows_whether_events_name_what_they_are_about(log: Log) -> None:
    log.write(line(NOW - 3 * DAY, invoice="A"), line(NOW - 3 * DAY, template="t"))
    assert (look := log.look()) is not None
    assert not look.named
    log.write(line(NOW - 3 * DAY, invoice="A", template="t"))
    assert (look := log.look()) is not None
    assert look.named
    assert look.events == []


def test_a_log_that_says_too_much_is_not_counted(log: Log) -> None:
    log.path.touch()
    os.truncate(log.path, READ_LIMIT + 2 * BLOCK)
    with pytest.raises(OSError, match="do not reach back"):
        log.look()
    os.truncate(log.path, 1 << 40)
    with pytest.raises(OSError, match="do not reach back"):
        log.look()
    assert log.reads <= READ_LIMIT // BLOCK
    os.truncate(log.path, 0)
    log.write(line(NOW - 5))
    assert log.times() == [-5]


def test_growth_beyond_what_is_read_at_one_look_is_read_from_the_end(log: Log) -> None:
    log.write(line(NOW - 9))
    assert log.times() == [-9]
    log.write(b"\n")
    os.truncate(log.path, 2 * READ_LIMIT)
    log.write(b"\n", *OLD, line(NOW - 8))
    assert log.times() == [-8]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_no_regular_file_is_an_error(log: Log, make: Callable[[Path], None]) -> None:
    make(log.path)
    with pytest.raises(OSError, match="regular file"):
        log.look()


class StoppedError(Exception):
    """The reading is not wanted any more."""


def test_a_reading_that_was_stopped_leaves_nothing_half_counted(log: Log) -> None:
    log.write(line(NOW - 9))
    assert log.times() == [-9]
    log.write(*[line(NOW - 8)] * 3000)
    calls = iter(range(1))

    def stop() -> None:
        if next(calls, None) is None:
            raise StoppedError

    with pytest.raises(StoppedError):
        log.tail.look(since=log.since, check=stop)
    assert len(log.times()) == 3001
