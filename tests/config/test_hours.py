"""Hours of the day: as text, in the file, and in the listing of what is in force."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.config.checks import Places, Refused
from collections_supervisor.config.hours import active_hours, format_hours, parse, unknown_zone
from collections_supervisor.config.loader import Loaded
from collections_supervisor.config.schema import ActiveHours

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "start", "end", "zone"),
    [
        ("07:00-22:00 America/Bogota", 420, 1320, "America/Bogota"),
        ("22:30-06:05 Europe/Berlin", 1350, 365, "Europe/Berlin"),
        ("00:00-24:00 UTC", 0, 1440, "UTC"),
        ("22:00-00:00 America/Argentina/Ushuaia", 1320, 0, "America/Argentina/Ushuaia"),
    ],
)
def test_hours_are_read_and_written_back_as_they_stand(text: str, start: int, end: int, zone: str) -> None:
    assert parse(text) == ActiveHours(start=start, end=end, zone=zone)
    assert format_hours(parse(text)) == text


@given(start=st.integers(0, 1439), end=st.integers(0, 1440))
def test_every_span_of_a_day_survives_being_written(start: int, end: int) -> None:
    hours = ActiveHours(start=start, end=end, zone="UTC")
    if start == end:
        with pytest.raises(Refused, match="must begin and end at different times"):
            parse(format_hours(hours))
    else:
        assert parse(format_hours(hours)) == hours


@pytest.mark.parametrize(
    ("text", "message", "suggestion"),
    [
        ("7-22 UTC", 'must be two clock times and a time zone, such as "07:00-22:00 America/Bogota", not "7-22 UTC"', ""),
        ("07:00-22:00", 'must be two clock times and a time zone, such as "07:00-22:00 America/Bogota", not "07:00-22:00"', ""),
        ("07:00-22:00 UTC\n", "must be two clock times", ""),
        ("07:60-22:00 UTC", 'must hold clock times from 00:00 to 24:00, which 07:60 in "07:60-22:00 UTC" is not', ""),
        ("07:00-24:01 UTC", 'must hold clock times from 00:00 to 24:00, which 24:01 in "07:00-24:01 UTC" is not', ""),
        ("24:00-06:00 UTC", 'must begin at 00:00 instead of 24:00, unlike "24:00-06:00 UTC"', ""),
        ("07:00-07:00 UTC", 'unlike "07:00-07:00 UTC"; all day is "00:00-24:00 UTC"', ""),
        ("07:00-22:00 America/Bogta", '"America/Bogta" is not a known time zone', "America/Bogota"),
        ("07:00-22:00 europe/berlin", '"europe/berlin" is not a known time zone', "Europe/Berlin"),
        ("07:00-22:00 Berlin", '"Berlin" is not a known time zone', "Europe/Berlin"),
        ("07:00-22:00 /etc/passwd", "the tzdata package may be missing or too old", ""),
        ("07:00-22:00 ../../../etc/passwd", "the tzdata package may be missing or too old", ""),
        ("07:00-22:00 Europe", '"Europe" is not a known time zone', ...),
        ("07:00-22:00 tzdata.zi", '"tzdata.zi" is not a known time zone', ...),
        ("07:00-22:00 \ud800", "is not a known time zone", ...),
        ("07:00-22:00 A\0B", "is not a known time zone", ...),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str, suggestion: object) -> None:
    with pytest.raises(Refused) as caught:
        parse(text)
    assert message in caught.value.message
    if suggestion is not ...:
        assert caught.value.suggestion == suggestion


def test_a_machine_without_any_zones_is_told_apart() -> None:
    refused = unknown_zone("America/Bogota", ())
    assert refused.message == (
        '"America/Bogota" cannot be looked up: no time zones are installed here, but the tzdata package has them'
    )
    assert refused.suggestion == ""


def test_the_checker_takes_nothing_for_all_hours(places: Places) -> None:
    assert active_hours("", places) is None
    assert format_hours(None) == ""
    assert active_hours("07:00-22:00 UTC", places) == ActiveHours(start=420, end=1320, zone="UTC")
    with pytest.raises(Refused, match='must be text such as "07:00-22:00 America/Bogota", not 7'):
        active_hours(7, places)


def test_agents_inherit_override_and_drop_them(load_text: Load) -> None:
    loaded = load_text("""
        [heartbeats]
        active_hours = "07:00-22:00 America/Bogota"
        [[agents]]
        name = "plain"
        [[agents]]
        name = "night"
        active_hours = "22:00-06:00 Europe/Berlin"
        [[agents]]
        name = "always"
        active_hours = ""
    """)
    assert [agent.active_hours for agent in loaded.config.agents] == [
        ActiveHours(start=420, end=1320, zone="America/Bogota"),
        ActiveHours(start=1320, end=360, zone="Europe/Berlin"),
        None,
    ]
    assert {row.agent: row.value for row in loaded.effective if row.key.endswith("active_hours")} == {
        None: "07:00-22:00 America/Bogota",
        "plain": "07:00-22:00 America/Bogota",
        "night": "22:00-06:00 Europe/Berlin",
        "always": "",
    }


def test_a_fault_names_the_agent(faults: Faults) -> None:
    (fault,) = faults("agents = [{ name = 'a', active_hours = '07:00-22:00 America/Bogta' }]")
    assert fault == (
        'agents[0].active_hours (agent "a"): "America/Bogta" is not a known time zone; did you mean "America/Bogota"?'
    )
