"""Hours of the day as people write them (`"07:00-22:00 America/Bogota"`) and as the program uses them."""

import re
from collections.abc import Collection

from collections_supervisor.config.checks import Places, Refused
from collections_supervisor.config.problems import closest, shown
from collections_supervisor.config.schema import ActiveHours

_EXAMPLE = '"07:00-22:00 America/Bogota"'
_PATTERN = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2}) (\S{1,100})")
PATTERN = f"^({_PATTERN.pattern})?$"
"""What the text of a setting must match, to be looked at any further."""
_DAY = 1440


def parse(text: str) -> ActiveHours:
    """The hours that a text such as `07:00-22:00 America/Bogota` means; past midnight where the end is not later than the start.

    Raises Refused if it is anything else: other clock times, no span of time at all, an unknown zone.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise Refused(f"must be two clock times and a time zone, such as {_EXAMPLE}, not {shown(text)}")
    start = _minutes(match[1], match[2], text)
    end = _minutes(match[3], match[4], text)
    if start == _DAY:
        raise Refused(f"must begin at 00:00 instead of 24:00, unlike {shown(text)}")
    if start == end:
        raise Refused(f'must begin and end at different times, unlike {shown(text)}; all day is "00:00-24:00 {match[5]}"')
    _known_zone(match[5])
    return ActiveHours(start=start, end=end, zone=match[5])


def format_hours(hours: ActiveHours | None) -> str:
    """The text that means these hours; nothing for none."""
    if hours is None:
        return ""
    start, end = divmod(hours.start, 60), divmod(hours.end, 60)
    return f"{start[0]:02}:{start[1]:02}-{end[0]:02}:{end[1]:02} {hours.zone}"


def active_hours(value: object, _: Places) -> ActiveHours | None:
    """A checker: hours of the day in some time zone, or nothing for all of them."""
    if value == "":
        return None
    if not isinstance(value, str):
        raise Refused(f"must be text such as {_EXAMPLE}, not {shown(value)}")
    return parse(value)


def _minutes(hour: str, minute: str, text: str) -> int:
    minutes = 60 * int(hour) + int(minute)
    if int(minute) > 59 or minutes > _DAY:
        raise Refused(f"must hold clock times from 00:00 to 24:00, which {hour}:{minute} in {shown(text)} is not")
    return minutes


def _known_zone(name: str) -> None:
    # Time zones take a while to load, and most never name one.
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # also a folder of zones, a path out of their folder, a file that is no zone
        raise unknown_zone(name, available_timezones()) from None


def unknown_zone(name: str, known: Collection[str]) -> Refused:
    """What to say of a zone that is not there, while these are."""
    if not known:
        return Refused(f"{shown(name)} cannot be looked up: no time zones are installed here, but the tzdata package has them")
    cities = {zone.rpartition("/")[2]: zone for zone in sorted(known) if "/" in zone}
    suggestion = closest(name, sorted(known)) or cities.get(closest(name.rpartition("/")[2], cities), "")
    hint = "" if suggestion else "; if it does exist, the tzdata package may be missing or too old"
    return Refused(f"{shown(name)} is not a known time zone{hint}", suggestion)
