"""Instants in every form that the collections system writes."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.books.times import from_text, instant

TEN = 1795341600.0
"""2026-11-22 10:00:00 UTC."""


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-22T10:00:00Z",
        "2026-11-22t10:00:00z",
        " 2026-11-22 10:00:00 ",
        "2026-11-22T12:00:00+02:00",
        "2026-11-22T10:00:00.000000",
        TEN,
        int(TEN),
        TEN * 1000,
        str(TEN),
    ],
    ids=repr,
)
def test_an_instant(value: object) -> None:
    assert instant(value) == TEN


def test_a_fraction_is_kept() -> None:
    assert instant("2026-11-22T10:00:00.25Z") == TEN + 0.25
    assert instant("2026-11-22 10:00:00,5") == TEN + 0.5


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [],
        {},
        "",
        "soon",
        "2026-11-22",
        "2026-13-22T10:00:00",
        "2026-11-22T10:00:60",
        -1,
        "-1",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59Z",
        float("nan"),
        float("inf"),
        10**400,
        "9" * 400,
    ],
    ids=lambda value: repr(value)[:30],
)
def test_no_instant(value: object) -> None:
    assert instant(value) is None


def test_a_naive_time_is_of_the_zone_that_is_given() -> None:
    assert from_text("2026-11-22 05:00:00", ZoneInfo("America/Bogota")) == TEN
    assert from_text("2026-11-22T10:00:00Z", ZoneInfo("America/Bogota")) == TEN


@given(st.one_of(st.text(), st.floats(), st.integers(), st.datetimes().map(str), st.binary()))
def test_nothing_makes_it_raise(value: object) -> None:
    found = instant(value)
    assert found is None or isinstance(found, float)
    if isinstance(value, str):
        from_text(value, UTC)
        from_text(value, ZoneInfo("Asia/Tokyo"))
