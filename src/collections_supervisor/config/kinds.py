"""Kinds of keys: how a value is checked, how the checked value is written down again, and its shape for those who check it first.

The shape is a JSON Schema. It never refuses what the check takes; what only the check can know, such as whether a time zone
exists, it lets pass.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec

from collections_supervisor.config import checks, hours, texts
from collections_supervisor.config.checks import SHORTEST, YEAR, Check
from collections_supervisor.config.durations import format_duration

Shape = dict[str, Any]
"""A JSON Schema, or a part of one."""

_NUMBER = r"[0-9]+(\.[0-9]+)?"
_DURATION = rf"^(0|({_NUMBER}d)?({_NUMBER}h)?({_NUMBER}m(?!s))?({_NUMBER}s)?({_NUMBER}ms)?)$"
_TEXT: Shape = {"type": "string"}
_SOME_TEXT: Shape = {"type": "string", "minLength": 1}


def plain(value: Any) -> Any:
    """A checked value as it would be written in the file."""
    match value:
        case None:
            return ""
        case Path():
            return str(value)
        case tuple():
            return list(value)
        case _:
            return value


class Key(msgspec.Struct, frozen=True):
    """One key: its checker, the shape of its values, and how a checked value is written."""

    check: Check
    shape: Shape
    plain: Callable[[Any], Any] = plain


def seconds(*, zero: bool = False, most: float = YEAR, optional: bool = False) -> Key:
    """A duration: seconds, or a text with units."""
    number: Shape = {"type": "number", "minimum": 0 if zero else SHORTEST, "maximum": most}
    text: Shape = {"type": "string", "pattern": _DURATION} | ({} if optional else {"minLength": 1})
    check = checks.duration(zero=zero, most=most, optional=optional)
    return Key(check, {"anyOf": [number, text]}, lambda value: "" if value is None else format_duration(value))


def choice(annotation: object) -> Key:
    """One of the words of a Literal."""
    return word(*get_args(annotation))


def word(*options: str) -> Key:
    """One of these words."""
    return Key(checks.choice(*options), {"enum": list(options)})


def integer(least: int, most: int) -> Key:
    """A whole number."""
    return Key(checks.integer(least, most), {"type": "integer", "minimum": least, "maximum": most})


def number(least: float, most: float) -> Key:
    """Any number."""
    return Key(checks.number(least, most), {"type": "number", "minimum": least, "maximum": most})


def text(*, empty: bool = False, most: int = 200, placeholders: bool = False) -> Key:
    """Text of limited length."""
    check = texts.text(empty=empty, most=most, placeholders=placeholders)
    return Key(check, {"type": "string", "maxLength": most} | ({} if empty else {"minLength": 1}))


def path(*, optional: bool = False) -> Key:
    """A file or folder."""
    return Key(texts.path(optional=optional), _TEXT if optional else _SOME_TEXT)


def argv(*, empty: bool = False) -> Key:
    """A program and its arguments."""
    return Key(texts.argv(empty=empty), {"type": "array", "items": _TEXT} | ({} if empty else {"minItems": 1}))


def url(plain_url: Callable[[Any], Any]) -> Key:
    """An address, or nothing."""
    return Key(texts.url, {"type": "string", "pattern": "^([hH][tT][tT][pP][sS]?://.*)?$"}, plain_url)


def active_hours() -> Key:
    """Hours of a day in a time zone, or nothing."""
    return Key(hours.active_hours, {"type": "string", "pattern": hours.PATTERN}, hours.format_hours)


BOOLEAN = Key(checks.boolean, {"type": "boolean"})
EXIT_CODES = Key(checks.exit_codes, {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}})
PROGRAM = Key(texts.program, _SOME_TEXT)
PATTERN = Key(texts.pattern, _SOME_TEXT)
ENVIRONMENT = Key(texts.environment, {"type": "object", "additionalProperties": _TEXT}, sorted)
SECRET_NAME = Key(texts.secret_name, {"type": "string", "pattern": "^([A-Z_][A-Z0-9_]{0,127})?$"})
CURRENCY = Key(texts.currency, {"type": "string", "pattern": "^[A-Z]{3}$"})
AGENT_NAME = Key(texts.agent_name, {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"})
