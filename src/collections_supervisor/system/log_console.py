"""A line of the log as a person at a terminal wants to read it."""

import re
from collections.abc import Mapping
from datetime import datetime, tzinfo

import msgspec

_HIDDEN = frozenset({"timestamp", "level", "event", "message", "schema", "service", "version", "run_id", "seq"})
_IDENTIFIERS = frozenset({"action_id", "incident", "dedup_key"})
"""Names for programs to join lines by; no person at a terminal reads them, and they push what matters off the screen."""

_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}
_PLAIN_WORD = re.compile(r"""[^\s"'=\\{}\[\]]+""")
_decode = msgspec.json.Decoder(dict[str, object]).decode
_encode = msgspec.json.Encoder().encode


class ConsoleView:
    """Turns lines of JSON into `HH:MM:SS level message event key=value …`."""

    def __init__(self, *, colour: bool, zone: tzinfo | None = None) -> None:
        """`zone` is the one to show times in; None means the machine's."""
        self._colour = colour
        self._zone = zone

    def __call__(self, line: bytes) -> bytes:
        """The line for people, one line as well, of the line in JSON."""
        record = _decode(line)
        clock = datetime.fromisoformat(str(record["timestamp"])).astimezone(self._zone).strftime("%H:%M:%S")
        event = printable(str(record["event"]))
        words = [clock, self._level(str(record["level"]))]
        if record["message"] != record["event"]:
            words.append(printable(str(record["message"])))
        details = [event, *self._fields(record)]
        return f"{' '.join(words)} {self._dimmed(' '.join(details))}\n".encode()

    def _fields(self, record: Mapping[str, object]) -> list[str]:
        return [
            f"{printable(key)}={_compact(key, value)}"
            for key, value in record.items()
            if key not in _HIDDEN and key not in _IDENTIFIERS and value is not None
        ]

    def _dimmed(self, text: str) -> str:
        return f"{_DIM}{text}{_PLAIN}" if self._colour else text

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
