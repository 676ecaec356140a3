"""What a child says becomes events: so many a second, and the rest is counted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import RecordingLog

from collections_supervisor.agents.owned_lines import LINE, LINES, Lines


@pytest.fixture
def lines(log: Any) -> Lines:
    return Lines("worker", log)


def said(log: Any) -> list[str]:
    return [entry["message"] for entry in log.of("agent.output")]


def skipped(log: Any) -> int:
    return sum(entry["dropped"] for entry in log.of("agent.output.skipped"))


def test_a_line_is_an_event_however_it_comes(lines: Lines, log: Any) -> None:
    lines.take(b"one\ntw", 1.0)
    lines.take(b"o\r\n\n  \nthr", 1.1)
    assert said(log) == ["one", "two"]
    lines.end(1.2)
    assert said(log) == ["one", "two", "thr"]


def test_what_a_second_has_no_room_for_is_counted_and_told_when_it_is_over(lines: Lines, log: Any) -> None:
    lines.take(b"".join(b"%d\n" % number for number in range(LINES + 30)), 1.0)
    lines.take(b"more\n", 1.9)
    assert (len(said(log)), lines.skipped, skipped(log)) == (LINES, 31, 0)
    assert lines.second_ends(1.9) == pytest.approx(0.1)
    lines.take(b"again\n", 2.0)
    assert (said(log)[-1], lines.skipped, skipped(log)) == ("again", 0, 31)
    [entry] = log.of("agent.output.skipped")
    assert (entry["agent"], entry["level"]) == ("worker", 30)


def test_what_was_skipped_is_told_at_the_end(lines: Lines, log: Any) -> None:
    lines.take(b"x\n" * (LINES + 5) + b"rest", 1.0)
    lines.end(1.5)
    assert skipped(log) == 6


def test_a_line_without_an_end_is_cut_and_not_kept(lines: Lines, log: Any) -> None:
    for _ in range(5):
        lines.take(b"x" * (LINE - 1), 1.0)
    assert [len(text) for text in said(log)] == [LINE, LINE]


def test_bytes_that_are_no_text_are_shown_as_well_as_can_be(lines: Lines, log: Any) -> None:
    lines.take(b"caf\xe9 \xc3\xa9\n", 1.0)
    assert said(log) == ["caf\N{REPLACEMENT CHARACTER} \N{LATIN SMALL LETTER E WITH ACUTE}"]


@given(st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1)), max_size=20), st.integers(1, 50))
def test_every_line_is_told_or_counted(pieces: list[tuple[int, float]], cut: int) -> None:
    log = RecordingLog()
    lines = Lines("worker", log)  # type: ignore[arg-type]
    now, count = 1.0, 0
    for number, passed in pieces:
        now += passed
        text = b"".join(b"line %d\n" % (count + n) for n in range(number))
        count += number
        for start in range(0, len(text), 100 * cut):
            lines.take(text[start : start + 100 * cut], now)
    lines.end(now)
    assert len(said(log)) + skipped(log) == count
    assert len(said(log)) <= LINES * (int(now) + 1)
    numbers = [int(text.split()[1]) for text in said(log)]
    assert numbers == sorted(numbers)
