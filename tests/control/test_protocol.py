"""One request, one reply: what can be read, and what is refused."""

import contextlib
from datetime import UTC

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
