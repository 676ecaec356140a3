"""What people read of the books: amounts, queues and numbers in words. Pure."""

from collections.abc import Iterator

from collections_supervisor.messages import ActivityReport, Amounts, BooksReport, Finding, Group, QueueReport, Report
from collections_supervisor.system.clock import span

GROUPS: tuple[Group, ...] = ("unpaid", "paid", "escalated", "review")

NOTHING = "0"
NOT_COMPARED = "-"


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
    for name, number in (
        ("e-mails sent", seen.emails_sent),
        ("payments detected", seen.payments_detected),
        ("errors logged", seen.errors),
    ):
        if number is not None:
            yield name, f"{number:,}"
    if seen.payment_latency_s is not None:
        latency = seen.payment_latency_s
        yield "until a payment was detected", f"{span(latency.mean)} on average, {span(latency.p95)} for 95 %"


def has_books(report: Report) -> bool:
    """Whether anything is known of the books, or why not."""
    return report.books is not None or report.queues is not None or bool(report.books_reason)
