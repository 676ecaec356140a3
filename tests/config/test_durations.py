import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.config.durations import format_duration, parse_duration
from collections_supervisor.config.problems import shortened


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0.0),
        ("500ms", 0.5),
        ("90s", 90.0),
        ("15m", 900.0),
        ("1h30m", 5400.0),
        ("2d", 172800.0),
        ("1d2h3m4s5ms", 93784.005),
        ("1.5h", 5400.0),
        ("0.1s", 0.1),
        ("1m1ms", 60.001),
    ],
)
def test_reads_units_from_large_to_small(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "90",
        "s",
        "15 min",
        "1h 30m",
        "30m1h",
        "1h1h",
        "-5s",
        "+5s",
        "1e3s",
        ".5s",
        "5.s",
        "٣s",
        "5S",
        "5s\n",
        "1w",
        "inf",
        "1" * 500 + "s",
    ],
)
def test_refuses_anything_else(text: str) -> None:
    with pytest.raises(ValueError, match="duration") as caught:
        parse_duration(text)
    said = str(caught.value)
    assert said.startswith(f"{shortened(text)} is not a duration, such as")
    assert len(said) < 200


def test_zero_needs_no_unit() -> None:
    assert parse_duration("0") == 0


def test_refuses_what_no_float_can_hold() -> None:
    with pytest.raises(ValueError, match=r'^"9{80}…" is too long a duration$'):
        parse_duration("9" * 390 + "s")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (0.2, "200ms"), (60.0, "1m"), (5400.0, "1h30m"), (86400.0, "1d"), (1.0005, "1.0005s"), (1e-7, "0.0000001s")],
)
def test_writes_whole_units_where_possible(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=0, max_value=366 * 86400.0))
def test_reads_back_what_it_wrote(seconds: float) -> None:
    text = format_duration(seconds)
    if len(text) <= 400:
        assert parse_duration(text) == seconds


@given(st.integers(min_value=0, max_value=366 * 86_400_000))
def test_whole_milliseconds_need_no_fraction(milliseconds: int) -> None:
    text = format_duration(milliseconds / 1000)
    assert "." not in text
    assert parse_duration(text) == milliseconds / 1000


@given(st.text(alphabet="0123456789.dhms ", max_size=30))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert seconds >= 0
