"""The books on a terminal and on the page."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from collections_supervisor.messages import (
    ActivityReport,
    BooksReport,
    Finding,
    Impact,
    Latency,
    LedgerTotals,
    QueueReport,
    QueuesReport,
    Report,
    Total,
    Totals,
)
from collections_supervisor.reporting import book_words
from collections_supervisor.reporting.dashboard import render
from collections_supervisor.reporting.table import format_report

Make = Callable[..., Any]

HOSTILE = '<script>x</script>"><b>\x1b[31m\n'
MISMATCH = Finding(
    kind="amount_mismatch",
    severity="error",
    path="/books/acme/INV-1.json",
    invoice="INV-1",
    detail="the ledger says USD 150.00, the invoice file USD 100.00",
    advice="correct one of them",
)
QUIET = ActivityReport(window_s=86400, emails_sent=None, payments_detected=None, errors=None, payment_latency_s=None)


@pytest.fixture
def books(now: datetime) -> BooksReport:
    return BooksReport(
        checked_at=now - timedelta(minutes=1),
        consistent=False,
        totals=Totals(
            unpaid=Total(count=1250, amounts={"USD": "1250000.50", "COP": "45000.00"}),
            paid=Total(count=1, amounts={"USD": "-0.125"}),
        ),
        ledger=LedgerTotals(unpaid={"USD": "1250050.50"}),
        findings=(MISMATCH,),
        finding_counts={"amount_mismatch": 1},
        files_read=1251,
        duration_s=0.2,
    )


def on_terminal(report: Report, width: int = 100) -> list[str]:
    return format_report(report, width, color=False).splitlines()


def on_page(report: Report) -> str:
    return render(report, title="t", interval=60.0).decode()


def test_totals_stand_beside_the_ledger(make_report: Make, make_agent: Make, books: BooksReport) -> None:
    lines = on_terminal(make_report(make_agent(), verdict="degraded", books=books))
    assert lines[0].endswith("Degraded: the books do not agree")
    table = lines[lines.index("Books, as of 11:00:44 UTC: the books do not agree: 1 error in 1 finding") :]
    assert table[1:7] == [
        "  INVOICES   COUNT             FILES            LEDGER",
        "  unpaid     1,250     COP 45,000.00                 0",
        "                    USD 1,250,000.50  USD 1,250,050.50",
        "  paid           1        USD -0.125                 0",
        "  escalated      0                 0                 0",
        "  review         0                 0                 -",
    ]
    assert [" ".join(line.split()) for line in table[7:10]] == [
        "error: amount_mismatch INV-1: the ledger says USD 150.00, the invoice file USD 100.00",
        "/books/acme/INV-1.json",
        "what to do: correct one of them",
    ]


def test_a_narrow_terminal_gets_sentences(make_report: Make, make_agent: Make, books: BooksReport) -> None:
    lines = on_terminal(make_report(make_agent(), books=books), 40)
    assert max(map(len, lines)) <= 40
    said = " ".join(" ".join(lines).split())
    assert "unpaid: 1,250, COP 45,000.00, USD 1,250,000.50 by the files, USD 1,250,050.50 by the ledger" in said


def test_what_was_not_looked_at_says_why(make_report: Make, make_agent: Make) -> None:
    bare = make_report(make_agent(), books_reason="there is no folder")
    assert on_terminal(bare)[-1] == "Books: not looked at, there is no folder"
    nothing = make_report(make_agent())
    assert "Books" not in "\n".join(on_terminal(nothing))


def test_where_the_invoices_could_not_be_read_no_total_is_shown(make_report: Make, make_agent: Make, books: BooksReport) -> None:
    missing = msgspec.structs.replace(MISMATCH, kind="state_missing", invoice=None, path=None, advice="")
    unread = msgspec.structs.replace(books, totals=None, ledger=None, findings=(missing,), finding_counts={"state_missing": 1})
    report = make_report(make_agent(), books=unread)
    lines = on_terminal(report)
    assert not any("INVOICES" in line or "unpaid" in line for line in lines)
    assert lines[-1] == f"  error: state_missing: {missing.detail}"
    assert "By the ledger" not in on_page(report)


def test_each_currency_has_a_row_of_its_own_where_there_are_several(books: BooksReport) -> None:
    assert list(book_words.rows_by_currency(books))[:3] == [
        ("unpaid", "1,250", "COP 45,000.00", "0"),
        ("", "", "USD 1,250,000.50", "USD 1,250,050.50"),
        ("paid", "1", "USD -0.125", "0"),
    ]
    unknown = msgspec.structs.replace(books, ledger=None)
    assert [row[3] for row in book_words.rows_by_currency(unknown)] == ["-"] * 5
    assert list(book_words.rows_by_currency(msgspec.structs.replace(books, totals=None))) == []


def test_without_a_ledger_its_column_is_a_dash(books: BooksReport) -> None:
    assert [row[3] for row in book_words.rows(msgspec.structs.replace(books, ledger=None))] == ["-"] * 4


def test_more_findings_than_are_shown_are_counted(make_report: Make, make_agent: Make, books: BooksReport) -> None:
    many = msgspec.structs.replace(books, findings=(MISMATCH,) * 30, finding_counts={"amount_mismatch": 2000})
    lines = on_terminal(make_report(make_agent(), books=many))
    assert "Books, as of 11:00:44 UTC: the books do not agree: 30+ errors in 2000 findings" in lines
    assert lines[-1] == "  and 1,980 more; --json has the first thousand"


@pytest.mark.parametrize(
    ("severities", "words"),
    [
        ([], "the books agree"),
        (["warning"], "the books agree, with 1 warning"),
        (["warning", "warning"], "the books agree, with 2 warnings"),
        (["error", "warning"], "the books do not agree: 1 error in 2 findings"),
        (["error", "error"], "the books do not agree: 2 errors in 2 findings"),
    ],
)
def test_whether_they_agree(books: BooksReport, severities: list[Any], words: str) -> None:
    findings = tuple(msgspec.structs.replace(MISMATCH, severity=severity) for severity in severities)
    counts = {"amount_mismatch": len(findings)} if findings else {}
    seen = msgspec.structs.replace(books, consistent="error" not in severities, findings=findings, finding_counts=counts)
    assert book_words.agreement(seen) == words


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0.00", "0.00"), ("1250.00", "1,250.00"), ("-1250000.5", "-1,250,000.5"), ("12", "12"), ("odd", "odd"), ("", "")],
)
def test_thousands_have_commas(amount: str, shown: str) -> None:
    assert book_words.grouped(amount) == shown


def test_queues_and_what_was_done(make_report: Make, make_agent: Make) -> None:
    full = QueueReport(name="mailer", depth=1500, oldest_age_s=7200.0, invalid=2, healthy=False, reason="1,500 of at most 100")
    empty = QueueReport(name="watcher", depth=0, oldest_age_s=None, invalid=0, healthy=True)
    damaged = QueueReport(name="payment_queue", depth=0, oldest_age_s=None, invalid=1, healthy=False, reason="1 invalid line")
    activity = ActivityReport(
        window_s=86400, emails_sent=1200, payments_detected=3, errors=0, payment_latency_s=Latency(mean=41.0, p95=90.0)
    )
    queues = QueuesReport(healthy=False, limit=100, items=(full, empty, damaged))
    report = make_report(make_agent(), verdict="degraded", queues=queues, metrics=activity)
    lines = on_terminal(report, 120)
    start = lines.index("Queues:")
    assert lines[start : start + 4] == [
        "Queues:",
        "  unhealthy: mailer: 1,500 waiting, the oldest for 2 h 00 min, 2 invalid: 1,500 of at most 100",
        "  watcher: empty",
        "  unhealthy: payment_queue: empty, 1 invalid: 1 invalid line",
    ]
    said = " ".join(" ".join(lines[start + 4 :]).split())
    assert said.startswith("In the last 24 h: e-mails sent: 1,200; payments detected: 3; errors logged: 0; until a payment")
    page = on_page(report)
    assert "<dt>until a payment was detected</dt><dd>41 s on average, 1 min 30 s for 95 %</dd>" in page
    assert "1,500 of 100" in page
    assert ">2 h 00 min<" in page
    quiet = make_report(make_agent(), queues=QueuesReport(healthy=True, limit=100, items=()), metrics=QUIET)
    assert not any("Queues" in line or "In the last" in line for line in on_terminal(quiet))
    assert on_page(quiet).count("<dd>– <span>nothing tells</span></dd>") == 4
    assert "There are none." in on_page(quiet)
    some = msgspec.structs.replace(QUIET, errors=2)
    assert list(book_words.activity(some)) == [("errors logged", "2")]


def test_the_page_shows_totals_findings_and_what_to_do(make_report: Make, make_agent: Make, books: BooksReport) -> None:
    page = on_page(make_report(make_agent(), verdict="degraded", books=books))
    for text in (
        "1,250,000.50",
        "1,250,050.50",
        "50.00",
        "amount mismatch",
        "INV-1",
        "/books/acme/INV-1.json",
        "correct one of them",
    ):
        assert f"<bdi>{text}" in page or f"{text}</bdi>" in page or text in page
    assert "The books do not agree: 1 error in 1 finding" in page


def test_what_to_do_about_books_and_how_their_incident_ends(make_report: Make, make_agent: Make, make_incident: Make) -> None:
    page = on_page(make_report(make_agent(), incidents=(make_incident(kind="books", agent=None, subject="books"),)))
    assert "once an audit finds nothing wrong" in page
    assert "<bdi>bookkeeping</bdi></h3>" in page


def test_no_text_of_a_file_is_more_than_text(make_report: Make, make_agent: Make, books: BooksReport) -> None:
    bad = msgspec.structs.replace(MISMATCH, path=HOSTILE, invoice=HOSTILE, detail=HOSTILE, advice=HOSTILE)
    queue = QueueReport(name=HOSTILE, depth=1, oldest_age_s=None, invalid=0, healthy=False, reason=HOSTILE)
    odd = msgspec.structs.replace(books, findings=(bad,), totals=Totals(unpaid=Total(count=1, amounts={HOSTILE: HOSTILE})))
    queues = QueuesReport(healthy=False, limit=1, items=(queue,))
    report = make_report(make_agent(), verdict="degraded", books=odd, queues=queues, books_reason=HOSTILE)
    body = on_page(report).partition('<script type="application/json"')[0]
    assert "<script>x" not in body
    assert "<b>" not in body
    assert "&lt;script&gt;x&lt;/script&gt;" in body
    assert "\x1b" not in "\n".join(on_terminal(report))


def test_what_an_outage_costs_stands_with_its_incident(
    make_report: Make, make_agent: Make, make_incident: Make, now: datetime
) -> None:
    cost = Impact(role="mailer", since=now, until=now, count=14, amounts={}, text="14 reminders fell due since 12:03.")
    report = make_report(make_agent(status="escalated"), verdict="degraded", incidents=(make_incident(impact=cost),))
    assert "14 reminders fell due since 12:03" in " ".join(" ".join(on_terminal(report)).split())
    assert "<dt>What it costs</dt><dd><bdi>14 reminders fell due since 12:03.</bdi></dd>" in on_page(report)
    silent = msgspec.structs.replace(cost, text="")
    assert "What it costs" not in on_page(make_report(make_agent(), incidents=(make_incident(impact=silent),)))


def test_money_by_status_and_currency(books: BooksReport) -> None:
    assert book_words.money(books) == [
        (
            "unpaid",
            1250,
            [("COP", "45,000.00", "0.00", "-45,000.00", True), ("USD", "1,250,000.50", "1,250,050.50", "50.00", True)],
        ),
        ("paid", 1, [("USD", "-0.125", "0.00", "0.125", True)]),
        ("escalated", 0, [("none", "0", "0", "0", False)]),
        ("review", 0, [("none", "0", None, None, False)]),
    ]


def test_money_that_was_not_compared_has_no_difference(books: BooksReport) -> None:
    (_, _, rows), *_ = book_words.money(msgspec.structs.replace(books, ledger=None))
    assert rows == [("COP", "45,000.00", None, None, False), ("USD", "1,250,000.50", None, None, False)]
    assert book_words.money(msgspec.structs.replace(books, totals=None)) == []


def test_differences_are_exact_however_large(books: BooksReport) -> None:
    large = "1" + "0" * 50
    totals = Totals(unpaid=Total(count=1, amounts={"USD": f"{large}.01"}))
    ledger = LedgerTotals(unpaid={"USD": f"{large}.02"})
    (_, _, rows), *_ = book_words.money(msgspec.structs.replace(books, totals=totals, ledger=ledger))
    assert rows[0].difference == "0.01"
    odd = Totals(unpaid=Total(count=1, amounts={"USD": "1E+999999"}))
    (_, _, rows), *_ = book_words.money(msgspec.structs.replace(books, totals=odd, ledger=ledger))
    assert (rows[0].difference, rows[0].differs) == (None, True)


def test_findings_of_an_invoice_stand_together() -> None:
    others = [msgspec.structs.replace(MISMATCH, invoice=name) for name in ("INV-2", None, "INV-1")]
    found = book_words.by_invoice((MISMATCH, *others))
    assert found == [("INV-1", [MISMATCH, others[2]]), ("INV-2", [others[0]]), (None, [others[1]])]
