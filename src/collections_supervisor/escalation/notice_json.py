"""The notice as JSON, for programs that pass it on. Pure."""

import re

import msgspec

from collections_supervisor.messages import Notice
from collections_supervisor.system.clock import stamp

SCHEMA = 1

Fields = dict[str, str | int | bool | None]

# One command-line argument holds at most 128 KiB, and escaping multiplies; a person reads far less anyway.
_LONGEST_TEXT = 8_000
_LONGEST_REASON = 2_000
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def notice_fields(notice: Notice, *, attempt: int, recipient: str, host: str) -> Fields:
    """The members of the notice in order; all but `attempt` stay the same over every repeat of its delivery."""
    return {
        "type": "AGENT_ESCALATION",
        "agent": notice.agent,
        "missed_heartbeats": notice.missed,
        "timestamp": stamp(notice.created_at),
        "action_required": "None, it is over" if notice.notice == "resolved" else "A person must look at it",
        "schema": SCHEMA,
        "notice": notice.notice,
        "incident_id": notice.incident_id,
        "dedup_key": notice.dedup_key,
        "sequence": notice.sequence,
        "since": stamp(notice.since),
        "last_heartbeat": stamp(notice.last_heartbeat) if notice.last_heartbeat is not None else None,
        "restarts": notice.restarts,
        "reason": _printable(notice.reason, _LONGEST_REASON),
        "host": host,
        "text": _printable(notice.text, _LONGEST_TEXT),
        "kind": notice.kind,
        "recipient": recipient,
        "attempt": attempt,
        "merged": notice.merged,
    }


def encode_notice(notice: Notice, *, attempt: int, recipient: str, host: str) -> bytes:
    """The notice as one line of UTF-8 JSON without its newline."""
    return msgspec.json.encode(notice_fields(notice, attempt=attempt, recipient=recipient, host=host))


def message(notice: Notice, *, attempt: int, recipient: str, host: str) -> str:
    """The notice for an agent that reads both: the text for people, then everything else as JSON."""
    fields = notice_fields(notice, attempt=attempt, recipient=recipient, host=host)
    text = fields.pop("text")
    return f"{text}\n\n{msgspec.json.encode(fields).decode()}"


def _printable(text: str, longest: int) -> str:
    shown = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return _UNPRINTABLE.sub(" ", shown).encode("utf-8", "replace").decode()
