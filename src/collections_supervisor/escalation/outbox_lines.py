"""The lines of `outbox.jsonl`: what became of which notice, and how all of it is made out again. Pure.

Each line says how things stand and not what to add, so that one that stands there twice changes nothing.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, assert_never

import msgspec

from collections_supervisor.escalation.entries import Entries, Entry, Key, Leg
from collections_supervisor.escalation.notice_json import fitted
from collections_supervisor.messages import Notice, Now

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class Intent(msgspec.Struct, frozen=True, kw_only=True, tag="intent", tag_field="type"):
    """These channels are to deliver this notice."""

    at: _Instant
    channels: tuple[str, ...]
    notice: Notice


class _About(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    dedup_key: str
    sequence: int

    @property
    def key(self) -> Key:
        """The notice that it is about."""
        return self.dedup_key, self.sequence


class Attempt(_About, frozen=True, kw_only=True, tag="attempt"):
    """A try begins."""

    channel: str
    attempt: _Count


class Failed(_About, frozen=True, kw_only=True, tag="failed"):
    """A try failed."""

    channel: str
    error: str
    next_at: _Instant | None = None


class Delivered(_About, frozen=True, kw_only=True, tag="delivered"):
    """A channel took it."""

    channel: str
    at: _Instant


class Expired(_About, frozen=True, kw_only=True, tag="expired"):
    """A channel was given up."""

    channel: str
    error: str = ""


class Skipped(_About, frozen=True, kw_only=True, tag="skipped"):
    """A channel is not to be used, which is no failure."""

    channel: str


class Dropped(_About, frozen=True, kw_only=True, tag="dropped"):
    """Nobody is to get it any more."""


Line = Intent | Attempt | Failed | Delivered | Expired | Skipped | Dropped
_decoder = msgspec.json.Decoder(Line)


def encode(line: Line) -> bytes:
    """A line without its newline."""
    return msgspec.json.encode(line)


def intent(entry: Entry) -> Intent:
    """The line that begins an entry; texts that JSON cannot hold are made fit."""
    return Intent(at=entry.put_on, channels=tuple(entry.legs), notice=fitted(entry.notice))


def lines_of(entry: Entry) -> Iterator[Line]:
    """The fewest lines that make out an entry again."""
    dedup_key, sequence = entry.key
    yield intent(entry)
    # The first to be delivered is the one that took it.
    for name in sorted(entry.legs, key=lambda name: name != entry.taken_by):
        leg = entry.legs[name]
        if leg.attempts:
            yield Attempt(dedup_key=dedup_key, sequence=sequence, channel=name, attempt=leg.attempts)
        if (end := _end_of(entry.key, name, leg)) is not None:
            yield end


def _end_of(key: Key, channel: str, leg: Leg) -> Line | None:
    dedup_key, sequence = key
    if leg.at is not None:
        return Delivered(dedup_key=dedup_key, sequence=sequence, channel=channel, at=leg.at)
    if leg.state == "expired":
        return Expired(dedup_key=dedup_key, sequence=sequence, channel=channel, error=leg.error)
    if leg.state == "skipped":
        return Skipped(dedup_key=dedup_key, sequence=sequence, channel=channel)
    if leg.error:
        return Failed(dedup_key=dedup_key, sequence=sequence, channel=channel, error=leg.error, next_at=leg.next_at)
    return None


def replay(data: bytes, now: Now) -> tuple[Entries, list[bytes]]:
    """All that the lines tell, and those that tell nothing: torn, foreign, of a newer kind, or of a notice that stands nowhere.

    What is undelivered is due at once. The time to give up goes on from when a notice was first put, by the wall clock.
    """
    entries = Entries()
    dropped: set[Key] = set()
    lines = (raw for raw in data.split(b"\n") if raw and not raw.isspace())
    unusable = [raw for raw in lines if not _understood(raw, entries, dropped, now)]
    return entries, unusable


def _understood(raw: bytes, entries: Entries, dropped: set[Key], now: Now) -> bool:
    try:
        line = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    if isinstance(line, Intent):
        age = max(0.0, (now.wall - line.at).total_seconds())
        dropped.discard(entries.put(line.notice, line.channels, now.mono - age, line.at).key)
        return True
    if isinstance(line, Dropped):
        entries.drop(line.key)
        dropped.add(line.key)
        return True
    entry = entries.get(line.key)
    if entry is None:
        return line.key in dropped
    if line.channel not in entry.legs:
        return False
    _follow(entries, entry.legs[line.channel], line)
    return True


def _follow(entries: Entries, leg: Leg, line: Attempt | Failed | Delivered | Expired | Skipped) -> None:
    match line:
        case Attempt():
            leg.attempts = max(leg.attempts, line.attempt)
        case Failed():
            leg.error = line.error if leg.state == "pending" else leg.error
        case Delivered():
            entries.deliver(line.key, line.channel, line.at)
        case Expired():
            entries.close(line.key, line.channel, "expired", line.error)
        case Skipped():
            entries.close(line.key, line.channel, "skipped")
        case _ as never:
            assert_never(never)
