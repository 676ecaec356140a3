"""One line of a heartbeat log: what it says, and how it is written.

The format is JSON lines. An agent's beat is `{"timestamp": …, "stale": false}` with optional `status`, `until`, `message`, `pid`;
a miss that we record is `{"timestamp", "stale": true, "by": "supervisor", "missed", "last_heartbeat", "reason"}`.
"""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec

from collections_supervisor.messages import Beat, BeatStatus, StaleLine
from collections_supervisor.system.clock import stamp

MAX_BYTES = 4096
"""A longer line is invalid."""

MAX_MESSAGE = 500
"""Characters kept of what an agent says, and written of what we say."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUSES: dict[str, BeatStatus] = {status: status for status in get_args(BeatStatus)}


def parse_line(raw: bytes, *, seen: datetime) -> Beat | StaleLine | None:
    """What a line without its newline says; None if it is invalid.

    Valid is a JSON object in UTF-8 of at most `MAX_BYTES`, whose `stale` is a boolean or absent and which has at least one of
    these: a usable `timestamp` (or `ts`), `stale`, a `status`. A beat without a usable time is stamped `seen`.
    """
    members = _object(raw)
    if members is None:
        return None
    stale, status = members.get("stale", False), members.get("status")
    if not isinstance(stale, bool):
        return None
    when = parse_instant(members.get("timestamp")) or parse_instant(members.get("ts"))
    if stale:
        return _stale_line(members, when)
    if when is None and "stale" not in members and not isinstance(status, str):
        return None
    message = members.get("message")
    return Beat(
        stamp=when or seen,
        status=_STATUSES.get(status, "ok") if isinstance(status, str) else "ok",
        until=parse_instant(members.get("until")),
        message=clean(message) if isinstance(message, str) else "",
    )


def parse_instant(value: object) -> datetime | None:
    """ISO 8601 date and time (naive is UTC), or Unix seconds as a number, as aware UTC; None if it is neither or out of range."""
    try:
        if isinstance(value, str):
            return _from_iso(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return _EPOCH + timedelta(seconds=value)
    except (ValueError, OverflowError):
        pass
    return None


def from_nanoseconds(since_epoch: int) -> datetime:
    """The mtime of a file as aware UTC; one beyond the calendar becomes its first or last instant."""
    try:
        return _EPOCH + timedelta(microseconds=since_epoch // 1000)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if since_epoch > 0 else datetime.min.replace(tzinfo=UTC)


def encode_beat(
    now: datetime,
    *,
    status: BeatStatus = "ok",
    until: datetime | None = None,
    message: str = "",
    pid: int | None = None,
) -> bytes:
    """A beat as a line without its newline; `message` is cut and cleaned."""
    optional = {"pid": pid, "until": stamp(until) if until else None, "message": clean(message) or None}
    present = {key: value for key, value in optional.items() if value is not None}
    return msgspec.json.encode({"timestamp": stamp(now), "stale": False, "status": status, **present})


def encode_miss(at: datetime, *, missed: int, last_heartbeat: datetime | None, reason: str) -> bytes:
    """A miss recorded by us as a line without its newline; `reason` is cut and cleaned."""
    return msgspec.json.encode(
        {
            "timestamp": stamp(at),
            "stale": True,
            "by": "supervisor",
            "missed": missed,
            "last_heartbeat": stamp(last_heartbeat) if last_heartbeat else None,
            "reason": clean(reason),
        }
    )


def clean(text: str) -> str:
    """The first `MAX_MESSAGE` characters as one printable line: no control characters, no escapes, no lone surrogates."""
    return "".join(char if char.isprintable() else " " for char in text[:MAX_MESSAGE]).strip()


def _object(raw: bytes) -> dict[str, Any] | None:
    if len(raw) > MAX_BYTES:
        return None
    try:
        # Not msgspec: Python agents write NaN into members that are none of our business, and must not be dead to us for that.
        found = json.loads(raw.decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _stale_line(members: dict[str, Any], when: datetime | None) -> StaleLine:
    missed = members.get("missed")
    return StaleLine(
        stamp=when,
        ours=members.get("by") == "supervisor",
        missed=missed if isinstance(missed, int) and not isinstance(missed, bool) and missed > 0 else 0,
        last_heartbeat=parse_instant(members.get("last_heartbeat")),
    )


def _from_iso(text: str) -> datetime | None:
    upper = text.strip().upper()  # RFC 3339 allows a small t and z
    if "T" not in upper and " " not in upper:
        return None  # a date alone is no instant
    when = datetime.fromisoformat(upper)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
