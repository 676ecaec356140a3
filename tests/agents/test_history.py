"""What a heartbeat log says of the past, and the rhythm in it."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.agents.history import MOST_BYTES, Logged, history_of, read_logged, rhythm
from collections_supervisor.config.hours import parse
from collections_supervisor.config.schema import AgentConfig, LogSource, TouchSource

HOUR = 3600.0
START = 1_700_000_000.0
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def line(stamp: float, **more: Any) -> bytes:
    return json.dumps({"timestamp": stamp, "stale": False, **more}).encode() + b"\n"


def agent(*paths: Path, **more: Any) -> AgentConfig:
    return AgentConfig(name="payment-watcher", sources=tuple(LogSource(path=path) for path in paths), **more)


def beats(gaps: Sequence[float]) -> Logged:
    return Logged(beats=tuple((stamp, 0.0) for stamp in accumulate(gaps, initial=START)))


# --- Reading ---------------------------------------------------------------------------------------------------------


async def test_beats_are_read_and_everything_else_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(
        line(START)
        + b'{"timestamp": "2023-11-14T23:13:20Z", "stale": true, "by": "supervisor", "missed": 1}\n'
        + b"garbage\n\n\xff\xfe\n"
        + line(START + 20, status="busy", until=START + 500)
        + line(START + 10)
        + line(START + 30, status="fail", until=START + 900)
        + b'{"stale": false}\n'
        + line(5.0)
        + line(NOW.timestamp() + 1)
        + line(START + 40).rstrip(b"\n")
    )
    found = await read_logged(agent(path), NOW)
    # In order of time; without the torn end; two stamps cannot be, and one beat has none.
    assert found.beats == ((START, 0.0), (START + 10, 0.0), (START + 20, START + 500), (START + 30, 0.0))
    assert (found.untimed, found.cut) == (3, False)


async def test_all_logs_of_an_agent_count(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(line(START) + line(START + 20) + line(1.0))
    (tmp_path / "b").write_bytes(line(START + 10) + line(2.0))
    policy = agent(tmp_path / "a", tmp_path / "b")
    touched = TouchSource(path=str(tmp_path / "a"))
    found = await read_logged(AgentConfig(name="a", sources=(touched, *policy.sources)), NOW)
    assert [stamp for stamp, _ in found.beats] == [START, START + 10, START + 20]
    assert found.untimed == 2


async def test_of_a_huge_log_only_the_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with path.open("wb") as file:
        file.write(line(START))
        file.truncate(MOST_BYTES + 1000)  # a hole, which reads as NULs
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + line(START + 10) + line(START + 20))
    found = await read_logged(agent(path), NOW)
    assert found.cut
    assert [stamp for stamp, _ in found.beats] == [START + 10, START + 20]


async def test_a_line_may_lie_across_two_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    stamps = [START + number for number in range(3000)]
    path.write_bytes(b"".join(line(stamp, message="x" * 400) for stamp in stamps))
    assert path.stat().st_size > 1 << 20
    found = await read_logged(agent(path), NOW)
    assert [stamp for stamp, _ in found.beats] == stamps


async def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await read_logged(agent(tmp_path / "missing"), NOW)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="is a FIFO, not a regular file"):
        await read_logged(agent(tmp_path / "fifo"), NOW)
    assert await read_logged(AgentConfig(name="a"), NOW) == Logged()


# --- Rhythm ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gaps", "period"),
    [
        ([], 0.0),
        ([0.0, 0.0], 0.0),
        ([3597.3] * 9, HOUR),
        ([3590.0, 3601.0, 3660.0] * 3 + [9e6], HOUR),  # an outage moves it little
        ([61.0, 59.2, 60.4] * 5, 60.0),
        ([1795.0] * 5, 1800.0),
        ([412.0] * 5, 420.0),
        ([13.3] * 5, 13.3),
        ([0.4] * 5, 0.4),
        ([2.0, HOUR - 2] * 20, HOUR),  # a job that beats at its start and its end
        ([2.0, HOUR - 2] * 20 + [2.0], HOUR),
        ([5.0, 5.0, 5.0, HOUR - 15] * 20, HOUR),
        ([HOUR] * 8 + [16 * HOUR], HOUR),  # nights off
    ],
)
def test_how_often_it_beats(gaps: list[float], period: float) -> None:
    assert rhythm(gaps) == pytest.approx(period)


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_a_rhythm_lies_within_the_gaps(gaps: list[float]) -> None:
    found = rhythm(gaps)
    positive = [gap for gap in gaps if gap > 0]
    if positive:
        assert 0.98 * min(positive) <= found <= 1.021 * max(positive)
    else:
        assert found == 0


def test_silences_are_those_between_runs_of_beats() -> None:
    found = history_of(beats([2.0, HOUR - 2] * 30), None)
    assert found.period == HOUR
    assert found.gaps == (HOUR - 2,) * 30
    assert found.beats == 31
    assert found.days == pytest.approx(30 / 24)


def test_what_was_announced_is_no_silence() -> None:
    stamps = list(accumulate([HOUR] * 5 + [9 * HOUR] + [HOUR] * 5, initial=START))
    announced = tuple((stamp, stamp + 8 * HOUR if number == 5 else 0.0) for number, stamp in enumerate(stamps))
    assert history_of(Logged(beats=announced), None).gaps == (HOUR,) * 10


def test_hours_off_are_no_silence() -> None:
    first = datetime(2026, 5, 4, 7, tzinfo=UTC)
    stamps = [(first + timedelta(days=day, hours=hour)).timestamp() for day in range(3) for hour in range(15)]
    found = history_of(Logged(beats=tuple((stamp, 0.0) for stamp in stamps)), parse("06:30-21:30 UTC"))
    assert found.gaps == (HOUR,) * 44


def test_no_beats_have_no_history() -> None:
    nothing = history_of(Logged(), None)
    assert (nothing.period, nothing.gaps, nothing.days, nothing.beats) == (0.0, (), 0.0, 0)
    assert history_of(beats([0.0, 0.0]), None).gaps == ()
