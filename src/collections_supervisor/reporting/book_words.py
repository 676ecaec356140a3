"""What people read of the books: amounts, queues and numbers in words. Pure."""

import re
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import NamedTuple

from collections_supervisor.messages import ActivityReport, Amounts, BooksReport, Finding, Group, QueueReport, Report
from collections_supervisor.system.clock import span

GROUPS: tuple[Group, ...] = ("unpaid", "paid", "escalated", "review")

NOTHING = "0"
NOT_COMPARED = "-"

_AMOUNT = re.compile(r"-?[0-9]{1,60}(\.[0-9]{1,60})?")
_EXACT = Context(prec=200)
"""Enough for the difference of any two such amounts."""


class Money(NamedTuple):
    """What is known of the invoices of one status in one currency; None was not compared."""

    currency: str
    files: str
    ledger: str | None
    difference: str | None
    differs: bool


def amounts(known: Amounts) -> str:
    """Amounts of all currencies: `USD 1,250.00, COP 45,000.00`."""
    return ", ".join(f"{currency} {grouped(amount)}" for currency, amount in sorted(known.items())) or NOTHING


def grouped(amount: str) -> str:
    """A decimal number with commas between its thousands."""
    sign, digits = ("-", amount[1:]) if amount.startswith("-") else ("", amount)
    whole, dot, fraction = digits.partition(".")
    return f"{sign}{int(whole):,}{dot}{fraction}" if whole.isdecimal() and whole.isascii() else amount


def rows(books: BooksReport) -> list[tuple[str, str, str, str]]:
    """Status, count, what the invoices add up to, what the ledger says; a dash for what was not compared."""
    if books.totals is None:
        return []
    found: list[tuple[str, str, str, str]] = []
    for group in GROUPS:
        total = getattr(books.totals, group)
        ledger = getattr(books.ledger, group, None) if books.ledger is not None else None
        found.append((group, f"{total.count:,}", amounts(total.amounts), amounts(ledger) if ledger is not None else NOT_COMPARED))
    return found


def rows_by_currency(books: BooksReport) -> Iterator[tuple[str, str, str, str]]:
    """The same with a row for each currency, of which the first has status and count."""
    for group, count, files, ledger in rows(books):
        of_files = getattr(books.totals, group).amounts
        of_ledger = getattr(books.ledger, group, None) or {}
        currencies = sorted({*of_files, *of_ledger})
        if len(currencies) < 2:
            yield group, count, files, ledger
            continue
        for place, currency in enumerate(currencies):
            sums = [amounts({currency: known[currency]}) if currency in known else NOTHING for known in (of_files, of_ledger)]
            head = ("", "") if place else (group, count)
            yield *head, sums[0], sums[1] if ledger != NOT_COMPARED else NOT_COMPARED


def money(books: BooksReport) -> list[tuple[Group, int, list[Money]]]:
    """By status: how many invoices, and for each currency what the files and the ledger say and by how much they differ."""
    if books.totals is None:
        return []
    found: list[tuple[Group, int, list[Money]]] = []
    for group in GROUPS:
        total = getattr(books.totals, group)
        ledger: Amounts | None = getattr(books.ledger, group, None) if books.ledger is not None else None
        currencies = sorted({*total.amounts, *(ledger or {})})
        compared = [_money(currency, total.amounts, ledger) for currency in currencies]
        nothing = Money("none", NOTHING, None if ledger is None else NOTHING, None if ledger is None else NOTHING, False)
        found.append((group, total.count, compared or [nothing]))
    return found


def _money(currency: str, files: Amounts, ledger: Amounts | None) -> Money:
    ours = files.get(currency, "0.00")
    if ledger is None:
        return Money(currency, grouped(ours), None, None, False)
    theirs = ledger.get(currency, "0.00")
    if not (_AMOUNT.fullmatch(ours) and _AMOUNT.fullmatch(theirs)):
        return Money(currency, grouped(ours), grouped(theirs), None, ours != theirs)
    difference = _EXACT.subtract(Decimal(theirs), Decimal(ours))
    return Money(currency, grouped(ours), grouped(theirs), grouped(f"{difference:f}"), bool(difference))


def by_invoice(findings: tuple[Finding, ...]) -> list[tuple[str | None, list[Finding]]]:
    """The findings of each invoice together, in the order in which each invoice is first named; None: of no single invoice."""
    found: dict[str | None, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.invoice, []).append(finding)
    return list(found.items())


def agreement(books: BooksReport) -> str:
    """Whether the books agree, and how many findings there are."""
    errors = sum(1 for finding in books.findings if finding.severity == "error")
    found = sum(books.finding_counts.values())
    warnings = f"{found} {'warning' if found == 1 else 'warnings'}"
    if books.consistent:
        return f"the books agree, with {warnings}" if found else "the books agree"
    counted = f"{errors}{'+' if found > len(books.findings) else ''} {'error' if errors == 1 else 'errors'}"
    return f"the books do not agree: {counted} in {found} {'finding' if found == 1 else 'findings'}"


def finding_title(finding: Finding) -> str:
    """What kind of finding it is, and of which invoice."""
    return f"{finding.kind} {finding.invoice}" if finding.invoice is not None else finding.kind


def queue_state(queue: QueueReport) -> str:
    """How a queue is, in words."""
    oldest = f", the oldest for {span(queue.oldest_age_s)}" if queue.oldest_age_s is not None else ""
    invalid = f", {queue.invalid} invalid" if queue.invalid else ""
    waiting = f"{queue.depth:,} waiting{oldest}{invalid}" if queue.depth else f"empty{invalid}"
    return waiting if queue.healthy else f"{waiting}: {queue.reason}"


def activity(seen: ActivityReport) -> Iterator[tuple[str, str]]:
    """Each number of the last hours with its name; what nothing tells is left out."""
    for name, number in numbers(seen):
        if number is not None:
            yield name, number


def numbers(seen: ActivityReport) -> Iterator[tuple[str, str | None]]:
    """Each number of the last hours with its name; None: nothing tells."""
    for name, number in (
        ("e-mails sent", seen.emails_sent),
        ("payments detected", seen.payments_detected),
        ("errors logged", seen.errors),
    ):
        yield name, f"{number:,}" if number is not None else None
    latency = seen.payment_latency_s
    known = f"{span(latency.mean)} on average, {span(latency.p95)} for 95 %" if latency is not None else None
    yield "until a payment was detected", known


def has_books(report: Report) -> bool:
    """Whether anything is known of the books, or why not."""
    return report.books is not None or report.queues is not None or bool(report.books_reason)
