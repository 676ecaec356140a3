"""The hours in which an agent is expected to beat: whether they are on, and how much of a span of time lies within them. Pure.

What counts are seconds that really pass, so the day on which the clocks are set is a shorter or longer one. A clock time names
its first occurrence of the day where it comes twice, and the end of the gap where it is skipped.

Stamps before 1970 count as 1970, and nothing lies beyond `FAR_FUTURE`.
"""

import itertools
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from collections_supervisor.config.schema import ActiveHours

FAR_FUTURE = datetime(9990, 1, 1, tzinfo=UTC)
"""Stands for never."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 1440
"""Minutes."""

_CLOCKS_SET = range(1970, 2101)
"""Years in which the days on which clocks are set are told from others; it takes a moment for each."""

_STRIDE = 3
"""Days between two looks at a zone's offset. An offset that was changed and changed back within six days was never seen."""


def is_active(hours: ActiveHours, at: datetime) -> bool:
    """Whether an instant lies within the hours."""
    if _always(hours):
        return True
    at = _utc(at)
    start, _ = _window(hours, _open_day(hours, at))
    return start <= at


def active_seconds(hours: ActiveHours, start: datetime, end: datetime) -> float:
    """Seconds from `start` to `end` that lie within the hours; 0 where `end` is not later."""
    start, end = _utc(start), _utc(end)
    if end <= start:
        return 0.0
    if _always(hours):
        return (end - start).total_seconds()
    first, last = _open_day(hours, start), _open_day(hours, end)
    return max(0.0, _whole_days(hours, first, last) + _into(hours, last, end) - _into(hours, first, start))


def after(hours: ActiveHours, start: datetime, seconds: float) -> datetime:
    """The first instant by which so many seconds of the hours have passed since `start`; with none to pass, `start` itself."""
    start, seconds = _utc(start), min(seconds, 1e12)
    if seconds <= 0:
        return start
    if _always(hours):
        return start + min(timedelta(seconds=seconds), FAR_FUTURE - start)
    first = _open_day(hours, start)
    wanted = seconds + _into(hours, first, start)
    days = min(int(wanted / _plain(hours)), FAR_FUTURE.toordinal() - first)
    # Not quite, where clocks were set meanwhile.
    while days and _whole_days(hours, first, first + days) >= wanted:
        days -= 1
    while _whole_days(hours, first, first + days + 1) < wanted:
        if first + days >= FAR_FUTURE.toordinal():
            return FAR_FUTURE
        days += 1
    rest = wanted - _whole_days(hours, first, first + days)
    return _window(hours, first + days)[0] + timedelta(seconds=rest)


def next_change(hours: ActiveHours, at: datetime) -> datetime:
    """The next instant, later than `at`, at which the hours begin or end."""
    if _always(hours):
        return FAR_FUTURE
    at = _utc(at)
    active = is_active(hours, at)
    return next(edge for edge in _edges(hours, at) if is_active(hours, edge) != active)


def _edges(hours: ActiveHours, at: datetime) -> Iterator[datetime]:
    days = itertools.count(_open_day(hours, at))
    return (edge for day in days for edge in _window(hours, day) if edge > at)


def _always(hours: ActiveHours) -> bool:
    return (hours.end - hours.start) % _DAY == 0


def _utc(at: datetime) -> datetime:
    # Two instants of one zone would be subtracted by its clocks, not by what really passed.
    return min(max(at, _EARLIEST), FAR_FUTURE).astimezone(UTC)


def _plain(hours: ActiveHours) -> float:
    """Seconds of the hours on a day on which no clock is set."""
    return 60.0 * ((hours.end - hours.start) % _DAY)


def _open_day(hours: ActiveHours, at: datetime) -> int:
    """The first day whose hours are not over yet."""
    day = at.astimezone(_zone(hours.zone)).toordinal() - 1
    while _window(hours, day)[1] <= at:
        day += 1
    return day


def _into(hours: ActiveHours, day: int, at: datetime) -> float:
    """Seconds of the hours of an open day that are over."""
    return max(0.0, (at - _window(hours, day)[0]).total_seconds())


def _whole_days(hours: ActiveHours, first: int, end: int) -> float:
    """Seconds of the hours of the days from `first` up to `end`, which is left out."""
    years = range(max(_year(first), _CLOCKS_SET.start), min(_year(end), _CLOCKS_SET[-1]) + 1)
    uneven = (extra for year in years for day, extra in _uneven_days(hours, year) if first <= day < end)
    return (end - first) * _plain(hours) + sum(uneven)


def _year(day: int) -> int:
    return date.fromordinal(day).year


@lru_cache(maxsize=4096)
def _uneven_days(hours: ActiveHours, year: int) -> tuple[tuple[int, float], ...]:
    """The days of a year whose hours have more or fewer seconds than on other days, and how many."""
    zone = _zone(hours.zone)
    days = range(date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal())
    looks = range(days.start, days.stop + 3 * _STRIDE, _STRIDE)
    offsets = [zone.utcoffset(datetime.fromordinal(day)) for day in looks]
    # The hours of a day may end on the next one, so those of a stride lie between three looks.
    changing = [at for at, before, later in zip(looks, offsets, offsets[2:], strict=False) if before != later]
    found = []
    for day in (day for at in changing for day in range(at, at + _STRIDE) if day in days):
        start, end = _window(hours, day)
        found.append((day, (end - start).total_seconds() - _plain(hours)))
    return tuple((day, extra) for day, extra in found if extra)


@lru_cache(maxsize=4096)
def _window(hours: ActiveHours, day: int) -> tuple[datetime, datetime]:
    """When the hours that begin on a day begin and end, in UTC."""
    zone = _zone(hours.zone)
    end_day = day + 1 if hours.end <= hours.start else day
    return _instant(zone, day, hours.start), _instant(zone, end_day, hours.end)


def _instant(zone: tzinfo, day: int, minutes: int) -> datetime:
    local = datetime.fromordinal(day) + timedelta(minutes=minutes)
    found = local.replace(tzinfo=zone).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == local:
        return found
    # The clocks skip it. Read by the offset of after the gap it lies before the gap, by that of before the gap, after it.
    earlier = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    seconds = range(int((found - earlier).total_seconds()) + 1)
    before = earlier.astimezone(zone).utcoffset()
    skipped = bisect_left(
        seconds, True, key=lambda second: (earlier + timedelta(seconds=second)).astimezone(zone).utcoffset() != before
    )
    return earlier + timedelta(seconds=skipped)


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)
