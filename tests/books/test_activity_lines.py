"""Lines of activity logs, JSON and plain, sound and not."""

import json
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collections_supervisor.books.activity_lines import Event, Judge, text

TEN = 1795341600.0
"""2026-11-22 10:00:00 UTC."""

EMAILS = Judge(member="type", values=("EMAIL_SENT",))
ERRORS = Judge(member="level", values=("ERROR", "CRITICAL"), zone=ZoneInfo("America/Bogota"))
PLAIN = Judge(member="level", values=("ERROR", "CRITICAL"), zone=ZoneInfo("America/Bogota"), json=False)


def line(at: object = TEN, **members: object) -> bytes:
    return json.dumps({"timestamp": at, "type": "EMAIL_SENT", **members}).encode() + b"\n"


@pytest.mark.parametrize(
    "at", ["2026-11-22T10:00:00Z", "2026-11-22T12:00:00+02:00", "2026-11-22T10:00:00", TEN, int(TEN)], ids=repr
)
def test_an_event_with_its_time_in_any_form(at: object) -> None:
    block = line(at, invoice="A", template="reminder_3d")
    assert EMAILS.judge(block, 0).events == [Event(at=TEN, invoice="A", template="reminder_3d")]


def test_only_the_kind_that_a_log_is_kept_for_is_an_event() -> None:
    block = line() + line(type="EMAIL_FAILED") + line(type=["EMAIL_SENT"]) + line(type=None) + line(TEN + 1)
    assert [event.at for event in EMAILS.judge(block, 0).events] == [TEN, TEN + 1]


BAD = [
    b"garbage\n",
    b"7\n",
    b"null\n",
    b"\xff\xfe\n",
    b'{"type": "EMAIL_SENT", "timestamp":\n',
    b"[" * 5000 + b"\n",
    b'{"a":' * 5000 + b"\n",
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_a_bad_line_costs_only_itself(bad: bytes) -> None:
    assert len(EMAILS.judge(line() + bad + line(), 0).events) == 2


@pytest.mark.parametrize("beside", [b"", b"garbage\n"])
def test_an_event_is_one_line_and_a_line_one_event_whatever_stands_beside_it(beside: bytes) -> None:
    block = line() + line().rstrip() + line() + line().replace(b", ", b",\n") + beside
    assert len(EMAILS.judge(block, 0).events) == 1


def test_an_event_without_a_time_is_none() -> None:
    assert EMAILS.judge(line("soon") + line(None) + line(None, ts=TEN), 0).events == [Event(at=TEN)]


def test_what_python_writes_beyond_json_is_read() -> None:
    block = line(x=float("nan"), invoice_number=7) + b'{"timestamp": 1795341600, "type": "EMAIL_SENT", "note": "\xff"}\n'
    assert EMAILS.judge(block, 0).events == [Event(at=TEN, invoice="7"), Event(at=TEN)]


def test_whether_a_block_is_old() -> None:
    assert EMAILS.judge(line(TEN) + line(TEN + 1), TEN + 2).old
    assert not EMAILS.judge(line(TEN) + line(TEN + 2) + line(TEN), TEN + 2).old
    assert not EMAILS.judge(b"no line says when\n", TEN).old
    assert not EMAILS.judge(b"", TEN).old


def test_when_the_first_line_was_written() -> None:
    block = b"garbage\n" + line(None) + line(TEN + 1, type="OTHER") + line(TEN)
    assert EMAILS.judge(block, 0).first == TEN + 1
    assert EMAILS.judge(b"garbage\n", 0).first is None


PLAIN_LINES = b"""2026-11-22 05:00:00,500 - mailer - ERROR - it broke
Traceback (most recent call last):
  File "x", line 1 - a - ERROR - b
2026-11-22 05:00:01,000 - mailer.smtp - INFO - saw - x - ERROR - y
2026-11-22 05:00:02,000 - mailer - CRITICAL - dead
2026-13-22 05:00:03,000 - mailer - ERROR - no such month
{"timestamp": "2026-11-22T10:00:04Z", "level": "ERROR"}
"""


def test_plain_lines_are_of_local_time() -> None:
    judged = PLAIN.judge(PLAIN_LINES, TEN)
    assert [event.at for event in judged.events] == [TEN + 0.5, TEN + 2]
    assert (judged.first, judged.old) == (TEN + 0.5, False)
    assert PLAIN.judge(PLAIN_LINES, TEN + 3).old


def test_a_log_of_errors_may_hold_both() -> None:
    assert [event.at for event in ERRORS.judge(PLAIN_LINES, 0).events] == [TEN + 0.5, TEN + 2, TEN + 4]
    assert EMAILS.judge(PLAIN_LINES, 0).first == TEN + 4


@pytest.mark.parametrize(
    ("value", "expected"),
    [("A", "A"), (7, "7"), (True, ""), (None, ""), ([], ""), (1.5, ""), ("ü", "ü"), ("\ud800", "\\ud800")],
    ids=repr,
)
def test_names_are_text_that_can_be_written(value: object, expected: str) -> None:
    assert text(value) == expected


PIECES = st.sampled_from(
    [
        b"{",
        b"}",
        b'"timestamp":',
        b'"2026-11-22T10:00:00Z"',
        b",",
        b'"type":"EMAIL_SENT"',
        b"1e999",
        b'"\\ud800"',
        b"\n",
        b"2026-11-22 10:00:00,1",
        b" - x - ERROR - ",
    ]
)


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=30).map(b"".join)))
def test_no_line_makes_it_raise(data: bytes) -> None:
    for judge in (EMAILS, ERRORS, PLAIN, Judge(member="level", values=("ERROR",), zone=UTC)):
        for event in judge.judge(data, TEN).events:
            assert event.at >= 0
            event.invoice.encode()
