"""Reading the JSON that `openclaw` prints: what in it says that the turn did not work. Pure.

Success of `openclaw agent --json` is `{"runId", "status": "ok", "summary", "result": {"payloads": [...], "meta": {...}}}`
through the gateway, and the members of `result` at the top without one. Failure is `{"ok": false, "error": {"type",
"message"}}`, with `runId` and `origin` when a turn had been accepted. `openclaw gateway call` prints the method's own result,
or the same failure with `code` beside `type`. Nothing here trusts the type of any member.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice

import msgspec

_CAUSE_CHARS = 300
_SAID_CHARS = 2000
_QUOTE_CHARS = 120
_LAST_LINES = 10
_ERROR_PAYLOADS = 5

_MOST_TOKENS = 10**9
"""More than any turn costs; a larger number is none that can be believed."""

_WORKED = (None, "ok", "completed")
_RUNNING = ("accepted", "in_flight")

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_REASON = re.compile(r"^(?:\[openclaw\] *)?Reason: *(?P<reason>.+)$")


class Fault(msgspec.Struct, frozen=True):
    """One thing that says the command did not work."""

    sentence: str
    """For people, with the member and the value that say so."""
    said: str = ""
    """OpenClaw's own words, to classify the failure by; never a word of the agent's reply."""


def read_object(stdout: bytes) -> dict[str, object] | str:
    """The JSON object that stdout is, or a sentence that says what it is instead."""
    if not stdout.strip():
        return "it answered nothing"
    try:
        found = json.loads(stdout)
    except (ValueError, RecursionError):
        return f"the answer is not one JSON document: {_quote(stdout)}"
    return found if isinstance(found, dict) else f"the answer is not a JSON object: {_quote(stdout)}"


def find_faults(answer: dict[str, object]) -> list[Fault]:
    """Everything in an answer that speaks against success, the most telling first."""
    return [*_refusals(answer), *_run_errors(answer), *_error_payloads(answer), *_unfinished(answer)]


def is_undecided(answer: dict[str, object]) -> bool:
    """Whether the turn may have worked, or may still run, although this answer is no success.

    A run's id and origin stand beside an error once the gateway has accepted the turn; the connection may have been lost since.
    """
    if answer.get("ok") is False:
        return bool(answer.get("runId")) and bool(answer.get("origin"))
    return any(status in _RUNNING for status in _members(answer, "status"))


def turn_hung(answer: dict[str, object]) -> bool:
    """Whether the turn was given up because the model did not answer, and not because somebody aborted it."""
    if "rpc" in _members(answer, "stopReason"):
        return False
    timed_out = "timeout" in _members(answer, "status")
    return timed_out or any(isinstance(meta, dict) and meta.get("aborted") is True for meta in _members(answer, "meta"))


def tokens_used(answer: dict[str, object]) -> int | None:
    """What the turn cost in all its model calls, from `meta.agentMeta.usage.total`; None where that is not told.

    The `lastCallUsage` beside it is that of the last call only, and of an earlier turn where this one had no answer.
    """
    for meta in _members(answer, "meta"):
        agent = meta.get("agentMeta") if isinstance(meta, dict) else None
        usage = agent.get("usage") if isinstance(agent, dict) else None
        total = usage.get("total") if isinstance(usage, dict) else None
        if isinstance(total, int) and not isinstance(total, bool) and 0 <= total <= _MOST_TOKENS:
            return total
    return None


def last_words(tail: bytes, otherwise: str) -> Fault:
    """What a program without a usable answer wrote last; `otherwise` is the sentence if it wrote nothing.

    Only the last lines are to be classified: before them stands what plugins and channels report of their own troubles.
    """
    text = _ESCAPE.sub("", tail.decode("utf-8", "replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()][-_LAST_LINES:]
    if not lines:
        return Fault(plain(otherwise))
    reasons = [match["reason"] for line in lines if (match := _REASON.match(line))]
    words = plain((reasons or lines)[-1])
    sentence = f"{otherwise}; it wrote: {words}" if otherwise and not reasons else words
    return Fault(plain(sentence), "\n".join(lines)[-_SAID_CHARS:])


def plain(text: str, limit: int = _CAUSE_CHARS) -> str:
    """Foreign text fit for one line of a log or a page: no control characters or newlines, and not too long."""
    # Cut first: hostile text may be megabytes of spaces.
    kept = "".join(char if char.isprintable() else " " for char in text[: limit * 4])
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _quote(data: bytes) -> str:
    return repr(plain(data[: _QUOTE_CHARS * 4].decode("utf-8", "replace"), _QUOTE_CHARS))


def _members(answer: dict[str, object], name: str) -> list[object]:
    """The values of a member at the top and under `result`; null counts as absent."""
    holders = [answer, answer.get("result")]
    return [found for holder in holders if isinstance(holder, dict) and (found := holder.get(name)) is not None]


def _refusals(answer: dict[str, object]) -> Iterator[Fault]:
    error = answer.get("error")
    if error:
        kind, message, said = _describe(error)
        yield Fault(message or f"the error is {kind}", said)
    elif answer.get("ok") not in (None, True):
        yield Fault(f"ok is {_show(answer['ok'])}")
    if not isinstance(answer.get("result"), dict | None):
        yield Fault(f"result is not an object: {_show(answer['result'])}")


def _run_errors(answer: dict[str, object]) -> Iterator[Fault]:
    for meta in _members(answer, "meta"):
        if not isinstance(meta, dict):
            yield Fault(f"meta is not an object: {_show(meta)}")
        elif meta.get("error"):
            kind, message, said = _describe(meta["error"])
            yield Fault(plain(f"meta.error {': '.join(part for part in (kind, message) if part)}"), said)


def _error_payloads(answer: dict[str, object]) -> Iterator[Fault]:
    for payloads in _members(answer, "payloads"):
        if not isinstance(payloads, list):
            yield Fault(f"payloads is not a list: {_show(payloads)}")
            continue
        marked = (
            (number, payload)
            for number, payload in enumerate(payloads, 1)
            if isinstance(payload, dict) and payload.get("isError")
        )
        for number, payload in islice(marked, _ERROR_PAYLOADS):
            text = payload.get("text")
            words = text if isinstance(text, str) and text else f"isError is {_show(payload['isError'])}"
            said = text[:_SAID_CHARS] if isinstance(text, str) else ""
            yield Fault(plain(f"payload {number} has isError: {words}"), said)


def _unfinished(answer: dict[str, object]) -> Iterator[Fault]:
    summaries = [text for text in _members(answer, "summary") if isinstance(text, str)]
    for status in _members(answer, "status"):
        if not isinstance(status, str) or status not in _WORKED:
            summary = summaries[0] if summaries else ""
            yield Fault(plain(f"status is {_show(status)}" + (f" ({summary})" if summary else "")), summary[:_SAID_CHARS])
    for meta in _members(answer, "meta"):
        if isinstance(meta, dict) and meta.get("aborted"):
            yield Fault(f"the turn was aborted: meta.aborted is {_show(meta['aborted'])}")


def _describe(error: object) -> tuple[str, str, str]:
    """An error's kind and message, and all its words, a line each."""
    if not isinstance(error, dict):
        text = plain(error) if isinstance(error, str) else _show(error)
        return "", text, text
    kinds = [str(error[key]) for key in ("kind", "type", "code") if isinstance(error.get(key), str | int)]
    message = error.get("message")
    words = message[:_SAID_CHARS] if isinstance(message, str) else ""
    said = "\n".join([*(kind[:_QUOTE_CHARS] for kind in kinds), words])
    # The lines after the first say how the gateway was looked for and what to type next.
    first = next((line for line in words.splitlines() if line.strip()), "")
    return (plain(kinds[0], _QUOTE_CHARS) if kinds else "without a type"), plain(first), said


def _show(value: object) -> str:
    """A value as JSON, shortened."""
    try:
        return plain(json.dumps(value, ensure_ascii=False), _QUOTE_CHARS)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"
