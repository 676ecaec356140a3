"""Whether invoices, ledger, payments and reminders agree: one story for every fault. Pure.

An invoice is told of once, by whatever comes first: several files, a payment that falls short, a status, the ledger, a payment
that nobody booked, reminders. What a reader has said of a file already does not count as its story, unless it could not be read.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain

import msgspec

from collections_supervisor.books import reminders
from collections_supervisor.books.findings import Settings, Words, ranked
from collections_supervisor.books.lines import Lines
from collections_supervisor.books.matching import Matching
from collections_supervisor.books.money import differ
from collections_supervisor.books.records import Activity, Entry, Hundredths, Invoice, Ledger, Payment, Queues, Scan
from collections_supervisor.books.steps import in_steps
from collections_supervisor.books.totals import drifted, invoice_totals, ledger_totals
from collections_supervisor.messages import Finding, LedgerTotals, Totals

__all__ = ["Result", "Settings", "confirmed", "reconcile", "suspects"]

PATIENCE = 3600.0
"""Seconds in which a payment should be booked, and a paid invoice be moved to the archive."""

FORGOTTEN = 86400.0
"""Seconds after which a reported payment is not looked for any more."""

_IN_LEDGER = frozenset({"unpaid", "paid", "escalated"})

Check = Callable[[], None]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found."""

    totals: Totals
    ledger: LedgerTotals | None
    """None where there was nothing to compare."""
    findings: tuple[Finding, ...]
    """All of them, those of the readers too; errors first."""
    counts: dict[str, int]
    """By kind."""
    ledger_path: str | None = None
    """Of the ledger that was compared."""


def reconcile(
    scan: Scan,
    ledger: Ledger | None,
    queues: Queues,
    activity: Activity,
    settings: Settings,
    now: datetime,
    check: Check,
    matching: Matching | None = None,
) -> Result:
    """Compare what the readers found; whatever could not be read is compared with nothing.

    `check` is called at least every few hundred records; what it raises ends the comparison. `matching` is what the last
    comparison has left behind: with it only what changed since is matched anew.
    """
    others = (*(ledger.findings if ledger is not None else ()), *queues.findings, *activity.findings)
    if scan.state != "ok":
        return _result(Totals(), None, (*scan.findings, *others))
    matching = Matching(settings.currency) if matching is None else matching
    comparable = ledger if ledger is not None and ledger.state == "ok" else None
    matching.take(scan, None if comparable is None else comparable.entries, check)
    books = _Comparison(scan, matching, settings, now.timestamp(), check)
    books.compare_files()
    lines = matching.lines
    sums = None if comparable is None or lines is None else books.compare_ledger(comparable, lines)
    books.compare_payments(chain(queues.payments, activity.payments))
    books.compare_reminders(activity)
    return _result(
        invoice_totals(matching.sums),
        sums,
        (*books.read(), *others, *books.findings),
        None if sums is None else books.words.ledger,
    )


def suspects(result: Result) -> frozenset[str]:
    """The files and folders, and the ledger, that must be read again before the errors are believed; none without errors.

    What lies nowhere, such as the file of a ledger line, is not among them: look into all folders again.
    """
    paths = {finding.path for finding in result.findings if finding.severity == "error"}
    return frozenset(path for path in paths | {result.ledger_path} if path is not None) if paths else frozenset()


def confirmed(first: Result, second: Result) -> Result:
    """The second of two looks, without the errors that the first one did not see with the same figures."""
    known = {_figures(finding) for finding in first.findings}
    findings = [finding for finding in second.findings if finding.severity != "error" or _figures(finding) in known]
    return _result(second.totals, second.ledger, findings, second.ledger_path)


def _figures(finding: Finding) -> tuple[str, str | None, str | None, str]:
    return finding.kind, finding.path, finding.invoice, finding.detail


def _result(totals: Totals, ledger: LedgerTotals | None, findings: Sequence[Finding], ledger_path: str | None = None) -> Result:
    return Result(
        totals=totals,
        ledger=ledger,
        findings=ranked(findings),
        counts=dict(sorted(Counter(finding.kind for finding in findings).items())),
        ledger_path=ledger_path,
    )


class _Comparison:
    """One comparison: who was told of already, and what was said."""

    def __init__(self, scan: Scan, matching: Matching, settings: Settings, now: float, check: Check) -> None:
        self.words = Words(settings)
        self.copies = matching.copies
        self.findings: list[Finding] = []
        self._scan = scan
        self._matching = matching
        self._settings = settings
        self._now = now
        self._check = check
        self._told: set[str] = set()
        self._unchecked = 0

    def _tell(self, number: str, finding: Finding) -> None:
        if number not in self._told:
            self._told.add(number)
            self.findings.append(finding)

    # --- Files ---

    def compare_files(self) -> None:
        """What the files say without the ledger."""
        for copy in in_steps(self.copies.surplus, self._check):
            self.findings.append(self.words.surplus(copy.copy, copy.record))
            self._told.add(copy.copy.number)
        for copy in in_steps(self.copies.left_over, self._check):
            self.findings.append(self.words.left_over(copy.copy, copy.record))
            self._told.add(copy.copy.number)
        for invoice in in_steps(self._matching.noteworthy.values(), self._check):
            if invoice.group is not None and (finding := self._of_file(invoice)) is not None:
                self._tell(invoice.number, finding)

    def _of_file(self, invoice: Invoice) -> Finding | None:
        if invoice.paid is not None and invoice.amount is not None and _falls_short(invoice.paid, invoice.amount):
            return self.words.underpaid(invoice, invoice.paid)
        if invoice.archived:
            return None if invoice.status == "paid" else self.words.archived_unpaid(invoice)
        if invoice.group == "paid":
            since = next((at for at in (invoice.paid_at, invoice.detected_at) if at is not None), invoice.mtime)
            return self.words.not_archived(invoice, since) if self._now - since > PATIENCE else None
        return None

    # --- The ledger ---

    def compare_ledger(self, ledger: Ledger, lines: Lines) -> LedgerTotals:
        """Every line with its file, and every file with its line."""
        sums, silenced = lines.sums.by_kind(), self._scan.silenced
        for number, entries in in_steps(lines.repeated.items(), self._check):
            if number not in silenced:
                self._tell(number, self.words.twice_in_ledger(number, entries, self._currency_of(number)))
        for entry in in_steps(lines.odd.values(), self._check):
            if entry.number not in silenced and (finding := self._of_line(entry)) is not None:
                self._tell(entry.number, finding)
        unread = {finding.invoice for finding in ledger.findings}
        for invoice in in_steps(lines.unlisted.values(), self._check):
            if invoice.group in _IN_LEDGER and invoice.number not in silenced and invoice.number not in unread:
                self._tell(invoice.number, self.words.not_in_ledger(invoice))
        if claims := drifted(ledger.summary, sums):
            self.findings.append(self.words.drift(claims))
        return ledger_totals(sums)

    def _currency_of(self, number: str) -> str:
        record = self.copies.records.get(number)
        return self._settings.currency if record is None else record.currency

    def _of_line(self, entry: Entry) -> Finding | None:
        record = self.copies.records.get(entry.number)
        if record is not None:
            return self._of_pair(record, entry)
        if self._scan.complete:
            return self.words.not_in_state(entry)
        self._unchecked += 1
        return None

    def _of_pair(self, record: Invoice, entry: Entry) -> Finding | None:
        amount = record.amount
        if record.group is None:
            return None
        if record.group != entry.section:
            if entry.section == "paid" and amount is not None and _falls_short(entry.amount, amount):
                return self.words.underpaid_in_ledger(record, entry)
            return self.words.other_section(record, entry)
        if amount is None:
            return None
        # Their ledger writes what was paid.
        expected = record.paid if entry.section == "paid" and record.paid is not None else amount
        return self.words.other_amount(record, expected, entry) if differ(expected, entry.amount) else None

    def read(self) -> tuple[Finding, ...]:
        """What the reader of the files found; beside a folder that it could not read stands what therefore nobody knows."""
        unreadable = [finding for finding in self._scan.findings if finding.kind == "unreadable_file"]
        if not self._unchecked or not unreadable:
            return self._scan.findings
        first = min(unreadable, key=lambda finding: ((finding.path or "").endswith(".json"), finding.path or ""))
        advice = f"{first.advice}; until then {self._unchecked} invoices of the ledger cannot be compared with a file"
        told = msgspec.structs.replace(first, advice=advice)
        return tuple(told if finding is first else finding for finding in self._scan.findings)

    # --- Payments and reminders ---

    def compare_payments(self, payments: Iterable[Payment]) -> None:
        """Payments that somebody reported, and nobody booked."""
        reported: dict[str, float] = {}
        for payment in in_steps(payments, self._check):
            if PATIENCE <= self._now - payment.at <= FORGOTTEN:
                reported[payment.invoice] = min(payment.at, reported.get(payment.invoice, payment.at))
        for number, at in in_steps(reported.items(), self._check):
            record = self.copies.records.get(number)
            if record is not None and record.group == "unpaid":
                self._tell(number, self.words.stale(record, at))

    def compare_reminders(self, activity: Activity) -> None:
        """Reminders that were forgotten, or sent too often."""
        judge = reminders.Judge(activity, self._settings.zone, self._now)
        concerned = self._matching.picked(judge.days, judge.concerned, self._check)
        for invoice in judge.suspected(in_steps(concerned, self._check)):
            if judge.is_overdue(invoice):
                self._tell(invoice.number, self.words.overdue(invoice))
            elif (moment := judge.missed(invoice)) is not None:
                self._tell(invoice.number, self.words.missed(invoice, moment))
        repeated = reminders.repeated(activity, self._now) if judge.sent_twice else {}
        for number, templates in in_steps(repeated.items(), self._check):
            self._tell(number, self.words.repeated(number, self.copies.records.get(number), templates))


def _falls_short(paid: Hundredths, amount: Hundredths) -> bool:
    return paid < amount and differ(paid, amount)
