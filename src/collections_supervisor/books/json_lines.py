"""Lines of JSON: a block of them at a time where all are sound, else each for itself. Pure."""

import json
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")


def decode_block(decoder: msgspec.json.Decoder[_T], block: bytes) -> list[_T] | None:
    """The objects of a block of lines, if each line is just one; None if they have to be read one by one.

    msgspec alone would also take two objects in one line, or one over several lines: then what a line says would depend on the
    lines beside it. Between two whole objects nothing but a newline may stand, and inside of one `}` and `{` never meet.
    """
    try:
        found = decoder.decode_lines(block)
    except (ValueError, RecursionError):
        return None
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    return found if len(found) == lines == block.count(b"}\n{") + 1 else None


def decode_line(decoder: msgspec.json.Decoder[_T], raw: bytes) -> _T | dict[str, Any] | None:
    """The object of a line, or its members, with the NaN that Python agents write; None if it is no object."""
    try:
        return decoder.decode(raw)
    except (ValueError, RecursionError):
        pass
    try:
        found = json.loads(raw.decode("utf-8-sig"))  # of bytes it would also take UTF-16
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
