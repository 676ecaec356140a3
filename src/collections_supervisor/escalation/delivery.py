"""How one try to deliver a notice ended."""

from typing import Literal

import msgspec

_LONGEST = 300


class Delivery(msgspec.Struct, frozen=True):
    """`ok`: taken. `transient`: worth another try. `permanent`: no try can succeed before a person changes something."""

    result: Literal["ok", "transient", "permanent"]
    reason: str = ""
    """Why not, in one line."""


def brief(text: str, *, last: bool = False) -> str:
    """Foreign text as one line: its beginning, or with `last` its last line, at most 300 characters."""
    lines = text[-4 * _LONGEST :].strip().splitlines()[-1:] if last else [text[: 4 * _LONGEST]]
    line = " ".join(" ".join(lines).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
