"""One event as one line of JSON that is never longer than it may be."""

import sys
from collections.abc import MutableMapping
from datetime import datetime
from itertools import islice
from typing import cast

import msgspec

from collections_supervisor.system.log_budget import MAX_NODES, Budget, Plain, clip
from collections_supervisor.system.log_errors import error_text, error_value
from collections_supervisor.system.log_layouts import LAYOUTS, Always, Fields, Parts, Preset
from collections_supervisor.system.log_values import free_name, key_text, plain

SMALLEST_LINE = 1000
"""Bytes in which the fields that every line has find room, however they are spelt."""
SEQ_DIGITS = 20
SHORT_NAME = 64
SHORTEST_TEXT = 16
BYTES_PER_MEMBER = 64
RESERVED = frozenset({"timestamp", "level", "event", "message", "schema", "service", "version", "run_id", "seq", "truncated"})

_encode = msgspec.json.Encoder().encode


class LineRenderer:
    """Renders the events of one run of the program."""

    def __init__(self, *, run_id: str, version: str, max_bytes: int, preset: Preset = "json") -> None:
        """`max_bytes` counts the newline; less than `SMALLEST_LINE` is taken as that."""
        self.set_limit(max_bytes)
        self._layout = LAYOUTS[preset](clip(version, SHORT_NAME), clip(run_id, SHORT_NAME))

    def set_limit(self, max_bytes: int) -> None:
        """Make no line longer than this from now on."""
        self._max_bytes = max(max_bytes, SMALLEST_LINE)

    def parts(self, level: str, fields: MutableMapping[str, object], wall: datetime) -> Parts:
        """The line of the event in `fields`, which is used up. Whatever it holds, nothing is raised."""
        event = fields.get("event")
        try:
            return self._parts(level, fields, wall)
        except Exception as error:  # noqa: BLE001 - a log call must not raise, whatever it was given
            name = event if type(event) is str else "python.log"
            sentence = f"this event could not be rendered: {type(error).__name__}"
            return self._parts(level, {"event": name, "message": sentence}, wall)

    def _parts(self, level: str, fields: MutableMapping[str, object], wall: datetime) -> Parts:
        budget = Budget(self._max_bytes)
        event = _sentence(fields.pop("event", ""), budget)
        message = _sentence(fields.pop("message", event), budget)
        always = Always(_stamp(wall), level, event, message)
        shown = _shown(fields, budget)
        if "error" in shown:
            shown |= self._layout.told(shown["error"])
        if not budget.truncated:
            whole = self._layout.parts(always, shown)
            if self._fits(whole):
                return whole
        return self._shortened(always, shown)

    def _fits(self, parts: Parts) -> bool:
        return len(parts.head) + len(parts.tail) + SEQ_DIGITS <= self._max_bytes

    def _shortened(self, always: Always, shown: Fields) -> Parts:
        """Halve the longest texts and lists until it fits; if that is not enough, do without the largest fields."""
        limit = self._max_bytes
        while limit >= SHORTEST_TEXT:
            short_always = always._replace(event=clip(always.event, max(limit, SHORT_NAME)), message=clip(always.message, limit))
            short = {name: _clipped(value, limit) for name, value in shown.items()}
            parts = self._layout.parts(short_always, short | {"truncated": True})
            if self._fits(parts):
                return parts
            limit //= 2
        bare = self._layout.parts(short_always, {"truncated": True})
        room = self._max_bytes - SEQ_DIGITS - len(bare.head) - len(bare.tail)
        return self._layout.parts(short_always, _smallest(short, room) | {"truncated": True})


def _stamp(wall: datetime) -> str:
    # The form of `clock.stamp` without its strftime, which would be a sixth of the cost of an event. `wall` is UTC.
    return wall.isoformat(timespec="microseconds")[:26] + "Z"


def _sentence(value: object, budget: Budget) -> str:
    shown = plain(value, budget)
    return shown if isinstance(shown, str) else _encode(shown).decode()


def _shown(fields: MutableMapping[str, object], budget: Budget) -> Fields:
    error = _exception(fields.pop("exc_info", None))
    shown: Fields = {}
    budget.truncated = budget.truncated or len(fields) > MAX_NODES
    for key, value in islice(fields.items(), MAX_NODES):
        name = key if len(key) <= SHORT_NAME and key.isascii() else key_text(key, budget)
        if name in RESERVED or name in shown or (name == "error" and error is not None):
            name = free_name(name + "_", shown)
        is_text = name == "error" and isinstance(value, str)
        shown[name] = error_text(cast("str", value), budget) if is_text else plain(value, budget)
    if error is not None:
        shown["error"] = error_value(error, budget)
    return shown


def _exception(exc_info: object) -> BaseException | None:
    """What `exc_info` means: an exception, the triple of `sys.exc_info`, or true for the one being handled."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple) and len(exc_info) == len(sys.exc_info()):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exception() if exc_info else None


def _clipped(value: Plain, limit: int) -> Plain:
    if isinstance(value, str):
        return clip(value, limit)
    if isinstance(value, list):
        return [_clipped(member, limit) for member in value[: max(limit // BYTES_PER_MEMBER, 2)]]
    if isinstance(value, dict):
        return {name: _clipped(member, limit) for name, member in value.items()}
    return value


def _smallest(shown: Fields, room: int) -> Fields:
    """The fields without the largest ones, so that they need no more than `room` bytes together."""
    sizes = {name: len(_encode({name: value})) - 1 for name, value in shown.items()}
    needed = sum(sizes.values())
    kept = dict(shown)
    for name in sorted(sizes, key=lambda name: sizes[name], reverse=True):
        if needed <= room:
            break
        needed -= sizes[name]
        del kept[name]
    return kept
