"""A line of the log as a person at a terminal wants to read it."""

import re
from collections.abc import Mapping
from datetime import datetime, tzinfo

import msgspec

_HIDDEN = frozenset({"timestamp", "level", "event", "message", "schema", "service", "version", "run_id", "seq"})
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}
_PLAIN_WORD = re.compile(r"""[^\s"'=\\{}\[\]]+""")
_decode = msgspec.json.Decoder(dict[str, object]).decode
_encode = msgspec.json.Encoder().encode


class ConsoleView:
    """Turns lines of JSON into `HH:MM:SS level event message key=value …`."""

    def __init__(self, *, colour: bool, zone: tzinfo | None = None) -> None:
        """`zone` is the one to show times in; None means the machine's."""
        self._colour = colour
        self._zone = zone

    def __call__(self, line: bytes) -> bytes:
        """The line for people, one line as well, of the line in JSON."""
        record = _decode(line)
        clock = datetime.fromisoformat(str(record["timestamp"])).astimezone(self._zone).strftime("%H:%M:%S")
        words = [clock, self._level(str(record["level"])), printable(str(record["event"]))]
        if record["message"] != record["event"]:
            words.append(printable(str(record["message"])))
        words += [
            f"{printable(key)}={_compact(key, value)}"
            for key, value in record.items()
            if key not in _HIDDEN and value is not None
        ]
        return " ".join(words).encode() + b"\n"

    def _level(self, level: str) -> str:
        padded = f"{level:<8}"
        return f"\x1b[{_COLOURS.get(level, '0')}m{padded}\x1b[0m" if self._colour else padded


def printable(text: str) -> str:
    """The text with everything escaped that could move the cursor, change colours or turn the writing round.

    Much of what is logged comes out of files that others write.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _compact(key: str, value: object) -> str:
    if key == "error" and isinstance(value, dict):
        value = _error(value)
    if isinstance(value, str) and _PLAIN_WORD.fullmatch(value):
        return printable(value)
    return printable(_encode(value).decode())


def _error(error: Mapping[str, object]) -> str:
    """An error in one line: what it was, where it came from, and what caused it."""
    text = ": ".join(str(part) for part in (error.get("type"), error.get("message")) if part)
    match error.get("frames"):
        case [{"file": file, "line": line}, *_]:
            text = f"{text} (at {file}:{line})"
        case _:
            pass
    causes = error.get("causes")
    return (
        " <- ".join([text, *(_error(cause) for cause in causes if isinstance(cause, dict))]) if isinstance(causes, list) else text
    )
