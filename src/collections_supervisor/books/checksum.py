"""The checksum that the writer of an invoice file leaves in it. Pure.

It is the first 16 hex digits of the SHA-256 of the members whose name does not begin with `_`, as Python's `json.dumps` writes
them with sorted keys and no blanks. Python's own forms of numbers and characters are part of it: 1500 and 1500.0 differ.
"""

import json
from hashlib import sha256
from typing import Any

import msgspec

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_FAST_DECODER = msgspec.json.Decoder(dict[str, Any])
_FAST_ENCODER = msgspec.json.Encoder(order="sorted")
_DIGITS = 16


def differing_checksum(data: bytes, written: str) -> str | None:
    """The checksum that a file's content gives, if it is not the one written in it; None if it is.

    Empty for content that Python's own JSON cannot give back, such as a number of five thousand digits.
    """
    if _is_verified(data, written):
        return None
    try:
        found = _digest(_ENCODER.encode(_checked(json.loads(data))).encode())
    except (ValueError, RecursionError):
        return ""
    return found if found != written else None


def _is_verified(data: bytes, written: str) -> bool:
    """Whether msgspec's forms give the checksum already, at a quarter of the cost. That they do not proves nothing.

    That they do is proof, whichever forms they are: a text with this checksum is the one that its writer saw, and to be read
    back as the same members it must say the same as they do. Next come Python's forms of what msgspec read, for names that are
    not plain ASCII.
    """
    try:
        members = _checked(_FAST_DECODER.decode(data))
        return _digest(_FAST_ENCODER.encode(members)) == written or _digest(_ENCODER.encode(members).encode()) == written
    except (ValueError, RecursionError):  # msgspec's own errors are among the first
        return False


def _checked(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name[:1] != "_"}


def _digest(data: bytes) -> str:
    return sha256(data, usedforsecurity=False).hexdigest()[:_DIGITS]
