"""All sources of one agent together, read as its actor reads them: real files, never an exception."""

import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.agents.heartbeat import MAX_RECORDED, HeartbeatReader
from collections_supervisor.agents.heartbeat_line import encode_beat
from collections_supervisor.config.schema import AgentConfig, LogSource, Source, TouchSource
from collections_supervisor.messages import Beat, Now, Reading, StaleLine

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW = Now(mono=1000.0, wall=NOON)


def minutes(count: float) -> datetime:
    return NOON - timedelta(minutes=count)


def later(seconds: float) -> Now:
    return Now(mono=NOW.mono + seconds, wall=NOON + timedelta(seconds=seconds))


def reader(*sources: Source | Path, **more: Any) -> HeartbeatReader:
    found = tuple(LogSource(path=source) if isinstance(source, Path) else source for source in sources)
    return HeartbeatReader(AgentConfig(name="a", sources=found), **more)


def append(path: Path, *lines: bytes) -> None:
    with path.open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))


def touch(path: Path, when: datetime) -> None:
    path.touch()
    os.utime(path, (when.timestamp(),) * 2)


def beat(count: float) -> bytes:
    return encode_beat(minutes(count))


def stale(count: float) -> bytes:
    return json.dumps({"timestamp": minutes(count).isoformat(), "stale": True}).encode()


def theirs(count: float) -> StaleLine:
    return StaleLine(stamp=minutes(count), ours=False)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "a.log"


# --- One log ---------------------------------------------------------------------------------------------


async def test_two_stale_lines_at_the_end(log: Path) -> None:
    append(log, beat(90), stale(30), stale(15))
    assert await reader(log).read(NOW) == Reading(status="ok", beat=Beat(stamp=minutes(90)), trailing=(theirs(30), theirs(15)))


async def test_stale_fresh_stale(log: Path) -> None:
    append(log, stale(30), beat(20), stale(15))
    assert await reader(log).read(NOW) == Reading(status="ok", beat=Beat(stamp=minutes(20)), trailing=(theirs(15),))


async def test_bad_lines_among_good_ones_are_counted_once(log: Path) -> None:
    append(log, b"7", beat(180), b"{", b"", b"\xff")
    agent = reader(log)
    assert await agent.read(NOW) == Reading(status="ok", beat=Beat(stamp=minutes(180)), invalid=3)
    append(log, stale(1))
    assert (await agent.read(NOW)).invalid == 0
    append(log, b"8")
    assert (await agent.read(NOW)).invalid == 1
    assert (await agent.read(NOW)).invalid == 0


async def test_a_torn_last_line_is_not_counted_at_first(log: Path) -> None:
    log.write_bytes(beat(5) + b'\n{"timest')
    agent = reader(log)
    assert await agent.read(NOW) == Reading(status="ok", beat=Beat(stamp=minutes(5)))
    assert [(await agent.read(later(seconds))).invalid for seconds in (59, 60, 61, 200)] == [0, 1, 0, 0]


async def test_a_beat_only_from_the_future(log: Path) -> None:
    append(log, beat(-120))
    agent = reader(log)
    expected = Reading(status="ok", future=Beat(stamp=minutes(-120)))
    assert await agent.read(NOW) == expected
    assert await agent.read(later(4 * 3600)) == expected


async def test_a_clock_set_back_makes_a_known_beat_one_from_the_future_until_it_catches_up(log: Path) -> None:
    append(log, beat(5))
    agent = reader(log)
    await agent.read(NOW)
    assert await agent.read(later(-3600)) == Reading(status="ok", future=Beat(stamp=minutes(5)))
    assert await agent.read(later(60)) == Reading(status="ok", beat=Beat(stamp=minutes(5)))


async def test_no_file_then_one_then_none(log: Path) -> None:
    agent = reader(log)
    assert await agent.read(NOW) == Reading(status="missing")
    append(log, b"7", b'{"stale": false}')
    touch(log, minutes(50))
    # It was not there when the first look was taken: new, whatever the file says of its age.
    assert await agent.read(NOW) == Reading(status="ok", beat=Beat(stamp=NOON), invalid=1)
    log.unlink()
    assert await agent.read(NOW) == Reading(status="missing")


async def test_a_rotated_log_holds_no_beat(log: Path) -> None:
    append(log, beat(5))
    agent = reader(log)
    await agent.read(NOW)
    log.rename(log.with_suffix(".1"))
    append(log, stale(1))
    assert await agent.read(NOW) == Reading(status="ok", trailing=(theirs(1),))


async def test_an_agent_without_sources() -> None:
    agent = reader()
    assert await agent.read(NOW) == Reading(status="missing")
    assert not agent.can_record


# --- What cannot be read ---------------------------------------------------------------------------------


async def test_a_fifo_is_unreadable_and_blocks_nobody(log: Path) -> None:
    os.mkfifo(log)
    with anyio.fail_after(10):
        found = await reader(log).read(NOW)
    assert found == Reading(status="unreadable", error=f"cannot read {log}: is a FIFO, not a regular file")


async def test_why_it_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    causes = {
        tmp_path: "is a directory, not a regular file",
        tmp_path / "loop": "is a symbolic link, not a regular file",
        tmp_path / "loop" / "x": "too many levels of symbolic links",
        tmp_path / "file" / "x": "not a directory",
        tmp_path / ("x" * 300): "file name too long",
        Path("/proc/self/mem\0"): "embedded null byte",
    }
    for path, cause in causes.items():
        for source in (LogSource(path=path), TouchSource(path=str(path))):
            assert await reader(source).read(NOW) == Reading(status="unreadable", error=f"cannot read {path}: {cause}")


@pytest.fixture
def nobody() -> Iterator[None]:
    """Rights that a test for missing ones needs: root has them all, and tests may run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


async def test_without_the_right_to_read(tmp_path: Path, log: Path, request: pytest.FixtureRequest) -> None:
    append(log, beat(5))
    log.chmod(0)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    request.getfixturevalue("nobody")
    for source in (LogSource(path=log), TouchSource(path=str(closed / "beat")), TouchSource(path=str(closed / "*.beat"))):
        assert await reader(source).read(NOW) == Reading(
            status="unreadable", error=f"cannot read {source.path}: permission denied"
        )


class HungPath(type(Path())):  # type: ignore[misc]  # the concrete class of this platform's paths
    """A path on a mount that does not answer."""

    asked = 0
    answers = threading.Event()

    def lstat(self) -> os.stat_result:
        type(self).asked += 1
        assert self.answers.wait(30)
        found: os.stat_result = super().lstat()
        return found


async def test_a_mount_that_hangs_costs_one_thread_and_says_so(log: Path) -> None:
    append(log, b"7", beat(5))
    hung = HungPath(log)
    agent = reader(hung, deadline=0.02)
    causes = [(await agent.read(NOW)).error for _ in range(4)]
    assert causes == [f"cannot read {log}: no answer within 0.02 s"] + [f"cannot read {log}: an earlier call still hangs"] * 3
    assert hung.asked == 1
    # What it saw late was given up, not lost: the next answer in time reports it.
    hung.answers.set()
    with anyio.fail_after(10):
        while (found := await agent.read(NOW)).status != "ok":
            await anyio.sleep(0)
    assert found == Reading(status="ok", beat=Beat(stamp=minutes(5)), invalid=1)


# --- Several sources -------------------------------------------------------------------------------------


async def test_the_newest_beat_of_any_source_counts(tmp_path: Path, log: Path) -> None:
    append(log, beat(50), stale(40))
    touched = tmp_path / "touched"
    agent = reader(log, TouchSource(path=str(touched)))
    assert (await agent.read(NOW)).beat == Beat(stamp=minutes(50))
    touch(touched, minutes(3))
    assert await agent.read(NOW) == Reading(status="ok", beat=Beat(stamp=minutes(3)), trailing=(theirs(40),))
    touch(touched, minutes(60))
    assert (await agent.read(NOW)).beat == Beat(stamp=minutes(50))


async def test_our_lines_at_the_end_of_the_log_name_the_beat_that_a_touched_file_has_passed(tmp_path: Path, log: Path) -> None:
    touched = tmp_path / "touched"
    touch(touched, minutes(70))
    append(log, beat(90))
    agent = reader(log, TouchSource(path=str(touched)))
    await agent.record_miss(missed=1, last_heartbeat=minutes(70), reason="late", at=minutes(10))
    touch(touched, minutes(1))
    found = await agent.read(NOW)
    assert found.beat == Beat(stamp=minutes(1))
    assert found.trailing == (StaleLine(stamp=minutes(10), ours=True, missed=1, last_heartbeat=minutes(70)),)


async def test_misses_of_a_log_that_another_one_has_overtaken_do_not_count(tmp_path: Path, log: Path) -> None:
    other = tmp_path / "b.log"
    append(log, beat(90), stale(80), stale(70))
    append(other, beat(2))
    for agent in (reader(log, other), reader(other, log)):
        assert await agent.read(NOW) == Reading(status="ok", beat=Beat(stamp=minutes(2)))


async def test_an_unreadable_source_beside_a_good_one(tmp_path: Path, log: Path) -> None:
    append(log, beat(5))
    error = f"cannot read {tmp_path}: is a directory, not a regular file"
    good = Reading(status="ok", beat=Beat(stamp=minutes(5)), error=error)
    assert await reader(tmp_path, log).read(NOW) == good
    assert await reader(log, TouchSource(path=str(tmp_path))).read(NOW) == good


async def test_an_unreadable_source_beside_a_missing_or_silent_one(tmp_path: Path, log: Path) -> None:
    agent = reader(tmp_path, log)
    assert (await agent.read(NOW)).status == "unreadable"
    append(log, stale(5))
    found = await agent.read(NOW)
    assert (found.status, found.trailing) == ("unreadable", (theirs(5),))


async def test_a_source_from_the_future_is_passed_by_a_later_beat_of_another(tmp_path: Path, log: Path) -> None:
    touched = tmp_path / "touched"
    touch(touched, minutes(-600))
    append(log, beat(1))
    agent = reader(log, TouchSource(path=str(touched)))
    ahead = Beat(stamp=minutes(-600))
    assert await agent.read(NOW) == Reading(status="ok", beat=Beat(stamp=minutes(1)), future=ahead)
    assert (await agent.read(later(3600))).future == ahead
    append(log, beat(-60))
    assert await agent.read(later(3600)) == Reading(status="ok", beat=Beat(stamp=minutes(-60)))


async def test_files_touched_after_one_from_the_future(tmp_path: Path) -> None:
    touch(tmp_path / "b1", minutes(-600))
    agent = reader(TouchSource(path=str(tmp_path / "b*")))
    assert await agent.read(NOW) == Reading(status="ok", future=Beat(stamp=minutes(-600)))
    touch(tmp_path / "b2", minutes(-10))
    assert await agent.read(later(600)) == Reading(status="ok", beat=Beat(stamp=minutes(-10)))


# --- Recording misses ------------------------------------------------------------------------------------


async def test_a_miss_after_a_torn_line_is_a_line_of_its_own(log: Path) -> None:
    log.write_bytes(beat(70) + b'\n{"timest')
    agent = reader(log)
    await agent.read(NOW)
    await agent.record_miss(missed=1, last_heartbeat=minutes(70), reason="no heartbeat", at=NOON)
    lines = log.read_bytes().splitlines()
    assert lines[:2] == [beat(70), b'{"timest']
    assert json.loads(lines[2]) == {
        "timestamp": "2026-11-22T12:00:00.000000Z",
        "stale": True,
        "by": "supervisor",
        "missed": 1,
        "last_heartbeat": "2026-11-22T10:50:00.000000Z",
        "reason": "no heartbeat",
    }
    found = await agent.read(NOW)
    assert (found.beat, found.invalid, len(found.trailing)) == (Beat(stamp=minutes(70)), 1, 1)


async def test_a_miss_of_an_agent_never_seen_creates_its_log(tmp_path: Path) -> None:
    log = tmp_path / "beats" / "a.log"
    agent = reader(log)
    assert agent.can_record
    await agent.record_miss(missed=1, last_heartbeat=None, reason="never seen", at=NOON)
    assert await agent.read(NOW) == Reading(status="ok", trailing=(StaleLine(stamp=NOON, ours=True, missed=1),))
    assert [path.stat().st_mode & 0o777 for path in (log, log.parent)] == [0o600, 0o700]


async def test_a_miss_that_cannot_be_written_is_an_error(log: Path) -> None:
    log.mkdir()
    with pytest.raises(OSError, match="is a directory, not a regular file"):
        await reader(log).record_miss(missed=1, last_heartbeat=None, reason="late", at=NOON)


async def test_misses_in_a_row_are_bounded(log: Path) -> None:
    agent = reader(log)
    for number in range(1, MAX_RECORDED + 10):
        await agent.record_miss(missed=number, last_heartbeat=None, reason="late", at=NOON)
        await agent.read(NOW)
    assert log.read_bytes().count(b"\n") == MAX_RECORDED
    append(log, beat(1))
    await agent.read(NOW)
    await agent.record_miss(missed=1, last_heartbeat=minutes(1), reason="late", at=NOON)
    assert log.read_bytes().count(b"\n") == MAX_RECORDED + 2


async def test_an_agent_that_only_touches_has_no_place_for_misses(tmp_path: Path) -> None:
    touch(tmp_path / "beat", minutes(5))
    agent = reader(TouchSource(path=str(tmp_path / "beat")))
    assert not agent.can_record
    await agent.record_miss(missed=1, last_heartbeat=minutes(5), reason="late", at=NOON)
    assert (tmp_path / "beat").read_bytes() == b""
    assert (await agent.read(NOW)).beat == Beat(stamp=minutes(5))


async def test_every_source_says_when_it_was_read_and_what_it_told(log: Path, tmp_path: Path) -> None:
    append(log, beat(20), beat(5))
    touched = tmp_path / "touched"
    reads = reader(log, TouchSource(path=str(touched)), tmp_path)
    assert [(one.path, one.read_at, one.problem) for one in reads.origins] == [
        (str(log), None, ""),
        (str(touched), None, ""),
        (str(tmp_path), None, ""),
    ]
    await reads.read(NOW)
    first, second, third = reads.origins
    assert (first.name, first.read_at, first.changed_at, first.problem) == ("a", NOON, minutes(5), "")
    assert (second.read_at, second.changed_at, second.problem) == (None, None, "it does not exist")
    assert (third.read_at, third.changed_at) == (None, None)
    assert "regular file" in third.problem
    log.unlink()
    touch(touched, minutes(1))
    await reads.read(later(60))
    first, second, _ = reads.origins
    assert (first.read_at, first.changed_at, first.problem) == (NOON, minutes(5), "it does not exist")
    assert (second.read_at, second.changed_at, second.problem) == (later(60).wall, minutes(1), "")
