"""Any Python value as something JSON can carry, within bounds.

A caller may log whatever it holds: file names that are not UTF-8, objects with a broken `__repr__`, cycles. Nothing raises here.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from pathlib import PurePath
from typing import Any, TypeAlias, cast

import msgspec

from collections_supervisor.system.clock import stamp
from collections_supervisor.system.log_budget import MAX_NODES, Budget, Plain, clip
from collections_supervisor.system.log_errors import error_value

MAX_DEPTH = 8
MAX_KEY = 100
MAX_BINARY = 4096


def plain(value: object, budget: Budget, depth: int = 0) -> Plain:
    """The value as JSON can carry it. Never raises an `Exception`."""
    try:
        convert = _EXACT.get(type(value))
        return _converted(value, budget, depth) if convert is None else convert(value, budget, depth)
    except Exception:  # noqa: BLE001 - the methods of a foreign object may raise anything, and a log call must not
        return f"<{type(value).__name__} that cannot be shown>"


def free_name(name: str, taken: Mapping[str, object] | AbstractSet[str]) -> str:
    """The name, with as many underscores behind it as it takes to be a new one."""
    while name in taken:
        name += "_"
    return name


def key_text(key: object, budget: Budget) -> str:
    """A key of a mapping as text."""
    shown = plain(key, budget)
    text = shown if isinstance(shown, str) else str(shown)
    if len(text) > MAX_KEY:
        budget.truncated = True
    return clip(text, MAX_KEY)


def _converted(value: object, budget: Budget, depth: int) -> Plain:
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value, budget, depth)
    return budget.text(repr(value))


def _itself(value: Any, _budget: Budget, _depth: int) -> Plain:
    return cast("Plain", value)


def _text(value: str, budget: Budget, _depth: int) -> Plain:
    return budget.text(value)


def _integer(value: int, budget: Budget, _depth: int) -> Plain:
    if -(2**63) <= value < 2**63:
        return int(value)
    try:
        return budget.text(str(int(value)))
    except ValueError:  # Python refuses to write out integers of thousands of digits
        return f"<integer of {value.bit_length()} bits>"


def _real(value: float, _budget: Budget, _depth: int) -> Plain:
    if math.isfinite(value):
        return float(value)
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _instant(value: datetime, _budget: Budget, _depth: int) -> Plain:
    # A naive one is shown as it is: to append a Z would be to invent a time zone.
    return value.isoformat(timespec="microseconds") if value.utcoffset() is None else stamp(value)


def _binary(value: bytes | bytearray | memoryview, budget: Budget, _depth: int) -> Plain:
    text = bytes(value[:MAX_BINARY]).decode("utf-8", "backslashreplace")
    budget.truncated = budget.truncated or len(value) > MAX_BINARY
    return budget.text(text)


def _contained(value: object, budget: Budget, depth: int, show: Callable[[], Plain]) -> Plain:
    if id(value) in budget.inside:
        return "<cycle>"
    if depth >= MAX_DEPTH:
        budget.truncated = True
        return "<nested too deeply>"
    budget.inside.add(id(value))
    try:
        return show()
    finally:
        budget.inside.discard(id(value))


def _members(value: Iterable[object], budget: Budget, depth: int) -> Plain:
    def show() -> Plain:
        return [plain(member, budget, depth + 1) for member in islice(value, MAX_NODES + 1) if budget.take()]

    return _contained(value, budget, depth, show)


def _unordered(value: AbstractSet[object], budget: Budget, depth: int) -> Plain:
    def show() -> Plain:
        shown = [plain(member, budget, depth + 1) for member in islice(value, MAX_NODES + 1) if budget.take()]
        return sorted(shown, key=str)

    return _contained(value, budget, depth, show)


def _mapping(value: Mapping[Any, object], budget: Budget, depth: int) -> Plain:
    def show() -> Plain:
        shown: dict[str, Plain] = {}
        for key, member in value.items():
            if not budget.take():
                break
            shown[free_name(key_text(key, budget), shown)] = plain(member, budget, depth + 1)
        return shown

    return _contained(value, budget, depth, show)


_Conversion: TypeAlias = Callable[[Any, Budget, int], Plain]
# The order matters: an enum may be an integer, a datetime is a date.
_CONVERSIONS: tuple[tuple[type | tuple[type, ...], _Conversion], ...] = (
    (Enum, lambda value, budget, depth: plain(value.value, budget, depth + 1)),
    (bool, lambda value, _budget, _depth: bool(value)),
    (int, _integer),
    (float, _real),
    (str, _text),
    (PurePath, lambda value, budget, _depth: budget.text(str(value))),
    (datetime, _instant),
    ((date, time), lambda value, _budget, _depth: str(value.isoformat())),
    (timedelta, lambda value, _budget, _depth: float(value.total_seconds())),
    (Decimal, lambda value, budget, _depth: budget.text(str(value))),
    ((bytes, bytearray, memoryview), _binary),
    (BaseException, lambda value, budget, _depth: error_value(value, budget)),
    ((list, tuple, deque), _members),
    (msgspec.Struct, lambda value, budget, depth: _mapping(msgspec.structs.asdict(value), budget, depth)),
    (Mapping, _mapping),
    (AbstractSet, _unordered),
)
# Most of what is logged, found without asking one kind after the other.
_EXACT: dict[type, _Conversion] = {str: _text, int: _integer, float: _real, bool: _itself, type(None): _itself}
