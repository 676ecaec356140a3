"""How one try to deliver a notice ended."""

from collections.abc import Collection
from typing import Literal

import msgspec

TELLING = 8
"""Characters of a secret that are worth something to a thief; fewer are an ordinary word, or cannot be told from one."""

_LONGEST = 300
_MASK = "[not shown]"


class Delivery(msgspec.Struct, frozen=True):
    """How it ended.

    `ok`: taken. `transient`: worth another try. `permanent`: no try can succeed before a person changes something. `skipped`:
    nothing was sent, and nothing is to be.
    """

    result: Literal["ok", "transient", "permanent", "skipped"]
    reason: str = ""
    """Why not, in one line."""
    retry_after: float = 0.0
    """Seconds that the other side wants to be left alone."""


def brief(text: str, *, last: bool = False) -> str:
    """Foreign text as one line: its beginning, or with `last` its last line, at most 300 characters."""
    lines = text[-4 * _LONGEST :].strip().splitlines()[-1:] if last else [text[: 4 * _LONGEST]]
    line = " ".join(" ".join(lines).split()).encode("utf-8", "replace").decode()
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def without(text: str, secrets: Collection[str]) -> str:
    """The text with every one of these replaced, and with their beginnings and ends of eight characters and more.

    To be used before it is cut, which could leave less than that.
    """
    longest_first = sorted(filter(None, secrets), key=len, reverse=True)
    for secret in longest_first:
        text = text.replace(secret, _MASK)
    for secret in longest_first:
        if len(secret) > TELLING:
            text = _without_beginning(text, secret, _MASK)
            text = _without_beginning(text[::-1], secret[::-1], _MASK[::-1])[::-1]
    return text


def _without_beginning(text: str, secret: str, mask: str) -> str:
    """The text without any longest beginning of the secret that is telling."""
    first, *others = text.split(secret[:TELLING])
    return first + "".join(mask + other[_shared(other, secret[TELLING:]) :] for other in others)


def _shared(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginnings."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
