"""The clocks, and how instants and durations are written."""

import sys
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.messages import Now
from collections_supervisor.system.clock import HERE, Jump, SystemClock, boot_id, jump, sleepless_clock, span, stamp

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

aware = st.datetimes(
    min_value=datetime(1000, 1, 2),  # noqa: DTZ001 - the zones are drawn apart
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))]),
)


async def test_the_clock_is_the_loops_and_the_walls() -> None:
    before = datetime.now(UTC)
    first = SystemClock().now()
    await anyio.sleep(0.01)
    second = SystemClock().now()
    assert before <= first.wall <= second.wall <= datetime.now(UTC)
    assert first.wall.tzinfo is UTC
    assert second.mono > first.mono
    assert second.mono <= anyio.current_time()


# --- Sleep ------------------------------------------------------------------------------------------------


async def test_time_asleep_is_what_the_sleepless_clock_is_ahead() -> None:
    """Stood in for by the wall clock, as if the machine had slept since 1970."""
    now = SystemClock(time.CLOCK_REALTIME).now()
    assert now.slept == pytest.approx(now.wall.timestamp() - now.mono, abs=0.5)


async def test_the_same_clock_says_exactly_nothing() -> None:
    """A machine that never slept: noise would look like a sleep of nanoseconds at every look."""
    clock = SystemClock(time.CLOCK_MONOTONIC)
    assert [clock.now().slept for _ in range(100)] == [0.0] * 100


async def test_without_a_sleepless_clock_nobody_ever_sleeps() -> None:
    assert SystemClock(None).now().slept == 0.0


async def test_two_looks_in_a_row_find_no_sleep_and_no_step() -> None:
    clock = SystemClock()
    found = jump(clock.now(), clock.now())
    assert abs(found.slept) < 1
    assert abs(found.stepped) < 1


@pytest.mark.skipif(sys.platform != "linux", reason="names the clock of Linux")
def test_linux_has_a_sleepless_clock() -> None:
    assert HERE == sleepless_clock() == time.CLOCK_BOOTTIME


def test_an_unknown_system_has_none() -> None:
    assert sleepless_clock("plan9") is None


def later(*, mono: float = 0.0, wall: float = 0.0, slept: float = 0.0) -> Now:
    return Now(mono=100 + mono, wall=NOON + timedelta(seconds=wall), slept=7 + slept)


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (later(), Jump(slept=0, stepped=0)),
        (later(mono=60, wall=60), Jump(slept=0, stepped=0)),
        (later(mono=60, wall=3660), Jump(slept=0, stepped=3600)),
        (later(mono=60, wall=-3540), Jump(slept=0, stepped=-3600)),
        (later(mono=60, wall=28860, slept=28800), Jump(slept=28800, stepped=0)),
        (later(mono=60, wall=28860), Jump(slept=0, stepped=28800)),
        (later(mono=60, wall=32460, slept=28800), Jump(slept=28800, stepped=3600)),
        (later(mono=3600, wall=3600.5), Jump(slept=0, stepped=0.5)),
    ],
)
def test_a_jump_is_a_sleep_or_a_step_or_both(now: Now, found: Jump) -> None:
    assert jump(later(), now) == found


seconds = st.integers(-(10**6), 10**6).map(float)


@given(passed=seconds.map(abs), slept=seconds.map(abs), stepped=seconds)
def test_what_happened_is_told_apart(passed: float, slept: float, stepped: float) -> None:
    now = later(mono=passed, wall=passed + slept + stepped, slept=slept)
    assert jump(later(), now) == Jump(slept=slept, stepped=stepped)


# --- The boot ---------------------------------------------------------------------------------------------


def test_this_boot_has_one_name() -> None:
    if HERE is None:
        pytest.skip("this system does not name its boots")
    assert boot_id() == boot_id()
    assert str(uuid.UUID(boot_id())) == boot_id().lower()


def test_the_file_comes_first(tmp_path: Path) -> None:
    (tmp_path / "boot_id").write_text("0f5e\n")
    assert boot_id(tmp_path / "boot_id", ["echo", "other"]) == "0f5e"


def test_without_the_file_a_command_tells(tmp_path: Path) -> None:
    assert boot_id(tmp_path / "missing", ["echo", "5B1C"]) == "5B1C"


@pytest.mark.parametrize("command", [[], ["false"], ["/nowhere/sysctl"], ["sh", "-c", "echo half; exit 1"]])
def test_a_boot_that_nobody_names(tmp_path: Path, command: list[str]) -> None:
    assert boot_id(tmp_path / "missing", command) == ""


# --- In writing -------------------------------------------------------------------------------------------


def test_an_instant_has_always_six_digits_and_a_z() -> None:
    assert stamp(datetime(2026, 11, 22, 11, 0, tzinfo=UTC)) == "2026-11-22T11:00:00.000000Z"
    assert stamp(datetime(2026, 11, 22, 11, 0, 0, 1, tzinfo=UTC)) == "2026-11-22T11:00:00.000001Z"


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    bogota = timezone(timedelta(hours=-5))
    assert stamp(datetime(2026, 11, 22, 23, 30, 0, 5, tzinfo=bogota)) == "2026-11-23T04:30:00.000005Z"


@given(aware)
def test_an_instant_is_read_back_as_it_was(instant: datetime) -> None:
    assert datetime.fromisoformat(stamp(instant)) == instant


@given(aware, aware)
def test_stamps_sort_as_their_instants(one: datetime, other: datetime) -> None:
    assert (stamp(one) < stamp(other)) == (one < other)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.04, "0.0 s"),
        (0.5, "0.5 s"),
        (9.94, "9.9 s"),
        (10.4, "10 s"),
        (45, "45 s"),
        (59.999, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3599.9, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d 0 h"),
        (3 * 86400 + 4 * 3600 + 59 * 60, "3 d 4 h"),
        (400 * 86400, "400 d 0 h"),
    ],
)
def test_a_duration_for_people_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert span(seconds) == words


@given(st.floats(0, 1e12))
def test_a_duration_is_never_longer_than_a_few_characters(seconds: float) -> None:
    assert len(span(seconds)) <= 20
