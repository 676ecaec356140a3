"""What an HTTP answer means for a notice, and where a redirect may lead. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

from collections_supervisor.escalation.delivery import Delivery

PERMANENT = frozenset({400, 401, 403, 404, 405, 410, 422})
"""Codes that say that the same request will never be taken: a wrong address, token or setting."""

REDIRECTS = range(300, 400)
FOLLOWED = frozenset({307, 308})
"""Redirects that keep the method and the body of the request."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The beginning of an HTTP answer."""

    status: int
    body: bytes = b""
    retry_after: str = ""
    date: str = ""
    location: str = ""


def judge_status(answer: Answer) -> Delivery:
    """What the code of an answer says by itself; in doubt it is worth another try."""
    if 200 <= answer.status < 300:
        return Delivery("ok")
    said = _said(answer.body)
    reason = f"HTTP {answer.status}{': ' + said if said else ''}"
    if answer.status in PERMANENT:
        return Delivery("permanent", reason)
    return Delivery("transient", reason, retry_after(answer.retry_after, answer.date))


def judge_hook(answer: Answer) -> Delivery:
    """OpenClaw's `POST /hooks/agent`: taken when `ok` is true and the turn, where its end is told, did not end in an error."""
    body = _decode(answer.body)
    delivery = judge_status(answer)
    if delivery.result != "ok":
        return delivery
    if body.get("ok") is not True:
        return Delivery("transient", f"HTTP {answer.status} without ok{_reason(answer.body)}")
    if _member(body.get("completion"), "status") == "error":
        return Delivery("transient", "the agent's turn ended in an error")
    return delivery


def judge_tool(answer: Answer) -> Delivery:
    """OpenClaw's `POST /tools/invoke` of `sessions_send`, which answers HTTP 200 also when nothing was sent (2026.9.6).

    What the tool says is below `result`, in `details` or as JSON in the first text of `content`.
    """
    delivery = judge_status(answer)
    if delivery.result != "ok":
        return delivery
    body = _decode(answer.body)
    details = _details(body.get("result"))
    status = details.get("status")
    if body.get("ok") is True and (status in _SENT or details.get("sentBeforeError") is True):
        return delivery
    error = details.get("error")
    said = f": {error}" if isinstance(error, str) else _reason(answer.body)
    if status == "forbidden":
        return Delivery("permanent", f"sessions_send is forbidden{said}")
    hopeless = any(words in said.lower() for words in _NO_SUCH_AGENT)
    return Delivery("permanent" if hopeless else "transient", f"sessions_send answered with status {status}{said}")


_SENT = frozenset({"accepted", "ok", "no_reply"})
_NO_SUCH_AGENT = ("unknown agent id", "agent not found")


def retry_after(value: str, date: str) -> float:
    """Seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3): a number, or a date after the answer's own."""
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:9])
    until, now = _instant(value), _instant(date)
    return max(0.0, (until - now).total_seconds()) if until is not None and now is not None else 0.0


def _instant(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def next_address(url: str, location: str) -> str | None:
    """Where a redirect leads if it stays on the same server (or goes from http to https there), else None."""
    try:
        here, there = urlsplit(url), urlsplit(urljoin(url, location))
        same = (there.scheme, _port(there)) == (here.scheme, _port(here))
    except ValueError:
        return None
    upgraded = (here.scheme, there.scheme) == ("http", "https")
    if not location or there.hostname != here.hostname or not (same or upgraded) or "@" in there.netloc:
        return None
    return there.geturl()


def place_of(url: str) -> str:
    """The server of an address; the rest of it often is a secret."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}:{_port(parts)}" if parts.hostname else "an address without a host"
    except ValueError:
        return "an address that is none"


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _said(body: bytes) -> str:
    """What the other side says went wrong, if it says so to a program or in plain text."""
    decoded = _decode(body)
    for place in (_member(decoded.get("error"), "message"), decoded.get("error"), decoded.get("message")):
        if isinstance(place, str) and place.strip():
            return place
    text = body.decode("utf-8", "replace").strip()
    return "" if text.startswith(("<", "{", "[")) else text


def _reason(body: bytes) -> str:
    said = _said(body)
    return f": {said}" if said else ""


def _details(result: object) -> dict[str, object]:
    if not isinstance(result, dict):
        return {}
    if isinstance(details := result.get("details"), dict):
        return details
    content = result.get("content")
    text = _member(content[0], "text") if isinstance(content, list) and content else None
    return _decode(text.encode()) if isinstance(text, str) else {}


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _decode(body: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
