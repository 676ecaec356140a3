"""Whatever the books are: those that agree are found to, each fault is found and nothing else, and sums are sums."""

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collections_supervisor.books.reconcile import Result, Settings, reconcile
from collections_supervisor.books.records import Activity, Entry, Invoice, Ledger, Payment, Queues, Reminder, Scan, Section
from collections_supervisor.messages import Group

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = NOW.timestamp()
HOUR, DAY = 3600.0, 86400.0
SETTINGS = Settings(currency="USD", zone=ZoneInfo("Europe/Berlin"), state="/state", ledger="/ledger.md")
TODAY = date(2026, 11, 22)

GROUPS: dict[str, Group] = {
    "unpaid": "unpaid",
    "pending": "unpaid",
    "paused": "unpaid",
    "paid": "paid",
    "escalated": "escalated",
    "review": "review",
}
LEDGER_ORDER: tuple[Section, ...] = ("unpaid", "paid", "escalated")


class Book(NamedTuple):
    """Everything there is, to be changed."""

    invoices: list[Invoice]
    entries: list[Entry]
    payments: list[Payment]
    mails: list[Reminder]


def compare(book: Book, order: random.Random | None = None) -> Result:
    """`order`: in which the readers happen to find things."""
    invoices, entries, payments, mails = (list(book.invoices), list(book.entries), list(book.payments), list(book.mails))
    for shuffle in [] if order is None else [order.shuffle]:
        shuffle(invoices)
        shuffle(entries)
        shuffle(payments)
        shuffle(mails)
    summary: dict[Section, Any] = {
        section: sum((Fraction(entry.amount) for entry in entries if entry.section == section), Fraction(0))
        for section in LEDGER_ORDER
    }
    return reconcile(
        Scan(state="ok", invoices=invoices),
        Ledger(state="ok", entries=entries, summary={section: exact(amount) for section, amount in summary.items()}),
        Queues(payments=tuple(payments[::2])),
        Activity(payments=tuple(payments[1::2]), reminders=tuple(mails), reminders_since=AT - 3 * DAY),
        SETTINGS,
        NOW,
        lambda: None,
    )


def exact(amount: Fraction) -> int | Decimal:
    return int(amount) if amount.denominator == 1 else Decimal(amount.numerator) / amount.denominator


amounts = st.integers(2, 10**17) | st.integers(2, 10**7).map(lambda thousandths: exact(Fraction(thousandths, 1000) + 2))
clients = st.sampled_from(["acme", "b/nested", ""])


@st.composite
def pairs(draw: st.DrawFn, number: str) -> tuple[Invoice, Entry | None]:
    """An invoice and its line, as they should be."""
    status = draw(st.sampled_from(list(GROUPS)))
    group, amount, client = GROUPS[status], draw(amounts), draw(clients)
    paid = draw(st.sampled_from([amount, amount + 5, None])) if group == "paid" else None
    invoice = Invoice(
        folder=f"archive/{client}".rstrip("/") if group == "paid" else client,
        file=f"{number}.json",
        number=number,
        status=status,
        group=group,
        amount=amount,
        currency=draw(st.sampled_from(["USD", "EUR"])),
        archived=group == "paid",
        due=TODAY + timedelta(days=draw(st.integers(4, 90))),
        paid=paid,
        paid_at=AT - draw(st.floats(0, 1e8)) if group == "paid" else None,
    )
    if group == "review":
        return invoice, None
    return invoice, Entry(number=number, section=group, amount=amount if paid is None else paid, line=int(number[4:]) + 3)


@st.composite
def books(draw: st.DrawFn) -> Book:
    found = [draw(pairs(f"INV-{number}")) for number in range(draw(st.integers(0, 12)))]
    waiting = [
        Invoice(
            folder="manual", file=f"w{one}.json", number="W", status="", group="review", amount=5, currency="USD", waiting=True
        )
        for one in range(draw(st.integers(0, 2)))
    ]
    invoices = [*waiting, *(invoice for invoice, _ in found)]
    return Book(draw(st.permutations(invoices)), [entry for _, entry in found if entry is not None], [], [])


def index(book: Book, number: str) -> int:
    return next(place for place, invoice in enumerate(book.invoices) if invoice.number == number)


def change(book: Book, number: str, **members: Any) -> None:
    place = index(book, number)
    book.invoices[place] = msgspec.structs.replace(book.invoices[place], **members)


def change_line(book: Book, number: str, **members: Any) -> None:
    place = next(place for place, entry in enumerate(book.entries) if entry.number == number)
    book.entries[place] = msgspec.structs.replace(book.entries[place], **members)


# --- What can be wrong: each takes an invoice that is unpaid, or one that is paid ------------------------------------


def another_file(book: Book, number: str) -> None:
    book.invoices.append(msgspec.structs.replace(book.invoices[index(book, number)], folder="zz"))


def left_outside(book: Book, number: str) -> None:
    paid = book.invoices[index(book, number)]
    left = msgspec.structs.replace(paid, folder="acme", archived=False, status="unpaid", group="unpaid", paid=None, paid_at=None)
    book.invoices.append(left)


def one_more_line(book: Book, number: str) -> None:
    book.entries.append(Entry(number=number, section="escalated", amount=1, line=1000))


UNPAID: dict[str, Callable[[Book, str], Any]] = {
    "duplicate_invoice": another_file,
    "missing_in_ledger": lambda book, number: book.entries.remove(next(one for one in book.entries if one.number == number)),
    "missing_in_state": lambda book, number: book.invoices.pop(index(book, number)),
    "status_mismatch": lambda book, number: change_line(book, number, section="escalated"),
    "status_mismatch of the file": lambda book, number: change(book, number, status="review", group="review"),
    "amount_mismatch": lambda book, number: change_line(book, number, amount=1),
    "duplicate_ledger_entry": one_more_line,
    "partial_payment": lambda book, number: change_line(book, number, section="paid", amount=1),
    "stale_payment": lambda book, number: book.payments.append(Payment(invoice=number, at=AT - 2 * HOUR)),
    "overdue_not_escalated": lambda book, number: change(book, number, due=TODAY - timedelta(days=15), status="unpaid"),
    "reminder_missed": lambda book, number: change(book, number, due=TODAY - timedelta(days=1), status="pending"),
    "reminder_repeated": lambda book, number: book.mails.extend([Reminder(invoice=number, template="t", at=AT - HOUR)] * 2),
}
PAID: dict[str, Callable[[Book, str], Any]] = {
    "archive_and_active": left_outside,
    "status_mismatch": lambda book, number: change(book, number, status="escalated"),
    "status_mismatch outside": lambda book, number: change(book, number, archived=False, folder="zz", paid_at=AT - DAY),
    "amount_mismatch": lambda book, number: change_line(book, number, amount=1),
    "partial_payment": lambda book, number: change(book, number, paid=0),
}


# --- Properties ------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(books())
def test_books_that_agree_are_found_to(book: Book) -> None:
    assert compare(book).findings == ()


@settings(max_examples=15)
@pytest.mark.parametrize(
    ("group", "fault"), [*(("unpaid", fault) for fault in UNPAID), *(("paid", fault) for fault in PAID)], ids=str
)
@given(st.data())
def test_a_fault_is_found_and_nothing_else(group: Group, fault: str, data: st.DataObject) -> None:
    book = data.draw(books().filter(lambda book: any(one.group == group for one in book.invoices)))
    number = data.draw(st.sampled_from([invoice.number for invoice in book.invoices if invoice.group == group]))
    (UNPAID if group == "unpaid" else PAID)[fault](book, number)
    assert [(finding.kind, finding.invoice) for finding in compare(book).findings] == [(fault.partition(" ")[0], number)]


@settings(max_examples=50)
@given(books(), st.lists(st.tuples(st.sampled_from([*UNPAID, *PAID]), st.integers(0, 11)), max_size=6), st.randoms())
def test_sums_are_sums_and_no_order_matters(book: Book, faults: list[tuple[str, int]], order: random.Random) -> None:
    for fault, place in faults:
        numbers = {invoice.number for invoice in book.invoices} & {entry.number for entry in book.entries}
        if numbers:
            (UNPAID | PAID)[fault](book, sorted(numbers)[place % len(numbers)])
    result = compare(book)
    assert compare(book, order) == result
    assert recounted(book) == {
        group: (total.count, {currency: Fraction(text) * 100 for currency, text in total.amounts.items()})
        for group in (*LEDGER_ORDER, "review")
        if (total := getattr(result.totals, group)).count
    }
    assert result.counts == {
        kind: sum(finding.kind == kind for finding in result.findings) for kind in {finding.kind for finding in result.findings}
    }


def recounted(book: Book) -> dict[str, tuple[int, dict[str, Fraction]]]:
    archive = {invoice.number for invoice in book.invoices if invoice.archived}
    counts: defaultdict[str, int] = defaultdict(int)
    sums: defaultdict[str, defaultdict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for invoice in book.invoices:
        if invoice.group is None or invoice.amount is None:
            continue
        if invoice.waiting or invoice.archived or invoice.number not in archive:
            counts[invoice.group] += 1
            sums[invoice.group][invoice.currency] += Fraction(invoice.amount)
    return {group: (count, dict(sums[group])) for group, count in counts.items()}
