"""Where the books were read from, when, and how fresh it was. Pure."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from collections_supervisor.books.faults import shown
from collections_supervisor.books.records import Activity, Ledger, Queues, Scan
from collections_supervisor.config.schema import BooksConfig
from collections_supervisor.messages import Finding, Source

MISSING = "it does not exist"


def origins(
    config: BooksConfig, scan: Scan, ledger: Ledger, queues: Queues, activity: Activity, at: datetime
) -> tuple[Source, ...]:
    """The four parts of the books, as one look found them."""
    partly = "" if scan.complete else "not all of its folders could be read"
    return (
        _origin("invoices", config.state_dir, at, scan.changed, _problem(scan.state, scan.findings) or partly),
        _origin("ledger", config.ledger, at, ledger.changed, _problem(ledger.state, ledger.findings)),
        _origin("queues", config.queue_dir, at, queues.changed, _first(queues.findings)),
        _origin("activity", config.cache_dir, at, activity.changed, _first(activity.findings)),
    )


def unread(known: tuple[Source, ...], config: BooksConfig, why: str) -> tuple[Source, ...]:
    """What is known of them once a look came to nothing."""
    if known:
        return tuple(msgspec.structs.replace(origin, problem=why) for origin in known)
    places = {"invoices": config.state_dir, "ledger": config.ledger, "queues": config.queue_dir, "activity": config.cache_dir}
    return tuple(Source(name=name, path=shown(path), read_at=None, problem=why) for name, path in places.items())


def _origin(name: str, path: object, at: datetime, changed: float | None, problem: str) -> Source:
    return Source(name=name, path=shown(str(path)), read_at=at, changed_at=_instant(changed), problem=problem)


def _problem(state: str, findings: Iterable[Finding]) -> str:
    if state == "missing":
        return MISSING
    return _first(findings) if state == "unreadable" else ""


def _first(findings: Iterable[Finding]) -> str:
    return next((f"{finding.path}: {finding.detail}" for finding in findings), "")


def _instant(seconds: float | None) -> datetime | None:
    with suppress(OverflowError, OSError, ValueError):  # a file may be of any year
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
    return None
