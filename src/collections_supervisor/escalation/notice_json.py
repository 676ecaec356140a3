"""The notice as JSON, for programs that pass it on. Pure."""

from datetime import datetime
from typing import Literal

import msgspec

from collections_supervisor.messages import Grouped, Impact, IncidentKind, Notice
from collections_supervisor.system.plain import plain
from collections_supervisor.system.visible import dated, lines

SCHEMA: Literal[1] = 1

Fields = dict[str, object]
Severity = Literal["info", "warning", "error", "critical"]

LISTED = 40
"""Incidents of one notice that are named one by one where a person reads them."""

# One command-line argument holds at most 128 KiB, and escaping multiplies; a person reads far less anyway.
_LONGEST_TEXT = 8_000
_LONGEST_REASON = 2_000
_SHORT_REASON = 200
_ALL_REASONS = 100_000
_MOST_GROUPED = 2_000
_LEVELS: tuple[Severity, ...] = ("warning", "error", "critical")


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for all notices on one channel."""

    recipient: str
    host: str
    rung: int = 0
    """How many groups of channels are used before this one."""


class IncidentJson(msgspec.Struct, frozen=True, kw_only=True):
    """One of the incidents that a grouped notice tells of."""

    incident_id: str
    dedup_key: str
    agent: str | None
    missed_heartbeats: int
    reason: str


class NoticeJson(msgspec.Struct, frozen=True, kw_only=True):
    """The members of a notice, in order."""

    type: Literal["AGENT_ESCALATION"] = "AGENT_ESCALATION"
    agent: str | None
    missed_heartbeats: int
    timestamp: datetime
    action_required: str
    schema: Literal[1] = SCHEMA
    notice: Literal["opened", "reminder", "resolved"]
    severity: Severity
    incident_id: str
    dedup_key: str
    """The same over every repeat of its delivery, as is `sequence`."""
    sequence: int
    since: datetime
    last_heartbeat: datetime | None
    restarts: int
    reason: str
    host: str
    text: str
    """What a person reads."""
    kind: IncidentKind
    recipient: str
    attempt: int | msgspec.UnsetType = msgspec.UNSET
    merged: bool
    evidence: str | None
    impact: Impact | None
    incidents: tuple[IncidentJson, ...] | msgspec.UnsetType = msgspec.UNSET


def severity(notice: Notice, rung: int) -> Severity:
    """The further up the rungs the worse, and one step worse while restarts are held."""
    return "info" if notice.notice == "resolved" else _LEVELS[min(rung + notice.held, len(_LEVELS) - 1)]


def fitted(notice: Notice) -> Notice:
    """The notice as it can be written down: texts that print, of a length that a person would read."""
    grouped = notice.grouped[:_MOST_GROUPED]
    share = min(_LONGEST_REASON, _ALL_REASONS // max(len(grouped), 1))
    return msgspec.structs.replace(
        notice,
        reason=_printable(notice.reason, _LONGEST_REASON),
        text=_printable(notice.text, _LONGEST_TEXT),
        grouped=tuple(msgspec.structs.replace(each, reason=_printable(each.reason, share)) for each in grouped),
    )


def notice_fields(notice: Notice, envelope: Envelope, *, attempt: int | None, short: bool = False) -> Fields:
    """The members of the notice in order; all but `attempt` stay the same over every repeat of its delivery.

    `attempt` is left out where it is None. `short` names only the first incidents of a grouped notice.
    """
    notice = fitted(notice)
    grouped = tuple(_incident(each, short=short) for each in notice.grouped[: LISTED if short else None])
    return plain(
        NoticeJson(
            agent=notice.agent,
            missed_heartbeats=notice.missed,
            timestamp=notice.created_at,
            action_required="None, it is over" if notice.notice == "resolved" else "A person must look at it",
            notice=notice.notice,
            severity=severity(notice, envelope.rung),
            incident_id=notice.incident_id,
            dedup_key=notice.dedup_key,
            sequence=notice.sequence,
            since=notice.since,
            last_heartbeat=notice.last_heartbeat,
            restarts=notice.restarts,
            reason=notice.reason,
            host=envelope.host,
            text=text_of(notice),
            kind=notice.kind,
            recipient=envelope.recipient,
            attempt=attempt if attempt is not None else msgspec.UNSET,
            merged=notice.merged,
            evidence=notice.evidence or None,
            impact=notice.impact,
            incidents=grouped or msgspec.UNSET,
        )
    )


def encode_notice(notice: Notice, envelope: Envelope, *, attempt: int) -> bytes:
    """The notice as one line of UTF-8 JSON without its newline."""
    return msgspec.json.encode(notice_fields(notice, envelope, attempt=attempt))


def message(notice: Notice, envelope: Envelope, *, attempt: int | None) -> str:
    """The notice for an agent that reads both: the text for people, then everything else as JSON."""
    fields = notice_fields(notice, envelope, attempt=attempt, short=True)
    text = fields.pop("text")
    return f"{text}\n\n{msgspec.json.encode(fields).decode()}"


def _incident(grouped: Grouped, *, short: bool) -> IncidentJson:
    return IncidentJson(
        incident_id=grouped.incident_id,
        dedup_key=grouped.dedup_key,
        agent=grouped.agent,
        missed_heartbeats=grouped.missed,
        reason=_printable(grouped.reason, _SHORT_REASON) if short else grouped.reason,
    )


def text_of(notice: Notice) -> str:
    """What a person reads first: instants as people write them, files with the folder they lie in, all incidents by name."""
    text = notice.text
    if notice.evidence:
        text = text.replace(f"{notice.evidence}.", f"{notice.evidence} in the state folder.")
    return _printable(dated(_with_incidents(text, notice)), _LONGEST_TEXT)


def _with_incidents(text: str, notice: Notice) -> str:
    if not notice.grouped:
        return text
    named = [f"- {each.agent or each.dedup_key}: {_printable(each.reason, _SHORT_REASON)}" for each in notice.grouped[:LISTED]]
    more = len(notice.grouped) - len(named)
    if more:
        named.append(f"- and {more} more")
    return "\n".join([text, "", f"{len(notice.grouped)} incidents:", *named])


def _printable(text: str, longest: int) -> str:
    shown = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return lines(shown)
