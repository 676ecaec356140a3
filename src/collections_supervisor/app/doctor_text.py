"""What the doctor found, for people and as JSON. Pure."""

from collections.abc import Iterator, Sequence

import msgspec

from collections_supervisor.app.doctor_checks import Check, Result
from collections_supervisor.reporting.text import clean, wrap
from collections_supervisor.system.plain import plain

SCHEMA = 1

_NARROWEST = 40
_INDENT = 6
_RESET = "\x1b[0m"
_COLOURS: dict[Result, str] = {"ok": "\x1b[32m", "note": "\x1b[36m", "warn": "\x1b[33m", "fail": "\x1b[1;31m"}
_RESULTS: tuple[Result, ...] = ("fail", "warn", "note", "ok")


def is_sound(checks: Sequence[Check]) -> bool:
    """Whether nothing fails."""
    return all(check.result != "fail" for check in checks)


def encode(checks: Sequence[Check]) -> str:
    """One JSON object."""
    shown = [plain(check) for check in checks]
    return msgspec.json.encode({"schema": SCHEMA, "ok": is_sound(checks), "checks": shown}).decode()


def render(checks: Sequence[Check], width: int, colour: bool) -> str:
    """A line or more for each check, and what to do below it."""
    lines = [line for check in checks for line in _lines(check, max(width, _NARROWEST), colour)]
    return "\n".join([*lines, "", _summary(checks)])


def _lines(check: Check, width: int, colour: bool) -> Iterator[str]:
    first, *others = wrap(clean(f"{check.name}: {check.found}"), width, _INDENT)
    mark = f"{_COLOURS[check.result]}{check.result:<4}{_RESET}" if colour else f"{check.result:<4}"
    yield f"{mark}{first[4:]}"
    yield from others
    if check.fix:
        yield from wrap(f"-> {clean(check.fix)}", width, _INDENT)


def _summary(checks: Sequence[Check]) -> str:
    counts = {result: sum(check.result == result for check in checks) for result in _RESULTS}
    words = {"fail": "to be mended", "warn": "to be looked at", "note": "to know", "ok": "sound"}
    return ", ".join(f"{count} {words[result]}" for result, count in counts.items() if count)
