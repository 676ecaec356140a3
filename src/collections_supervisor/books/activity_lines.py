"""Lines of the activity logs: what they say happened, and when. Pure.

Most logs are JSON lines with a `timestamp`; Python's own logging writes `2026-11-22 10:00:00,123 - logger - ERROR - text` in
local time, and tracebacks after it.
"""

import re
import sys
from datetime import tzinfo
from typing import Any

import msgspec

from collections_supervisor.books.json_lines import decode_block, decode_line
from collections_supervisor.books.records import Event
from collections_supervisor.books.times import from_text, instant

__all__ = ["Event", "Judge", "Judged", "text"]

_PLAIN = re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d{1,9})?) - .*? - ([A-Z]+) - ")


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a block of lines says."""

    events: list[Event]
    """As they stand there, however old."""
    first: float | None
    """When its first line was written that says so."""
    old: bool
    """It has lines that say when they were written, and each of them was before the time that was asked for."""


class _Line(msgspec.Struct, kw_only=True, gc=False):
    timestamp: Any = None
    ts: Any = None
    type: Any = None
    event: Any = None
    level: Any = None
    invoice: Any = None
    invoice_number: Any = None
    template: Any = None


class _Plain(_Line, kw_only=True, gc=False):
    local: str


_DECODER = msgspec.json.Decoder(_Line)


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """What one log is kept for: the lines whose `member` is one of `values`."""

    member: str
    values: tuple[str, ...]
    json: bool = True
    """Lines of JSON mean something."""
    zone: tzinfo | None = None
    """Plain lines mean something, in the time of this zone."""

    def judge(self, block: bytes, since: float) -> Judged:
        """Read a block of whole lines; a line that cannot be read costs only itself."""
        lines = self._lines(block)
        wanted = (line for line in lines if getattr(line, self.member) in self.values)
        events = [_event(line, at) for line in wanted if (at := self._at(line)) is not None]
        first = next((at for line in lines if (at := self._at(line)) is not None), None)
        old = first is not None and all((at := self._at(line)) is None or at < since for line in reversed(lines))
        return Judged(events=events, first=first, old=old)

    def _lines(self, block: bytes) -> list[_Line]:
        if self.json and (lines := decode_block(_DECODER, block)) is not None:
            return lines
        return [line for raw in block.split(b"\n") if (line := self._line(raw)) is not None]

    def _line(self, raw: bytes) -> _Line | None:
        if raw.lstrip()[:1] == b"{":
            return _json(raw) if self.json else None
        if self.zone is None or not (found := _PLAIN.match(raw)):
            return None
        return _Plain(local=found[1].decode(), level=found[2].decode())

    def _at(self, line: _Line) -> float | None:
        if isinstance(line, _Plain) and self.zone is not None:
            return from_text(line.local, self.zone)
        return instant(line.timestamp if line.timestamp is not None else line.ts)


def _json(raw: bytes) -> _Line | None:
    found = decode_line(_DECODER, raw)
    return _Line(**{name: found[name] for name in _Line.__struct_fields__ if name in found}) if isinstance(found, dict) else found


def _event(line: _Line, at: float) -> Event:
    return Event(
        at=at,
        invoice=text(line.invoice) or text(line.invoice_number),
        # A handful of them, in every line.
        template=sys.intern(text(line.template)),
    )


def text(value: object) -> str:
    """A name from outside as Unicode, also where it was written as an integer; empty if it is neither."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
