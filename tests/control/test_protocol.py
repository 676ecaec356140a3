"""One request, one reply: what can be read, and what is refused."""

import contextlib
import json
from datetime import UTC, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.control.protocol import (
    Reply,
    Request,
    RequestError,
    decode_reply,
    decode_request,
    encode,
    refused,
    report_of,
)
from collections_supervisor.system.clock import stamp

texts = st.text(st.characters(codec="utf-8"), max_size=300)
requests = st.builds(
    Request,
    op=texts,
    agent=texts,
    until=st.none() | st.datetimes(timezones=st.just(UTC)),
    reason=texts,
    wait=st.booleans(),
)


@given(requests)
def test_what_is_asked_arrives_as_it_was_meant_on_one_line(request: Request) -> None:
    line = encode(request)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode_request(line) == request


anything = st.text(st.characters(exclude_categories=()), max_size=20)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | anything
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3))
zones = st.timedeltas(min_value=timedelta(hours=-24, minutes=1), max_value=timedelta(hours=24, minutes=-1)).map(
    lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
)
instants = st.datetimes(timezones=zones).map(lambda instant: instant.isoformat())
members = {"op": anything, "agent": anything, "until": instants, "reason": anything}


@given(st.fixed_dictionaries({}, optional={name: usual | values for name, usual in members.items()} | {"wait": values}))
def test_whatever_json_is_asked_is_refused_or_can_be_told_and_sent_on(asked: dict[str, object]) -> None:
    with contextlib.suppress(RequestError):
        request = decode_request(json.dumps(asked).encode())
        assert (
            request.until is None
            or stamp(request.until) == f"{request.until.replace(tzinfo=None).isoformat('T', 'microseconds')}Z"
        )
        assert decode_request(encode(request)) == request


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_an_instant_beyond_the_calendar_is_no_instant(until: str) -> None:
    with pytest.raises(RequestError, match="until: lies beyond the years"):
        decode_request(json.dumps({"op": "status", "until": until}).encode())


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_worse(garbage: bytes) -> None:
    with contextlib.suppress(RequestError):
        assert isinstance(decode_request(garbage), Request)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\0",
        b"{}",
        b"[]",
        b"null",
        b"{" * 5000,
        b"[" * 200_000,
        b'{"op": 7}',
        b'{"op": "pause", "until": "2026-11-22T12:00:00"}',
        b'{"op": "pause", "until": 12}',
        b'{"op": "pause", "reason": "' + b"x" * 1001 + b'"}',
        b'{"op": "pause", "agent": "' + b"x" * 1001 + b'"}',
        b'{"op": "pau\xffse"}',
    ],
)
def test_what_cannot_be_meant_is_refused(line: bytes) -> None:
    with pytest.raises(RequestError):
        decode_request(line)


def test_what_a_later_version_adds_is_ignored() -> None:
    assert decode_request(b'{"op": "status", "colour": "green"}') == Request(op="status")


def test_a_reply_is_read_again() -> None:
    reply = Reply(ok=True, message="done", report=msgspec.Raw(b'{"a":1}'))
    assert bytes(decode_reply(encode(reply)).report) == b'{"a":1}'
    again = decode_reply(encode(refused("no", 2)))
    assert (again.ok, again.error, again.code, again.message) == (False, "no", 2, "")
    assert bytes(decode_reply(b'{"ok": true}').report) == b"null"
    for line in (b"", b"{}", b"[" * 200_000):
        with pytest.raises(ValueError):  # noqa: PT011 - any will do
            decode_reply(line)


def test_a_report_that_is_none_is_none() -> None:
    assert report_of(Reply(ok=True)) is None
    assert report_of(Reply(ok=True, report=msgspec.Raw(b'{"a":1}'))) is None
    assert report_of(Reply(ok=True, report=msgspec.Raw(b"[" * 200_000))) is None
