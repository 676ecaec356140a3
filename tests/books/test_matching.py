"""What is kept of invoices and lines from look to look: whatever changes, it is what a look that remembers nothing finds."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collections_supervisor.books.audit import StoppedError
from collections_supervisor.books.matching import Matching
from collections_supervisor.books.reconcile import Result, Settings, reconcile
from collections_supervisor.books.records import Activity, Entry, Invoice, Ledger, Payment, Queues, Scan

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = NOW.timestamp()
SETTINGS = Settings(currency="USD", zone=UTC, state="/state", ledger="/ledger.md")
FOLDERS = ("acme", "b", "archive/acme", "manual")
NUMBERS = [f"INV-{number}" for number in range(8)]


def go_on() -> None:
    pass


def scan_of(invoices: list[Invoice], before: Scan | None = None) -> Scan:
    """As the reader gives it: a folder in which nothing changed is the same object as before."""
    folders: defaultdict[str, list[Invoice]] = defaultdict(list)
    for invoice in invoices:
        folders[invoice.folder].append(invoice)
    known = {} if before is None else before.parts
    return Scan(
        state="ok", invoices=invoices, parts={key: known[key] if known.get(key) == new else new for key, new in folders.items()}
    )


def compare(scan: Scan, ledger: Ledger, matching: Matching | None, *, days: int = 0, check: Callable[[], None] = go_on) -> Result:
    activity = Activity(payments=(Payment(invoice="INV-1", at=AT - 7200),), reminders_since=0.0)
    return reconcile(scan, ledger, Queues(), activity, SETTINGS, NOW + timedelta(days=days), check, matching)


def invoice(number: str = "INV-1", folder: str = "acme", **members: Any) -> Invoice:
    archived = folder.startswith("archive")
    given = {"status": "paid" if archived else "unpaid", "group": "paid" if archived else "unpaid", "amount": 100_00}
    kind = {"currency": "USD", "archived": archived, "waiting": folder == "manual"}
    return Invoice(folder=folder, file="", number=number, **{**given, **kind, **members})


def ledger_of(*entries: Entry) -> Ledger:
    return Ledger(state="ok", entries=entries)


def line(number: str = "INV-1", section: Any = "unpaid", amount: Any = 100_00) -> Entry:
    return Entry(number=number, section=section, amount=amount, line=3)


amounts = st.sampled_from([100_00, 7, 0, None]) | st.just(Decimal("0.5"))
invoices = st.builds(
    lambda number, folder, state, amount, currency, due, paid: invoice(
        number,
        folder,
        status=state[0],
        group="paid" if folder.startswith("archive") else state[1],
        amount=amount,
        currency=currency,
        due=date(2026, 11, 22) + timedelta(days=due),
        paid=paid,
    ),
    st.sampled_from(NUMBERS),
    st.sampled_from(FOLDERS),
    st.sampled_from([("unpaid", "unpaid"), ("paused", "unpaid"), ("paid", "paid"), ("escalated", "escalated"), ("odd", None)]),
    amounts,
    st.sampled_from(["USD", "EUR"]),
    st.integers(-20, 5),
    st.sampled_from([None, 100_00, 7]),
)
entries = st.builds(
    line, st.sampled_from(NUMBERS), st.sampled_from(["unpaid", "paid", "escalated"]), amounts.map(lambda one: one or 5)
)
changes = st.lists(st.tuples(st.integers(0, 7), st.none() | invoices, st.integers(0, 2)), max_size=3)


@settings(max_examples=300)
@given(
    st.lists(invoices, max_size=8, unique_by=lambda one: one.number),
    st.lists(entries, max_size=8, unique_by=lambda one: one.number),
    st.lists(changes, max_size=6),
)
def test_whatever_changes_it_is_what_a_fresh_look_finds(
    now: list[Invoice], lines: list[Entry], looks: list[list[tuple[int, Invoice | None, int]]]
) -> None:
    matching, ledger = Matching("USD"), ledger_of(*lines)
    scan, days = scan_of(now), 0
    assert compare(scan, ledger, matching) == compare(scan, ledger, None)
    for changed in looks:
        now = list(now)
        for place, new, later in changed:
            now[place : place + 1] = [] if new is None else [new]
            days += later
        scan = scan_of(now, scan)
        assert compare(scan, ledger, matching, days=days) == compare(scan, ledger, None, days=days)
    again = ledger_of(*lines, line("INV-0", "paid", 1))
    assert compare(scan, again, matching, days=days) == compare(scan, again, None, days=days)


def test_only_what_changed_is_matched_anew() -> None:
    """A thousand invoices stay, one is replaced, and nobody looks at the thousand."""
    many = [invoice(f"N-{number}", "many") for number in range(1000)]
    entries = [line(one.number) for one in many] + [line("INV-9")]
    ledger, matching, asked = ledger_of(*entries), Matching("USD"), 0

    def count() -> None:
        nonlocal asked
        asked += 1

    scan = scan_of([*many, invoice("INV-9")])
    assert compare(scan, ledger, matching, check=count).findings == ()
    at_first, asked = asked, 0
    changed = scan_of([*many, invoice("INV-9", amount=5)], scan)
    found = compare(changed, ledger, matching, check=count)
    assert [(one.kind, one.invoice) for one in found.findings] == [("amount_mismatch", "INV-9")]
    assert found == compare(changed, ledger, None)
    assert at_first > 10
    assert asked < at_first / 2


def test_a_currency_that_nobody_uses_any_more_is_in_no_sum() -> None:
    matching, ledger = Matching("USD"), ledger_of(line())
    scan = scan_of([invoice(currency="EUR")])
    compare(scan, ledger, matching)
    found = compare(scan_of([invoice()], scan), ledger, matching)
    assert found.ledger is not None
    assert (found.totals.unpaid.amounts, found.ledger.unpaid) == ({"USD": "100.00"}, {"USD": "100.00"})


@pytest.mark.parametrize("calls", range(1, 12))
def test_a_look_that_was_broken_off_leaves_nothing_wrong_behind(calls: int) -> None:
    matching, ledger = Matching("USD"), ledger_of(line(), line("INV-2"))
    scan = scan_of([invoice(), invoice("INV-2", "b")])
    compare(scan, ledger, matching)
    left = calls

    def stop() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise StoppedError

    changed = scan_of([invoice(amount=7), invoice("INV-3", "b", currency="EUR")], scan)
    with suppress(StoppedError):
        compare(changed, ledger, matching, check=stop)
    assert compare(changed, ledger, matching) == compare(changed, ledger, None)
    later = scan_of([invoice("INV-2", "b")], changed)
    assert compare(later, ledger, matching) == compare(later, ledger, None)
