"""What is said of each thing that is wrong between the books: both figures, and what a person should do. Pure.

A detail says the same for as long as the fault is the same: neither an age nor the number of a line stands in it, because two
looks are compared by it.
"""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import get_args

import msgspec

from collections_supervisor.books.faults import shown
from collections_supervisor.books.money import money_text
from collections_supervisor.books.records import Claim, Entry, Hundredths, Invoice
from collections_supervisor.books.reminders import Moment, day_of
from collections_supervisor.messages import Finding, FindingKind

WARNINGS: frozenset[FindingKind] = frozenset(
    {
        "ledger_summary_drift",
        "reminder_missed",
        "reminder_repeated",
        "overdue_not_escalated",
        "degraded_mode",
        "left_over_temp",
    }
)
"""All other kinds are errors."""

_RANK = {kind: rank for rank, kind in enumerate(get_args(FindingKind))}
_LONGEST = 200
_MOST_LINES = 5

_NO_MONEY = "an amount that cannot be read"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the books are, and whose they are."""

    currency: str
    """Of what names none."""
    zone: tzinfo
    """Of the machine: due dates are dates in it."""
    state: str
    """The folder of the invoices."""
    ledger: str


def named(word: str) -> str:
    """A number, a status or a template, which may be of any length in a file."""
    return _shown(word[:_LONGEST])


def ranked(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Errors first, then by kind, and by place within a kind."""
    return tuple(
        sorted(
            findings,
            key=lambda one: (one.severity != "error", _RANK[one.kind], one.path or "", one.invoice or "", one.detail),
        )
    )


class Words:
    """The findings of a comparison, in words."""

    def __init__(self, settings: Settings) -> None:
        """`settings` name the places."""
        self._settings = settings

    # --- Files among themselves ---

    def surplus(self, copy: Invoice, record: Invoice) -> Finding:
        """The same number twice."""
        return self._of_file(
            "duplicate_invoice",
            copy,
            f"{self.path(record)} has the same number: {_money(copy)} here, {_money(record)} there; both are counted",
            "give one of them another number, or remove the one that is not an invoice",
        )

    def left_over(self, copy: Invoice, record: Invoice) -> Finding:
        """In the archive, and still outside."""
        return self._of_file(
            "archive_and_active",
            copy,
            f"it lies in the archive too, as {self.path(record)}: {_money(copy)} here, {_money(record)} there; "
            "only the one in the archive is counted",
            "remove the file outside the archive, or give it another number if it is another invoice",
        )

    # --- A file by itself ---

    def underpaid(self, invoice: Invoice, paid: Hundredths) -> Finding:
        """Its payment does not cover it."""
        return self._of_file(
            "partial_payment",
            invoice,
            f"{money_text(paid, invoice.currency)} of {_money(invoice)} was paid",
            "collect the rest, or correct the amount or the payment in the file",
        )

    def archived_unpaid(self, invoice: Invoice) -> Finding:
        """Only what is paid belongs into the archive."""
        return self._of_file(
            "status_mismatch",
            invoice,
            f"it lies in the archive, where everything is paid, but its file says {_status(invoice)}",
            "set the status to paid, or move the file out of the archive",
        )

    def not_archived(self, invoice: Invoice, since: float) -> Finding:
        """Paid ones are moved away."""
        return self._of_file(
            "status_mismatch",
            invoice,
            f"paid but not archived: {_money(invoice)} since {self._time(since)}",
            "move the file to the archive, if the payment is real",
        )

    # --- A file and the ledger ---

    def underpaid_in_ledger(self, invoice: Invoice, entry: Entry) -> Finding:
        """The ledger has a part of it as all of it."""
        return self._of_file(
            "partial_payment",
            invoice,
            f"the ledger has {money_text(entry.amount, invoice.currency)} under Paid, the invoice file says {_status(invoice)} "
            f"and {_money(invoice)}",
            f"collect the rest, and move line {entry.line} of the ledger back until all of it is paid",
        )

    def other_section(self, invoice: Invoice, entry: Entry) -> Finding:
        """They do not agree on what became of it."""
        return self._of_file(
            "status_mismatch",
            invoice,
            f"the ledger has it under {entry.section.capitalize()} with {money_text(entry.amount, invoice.currency)}, "
            f"the invoice file says {_status(invoice)} and {_money(invoice)}",
            f"find out which is true, and correct line {entry.line} of the ledger or the file",
        )

    def other_amount(self, invoice: Invoice, expected: Hundredths, entry: Entry) -> Finding:
        """They do not agree on how much it is."""
        return self._of_file(
            "amount_mismatch",
            invoice,
            f"the ledger says {money_text(entry.amount, invoice.currency)}, "
            f"the invoice file {money_text(expected, invoice.currency)}",
            f"correct line {entry.line} of the ledger or the file, whichever is wrong",
        )

    def not_in_ledger(self, invoice: Invoice) -> Finding:
        """It has no line."""
        return self._of_file(
            "missing_in_ledger",
            invoice,
            f"the ledger has no line for it; the invoice file says {_status(invoice)} and {_money(invoice)}",
            "add the line, or remove the file if there is no such invoice",
        )

    def not_in_state(self, entry: Entry) -> Finding:
        """It has no file."""
        return self._of_ledger(
            "missing_in_state",
            entry.number,
            f"the ledger has it under {entry.section.capitalize()} with {money_text(entry.amount, self._settings.currency)}, "
            "and there is no invoice file",
            f"restore the file, or remove line {entry.line} of the ledger if there is no such invoice",
        )

    # --- The ledger by itself ---

    def twice_in_ledger(self, number: str, entries: Sequence[Entry], currency: str) -> Finding:
        """More than one line."""
        figures = [f"{entry.section.capitalize()} {money_text(entry.amount, currency)}" for entry in entries[:_MOST_LINES]]
        places = [str(entry.line) for entry in entries[:_MOST_LINES]]
        more = ["..."] if len(entries) > _MOST_LINES else []
        return self._of_ledger(
            "duplicate_ledger_entry",
            number,
            f"the ledger has {len(entries)} lines for it: {', '.join(figures + more)}",
            f"leave the one that is right of lines {', '.join(places + more)}",
        )

    def drift(self, claims: Sequence[tuple[Claim, Hundredths, Hundredths]]) -> Finding:
        """The Summary does not add up; `claims` are what is claimed a total of, the claim and the sum."""
        currency = self._settings.currency
        each = [
            f"{what.capitalize()} {money_text(claimed, currency)} instead of {money_text(true, currency)}"
            for what, claimed, true in claims
        ]
        return self._of_ledger(
            "ledger_summary_drift",
            None,
            f"the Summary does not say what the lines add up to: {', '.join(each)}",
            "correct the Summary; the lines are what counts",
        )

    # --- What should have happened ---

    def stale(self, invoice: Invoice, since: float) -> Finding:
        """A payment that nobody booked."""
        return self._of_file(
            "stale_payment",
            invoice,
            f"a payment was reported at {self._time(since)}, its file still says {_status(invoice)} and {_money(invoice)}",
            "look whether the money came in, and book it",
        )

    def overdue(self, invoice: Invoice) -> Finding:
        """Nobody escalated it."""
        return self._of_file(
            "overdue_not_escalated",
            invoice,
            f"{_money(invoice)} was due on {invoice.due}, and its file still says {_status(invoice)}",
            "escalate it, or set it to paused",
        )

    def missed(self, invoice: Invoice, moment: Moment) -> Finding:
        """A reminder that was not sent."""
        return self._of_file(
            "reminder_missed",
            invoice,
            f"the reminder {moment.template} over {_money(invoice)} fell due on {day_of(moment.at, self._settings.zone)}, "
            "and the log of e-mails does not show it",
            "send it, and see why the mailing agent did not",
        )

    def repeated(self, number: str, invoice: Invoice | None, templates: Sequence[tuple[str, int]]) -> Finding:
        """A reminder that was sent too often; `templates` with how often each."""
        each = [f"{named(template)} {times} times" for template, times in templates]
        return _finding(
            "reminder_repeated",
            None if invoice is None else self.path(invoice),
            number,
            f"sent within two days: {', '.join(each)}",
            "see why the mailing agent sends it again",
        )

    # --- Places and times ---

    def path(self, invoice: Invoice) -> str:
        """Of its file, as people can open it."""
        return _shown(f"{self._settings.state}/{invoice.path}")

    @property
    def ledger(self) -> str:
        """The path of the ledger."""
        return _shown(self._settings.ledger)

    def _time(self, at: float) -> str:
        try:
            return f"{datetime.fromtimestamp(at, self._settings.zone):%Y-%m-%d %H:%M}"
        except (OverflowError, ValueError, OSError):
            # A clock that was never set, or a number that is no time at all.
            return "a time out of all bounds"

    def _of_file(self, kind: FindingKind, invoice: Invoice, detail: str, advice: str) -> Finding:
        return _finding(kind, self.path(invoice), invoice.number, detail, advice)

    def _of_ledger(self, kind: FindingKind, number: str | None, detail: str, advice: str) -> Finding:
        return _finding(kind, self.ledger, number, detail, advice)


def _finding(kind: FindingKind, path: str | None, number: str | None, detail: str, advice: str) -> Finding:
    return Finding(
        kind=kind,
        severity="warning" if kind in WARNINGS else "error",
        path=path,
        invoice=None if number is None else named(number),
        detail=detail,
        advice=advice,
    )


def _shown(text: str) -> str:
    # A hundred thousand findings need it, and nearly all of this kind.
    return text if text.isascii() and text.isprintable() else shown(text)


def _money(invoice: Invoice) -> str:
    return _NO_MONEY if invoice.amount is None else money_text(invoice.amount, invoice.currency)


def _status(invoice: Invoice) -> str:
    return f'"{named(invoice.status)}"' if invoice.status else "no status"
