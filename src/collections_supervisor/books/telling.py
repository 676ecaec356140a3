"""What the log says of an audit: once what is new, and once that it is gone. Pure."""

from collections.abc import Collection, Iterable
from itertools import islice
from typing import TypeVar

import msgspec

from collections_supervisor.messages import BooksAudited, BooksReport, Emit, Finding, QueueReport, Value

MOST_LINES = 100
"""Findings that one audit tells of one by one."""

MOST_KNOWN = 10_000
"""Findings and queues that are remembered as told."""

Key = tuple[str, str | None, str | None]
"""Kind, path and invoice: as long as they are the same, so is the finding."""

K = TypeVar("K")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the log knows already."""

    findings: frozenset[Key] = frozenset()
    queues: frozenset[str] = frozenset()


def told_before(findings: Iterable[Finding], queues: Iterable[QueueReport]) -> Told:
    """What an earlier life of ours has told, by its last report."""
    return Told(
        findings=frozenset(key_of(finding) for finding in findings),
        queues=frozenset(queue.name for queue in queues if not queue.healthy),
    )


def key_of(finding: Finding) -> Key:
    """What makes it the same finding."""
    return finding.kind, finding.path, finding.invoice


def tell(audited: BooksAudited, findings: Collection[Finding], told: Told) -> tuple[Told, list[Emit]]:
    """What the log knows afterwards, and what is to be logged; `findings` are all of them."""
    current = {key_of(finding): finding for finding in findings}
    queues = {queue.name: queue for queue in audited.queues.items} if audited.queues is not None else {}
    said = [_audited(audited.books, findings)] if audited.books is not None else []
    # Those beyond what can be remembered would be new each time: they are told of once there is room for them.
    new = [_found(finding) for key, finding in islice(current.items(), MOST_KNOWN) if key not in told.findings]
    if audited.books is not None and audited.queues is None:
        # Nothing answered: what was wrong may be so still.
        return Told(findings=_some({*told.findings, *current}), queues=told.queues), [*said, *new[:MOST_LINES]]
    gone = [_gone(key) for key in sorted(told.findings - current.keys(), key=str)]
    said += [*new, *gone][:MOST_LINES]
    bad = {name for name, queue in queues.items() if not queue.healthy}
    said += [_queue(queues[name]) for name in sorted(bad - told.queues)]
    return Told(findings=_some(current), queues=_some(bad)), said


def _some(names: Iterable[K]) -> frozenset[K]:
    return frozenset(islice(names, MOST_KNOWN))


def _audited(books: BooksReport, findings: Collection[Finding]) -> Emit:
    errors = sum(1 for finding in findings if finding.severity == "error")
    found = sum(books.finding_counts.values())
    agree = "the books agree" if books.consistent else "the books do not agree"
    fields: dict[str, Value] = {
        "consistent": books.consistent,
        "findings": found,
        "errors": errors,
        "files_read": books.files_read,
        "duration_ms": round(1000 * books.duration_s),
    }
    for group in ("unpaid", "paid", "escalated", "review") if books.totals is not None else ():
        fields[group] = getattr(books.totals, group).count
    counted = f", {found} finding{'s' if found != 1 else ''}" if found else ""
    return Emit(
        level="info" if books.consistent else "warning",
        event="books.audited",
        message=f"{agree}{counted}; {books.files_read} {'file was' if books.files_read == 1 else 'files were'} read",
        fields=fields,
    )


def _found(finding: Finding) -> Emit:
    whose = f" of {finding.invoice}" if finding.invoice is not None else ""
    fields: dict[str, Value] = {
        "kind": finding.kind,
        "severity": finding.severity,
        "path": finding.path,
        "invoice": finding.invoice,
        "gone": False,
    }
    return Emit(
        level="error" if finding.severity == "error" else "warning",
        event="books.finding",
        message=f"{finding.kind}{whose}: {finding.detail}; {finding.advice}".rstrip("; "),
        fields=fields,
    )


def _gone(key: Key) -> Emit:
    kind, path, invoice = key
    return Emit(
        level="info",
        event="books.finding",
        message=f"no longer found: {kind} of {invoice or path or 'the books'}",
        fields={"kind": kind, "severity": None, "path": path, "invoice": invoice, "gone": True},
    )


def _queue(queue: QueueReport) -> Emit:
    return Emit(
        level="warning",
        event="queue.unhealthy",
        message=f"queue {queue.name}: {queue.reason}",
        fields={
            "queue": queue.name,
            "depth": queue.depth,
            "oldest_age_s": round(queue.oldest_age_s, 3) if queue.oldest_age_s is not None else None,
            "invalid": queue.invalid,
        },
    )
