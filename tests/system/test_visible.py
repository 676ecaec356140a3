"""Text from outside as people may read it."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.system.clock import stamp
from collections_supervisor.system.visible import dated, lines, one_line


def test_one_line_is_one_line() -> None:
    assert one_line(" a\r\n\tb\x00\x1b[31m\u2028c\u202e\udcff\n") == "a b [31m c\ufffd\ufffd"


def test_lines_stay_lines() -> None:
    assert lines(" a\r\n\tb\x00\x1b[31m\u2029c\u2066 ") == " a \n\tb  [31m c\ufffd "


def test_other_scripts_are_left_alone() -> None:
    text = "שלום مرحبا 日本 🙂"
    assert one_line(text) == lines(text) == text


def test_a_stamp_of_the_program_is_made_readable() -> None:
    made = stamp(datetime(2026, 11, 22, 15, 5, 3, 21, tzinfo=UTC))
    assert dated(f"since {made}, until {made}.") == "since 2026-11-22 15:05:03 UTC, until 2026-11-22 15:05:03 UTC."
    assert dated("2026-11-22T15:05:03Z is not ours") == "2026-11-22T15:05:03Z is not ours"


@given(st.text())
def test_any_text_can_be_written_and_is_not_made_longer(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert len(lines(text)) == len(text)
    (one_line(text) + lines(text)).encode()
