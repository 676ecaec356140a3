import datetime
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.config.checks import (
    Check,
    Places,
    Refused,
    boolean,
    choice,
    duration,
    exit_codes,
    format_size,
    integer,
    number,
    size,
)

NOWHERE = Places(None, None)
# Too many digits for `str`, so the test runner cannot name it either.
HUGE = pytest.param(1 << 20_000, id="huge")
HUGE_BELOW_ZERO = pytest.param(-(1 << 20_000), id="huge below zero")


def refusal(check: Check, value: object) -> Refused:
    with pytest.raises(Refused) as caught:
        check(value, NOWHERE)
    return caught.value


@pytest.mark.parametrize("value", [0, 1, "true", None, [True]])
def test_only_booleans_are_booleans(value: object) -> None:
    assert boolean(True, NOWHERE) is True
    assert "must be true or false" in refusal(boolean, value).message


@pytest.mark.parametrize("value", [0, 11, True, 1.0, "5", HUGE, HUGE_BELOW_ZERO, [5], {}, datetime.date(2026, 1, 1)])
def test_whole_numbers_have_bounds_and_are_no_booleans(value: object) -> None:
    check = integer(1, 10)
    assert [check(1, NOWHERE), check(10, NOWHERE)] == [1, 10]
    refusal(check, value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "2", -0.1, 10.1, HUGE])
def test_numbers_are_finite_and_within_bounds(value: object) -> None:
    check = number(0, 10)
    assert [check(0, NOWHERE), check(2.5, NOWHERE)] == [0.0, 2.5]
    assert isinstance(check(1, NOWHERE), float)
    refusal(check, value)


@pytest.mark.parametrize(("value", "seconds"), [(90, 90.0), (0.2, 0.2), ("15m", 900.0), (31_622_400, 31_622_400.0)])
def test_durations_are_seconds_or_texts(value: object, seconds: float) -> None:
    assert duration()(value, NOWHERE) == seconds


@pytest.mark.parametrize(
    "value",
    [
        0,
        0.0,
        -0.0,
        "0s",
        -1,
        0.009,
        "9ms",
        31_622_401,
        math.nan,
        math.inf,
        HUGE,
        HUGE_BELOW_ZERO,
        True,
        False,
        None,
        [],
        "",
        "soon",
        "9" * 390 + "s",
    ],
)
def test_durations_are_positive_finite_and_bounded(value: object) -> None:
    refusal(duration(), value)


def test_zero_and_empty_are_allowed_only_on_request() -> None:
    assert duration(zero=True)(0, NOWHERE) == 0
    assert math.copysign(1, duration(zero=True)(-0.0, NOWHERE)) == 1  # type: ignore[arg-type]
    assert duration(optional=True)("", NOWHERE) is None
    refusal(duration(zero=True), -1)
    refusal(duration(zero=True), False)
    refusal(duration(optional=True), 0)


def test_a_refused_duration_is_shown_with_the_ways_to_write_one() -> None:
    message = refusal(duration(), "15 min").message
    assert '"15 min"' in message
    assert '"1h30m"' in message


SIZES = size(1, 1 << 50)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (1000, 1000),
        ("1001", 1001),
        ("12B", 12),
        ("500MiB", 500 * 1024**2),
        ("500 MiB", 500 * 1024**2),
        ("2GB", 2 * 10**9),
        ("1.5KiB", 1536),
        ("1G", 1024**3),
        ("0.1TB", 10**11),
    ],
)
def test_sizes_are_bytes_or_texts(value: object, count: int) -> None:
    assert SIZES(value, NOWHERE) == count


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "", "lots", "1iB", "1mb", "-1KB", "1e3", "2000000TiB", HUGE, "9" * 300, []])
def test_sizes_are_bounded_and_nothing_else(value: object) -> None:
    refusal(SIZES, value)


def test_an_empty_size_is_none_only_on_request() -> None:
    assert size(1, 9, optional=True)("", NOWHERE) is None
    assert '"500MiB"' in refusal(SIZES, "").message


@given(st.integers(1, 1 << 50))
def test_a_size_is_written_so_that_it_reads_back(count: int) -> None:
    assert SIZES(format_size(count), NOWHERE) == count


def test_a_duration_may_have_a_least_of_its_own() -> None:
    assert duration(least=0.001)("1ms", NOWHERE) == 0.001
    assert "from 1ms to" in refusal(duration(least=0.001), 0.0009).message


def test_a_choice_suggests_the_likeliest_word() -> None:
    check = choice("info", "warning")
    assert check("info", NOWHERE) == "info"
    refused = refusal(check, "warnign")
    assert refused.suggestion == "warning"
    assert refused.message == 'must be one of "info", "warning", not "warnign"'
    assert refusal(check, 3).suggestion == ""
    assert refusal(check, ["info"]).suggestion == ""


@pytest.mark.parametrize("value", [77, "78", [256], [-1], [True], ["78"], [1.0], pytest.param([1 << 20_000], id="huge")])
def test_exit_codes_are_a_list_of_bytes(value: object) -> None:
    assert exit_codes([78, 0, 78, 255], NOWHERE) == (78, 0, 255)
    refusal(exit_codes, value)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/var/x", "/var/x"),
        ("//var/x", "/var/x"),
        ("~", "/home/ann"),
        ("~/x", "/home/ann/x"),
        ("~//x", "/home/ann/x"),
        ("x/y", "/etc/agents/x/y"),
        ("./x", "/etc/agents/x"),
        ("../x", "/etc/agents/../x"),
        ("a~", "/etc/agents/a~"),
    ],
)
def test_paths_start_at_the_folder_of_the_file_or_at_home(text: str, path: str, places: Places) -> None:
    assert places.absolute(text) == Path(path)


@pytest.mark.parametrize(("text", "why"), [("~/x", "no home"), ("x", "no current directory"), ("~bob/x", "another user's home")])
def test_paths_without_a_start_are_refused(text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        NOWHERE.absolute(text)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.just(1 << 2000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(ANYTHING)
def test_checkers_accept_or_refuse_and_nothing_else(value: object) -> None:
    for check in (boolean, integer(0, 9), number(0, 9), duration(), duration(zero=True, optional=True), choice("a"), exit_codes):
        try:
            check(value, NOWHERE)
        except Refused as refused:
            assert 0 < len(refused.message) < 300  # noqa: PT017 - accepting is as good
