"""What kind of failure OpenClaw's words describe, and how long to wait. Pure.

The words are its own and its model provider's; the table holds what was seen in its answers. Numbers count only where they
are an HTTP status: agents that collect invoices write of 402 invoices and of billing every day.
"""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

Classified = Literal["", "configuration", "overflow", "shared", "terminal", "auth"]

_SHARED_PAUSE = 600.0
_AUTH_PAUSE = 60.0
_LEAST_PAUSE = 1.0
_MOST_PAUSE = 86400.0
_MOST_CHARS = 4000


class Verdict(msgspec.Struct, frozen=True):
    """A failure of a known kind; an empty kind means that the same command works a little later."""

    classified: Classified
    retry_after: float | None = None
    """Seconds to wait, where waiting is what helps."""


def _pattern(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE | re.MULTILINE)


def _http(*codes: int) -> str:
    """A status code: after a word that announces one, or first in a line and followed by what is no ordinary noun."""
    numbers = f"(?:{'|'.join(map(str, codes))})"
    announced = rf"\b(?:https?(?:/[\d.]+)?|status(?:[ _-]?code)?|code|error|response)\b[\s:=#\"'(]{{1,4}}{numbers}\b(?![.,]\d)"
    leading = rf"^[^\w\n]*{numbers}\b(?=\s*(?:$|[:;({{\"\[-]|status\b|(?-i:[A-Z])))"
    return rf"{announced}|{leading}"


_RULES: tuple[tuple[Classified, re.Pattern[str]], ...] = (
    # The session takes no message, /new included, until a person acts. First, since the text itself recommends /new.
    (
        "terminal",
        _pattern(
            r"\bended during restart recovery\b",
            r"\bSESSION_RESTART_RECOVERY_TOMBSTONE\b",
            r"\bis archived\. Restore it before\b",
            r"\bis paused as a precaution\b",
        ),
    ),
    # The conversation no longer fits the model. Before the shared causes, since providers call it a rate of tokens too.
    (
        "overflow",
        _pattern(
            r"(?<![a-z])context[ _-]?overflow(?![a-z])",
            r"\bcontext[ _](?:length|window|limit)[ _](?:is )?exceeded\b",
            r"\bmaximum context length\b",
            r"\bprompt (?:is )?too (?:long|large)\b",
            r"\brejected the conversation state\b",
        ),
    ),
    # It asks for a reset. Not where /new is what remains if trying again does not help, for it loses the conversation.
    (
        "overflow",
        _pattern(
            r"(?<!again, or )(?<!persists, )\b(?:try|use|run|send) /(?:reset|new)\b",
            r"(?<!/new to )(?<!/reset to )\bstart a (?:new|fresh) session\b",
            r"\b(?:needs?|requires?) (?:a )?(?:session )?reset\b",
            r"\breset (?:the|this|your) (?:session|conversation)\b",
        ),
    ),
    # Money, or the limits of a key that agents share: more attempts fail without a model call.
    (
        "shared",
        _pattern(
            r"^[^\w\n]*billing\b",
            r"\bbilling (?:error|failure|issue|problem|hold|cooldown|limit)\b",
            r"\bbilling\b.{0,80}\bretry after\b",
            r"(?<![a-z])quota(?![a-z])",
            r"\brate[ _-]?limit",
            r"\btoo many requests\b",
            r"\b(?:usage|spend(?:ing)?) limit\b",
            r"\b(?:insufficient|out of|requires? more)[ _]credits?\b",
            r"\binsufficient[ _]balance\b",
            r"\bpayment[ _]required\b",
            r"\bmodel_cooldown\b",
            r"\btemporarily disabled after a provider\b",
            _http(402, 429),
        ),
    ),
    # The provider, or the gateway, refuses the key. After the shared causes: a key on its cooldown names both.
    (
        "auth",
        _pattern(
            r"\bunauthorized\b",
            r"(?<![a-z])(?:invalid|incorrect|missing|expired|revoked)[ _]api[ _]?key(?![a-z])",
            r"\bapi[ _]?key (?:is |has been )?(?:invalid|not valid|expired|revoked|disabled)\b",
            r"\bno (?:api key|credentials) found\b",
            r"\bauthentication[ _](?:failed|error|was rejected)\b",
            r"^auth(?:_permanent)?$",
            _http(401),
        ),
    ),
    # The command itself is wrong here: no such agent, a program or a Node too old.
    (
        "configuration",
        _pattern(
            r"\bunknown agent id\b",
            r"\bdoes not recognize (?:option|command)\b",
            r"\berror: unknown (?:option|command)\b",
            r"\bnode:sqlite is unavailable\b",
        ),
    ),
    # The gateway was just restarted, or is about to be: no turn was begun, whatever run it names.
    (
        "",
        _pattern(
            r"\bSESSION_WORK_START_(?:CHANGED|INVALIDATED)\b",
            r"\b(?:changed|deleted|reset) while starting work\b",
            r"\bstill initializing\b",
            r"\bgateway\b.{0,40}\b(?:draining|restarting|shutting down)\b",
        ),
    ),
    # The turn is over and has failed, in the gateway's own words; they name the run like those of a lost connection.
    (
        "",
        _pattern(
            r"\b(?:LLM )?request (?:failed \(|failed[.:]|rejected:)",
            r"^[^\w\n]*Agent run failed\b",
            r"\bSomething went wrong while processing your request\b",
            r"\bRequest timed out before a response was generated\b",
        ),
    ),
)
"""In order: the first rule that matches any of the words decides."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNIT = r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
_PART = rf"(?:\d{{1,9}}(?:\.\d{{1,6}})?\s*|\b(?:an?|one)\s+){_UNIT}"
_SPAN = rf"\W{{1,6}}(?:(?:about|around|approximately|at least)\s+)?(?P<span>{_PART}(?:(?:\s|,|and)*{_PART}){{0,3}})"
_RETRY_AFTER = re.compile(rf"\bretry[ _-]?after{_SPAN}", re.IGNORECASE)
_HEADER = re.compile(r"\bretry[ _-]?after(?P<ms>[ _-]?ms)?\W{1,6}(?P<number>\d{1,9})(?![\w-])", re.IGNORECASE)
_IN_A_WHILE = re.compile(rf"\b(?:in|wait){_SPAN}", re.IGNORECASE)
_NUMBER_AND_UNIT = re.compile(rf"(?:(?P<number>[\d.]+)\s*|\b(?:an?|one)\s+)(?P<unit>{_UNIT})", re.IGNORECASE)


def classify(said: Sequence[str]) -> Verdict | None:
    """The kind of failure that these words describe: that of the first rule which matches any of them, None without one."""
    text = "\n".join(said)[:_MOST_CHARS]
    classified = next((kind for kind, pattern in _RULES if pattern.search(text)), None)
    match classified:
        case None:
            return None
        case "shared":
            return Verdict(classified, _stated(text) or _SHARED_PAUSE)
        case "auth":
            return Verdict(classified, max(_stated(text) or 0.0, _AUTH_PAUSE))
        case _:
            return Verdict(classified)


def _stated(text: str) -> float | None:
    """The pause that the words ask for, within what is sane."""
    if words := _RETRY_AFTER.search(text):
        seconds = _seconds(words["span"])
    elif header := _HEADER.search(text):
        seconds = float(header["number"]) * (0.001 if header["ms"] else 1.0)
    elif words := _IN_A_WHILE.search(text):
        seconds = _seconds(words["span"])
    else:
        return None
    return min(max(seconds, _LEAST_PAUSE), _MOST_PAUSE)


def _seconds(span: str) -> float:
    total = 0.0
    for part in _NUMBER_AND_UNIT.finditer(span):
        count = float(part["number"] or 1)
        unit = part["unit"].lower()
        total += count * (0.001 if unit.startswith(("ms", "milli")) else _UNITS[unit[0]])
    return total
