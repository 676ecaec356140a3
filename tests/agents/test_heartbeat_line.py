"""Lines of a heartbeat log: what counts, what does not, and that nothing raises."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collections_supervisor.agents.heartbeat_line import (
    MAX_BYTES,
    MAX_MESSAGE,
    clean,
    encode_beat,
    encode_miss,
    from_nanoseconds,
    parse_instant,
    parse_line,
)
from collections_supervisor.messages import Beat, BeatStatus, StaleLine
from collections_supervisor.system.files import MAX_LINE

SEEN = datetime(2026, 11, 22, 12, tzinfo=UTC)
ELEVEN = datetime(2026, 11, 22, 11, tzinfo=UTC)
# From the year 1000: strftime writes earlier ones with fewer digits.
INSTANTS = st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants it naive


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-22T11:00:00Z",
        "2026-11-22T11:00:00.000000Z",
        "2026-11-22t11:00:00.000000000z",
        "2026-11-22 11:00",
        "20261122T110000Z",
        "2026-11-22T06:00:00-05:00",
        "2026-11-22T16:30:00+0530",
        ELEVEN.timestamp(),
        int(ELEVEN.timestamp()),
    ],
)
@pytest.mark.parametrize("key", ["timestamp", "ts"])
@pytest.mark.parametrize("more", [{}, {"stale": False}, {"stale": False, "pid": 7, "seq": 1, "unknown": [{}]}])
def test_a_beat_has_its_own_time(time: object, key: str, more: dict[str, object]) -> None:
    assert parse_line(json.dumps({key: time, **more}).encode(), seen=SEEN) == Beat(stamp=ELEVEN)


@pytest.mark.parametrize(
    "time",
    [
        *[
            "",
            "yesterday",
            "2026-11-22",
            "2026-13-01T00:00:00Z",
            "1763809200",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:00:00-14:00",
        ],
        *[None, True, False, [], {}, 1e18, -1e18, 10**400, 253402300800, float("nan"), float("inf"), float("-inf")],
        *["2026-11-22T23:59:60Z", "\ud800", "T", " "],
    ],
)
def test_a_beat_without_a_usable_time_is_as_old_as_its_first_sight(time: object) -> None:
    line = json.dumps({"timestamp": time, "stale": False}).encode()
    assert parse_line(line, seen=SEEN) == Beat(stamp=SEEN)
    assert parse_line(json.dumps({"timestamp": time}).encode(), seen=SEEN) is None
    assert parse_line(json.dumps({"timestamp": time, "ts": "2026-11-22T11:00Z"}).encode(), seen=SEEN) == Beat(stamp=ELEVEN)


def test_a_big_integer_is_no_time() -> None:
    assert parse_instant(10**4000) is None


@pytest.mark.parametrize(
    "raw",
    [
        *[b"7", b"{", b"\xff", b"null", b"[]", b'"x"', b"{}", b"{} {}", b'{"foo": 1}', b'{"message": "x", "pid": 1}', b"\0" * 40],
        *[b'{"stale": null}', b'{"stale": 0}', b'{"stale": "false"}', b'{"timestamp": 1, "stale": 1}', b'{"status": 7}'],
        *[
            b'{"timestamp": 1, "x": "\xff"}',
            b'{"timestamp": 1, "x": "\0"}',
            b'{"timestamp": 1}\0',
            b'\xef\xbb\xbf{"timestamp": 1}',
        ],
        *['{"timestamp": 1}'.encode("utf-16"), b'{"timestamp": 1, "x": ' + b"[" * 4000, b'{"timestamp": ' + b"1" * 5000 + b"}"],
        *[b'{"timestamp": 1,}', b"{'timestamp': 1}", b'{"timestamp": 1} trailing', b'"stale": false}', b'{"timestamp": 01}'],
    ],
)
def test_invalid_lines(raw: bytes) -> None:
    assert parse_line(raw, seen=SEEN) is None


def test_the_longest_line() -> None:
    raw = json.dumps({"timestamp": "2026-11-22T11:00:00Z", "message": ""}).encode()
    fitting = raw.replace(b'""', b'"' + b"x" * (MAX_BYTES - len(raw)) + b'"')
    assert len(fitting) == MAX_BYTES
    assert parse_line(fitting, seen=SEEN) == Beat(stamp=ELEVEN, message="x" * MAX_MESSAGE)
    assert parse_line(fitting + b" ", seen=SEEN) is None


@pytest.mark.parametrize("raw", [b'{"stale": false}', b'{"status": "ok"}', b'{"status": "running"}', b' {"stale":false}\r'])
def test_one_usable_member_is_enough(raw: bytes) -> None:
    assert parse_line(raw, seen=SEEN) == Beat(stamp=SEEN)


def test_a_python_agent_may_write_nan() -> None:
    assert parse_line(b'{"timestamp": "2026-11-22T11:00:00Z", "load": NaN}', seen=SEEN) == Beat(stamp=ELEVEN)


def test_what_an_agent_says_of_itself() -> None:
    raw = b'{"ts": 0, "status": "busy", "until": "2026-11-22T11:00:00Z", "message": " two\\nlines\\u001b[31m "}'
    expected = Beat(stamp=datetime(1970, 1, 1, tzinfo=UTC), status="busy", until=ELEVEN, message="two lines [31m")
    assert parse_line(raw, seen=SEEN) == expected


@pytest.mark.parametrize(
    "member", ['"status": 7', '"status": "OK!"', '"until": "soon"', '"message": ["x"]', '"message": "\\ud800"']
)
def test_a_strange_optional_member_is_as_if_absent(member: str) -> None:
    assert parse_line(f'{{"ts": "2026-11-22T11:00Z", {member}}}'.encode(), seen=SEEN) == Beat(stamp=ELEVEN)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, StaleLine(stamp=ELEVEN, ours=False)),
        ({"timestamp": "?"}, StaleLine(stamp=None, ours=False)),
        ({"by": "other", "missed": 3}, StaleLine(stamp=ELEVEN, ours=False, missed=3)),
        ({"by": ["supervisor"]}, StaleLine(stamp=ELEVEN, ours=False)),
        ({"by": "supervisor", "missed": 2, "last_heartbeat": 0}, StaleLine(
            stamp=ELEVEN, ours=True, missed=2, last_heartbeat=datetime(1970, 1, 1, tzinfo=UTC))),
        ({"by": "supervisor", "missed": True}, StaleLine(stamp=ELEVEN, ours=True)),
        ({"by": "supervisor", "missed": -1, "last_heartbeat": "never"}, StaleLine(stamp=ELEVEN, ours=True)),
    ],
)  # fmt: skip
def test_stale_lines(more: dict[str, object], expected: StaleLine) -> None:
    assert parse_line(json.dumps({"timestamp": "2026-11-22T11:00:00Z", "stale": True, **more}).encode(), seen=SEEN) == expected


@given(st.binary(max_size=200))
@example(b'{"timestamp": 1e999}')
def test_arbitrary_bytes_never_raise(raw: bytes) -> None:
    parse_line(raw, seen=SEEN)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["supervisor", "ok", "2026-11-22T11:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["timestamp", "ts", "stale", "status", "until", "message", "by", "missed", "last_heartbeat", "pid", "x"]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_arbitrary_members_never_raise_and_stale_decides(members: dict[str, object]) -> None:
    found = parse_line(json.dumps(members).encode(), seen=SEEN)
    match members.get("stale", False):
        case True:
            assert isinstance(found, StaleLine)
        case False:
            usable = "stale" in members or isinstance(members.get("status"), str)
            assert isinstance(found, Beat) if usable else not isinstance(found, StaleLine)
        case _:
            assert found is None
    if isinstance(found, Beat):
        assert found.stamp.utcoffset() == timedelta(0)


TEXT = st.text(st.characters(), max_size=3 * MAX_MESSAGE)


@given(INSTANTS, st.sampled_from(get_args(BeatStatus)), st.none() | INSTANTS, TEXT, st.none() | st.integers(1, 2**31))
def test_beats_round_trip(now: datetime, status: BeatStatus, until: datetime | None, message: str, pid: int | None) -> None:
    line = encode_beat(now, status=status, until=until, message=message, pid=pid)
    assert b"\n" not in line
    assert len(line) + 2 <= MAX_LINE
    assert parse_line(line, seen=SEEN) == Beat(stamp=now, status=status, until=until, message=clean(message))


@given(INSTANTS, st.integers(1, 2**62), st.none() | INSTANTS, TEXT)
def test_misses_round_trip(at: datetime, missed: int, last: datetime | None, reason: str) -> None:
    line = encode_miss(at, missed=missed, last_heartbeat=last, reason=reason)
    assert b"\n" not in line
    assert len(line) + 2 <= MAX_LINE
    assert parse_line(line, seen=SEEN) == StaleLine(stamp=at, ours=True, missed=missed, last_heartbeat=last)


def test_the_written_form() -> None:
    bogota = timezone(timedelta(hours=-5))
    line = encode_beat(ELEVEN.astimezone(bogota), status="fail", message="exit status 1", pid=7)
    assert json.loads(line) == {
        "timestamp": "2026-11-22T11:00:00.000000Z", "stale": False, "status": "fail", "pid": 7, "message": "exit status 1"
    }  # fmt: skip
    miss = encode_miss(SEEN, missed=1, last_heartbeat=None, reason="no heartbeat for 61 minutes")
    assert json.loads(miss) == {
        "timestamp": "2026-11-22T12:00:00.000000Z", "stale": True, "by": "supervisor", "missed": 1, "last_heartbeat": None,
        "reason": "no heartbeat for 61 minutes",
    }  # fmt: skip


@given(st.text())
def test_clean_text_is_one_printable_line(text: str) -> None:
    assert clean(text).isprintable()
    assert len(clean(text)) <= MAX_MESSAGE
    assert clean(clean(text)) == clean(text)


def test_modification_times_beyond_the_calendar() -> None:
    assert from_nanoseconds(1_500_000_000) == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert from_nanoseconds(10**24) == datetime.max.replace(tzinfo=UTC)
    assert from_nanoseconds(-(10**24)) == datetime.min.replace(tzinfo=UTC)
