"""Hours in which an agent is expected to beat, on the days on which clocks are set and on all others."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from collections_supervisor.agents.active_hours import FAR_FUTURE, active_seconds, after, is_active, next_change
from collections_supervisor.config.hours import parse
from collections_supervisor.config.schema import ActiveHours

ZONES = ["America/Bogota", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
HOUR = 3600.0


def at(text: str, zone: str = "UTC", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@st.composite
def spans(draw: st.DrawFn) -> ActiveHours:
    start, end = draw(st.integers(0, 1439)), draw(st.integers(0, 1440))
    assume(start != end)
    return ActiveHours(start=start, end=end, zone=draw(st.sampled_from(ZONES)))


# From before Samoa skipped a day (2011-12-30) to where zones follow a rule and no table.
moments = st.datetimes(datetime(2009, 1, 1), datetime(2045, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001
near_changes = st.sampled_from(
    ["2011-12-30T10:00", "2024-03-31T01:00", "2024-10-27T01:00", "2024-11-03T06:00", "2025-04-05T15:00", "2025-10-04T15:30"]
).flatmap(lambda text: st.integers(-100_000, 100_000).map(lambda seconds: at(text) + timedelta(seconds=seconds)))
instants = moments | near_changes


# --- On ordinary days ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "moment", "active", "change"),
    [
        ("07:00-22:00 America/Bogota", "2026-05-04T11:59:59", False, "2026-05-04T12:00"),
        ("07:00-22:00 America/Bogota", "2026-05-04T12:00", True, "2026-05-05T03:00"),
        ("07:00-22:00 America/Bogota", "2026-05-05T02:59:59", True, "2026-05-05T03:00"),
        ("07:00-22:00 America/Bogota", "2026-05-05T03:00", False, "2026-05-05T12:00"),
        ("22:00-06:00 UTC", "2026-05-04T21:59", False, "2026-05-04T22:00"),
        ("22:00-06:00 UTC", "2026-05-04T23:00", True, "2026-05-05T06:00"),
        ("22:00-06:00 UTC", "2026-05-05T05:00", True, "2026-05-05T06:00"),
        ("22:00-00:00 UTC", "2026-05-05T00:00", False, "2026-05-05T22:00"),
        ("22:00-24:00 UTC", "2026-05-04T23:59", True, "2026-05-05T00:00"),
        ("09:00-10:00 Pacific/Kiritimati", "2026-05-04T19:30", True, "2026-05-04T20:00"),
        ("09:00-10:00 Pacific/Pago_Pago", "2026-05-04T19:30", False, "2026-05-04T20:00"),
    ],
)
def test_hours_begin_and_end_by_the_clocks_of_their_zone(hours: str, moment: str, active: bool, change: str) -> None:
    assert is_active(parse(hours), at(moment)) is active
    assert next_change(parse(hours), at(moment)) == at(change)


def test_only_what_lies_within_the_hours_passes() -> None:
    hours = parse("07:00-22:00 UTC")
    assert active_seconds(hours, at("2026-05-04T21:00"), at("2026-05-05T08:00")) == 2 * HOUR
    assert active_seconds(hours, at("2026-05-04T22:00"), at("2026-05-05T07:00")) == 0
    assert active_seconds(hours, at("2026-05-04T12:00"), at("2026-05-04T13:30:00.5")) == 1.5 * HOUR + 0.5
    assert active_seconds(hours, at("2026-05-05T08:00"), at("2026-05-04T21:00")) == 0
    assert after(hours, at("2026-05-04T21:00"), 2 * HOUR) == at("2026-05-05T08:00")
    assert after(hours, at("2026-05-04T23:00"), 1.0) == at("2026-05-05T07:00:01")


def test_what_is_over_with_the_hours_is_over_when_they_end() -> None:
    hours = parse("07:00-22:00 UTC")
    assert after(hours, at("2026-05-04T21:00"), HOUR) == at("2026-05-04T22:00")
    assert after(hours, at("2026-05-04T21:00"), 16 * HOUR) == at("2026-05-05T22:00")
    assert after(hours, at("2026-05-04T23:00"), 0.0) == at("2026-05-04T23:00")
    assert after(hours, at("2026-05-04T23:00"), -5.0) == at("2026-05-04T23:00")


def test_all_day_is_always() -> None:
    hours = parse("00:00-24:00 Europe/Berlin")
    start = at("2024-03-30T00:00")
    assert is_active(hours, start)
    assert active_seconds(hours, start, start + timedelta(days=3)) == 72 * HOUR
    assert after(hours, start, 72 * HOUR) == start + timedelta(days=3)
    assert next_change(hours, start) == FAR_FUTURE


def test_instants_may_come_in_any_zone() -> None:
    hours = parse("07:00-22:00 Europe/Berlin")
    # By the clocks there are two hours between them, and one really passes.
    start = datetime(2024, 3, 31, 1, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    end = datetime(2024, 3, 31, 3, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert active_seconds(parse("00:00-24:00 UTC"), start, end) == HOUR
    assert after(hours, start, HOUR).utcoffset() == timedelta(0)


# --- When clocks are set ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "start", "end", "seconds"),
    [
        ("01:00-04:00 Europe/Berlin", "2024-03-30T23:00", "2024-03-31T12:00", 2 * HOUR),  # the clocks go from 2 to 3
        ("01:00-04:00 Europe/Berlin", "2024-10-26T22:00", "2024-10-27T12:00", 4 * HOUR),  # and from 3 back to 2
        ("02:30-05:00 Europe/Berlin", "2024-03-30T23:00", "2024-03-31T12:00", 2 * HOUR),  # 2:30 is skipped: it begins at 3
        ("01:00-02:30 Europe/Berlin", "2024-03-30T23:00", "2024-03-31T12:00", HOUR),  # and ends at 3, the same instant as 2
        ("02:10-02:50 Europe/Berlin", "2024-03-30T23:00", "2024-03-31T12:00", 0.0),
        ("02:10-02:50 Europe/Berlin", "2024-10-26T22:00", "2024-10-27T12:00", HOUR * 2 / 3),  # what comes twice counts once
        ("22:00-06:00 America/New_York", "2024-03-09T17:00", "2024-03-10T17:00", 7 * HOUR),
        ("22:00-06:00 America/New_York", "2024-11-02T17:00", "2024-11-03T17:00", 9 * HOUR),
        ("01:00-03:00 Australia/Lord_Howe", "2025-10-04T13:30", "2025-10-05T00:00", 1.5 * HOUR),  # by half an hour
        ("01:00-03:00 Australia/Lord_Howe", "2025-04-05T13:00", "2025-04-06T00:00", 2.5 * HOUR),
        ("07:00-22:00 Pacific/Apia", "2011-12-30T08:00", "2011-12-30T17:00", 0.0),  # Samoa never had December 30
        ("22:00-06:00 Pacific/Apia", "2011-12-30T08:00", "2011-12-30T16:00", 8 * HOUR),  # and no longer night for that
    ],
)
def test_where_clocks_are_set_the_seconds_count_that_really_pass(hours: str, start: str, end: str, seconds: float) -> None:
    assert active_seconds(parse(hours), at(start), at(end)) == seconds
    # The same as a part of a long time, which is summed up by whole days.
    year = timedelta(days=365)
    around = active_seconds(parse(hours), at(start) - year, at(start)) + active_seconds(parse(hours), at(end), at(end) + year)
    assert active_seconds(parse(hours), at(start) - year, at(end) + year) == around + seconds


def test_a_skipped_start_begins_when_the_gap_ends() -> None:
    hours = parse("02:30-05:00 Europe/Berlin")
    gap = at("2024-03-31T01:00")
    assert next_change(hours, gap - timedelta(hours=2)) == gap
    assert not is_active(hours, gap - timedelta(microseconds=1))
    assert is_active(hours, gap)


def test_what_a_gap_joins_does_not_change() -> None:
    hours = parse("02:40-02:20 Europe/Berlin")
    assert is_active(hours, at("2024-03-31T01:00"))
    assert next_change(hours, at("2024-03-31T00:30")) == at("2024-04-01T00:20")


def test_hours_that_begin_before_a_midnight_that_comes_twice() -> None:
    # In St. John's clocks went back at 00:01, so that the day before came again.
    hours = parse("00:00-12:00 America/St_Johns")
    again = at("2010-11-06T23:30", "America/St_Johns", fold=1)
    assert is_active(hours, again)
    assert next_change(hours, again) == at("2010-11-07T12:00", "America/St_Johns")


# --- Beyond the calendar ---------------------------------------------------------------------------------------------


def test_absurd_instants_are_bounded() -> None:
    hours = parse("07:00-22:00 America/Bogota")
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert active_seconds(hours, first, at("1970-01-02T00:00")) == 15 * HOUR
    assert is_active(hours, last) == is_active(hours, FAR_FUTURE)
    assert active_seconds(hours, FAR_FUTURE, last) == 0
    assert after(hours, at("2026-05-04T00:00"), 1e300) == FAR_FUTURE
    assert after(parse("00:00-24:00 UTC"), at("2026-05-04T00:00"), 1e300) == FAR_FUTURE
    assert after(hours, last, 10.0) >= FAR_FUTURE


# --- Properties ------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(spans(), instants, st.floats(0.001, 200 * 86_400))
def test_what_must_pass_until_an_instant_has_passed_by_then(hours: ActiveHours, start: datetime, seconds: float) -> None:
    by = after(hours, start, seconds)
    assert active_seconds(hours, start, by) == pytest.approx(seconds, abs=2e-6)
    # And not a moment before: that moment lies within the hours.
    assert active_seconds(hours, start, by - timedelta(seconds=0.0005)) == pytest.approx(seconds - 0.0005, abs=2e-6)


@settings(deadline=None)
@given(spans(), instants, instants)
def test_after_as_much_as_passed_no_more_than_that_passed(hours: ActiveHours, one: datetime, other: datetime) -> None:
    start, end = sorted((one, other))
    by = after(hours, start, active_seconds(hours, start, end))
    assert start <= by <= end + timedelta(seconds=2e-6)
    assert active_seconds(hours, by, end) == pytest.approx(0.0, abs=2e-6)


@settings(deadline=None)
@given(spans(), instants, instants, instants)
def test_parts_of_a_span_add_up(hours: ActiveHours, one: datetime, other: datetime, third: datetime) -> None:
    a, b, c = sorted((one, other, third))
    assert active_seconds(hours, a, b) + active_seconds(hours, b, c) == pytest.approx(active_seconds(hours, a, c), abs=1e-5)


@settings(deadline=None)
@given(spans(), instants, instants)
def test_the_hours_and_the_rest_are_everything(hours: ActiveHours, one: datetime, other: datetime) -> None:
    start, end = sorted((one, other))
    rest = ActiveHours(start=hours.end % 1440, end=hours.start, zone=hours.zone)
    assume(rest.start != rest.end)
    both = active_seconds(hours, start, end) + active_seconds(rest, start, end)
    assert both == pytest.approx((end - start).total_seconds(), abs=1e-5)
    assert is_active(hours, start) is not is_active(rest, start)


@settings(deadline=None)
@given(spans(), instants)
def test_between_two_changes_nothing_changes(hours: ActiveHours, moment: datetime) -> None:
    assume(hours.start != hours.end % 1440)
    change = next_change(hours, moment)
    assert change > moment
    passed = active_seconds(hours, moment, change)
    assert passed == pytest.approx((change - moment).total_seconds() if is_active(hours, moment) else 0.0, abs=1e-5)
    assert is_active(hours, change) is not is_active(hours, moment)


@settings(deadline=None)
@given(st.sampled_from(ZONES), st.integers(0, 1439), st.integers(1, 1440), st.integers(2010, 2042), st.integers(1, 800))
def test_years_are_the_sum_of_their_days(zone: str, start: int, end: int, year: int, days: int) -> None:
    assume(start < end)

    def named(day: int, minutes: int) -> datetime:
        return datetime(year, 1, 1) + timedelta(days=day, minutes=minutes)  # noqa: DTZ001

    def clock(day: int, minutes: int) -> datetime:
        return named(day, minutes).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)

    def shown(instant: datetime) -> datetime:
        return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    each = [(clock(day, start), clock(day, end)) for day in range(days)]
    # What falls into a gap stands among the examples; at the date line even a whole day does.
    assume(all(shown(each[day][0]) == named(day, start) and shown(each[day][1]) == named(day, end) for day in range(days)))
    found = active_seconds(ActiveHours(start=start, end=end, zone=zone), clock(0, 0), clock(days, 0))
    assert found == pytest.approx(sum((closes - opens).total_seconds() for opens, closes in each), abs=1e-5)
