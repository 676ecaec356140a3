"""One audit: everything is read, compared, and read a second time before anybody is told that it does not agree. Blocking."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, tzinfo
from functools import partial
from operator import attrgetter
from pathlib import Path
from time import perf_counter

import msgspec

from collections_supervisor.books.activity import ActivityLogs, latency, latest
from collections_supervisor.books.degraded import read_degraded
from collections_supervisor.books.impact import mailer_impact, watcher_impact
from collections_supervisor.books.ledger_file import LedgerFile
from collections_supervisor.books.matching import Matching
from collections_supervisor.books.origins import origins, unread
from collections_supervisor.books.queues import QueueFolder, judge_queues
from collections_supervisor.books.reconcile import Result, Settings, confirmed, reconcile, suspects
from collections_supervisor.books.records import Activity, Invoice, Ledger, Queues, Scan
from collections_supervisor.books.steps import in_steps
from collections_supervisor.books.tree import StateTree
from collections_supervisor.config.schema import BooksConfig
from collections_supervisor.messages import (
    ActivityReport,
    BooksAudited,
    BooksReport,
    Finding,
    Impact,
    Outage,
    QueuesReport,
    Source,
)

SECOND_READ = 0.15
"""Seconds after which what does not agree is read again: a writer may have been between two files."""

MISSING_READ = 2.0
"""Seconds after which what is not there at all is looked for again: it may be being mounted, restored or made."""

REPORTED = 1000
"""Findings in the report."""

WINDOW = 86400
"""Seconds of the past that the activity is counted for, unless it is said otherwise."""

_MISSING = frozenset({"state_missing", "ledger_missing"})

ALERT = (Path("/tmp/oauth_degraded_alert.txt"), Path("/tmp/token_refresh_audit.log"))  # noqa: S108 - where the mailer leaves them
"""The alert of the mailer, and where it logs the tokens that it renews."""

Check = Callable[[], None]


class StoppedError(Exception):
    """The audit is not wanted any more."""


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit found."""

    told: BooksAudited
    findings: tuple[Finding, ...] = ()
    """All of them."""

    @property
    def has_errors(self) -> bool:
        """Whether the books do not agree, or a queue is not healthy."""
        books, queues = self.told.books, self.told.queues
        return (books is not None and not books.consistent) or (queues is not None and not queues.healthy)


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    scan: Scan
    ledger: Ledger
    queues: Queues
    activity: Activity


class Books:
    """The readers of one collection, who remember what they have read; one caller at a time."""

    def __init__(self, config: BooksConfig, zone: tzinfo, alert: tuple[Path, Path] = ALERT, *, window: float = WINDOW) -> None:
        """`window`: seconds of the past that the activity is counted for."""
        self._config = config
        self._alert = alert
        self._window = window
        self._zone = zone
        self._tree = StateTree(config.state_dir, currency=config.currency, verify=config.verify_checksums)
        self._ledger = LedgerFile(config.ledger)
        self._queues = QueueFolder(config.queue_dir, config.cache_dir / "payment_queue.json")
        self._logs = ActivityLogs(config.cache_dir, config.state_dir, zone=zone)
        self._settings = Settings(currency=config.currency, zone=zone, state=str(config.state_dir), ledger=str(config.ledger))
        self._matching = Matching(config.currency)
        self._latest: tuple[Sequence[Invoice], list[Invoice]] = ((), [])
        """The invoices that were paid last, behind all that they were found among."""
        self._last: _Look | None = None
        self._origins: tuple[Source, ...] = ()

    def audit(self, now: datetime, *, full: bool, check: Check, pause: Callable[[float], object]) -> Audit:
        """Look at everything; raises what `check` raises."""
        begun = perf_counter()
        look = self._look(now, full=full, again=frozenset(), check=check)
        result = self._compare(look, now, check)
        read = look.scan.read
        if (again := suspects(result)) and not self._is_bare(look):
            pause(MISSING_READ if result.counts.keys() & _MISSING else SECOND_READ)
            look = self._look(now, full=False, again=again, check=check)
            result = confirmed(result, self._compare(look, now, check))
            read += look.scan.read
        self._last = look
        self._origins = origins(self._config, look.scan, look.ledger, look.queues, look.activity, now)
        return self._audit(look, result, now, read, perf_counter() - begun, check)

    def unreadable(self, now: datetime, why: str) -> Audit:
        """What is known where nothing could be read."""
        finding = Finding(
            kind="unreadable_file",
            severity="error",
            path=str(self._config.state_dir),
            invoice=None,
            detail=why,
            advice="look at the disk or the network that it lies on",
        )
        books = BooksReport(
            checked_at=now,
            consistent=False,
            totals=None,
            ledger=None,
            findings=(finding,),
            finding_counts={finding.kind: 1},
            files_read=0,
            duration_s=0.0,
        )
        sources = unread(self._origins, self._config, why)
        return Audit(told=BooksAudited(at=now, books=books, sources=sources), findings=(finding,))

    def impact(self, outage: Outage, now: datetime) -> Impact | None:
        """What the outage costs, by what the last audit saw; None if that cannot be told."""
        look = self._last
        if look is None or look.scan.state != "ok":
            return None
        if outage.role == "mailer":
            return mailer_impact(
                look.scan.invoices,
                look.activity,
                since=outage.since,
                until=outage.until or now,
                zone=self._zone,
                currency=self._config.currency,
            )
        if outage.until is None:
            return None
        payments = _appearances(look.scan, outage.since.timestamp())
        return watcher_impact(payments, since=outage.since, until=outage.until, zone=self._zone)

    # --- Reading ---

    def _look(self, now: datetime, *, full: bool, again: Collection[str], check: Check) -> _Look:
        at = now.timestamp()
        scan = self._tree.scan(now=at, full=full, again=again, check=check)
        ledger = self._ledger.read(now=at, again=bool(again), check=check, known=partial(_numbers, scan.invoices, check))
        queues = self._queues.read(now=at, check=check)
        activity = self._logs.read(now=at, window=self._window, payment_queue=queues.payments, check=check)
        return _Look(scan=scan, ledger=ledger, queues=queues, activity=activity)

    def _compare(self, look: _Look, now: datetime, check: Check) -> Result:
        return reconcile(look.scan, look.ledger, look.queues, look.activity, self._settings, now, check, self._matching)

    # --- The report ---

    def _audit(self, look: _Look, result: Result, now: datetime, read: int, seconds: float, check: Check) -> Audit:
        findings = result.findings
        if self._config.degraded_mode and (degraded := self._degraded()) is not None:
            findings = (*findings, degraded)
        limit, oldest = self._config.queue_limit, self._config.queue_max_age
        queues = judge_queues(look.queues, limit=limit, max_age=oldest, now=now.timestamp())
        if self._is_bare(look):
            return self._bare(now, queues)
        counts: dict[str, int] = {}
        for finding in findings:
            counts[finding.kind] = counts.get(finding.kind, 0) + 1
        books = BooksReport(
            checked_at=now,
            consistent=not any(finding.severity == "error" for finding in findings),
            totals=result.totals if look.scan.state == "ok" else None,
            ledger=result.ledger,
            findings=findings[:REPORTED],
            finding_counts=counts,
            files_read=read,
            duration_s=round(seconds, 3),
        )
        if look.scan.invoices is not self._latest[0]:
            self._latest = look.scan.invoices, latest(in_steps(look.scan.invoices, check))
        activity = ActivityReport(
            window_s=max(1, round(self._window)),
            emails_sent=look.activity.emails_sent,
            payments_detected=look.activity.payments_detected,
            errors=look.activity.errors,
            payment_latency_s=latency(self._latest[1], check=check),
        )
        told = BooksAudited(at=now, books=books, queues=queues, activity=activity, sources=self._origins)
        return Audit(told=told, findings=findings)

    def _is_bare(self, look: _Look) -> bool:
        return look.scan.state == look.ledger.state == "missing" and not self._config.configured

    def _bare(self, now: datetime, queues: QueuesReport) -> Audit:
        why = f"there is neither {self._config.state_dir} nor {self._config.ledger}, and no other place is configured"
        return Audit(told=BooksAudited(at=now, why_not=why, queues=queues if queues.items else None))

    def _degraded(self) -> Finding | None:
        return read_degraded(*self._alert, os.getuid())


def _numbers(invoices: Sequence[Invoice], check: Check) -> dict[str, str]:
    """Each as the object that is kept of it anyway: a ledger of a hundred thousand lines would repeat six megabytes of them."""
    return {number: number for number in map(attrgetter("number"), in_steps(invoices, check))}


def _appearances(scan: Scan, since: float) -> Iterator[tuple[Invoice, float]]:
    """The invoices whose payment was noticed since then, with when it could be seen first."""
    for invoice in scan.invoices:
        noticed = invoice.paid_at if invoice.detected_at is None else invoice.detected_at
        if noticed is not None and noticed >= since and invoice.source_file.startswith("/"):
            with suppress(OSError, ValueError):  # gone, or a name that no file can have
                yield invoice, os.lstat(invoice.source_file).st_mtime
