"""The clocks, and how instants and durations are written."""

from datetime import UTC, datetime, timedelta, timezone

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.system.clock import SystemClock, span, stamp

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
