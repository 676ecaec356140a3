"""The books for a terminal: totals beside the ledger, findings with what to do, queues, the last hours. Pure."""

from collections.abc import Iterator

from collections_supervisor.messages import BooksReport, QueuesReport, Report
from collections_supervisor.reporting import book_words, words
from collections_supervisor.reporting.text import GAP, clean, columns_of, filled, wrap

SHOWN = 20
"""Findings that are shown; the report as JSON has more."""

_HEADINGS = ("INVOICES", "COUNT", "FILES", "LEDGER")


def book_lines(report: Report, width: int) -> Iterator[str]:
    """Everything that is known of the books, with an empty line before it."""
    if not book_words.has_books(report):
        return
    yield ""
    if report.books is not None:
        yield from _books(report.books, report, width)
    elif report.books_reason:
        yield from wrap(f"Books: not looked at, {clean(report.books_reason)}", width)
    if report.queues is not None and report.queues.items:
        yield from _queues(report.queues, width)
    if report.metrics is not None and (numbers := list(book_words.activity(report.metrics))):
        said = "; ".join(f"{name}: {number}" for name, number in numbers)
        yield from wrap(f"In the last {report.metrics.window_s // 3600} h: {said}", width)


def _books(books: BooksReport, report: Report, width: int) -> Iterator[str]:
    at = words.clock(books.checked_at, report.generated_at)
    yield from wrap(f"Books, as of {at} UTC: {book_words.agreement(books)}", width)
    rows = [tuple(clean(cell) for cell in row) for row in book_words.rows_by_currency(books)]
    columns = [max(columns_of(cell) for cell in column) for column in zip(_HEADINGS, *rows, strict=True)]
    if rows and sum(columns) + len(GAP) * len(columns) <= width:
        yield from (f"{GAP}{filled(row, columns, numbers=1)}" for row in (_HEADINGS, *rows))
    else:
        for group, count, files, ledger in book_words.rows(books):
            yield from wrap(clean(f"{group}: {count}, {files} by the files, {ledger} by the ledger"), width, indent=2)
    for finding in books.findings[:SHOWN]:
        yield from wrap(
            f"{finding.severity}: {clean(book_words.finding_title(finding))}: {clean(finding.detail)}", width, indent=2
        )
        if finding.path is not None:
            yield from wrap(clean(finding.path), width, indent=4)
        if finding.advice:
            yield from wrap(f"what to do: {clean(finding.advice)}", width, indent=4)
    more = sum(books.finding_counts.values()) - min(len(books.findings), SHOWN)
    if more > 0:
        yield from wrap(f"and {more:,} more; --json has the first thousand", width, indent=2)


def _queues(queues: QueuesReport, width: int) -> Iterator[str]:
    yield "Queues:"
    for queue in queues.items:
        mark = "" if queue.healthy else "unhealthy: "
        yield from wrap(f"{mark}{clean(queue.name)}: {clean(book_words.queue_state(queue))}", width, indent=2)
