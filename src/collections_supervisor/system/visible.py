"""Text from outside as people may read it: nothing in it disturbs what stands around it. Pure."""

import re

# Control characters and line separators would tear a line apart.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROL_IN_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
# Characters that turn the direction of writing could make the text around them say something else; a lone surrogate cannot be
# encoded.
_TREACHEROUS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_STAMP = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.\d{6}Z")


def one_line(text: str) -> str:
    """The text in one line; each run of what would not print is a blank."""
    return _without_treachery(_CONTROL.sub(" ", text)).strip()


def lines(text: str) -> str:
    """The text, as long as it was, with its own newlines and tabs; what would not print is a blank."""
    return _without_treachery(_CONTROL_IN_LINES.sub(" ", text))


def _without_treachery(text: str) -> str:
    return _TREACHEROUS.sub("\N{REPLACEMENT CHARACTER}", text)


def dated(text: str) -> str:
    """The text with the program's own stamps as people write them: `2026-11-22 15:05:03 UTC`."""
    return _STAMP.sub(r"\1 \2 UTC", text)
