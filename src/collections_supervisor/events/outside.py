"""Events of what lies around the agents: notices to a human, the books, the queues."""

from typing import Literal

from msgspec import UNSET, UnsetType

from collections_supervisor.events.line import Count, Error, Line, Stamp
from collections_supervisor.messages import FindingKind, Severity

NoticeKind = Literal["opened", "reminder", "resolved"]


class Told(Line, frozen=True):
    """What is told of every notice."""

    agent: str | None
    notice: NoticeKind
    incident: str
    dedup_key: str
    sequence: Count


class EscalationDelivered(Told, frozen=True, tag="escalation.delivered"):
    """A channel took a notice."""

    level: Literal["info"]
    channel: str
    attempt: Count


class EscalationFailed(Told, frozen=True, tag="escalation.failed"):
    """One try failed."""

    level: Literal["warning"]
    channel: str
    attempt: Count
    error: Error
    next_at: Stamp | None


class EscalationExpired(Told, frozen=True, tag="escalation.expired"):
    """Nobody could be told."""

    level: Literal["critical"]
    attempts: Count
    error: Error


class EscalationUndelivered(Line, frozen=True, tag="escalation.undelivered"):
    """So many (`notices`) were still owed when the program stopped."""

    level: Literal["warning"]
    notices: Count


class EscalationSkipped(Line, frozen=True, tag="escalation.skipped"):
    """A notice that was not sent because this is a dry run."""

    level: Literal["info"]
    reason: Literal["dry_run"]
    channel: str
    attempt: Count
    agent: str | None
    notice: NoticeKind
    incident: str
    severity: Literal["info", "warning", "error", "critical"]
    text: str


class BooksAudited(Line, frozen=True, tag="books.audited"):
    """An audit is over, with the numbers of invoices."""

    level: Literal["info", "warning"]
    consistent: bool
    findings: Count
    errors: Count
    files_read: Count
    duration_ms: Count
    unpaid: Count | UnsetType = UNSET
    paid: Count | UnsetType = UNSET
    escalated: Count | UnsetType = UNSET
    review: Count | UnsetType = UNSET


class BooksFinding(Line, frozen=True, tag="books.finding"):
    """A finding is new, or (`gone`) is there no more: each is told once, at most a hundred in an audit."""

    level: Literal["error", "warning", "info"]
    kind: FindingKind
    severity: Severity | None
    path: str | None
    invoice: str | None
    gone: bool


class OfTheBooks(Line, frozen=True):
    """What is told when a human must know of something that is no agent."""

    agent: None
    incident: str
    reason: str
    missed: Count
    since: Stamp
    restarts: None


class BooksEscalated(OfTheBooks, frozen=True, tag="books.escalated"):
    """The books did not agree in two audits."""

    level: Literal["critical"]


class QueueUnhealthy(Line, frozen=True, tag="queue.unhealthy"):
    """A queue is too deep, too old or damaged."""

    level: Literal["warning"]
    queue: str
    depth: Count
    oldest_age_s: float | None
    invalid: Count


class QueueEscalated(OfTheBooks, frozen=True, tag="queue.escalated"):
    """It still was at the next audit."""

    level: Literal["critical"]
