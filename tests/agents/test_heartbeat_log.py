"""The heartbeat log as it grows, tears, rotates and lies: real files, judged look by look."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.agents.heartbeat_line import encode_beat, encode_miss, parse_line
from collections_supervisor.agents.heartbeat_log import TORN_AFTER, WINDOWS, LogMemory, Said, look
from collections_supervisor.messages import Beat, Now, StaleLine

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TOLERANCE = timedelta(seconds=5)


class Log:
    """A log, what is remembered of it, and how much of it was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.memory: LogMemory | None = None
        self.first = True
        self.mono = 1000.0
        self.wall = NOON
        self.reads: list[int] = []

    def write(self, *lines: bytes, end: bytes = b"\n") -> None:
        with self.path.open("ab") as file:
            file.write(b"\n".join(lines) + end)

    def pass_time(self, seconds: float) -> None:
        self.mono += seconds
        self.wall += timedelta(seconds=seconds)

    def look(self) -> Said:
        """What is said after one more look; `invalid` adds up, as nobody here takes it for reported."""
        memory = look(
            self.path,
            self.memory,
            now=Now(mono=self.mono, wall=self.wall),
            tolerance=TOLERANCE,
            first=self.first,
            read_at=self.read_at,
        )
        self.memory, self.first = memory, False
        assert memory is not None
        return memory.said

    def invalid(self) -> int:
        """Invalid lines that the next look finds."""
        before = self.memory.said.invalid if self.memory else 0
        return self.look().invalid - before

    def read_at(self, fd: int, size: int, offset: int) -> bytes:
        self.reads.append(size)
        return os.pread(fd, size, offset)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "agent.log")


def minutes(count: float) -> datetime:
    """That long before noon."""
    return NOON - timedelta(minutes=count)


def beat(count: float) -> bytes:
    return encode_beat(minutes(count))


def stale(count: float, **more: Any) -> bytes:
    return json.dumps({"timestamp": minutes(count).isoformat(), "stale": True, **more}).encode()


def miss(count: float, number: int = 1, last: datetime | None = None) -> bytes:
    return encode_miss(minutes(count), missed=number, last_heartbeat=last, reason="late")


# --- What the lines say ----------------------------------------------------------------------------------


def test_the_last_beat_by_position_counts(log: Log) -> None:
    log.write(beat(3), beat(90), beat(50))
    assert log.look() == Said(beat=Beat(stamp=minutes(50)))


def test_there_is_no_log(log: Log) -> None:
    assert look(log.path, None, now=Now(mono=0, wall=NOON), tolerance=TOLERANCE, first=True) is None


def test_an_empty_log_says_nothing(log: Log) -> None:
    log.path.touch()
    assert log.look() == Said()


def test_trailing_stale_lines_whoever_wrote_them(log: Log) -> None:
    log.write(beat(90), stale(30), miss(15, 2, minutes(90)))
    said = log.look()
    assert [(line.ours, line.missed) for line in said.trailing] == [(False, 0), (True, 2)]
    assert said.beat == Beat(stamp=minutes(90))
    assert said.recorded_last_heartbeat == minutes(90)


def test_a_beat_between_ends_the_run(log: Log) -> None:
    log.write(stale(30), beat(20), stale(10))
    assert [line.stamp for line in log.look().trailing] == [minutes(10)]
    log.write(beat(1))
    assert log.look().trailing == ()


def test_only_the_last_ten_stale_lines_are_kept_and_ours_are_counted(log: Log) -> None:
    log.write(beat(90), *[miss(60 - number, number, minutes(90)) for number in range(1, 31)])
    said = log.look()
    assert [line.missed for line in said.trailing] == list(range(21, 31))
    assert (said.recorded_in_a_row, said.beat) == (30, Beat(stamp=minutes(90)))


def test_bad_lines_change_nothing_and_are_counted_once(log: Log) -> None:
    log.write(beat(180), b"7", stale(30), b"{", b"", b"  \t\r", b"\xff", stale(20))
    said = log.look()
    assert said.invalid == 3
    assert len(said.trailing) == 2
    assert said.beat == Beat(stamp=minutes(180))
    log.write(beat(1))
    assert log.invalid() == 0
    log.write(b"\0" * 9, b"8")
    assert log.invalid() == 2
    assert log.invalid() == 0


def test_where_no_beat_is_left_our_newest_line_remembers_one(log: Log) -> None:
    log.write(miss(30, 1, minutes(100)), miss(20, 2, minutes(90)), stale(10))
    said = log.look()
    assert (said.beat, said.recorded_last_heartbeat) == (None, minutes(90))


# --- Lines without a time --------------------------------------------------------------------------------


def age(log: Log, count: float) -> None:
    os.utime(log.path, (minutes(count).timestamp(),) * 2)


def test_at_the_first_look_a_timeless_beat_is_as_old_as_the_file(log: Log) -> None:
    log.write(b'{"stale": false}')
    age(log, 70)
    assert log.look().beat == Beat(stamp=minutes(70))


def test_later_it_is_as_old_as_its_first_sight_for_good(log: Log) -> None:
    log.write(beat(90))
    log.look()
    log.write(b'{"stale": false}')
    age(log, 70)
    assert log.look().beat == Beat(stamp=NOON)
    log.pass_time(600)
    log.write(stale(1))
    assert log.look().beat == Beat(stamp=NOON)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([miss(20, 1, minutes(80)), miss(5, 2, minutes(80))], minutes(80)),
        ([miss(20)], minutes(20)),
        ([stale(30), miss(5, 2, minutes(80))], minutes(30)),
        ([b'{"stale": true}'], minutes(1)),
        ([miss(20, 1, NOON)], minutes(1)),
    ],
)
def test_misses_move_the_time_of_the_file_but_not_of_a_timeless_beat(log: Log, after: list[bytes], expected: datetime) -> None:
    log.write(b'{"stale": false}', *after)
    age(log, 1)
    assert log.look().beat == Beat(stamp=expected)


def test_a_miss_does_not_age_a_timeless_beat_that_is_new(log: Log) -> None:
    log.write(beat(90))
    log.look()
    # The beat came between our last look and our recording of a miss.
    log.write(b'{"stale": false}', miss(1, 1, minutes(90)))
    assert log.look().beat == Beat(stamp=NOON)


# --- The future ------------------------------------------------------------------------------------------


def test_the_tolerance_is_not_the_future(log: Log) -> None:
    log.write(encode_beat(NOON + TOLERANCE))
    assert log.look().beat == Beat(stamp=NOON + TOLERANCE)
    log.write(encode_beat(NOON + TOLERANCE + timedelta(microseconds=1)))
    said = log.look()
    assert (said.beat, said.future) == (Beat(stamp=NOON + TOLERANCE), Beat(stamp=NOON + TOLERANCE + timedelta(microseconds=1)))


def test_a_beat_from_the_future_stays_so_when_its_time_comes(log: Log) -> None:
    log.write(beat(5), encode_beat(NOON + timedelta(hours=2)), stale(1))
    said = log.look()
    assert (said.beat, said.future, len(said.trailing)) == (Beat(stamp=minutes(5)), Beat(stamp=NOON + timedelta(hours=2)), 1)
    log.pass_time(3 * 3600)
    for lines in ([], [stale(1)], [miss(1)] * 20, [b"7"]):
        log.write(*lines)
        said = log.look()
        assert (said.beat, said.future) == (Beat(stamp=minutes(5)), Beat(stamp=NOON + timedelta(hours=2)))
        assert said.future_seen == NOON
    log.write(beat(-180))
    said = log.look()
    assert (said.beat, said.future, said.future_seen) == (Beat(stamp=minutes(-180)), None, None)


# --- Torn lines ------------------------------------------------------------------------------------------


def test_a_torn_line_is_judged_when_it_is_whole(log: Log) -> None:
    log.write(beat(5))
    first = log.path.stat().st_size
    whole = log.path.read_bytes() + beat(1) + b"\n" + stale(0) + b"\n"
    for end in range(first, len(whole) + 1):
        log.path.write_bytes(whole[:end])
        said = log.look()
        complete = whole[:end].count(b"\n")
        assert said.invalid == 0
        assert said.beat == Beat(stamp=minutes(5 if complete == 1 else 1))
        assert len(said.trailing) == max(0, complete - 2)


def test_at_the_first_look_a_log_may_be_torn_anywhere(tmp_path: Path) -> None:
    whole = beat(5) + b"\n" + beat(1) + b"\n"
    for end in range(len(whole) + 1):
        log = Log(tmp_path / str(end))
        log.path.write_bytes(whole[:end])
        said = log.look()
        stamps = [None, Beat(stamp=minutes(5)), Beat(stamp=minutes(1))]
        assert (said.beat, said.invalid) == (stamps[whole[:end].count(b"\n")], 0)


def test_a_torn_line_counts_once_after_a_minute(log: Log) -> None:
    log.write(beat(5), b'{"timest', end=b"")
    assert log.invalid() == 0
    log.pass_time(TORN_AFTER - 0.5)
    assert log.invalid() == 0
    log.pass_time(0.5)
    assert log.invalid() == 1
    log.pass_time(TORN_AFTER * 3)
    assert log.invalid() == 0
    assert log.look().beat == Beat(stamp=minutes(5))
    log.write(b"", miss(0))
    assert log.invalid() == 0
    assert len(log.look().trailing) == 1


def test_a_torn_line_that_grows_is_still_the_same_one(log: Log) -> None:
    log.write(b"{", end=b"")
    log.look()
    log.pass_time(TORN_AFTER / 2)
    log.write(b"{", end=b"")
    assert log.invalid() == 0
    log.pass_time(TORN_AFTER / 2)
    assert log.invalid() == 1
    log.write(b"{", end=b"")
    log.pass_time(TORN_AFTER)
    assert log.invalid() == 0
    log.write(b"", b"{")
    assert log.invalid() == 1


def test_a_torn_line_ended_in_time_and_another_one(log: Log) -> None:
    log.write(b"{", end=b"")
    log.look()
    log.pass_time(TORN_AFTER - 1)
    log.write(b"", b"{", end=b"")
    assert log.invalid() == 1
    log.pass_time(TORN_AFTER - 1)
    assert log.invalid() == 0
    log.pass_time(1)
    assert log.invalid() == 1


def test_a_late_end_makes_a_beat_of_a_torn_line_that_was_counted(log: Log) -> None:
    log.write(beat(5), beat(1)[:20], end=b"")
    log.look()
    log.pass_time(TORN_AFTER)
    assert log.invalid() == 1
    log.write(beat(1)[20:])
    said = log.look()
    assert (said.beat, said.invalid) == (Beat(stamp=minutes(1)), 1)
    log.write(b"7")
    assert log.invalid() == 1


def test_blanks_at_the_end_are_not_torn(log: Log) -> None:
    log.write(beat(5), b"   ", end=b"")
    log.look()
    log.pass_time(TORN_AFTER)
    assert log.invalid() == 0
    log.write(beat(1))
    said = log.look()
    assert (said.beat, said.invalid) == (Beat(stamp=minutes(1)), 0)


# --- Rotation --------------------------------------------------------------------------------------------


def rename_and_create(path: Path, data: bytes) -> None:
    path.rename(path.with_suffix(".1"))
    path.write_bytes(data)


def rewrite(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def delete_and_create(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


@pytest.mark.parametrize("rotate", [rename_and_create, rewrite, delete_and_create])
@pytest.mark.parametrize("longer", [False, True])
def test_a_rotated_log_is_begun_anew(log: Log, rotate: Callable[[Path, bytes], None], longer: bool) -> None:
    log.write(beat(50), beat(40), b"7", miss(30, 1, minutes(40)), stale(20))
    assert log.look().invalid == 1
    rotate(log.path, b"8\n" + stale(1) + (b"\n" + stale(2)) * 20 * longer + b"\n")
    said = log.look()
    assert (said.beat, said.invalid, said.recorded_last_heartbeat) == (None, 1, None)
    assert len(said.trailing) == (10 if longer else 1)


def test_another_file_of_the_same_content_is_another_file(log: Log) -> None:
    log.write(beat(50), b"7", miss(1, 1, minutes(50)))
    first = log.look()
    rename_and_create(log.path, log.path.read_bytes())
    log.write(b"8")
    said = log.look()
    assert (said.invalid, said.recorded_in_a_row) == (first.invalid + 1, 1)
    assert log.memory is not None
    assert log.memory.inode == log.path.stat().st_ino


def test_an_emptied_log_is_forgotten(log: Log) -> None:
    log.write(beat(50), stale(3))
    log.look()
    os.truncate(log.path, 0)
    assert log.look() == Said()


def test_cutting_off_a_torn_end_is_no_rotation(log: Log) -> None:
    log.write(b"7", b'{"stale": false}', b"torn", end=b"")
    age(log, 30)
    log.look()
    os.truncate(log.path, log.path.stat().st_size - 4)
    said = log.look()
    assert (said.beat, said.invalid) == (Beat(stamp=minutes(30)), 1)


# --- Cost ------------------------------------------------------------------------------------------------


def test_an_unchanged_log_is_not_read_again(log: Log) -> None:
    log.write(beat(5), encode_beat(NOON + timedelta(hours=1)), b"torn", end=b"")
    log.look()
    log.reads.clear()
    log.pass_time(TORN_AFTER)
    assert log.invalid() == 1
    log.pass_time(7200)
    assert log.look().future is not None
    assert log.reads == []


def test_a_million_lines_cost_what_ten_do(log: Log) -> None:
    line = beat(5) + b"\n"
    with log.path.open("wb") as file:
        for _ in range(100):
            file.write(line * 10_000)
    assert log.look().beat == Beat(stamp=minutes(5))
    assert sum(log.reads) <= WINDOWS[0] + 1
    log.reads.clear()
    log.write(beat(1))
    assert log.look().beat == Beat(stamp=minutes(1))
    assert sum(log.reads) <= 1000


def test_a_log_without_any_beat_is_read_so_far_and_no_further(log: Log) -> None:
    log.path.write_bytes((stale(9) + b"\n") * 40_000)
    assert len(log.look().trailing) == 10
    assert sum(log.reads) <= sum(WINDOWS) + len(WINDOWS)


def test_a_beat_behind_many_misses_is_found(log: Log) -> None:
    log.write(beat(90), *[stale(1)] * 2000)
    assert log.path.stat().st_size > WINDOWS[0]
    assert log.look().beat == Beat(stamp=minutes(90))


def test_a_leap_beyond_what_is_read_at_once(log: Log) -> None:
    log.write(beat(90), b"torn", end=b"")
    log.look()
    log.reads.clear()
    log.write(b"", *[beat(3)] * 20_000, beat(2))
    assert log.path.stat().st_size > WINDOWS[-1] + 1000
    said = log.look()
    assert (said.beat, said.invalid) == (Beat(stamp=minutes(2)), 0)
    assert sum(log.reads) <= WINDOWS[-1] + 1000


def test_an_endless_line_is_neither_read_whole_nor_judged_in_part(log: Log) -> None:
    # Were it judged from where the reading begins, it could be made to say anything there.
    log.path.write_bytes(b"x" * 1000 + beat(1) * 20_000)
    assert log.path.stat().st_size > WINDOWS[-1]
    assert log.look() == Said()
    log.write()
    assert log.look() == Said()
    log.write(beat(2))
    assert log.look().beat == Beat(stamp=minutes(2))


@pytest.mark.parametrize(("offset", "before"), [(-3, 1), (-2, 1), (-1, 0), (0, 0), (1, 10), (2, 10)])
def test_lines_at_the_edge_of_a_window_are_whole(log: Log, offset: int, before: int) -> None:
    """A beat that begins `offset` bytes before the window; only if it is cut, a wider one is read, with the lines before it."""
    junk = (b"7" * 99 + b"\n") * 600
    blank = b" " * (WINDOWS[0] + offset - len(beat(5)) - len(junk) - 2) + b"\n"
    log.path.write_bytes(b"8\n" * 10 + beat(5) + b"\n" + junk + blank)
    assert log.path.stat().st_size == 20 + WINDOWS[0] + offset
    said = log.look()
    assert (said.beat, said.invalid) == (Beat(stamp=minutes(5)), 600 + before)


# --- What cannot be read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["a FIFO", "a directory", "a symbolic link"])
def test_only_regular_files_are_read(log: Log, tmp_path: Path, kind: str) -> None:
    other = tmp_path / "other"
    other.write_bytes(beat(1) + b"\n")
    makes: dict[str, Callable[[], object]] = {
        "a FIFO": lambda: os.mkfifo(log.path),
        "a directory": log.path.mkdir,
        "a symbolic link": lambda: log.path.symlink_to(other),
    }
    makes[kind]()
    with pytest.raises(OSError, match=f"is {kind}, not a regular file"):
        log.look()


def test_an_endless_device_is_not_read() -> None:
    with pytest.raises(OSError, match="is a device, not a regular file"):
        Log(Path("/dev/zero")).look()


# --- Properties ------------------------------------------------------------------------------------------

LINES = st.sampled_from(
    [beat(7), beat(6), stale(5), miss(4, 1, minutes(7)), b"7", b"", b"\xff", b"{", encode_beat(NOON + timedelta(days=1))]
)


def expected(lines: list[bytes]) -> tuple[Beat | None, Beat | None, int, int]:
    """What whole lines say, straight from the rules."""
    parsed = [parse_line(line, seen=NOON) for line in lines if line.strip()]
    valid = [line for line in parsed if line is not None]
    beats = [line for line in valid if isinstance(line, Beat)]
    good = [place for place, one in enumerate(beats) if one.stamp <= NOON]
    newest = beats[good[-1]] if good else None
    ahead = beats[-1] if beats and beats[-1] is not newest and (not good or good[-1] < len(beats) - 1) else None
    trailing = 0
    for line in reversed(valid):
        if not isinstance(line, StaleLine):
            break
        trailing += 1
    return newest, ahead, min(trailing, 10), len(parsed) - len(valid)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(LINES, max_size=25), st.data())
def test_looks_at_any_moment_add_up_to_the_whole(log: Log, lines: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    log.path.unlink(missing_ok=True)
    log.path.touch()
    log.memory, log.first = None, True
    for end in [*cuts, len(whole)]:
        written = log.path.stat().st_size
        with log.path.open("ab") as file:
            file.write(whole[written:end])
        said = log.look()
    assert (said.beat, said.future, len(said.trailing), said.invalid) == expected(lines)
