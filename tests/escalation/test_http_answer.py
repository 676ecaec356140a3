"""What HTTP answers mean."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.escalation.delivery import Delivery
from collections_supervisor.escalation.http_answer import (
    Answer,
    judge_hook,
    judge_status,
    judge_tool,
    next_address,
    place_of,
    retry_after,
)

AT = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_taken(status: int) -> None:
    assert judge_status(Answer(status=status, body=b"error")) == Delivery("ok")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 422])
def test_not_worth_another_try(status: int) -> None:
    assert judge_status(Answer(status=status)) == Delivery("permanent", f"HTTP {status}")


@pytest.mark.parametrize("status", [402, 408, 409, 413, 418, 425, 429, 500, 502, 503, 504, 599, 600])
def test_worth_another_try(status: int) -> None:
    assert judge_status(Answer(status=status, retry_after="7")) == Delivery("transient", f"HTTP {status}", 7.0)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", ""),
        (b"invalid_token\n", ": invalid_token"),
        (b'{"error":"no such hook"}', ": no such hook"),
        (b'{"error":{"type":"x","message":"no such agent"}}', ": no such agent"),
        (b'{"message":"busy"}', ": busy"),
        (b'{"error":{"message":7},"message":"  "}', ""),
        (b'["x"]', ""),
        (b"<html><h1>Not found</h1>", ""),
        (b"\xff\xfe", ": \ufffd\ufffd"),
    ],
)
def test_the_cause_in_the_words_of_the_other_side(body: bytes, said: str) -> None:
    assert judge_status(Answer(status=404, body=body)).reason == f"HTTP 404{said}"


# --- OpenClaw ---


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"ok": True, "runId": "x"}, Delivery("ok")),
        ({"ok": True, "completion": {"status": "ok"}}, Delivery("ok")),
        ({"ok": True, "completion": {"status": "skipped"}}, Delivery("ok")),
        ({"ok": True, "completion": {"status": "error"}}, Delivery("transient", "the agent's turn ended in an error")),
        ({"ok": 1}, Delivery("transient", "HTTP 200 without ok")),
        ({"ok": False, "error": "busy"}, Delivery("transient", "HTTP 200 without ok: busy")),
        ([], Delivery("transient", "HTTP 200 without ok")),
    ],
)
def test_a_hook_takes_it_by_saying_so(body: object, expected: Delivery) -> None:
    assert judge_hook(Answer(status=200, body=json.dumps(body).encode())) == expected


def test_a_hook_that_answers_something_else() -> None:
    assert judge_hook(Answer(status=200, body=b"<html>the control page</html>")).result == "transient"
    assert judge_hook(Answer(status=401, body=b'{"ok":true}')).result == "permanent"


def tool(details: object, **more: object) -> Answer:
    return Answer(status=200, body=json.dumps({"ok": True, "result": {"details": details}, **more}).encode())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (tool({"status": "accepted", "runId": "x"}), Delivery("ok")),
        (tool({"status": "ok", "reply": "fine"}), Delivery("ok")),
        (tool({"status": "error", "error": "pending", "sentBeforeError": True}), Delivery("ok")),
        (
            tool({"status": "forbidden", "error": "not visible"}),
            Delivery("permanent", "sessions_send is forbidden: not visible"),
        ),
        (
            tool({"status": "error", "error": 'Unknown agent id "nobody"'}),
            Delivery("permanent", 'sessions_send answered with status error: Unknown agent id "nobody"'),
        ),
        (
            tool({"status": "error", "error": "gateway timeout"}),
            Delivery("transient", "sessions_send answered with status error: gateway timeout"),
        ),
        (tool({"status": "accepted"}, ok=False), Delivery("transient", "sessions_send answered with status accepted")),
        (tool(None), Delivery("transient", "sessions_send answered with status None")),
        (Answer(status=200, body=b'{"ok":true,"result":7}'), Delivery("transient", "sessions_send answered with status None")),
        (Answer(status=200, body=b""), Delivery("transient", "sessions_send answered with status None")),
        (
            Answer(status=404, body=b'{"ok":false,"error":{"message":"Tool not available: sessions_send"}}'),
            Delivery("permanent", "HTTP 404: Tool not available: sessions_send"),
        ),
    ],
)
def test_a_tool_takes_it_by_saying_so(answer: Answer, expected: Delivery) -> None:
    assert judge_tool(answer) == expected


@pytest.mark.parametrize(
    ("content", "result"),
    [
        ([{"type": "text", "text": '{"status": "accepted"}'}], "ok"),
        ([{"type": "text", "text": '{"status": "forbidden"}'}], "permanent"),
        ([{"type": "text", "text": "accepted"}], "transient"),
        ([{"type": "image"}], "transient"),
        ([], "transient"),
        ("accepted", "transient"),
    ],
)
def test_a_tool_of_a_version_that_says_it_in_text_only(content: object, result: str) -> None:
    body = json.dumps({"ok": True, "result": {"content": content}}).encode()
    assert judge_tool(Answer(status=200, body=body)).result == result


@given(st.integers(0, 999), st.binary(max_size=200), st.text(max_size=20), st.text(max_size=20))
def test_no_answer_is_too_strange(status: int, body: bytes, after: str, date: str) -> None:
    answer = Answer(status=status, body=body, retry_after=after, date=date)
    for judge in (judge_status, judge_hook, judge_tool):
        delivery = judge(answer)
        assert delivery.result == "ok" or delivery.reason


# --- Headers ---


def at(seconds: float) -> str:
    return format_datetime(AT + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("", "", 0),
        ("120", "", 120),
        (" 7 ", "", 7),
        ("-7", "", 0),
        ("1.5", "", 0),
        ("\u0663", "", 0),
        ("9" * 5000, "", 999_999_999),
        (at(90), at(0), 90),
        (at(0), at(90), 0),
        (at(90), "", 0),
        ("Sun, 22 Nov 2026 11:01:30 -0000", at(0), 90),
        ("soon", at(0), 0),
        ("Sun, 99 Nov 99999999999 11:01:30 GMT", at(0), 0),
    ],
)
def test_how_long_the_other_side_wants_to_be_left_alone(value: str, date: str, seconds: float) -> None:
    assert retry_after(value, date) == seconds


@pytest.mark.parametrize(
    ("url", "location", "onward"),
    [
        ("http://a/x", "/y", "http://a/y"),
        ("http://a/x/z", "y?q=1", "http://a/x/y?q=1"),
        ("http://a/x", "http://a:80/y", "http://a:80/y"),
        ("http://a/x", "https://a/y", "https://a/y"),
        ("https://A/x", "https://a/y", "https://a/y"),
        ("http://a:8080/x", "//a:8080/y", "http://a:8080/y"),
        ("https://a/x", "http://a/y", None),
        ("http://a/x", "http://b/y", None),
        ("http://a/x", "http://a:81/y", None),
        ("http://a/x", "http://me@a/y", None),
        ("http://a/x", "ftp://a/y", None),
        ("http://a/x", "http://a:port/", None),
        ("http://a/x", "http://[a/", None),
        ("http://a/x", "", None),
    ],
)
def test_where_a_redirect_may_lead(url: str, location: str, onward: str | None) -> None:
    assert next_address(url, location) == onward


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@Example.org/secret?secret", "https://example.org:443"),
        ("http://a:81/", "http://a:81"),
        ("mailto:secret", "an address without a host"),
        ("http://[secret/", "an address that is none"),
    ],
)
def test_of_an_address_only_the_server_is_shown(url: str, shown: str) -> None:
    assert place_of(url) == shown
