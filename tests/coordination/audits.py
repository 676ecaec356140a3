"""Audits of the books and the queues, as the auditor would tell of them."""

from datetime import datetime

from collections_supervisor.messages import BooksAudited, BooksReport, Finding, QueueReport, QueuesReport, Totals


def audited(at: datetime, *kinds: str, queues: dict[str, str] | None = None) -> BooksAudited:
    """An audit with these errors, and by queue why it is not healthy, or nothing if it is."""
    findings = tuple(
        Finding(kind=kind, severity="error", path="/books/x.json", invoice=f"INV-{number}", detail="1.00 and 2.00")  # type: ignore[arg-type]
        for number, kind in enumerate(kinds)
    )
    items = tuple(
        QueueReport(name=name, depth=1, oldest_age_s=None, invalid=0, healthy=not reason, reason=reason)
        for name, reason in (queues or {}).items()
    )
    return BooksAudited(
        at=at,
        books=BooksReport(
            checked_at=at,
            consistent=not findings,
            totals=Totals(),
            ledger=None,
            findings=findings,
            finding_counts={kind: kinds.count(kind) for kind in kinds},
            files_read=1,
            duration_s=0.0,
        ),
        queues=QueuesReport(healthy=not any((queues or {}).values()), limit=100, items=items),
    )
