"""Each kind of disagreement by an example, what silences it, and what two looks agree on."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from collections_supervisor.books.reconcile import Result, Settings, confirmed, reconcile, suspects
from collections_supervisor.books.records import Activity, Entry, Invoice, Ledger, Payment, Queues, Reminder, Scan, Section
from collections_supervisor.messages import Finding, FindingKind, LedgerTotals, Severity, Total, Totals

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = NOW.timestamp()
HOUR, DAY = 3600.0, 86400.0
SETTINGS = Settings(currency="USD", zone=ZoneInfo("America/Bogota"), state="/state", ledger="/ledger.md")


def invoice(number: str = "INV-1", **members: Any) -> Invoice:
    given = {"folder": "acme", "status": "unpaid", "group": "unpaid", "amount": 100_00, "currency": "USD", "mtime": AT - DAY}
    return Invoice(number=number, **{"file": f"{number}.json", **given, **members})


def archived(number: str = "INV-1", **members: Any) -> Invoice:
    given = {"folder": "archive/acme", "status": "paid", "group": "paid", "archived": True, "paid": 100_00, "paid_at": AT - DAY}
    return invoice(number, **{**given, **members})


def entry(number: str = "INV-1", section: Section = "unpaid", amount: Any = 100_00, line: int = 3) -> Entry:
    return Entry(number=number, section=section, amount=amount, line=line)


def compare(
    invoices: Sequence[Invoice],
    entries: Sequence[Entry] | None = None,
    *,
    scan: dict[str, Any] | None = None,
    ledger: dict[str, Any] | None = None,
    queues: Queues | None = None,
    activity: Activity | None = None,
) -> Result:
    """`entries`: None if there is no ledger."""
    return reconcile(
        Scan(state="ok", **{"invoices": invoices, **(scan or {})}),
        None if entries is None else Ledger(state="ok", entries=entries, **(ledger or {})),
        queues or Queues(),
        activity or Activity(),
        SETTINGS,
        NOW,
        lambda: None,
    )


def kinds(result: Result) -> list[str]:
    return [finding.kind for finding in result.findings]


def only(result: Result) -> Finding:
    (finding,) = result.findings
    return finding


def of_reader(kind: FindingKind, path: str | None = "/state/x.json", severity: Severity = "error", **members: Any) -> Finding:
    return Finding(kind=kind, severity=severity, path=path, **{"invoice": None, "detail": "as it was found", **members})


# --- Books that agree ------------------------------------------------------------------------------------------------


def test_books_that_agree_have_totals_and_no_findings() -> None:
    result = compare(
        [
            invoice("A"),
            invoice("B", status="escalated", group="escalated", amount=7),
            invoice("C", currency="EUR"),
            archived("D"),
        ],
        [entry("A"), entry("B", "escalated", 7), entry("C"), entry("D", "paid")],
        ledger={"summary": {"unpaid": 200_00, "paid": 100_00}},
    )
    assert result.findings == ()
    assert result.counts == {}
    assert result.totals == Totals(
        unpaid=Total(count=2, amounts={"EUR": "100.00", "USD": "100.00"}),
        escalated=Total(count=1, amounts={"USD": "0.07"}),
        paid=Total(count=1, amounts={"USD": "100.00"}),
    )
    assert result.ledger == LedgerTotals(
        unpaid={"EUR": "100.00", "USD": "100.00"}, escalated={"USD": "0.07"}, paid={"USD": "100.00"}
    )
    assert suspects(result) == frozenset()


@pytest.mark.parametrize(
    "agreeing",
    [
        (invoice(status="review", group="review"), None),
        (invoice(waiting=True, status="review", group="review"), None),
        (invoice(amount=Decimal("12.5")), entry(amount=Decimal("12.4"))),
        (archived(paid=120_00), entry(section="paid", amount=120_00)),
        (archived(paid=None), entry(section="paid")),
        (archived(paid=Decimal("9999.5")), entry(section="paid", amount=Decimal("9999.5"))),
        (archived(folder="", archived=False, paid_at=AT - 60), entry(section="paid")),
        (archived(folder="acme", archived=False, paid_at=AT + DAY), entry(section="paid")),
    ],
)
def test_what_is_right(agreeing: tuple[Invoice, Entry | None]) -> None:
    one, line = agreeing
    assert compare([one], [] if line is None else [line]).findings == ()


def test_an_invoice_is_paid_with_what_was_paid_in_the_ledger_and_with_its_amount_in_the_totals() -> None:
    result = compare([archived(paid=120_00)], [entry(section="paid", amount=120_00)])
    assert result.totals.paid == Total(count=1, amounts={"USD": "100.00"})
    assert result.ledger == LedgerTotals(paid={"USD": "120.00"})


def test_what_is_not_counted() -> None:
    result = compare(
        [
            invoice("A", amount=None),
            invoice("B", status="odd", group=None),
            invoice("C"),
            archived("C", amount=70_00, paid=70_00),
            invoice("D", folder="manual", group="review", waiting=True, amount=5),
            invoice("D", folder="review_queue", group="review", waiting=True, amount=None),
        ]
    )
    assert result.totals == Totals(paid=Total(count=1, amounts={"USD": "70.00"}), review=Total(count=1, amounts={"USD": "0.05"}))
    assert result.ledger is None


# --- Each kind -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("invoices", "entries", "expected"),
    [
        (
            [invoice(folder="b", amount=150_00), invoice(folder="a")],
            [entry()],
            (
                "duplicate_invoice",
                "/state/b/INV-1.json",
                "INV-1",
                "/state/a/INV-1.json has the same number: USD 150.00 here, USD 100.00 there; both are counted",
            ),
        ),
        (
            [archived(), archived(folder="archive/b")],
            [entry(section="paid")],
            (
                "duplicate_invoice",
                "/state/archive/b/INV-1.json",
                "INV-1",
                "/state/archive/acme/INV-1.json has the same number: USD 100.00 here, USD 100.00 there; both are counted",
            ),
        ),
        (
            [invoice(folder="", amount=None), archived()],
            [entry(section="paid")],
            (
                "archive_and_active",
                "/state/INV-1.json",
                "INV-1",
                (
                    "it lies in the archive too, as /state/archive/acme/INV-1.json: an amount that cannot be read here, "
                    "USD 100.00 there; only the one in the archive is counted"
                ),
            ),
        ),
        (
            [invoice()],
            [],
            (
                "missing_in_ledger",
                "/state/acme/INV-1.json",
                "INV-1",
                'the ledger has no line for it; the invoice file says "unpaid" and USD 100.00',
            ),
        ),
        (
            [],
            [entry()],
            (
                "missing_in_state",
                "/ledger.md",
                "INV-1",
                "the ledger has it under Unpaid with USD 100.00, and there is no invoice file",
            ),
        ),
        (
            [invoice()],
            [entry(section="escalated")],
            (
                "status_mismatch",
                "/state/acme/INV-1.json",
                "INV-1",
                'the ledger has it under Escalated with USD 100.00, the invoice file says "unpaid" and USD 100.00',
            ),
        ),
        (
            [invoice(status="review", group="review")],
            [entry()],
            (
                "status_mismatch",
                "/state/acme/INV-1.json",
                "INV-1",
                'the ledger has it under Unpaid with USD 100.00, the invoice file says "review" and USD 100.00',
            ),
        ),
        (
            [archived(status="")],
            [entry(section="paid")],
            (
                "status_mismatch",
                "/state/archive/acme/INV-1.json",
                "INV-1",
                "it lies in the archive, where everything is paid, but its file says no status",
            ),
        ),
        (
            [archived(folder="acme", archived=False)],
            [entry(section="paid")],
            (
                "status_mismatch",
                "/state/acme/INV-1.json",
                "INV-1",
                "paid but not archived: USD 100.00 since 2026-11-21 07:00",
            ),
        ),
        (
            [invoice(currency="EUR", amount=Decimal("10000.5"))],
            [entry(amount=150_00)],
            (
                "amount_mismatch",
                "/state/acme/INV-1.json",
                "INV-1",
                "the ledger says EUR 150.00, the invoice file EUR 100.005",
            ),
        ),
        (
            [archived(paid=120_00)],
            [entry(section="paid", amount=100_00)],
            (
                "amount_mismatch",
                "/state/archive/acme/INV-1.json",
                "INV-1",
                "the ledger says USD 100.00, the invoice file USD 120.00",
            ),
        ),
        (
            [invoice(currency="EUR")],
            [entry(line=9, section="paid", amount=1), entry(line=4)],
            (
                "duplicate_ledger_entry",
                "/ledger.md",
                "INV-1",
                "the ledger has 2 lines for it: Unpaid EUR 100.00, Paid EUR 0.01",
            ),
        ),
        (
            [archived(paid=40_00)],
            [entry(section="paid")],
            (
                "partial_payment",
                "/state/archive/acme/INV-1.json",
                "INV-1",
                "USD 40.00 of USD 100.00 was paid",
            ),
        ),
        (
            [invoice()],
            [entry(section="paid", amount=40_00)],
            (
                "partial_payment",
                "/state/acme/INV-1.json",
                "INV-1",
                'the ledger has USD 40.00 under Paid, the invoice file says "unpaid" and USD 100.00',
            ),
        ),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else None,
)
def test_an_error(invoices: list[Invoice], entries: list[Entry], expected: tuple[str, str, str, str]) -> None:
    result = compare(invoices, entries)
    found = only(result)
    assert (found.kind, found.path, found.invoice, found.detail) == expected
    assert found.severity == "error"
    assert found.advice
    assert result.counts == {expected[0]: 1}
    assert suspects(result) == {expected[1], "/ledger.md"}


@pytest.mark.parametrize(
    "where",
    [
        {"queues": Queues(payments=(Payment(invoice="INV-1", at=AT - 2 * HOUR), Payment(invoice="INV-1", at=AT - 3 * HOUR)))},
        {"activity": Activity(payments=(Payment(invoice="INV-1", at=AT - 3 * HOUR), Payment(invoice="INV-1", at=AT - 2 * HOUR)))},
    ],
)
def test_a_payment_that_nobody_booked(where: dict[str, Any]) -> None:
    found = only(compare([invoice(status="pending")], [entry()], **where))
    assert (found.kind, found.severity, found.path) == ("stale_payment", "error", "/state/acme/INV-1.json")
    assert found.detail == 'a payment was reported at 2026-11-22 04:00, its file still says "pending" and USD 100.00'


@pytest.mark.parametrize(
    ("one", "age"),
    [
        (invoice(), HOUR - 1),
        (invoice(), DAY + 1),
        (invoice(), -HOUR),
        (invoice("OTHER"), 2 * HOUR),
        (archived(), 2 * HOUR),
        (invoice(status="escalated", group="escalated"), 2 * HOUR),
    ],
)
def test_a_payment_that_is_booked_or_too_young_or_too_old_or_of_nobody(one: Invoice, age: float) -> None:
    assert compare([one], queues=Queues(payments=(Payment(invoice="INV-1", at=AT - age),))).findings == ()


@pytest.mark.parametrize("age", [HOUR, DAY])
def test_a_payment_is_stale_from_an_hour_to_a_day(age: float) -> None:
    assert kinds(compare([invoice()], queues=Queues(payments=(Payment(invoice="INV-1", at=AT - age),)))) == ["stale_payment"]


def test_the_summary_is_a_claim_about_the_lines() -> None:
    result = compare(
        [invoice("A", currency="EUR"), invoice("B")],
        [entry("A"), entry("B", amount=100_00)],
        ledger={"summary": {"unpaid": 199_99, "paid": 0, "escalated": Decimal("0.5")}},
    )
    found = only(result)
    assert (found.kind, found.severity, found.path, found.invoice) == ("ledger_summary_drift", "warning", "/ledger.md", None)
    assert found.detail == "the Summary does not say what the lines add up to: Unpaid USD 199.99 instead of USD 200.00"
    assert suspects(result) == frozenset()


def test_an_overdue_invoice_is_to_be_escalated() -> None:
    found = only(compare([invoice(due=date(2026, 11, 7))], [entry()]))
    assert (found.kind, found.severity, found.path) == ("overdue_not_escalated", "warning", "/state/acme/INV-1.json")
    assert found.detail == 'USD 100.00 was due on 2026-11-07, and its file still says "unpaid"'


@pytest.mark.parametrize(
    "fine",
    [
        invoice(due=date(2026, 11, 8)),
        invoice(due=date(2026, 1, 1), status="paused"),
        invoice(due=date(2026, 1, 1), status="review", group="review"),
        invoice(due=date(2026, 1, 1), status="escalated", group="escalated"),
        archived(due=date(2026, 1, 1)),
        invoice(due=None),
    ],
)
def test_who_need_not_be_escalated(fine: Invoice) -> None:
    assert compare([fine]).findings == ()


# In Bogota the midnight of 2026-11-21 was 31 hours ago.


def test_a_reminder_that_was_not_sent() -> None:
    found = only(compare([invoice(due=date(2026, 11, 16))], [entry()], activity=Activity(reminders_since=AT - 3 * DAY)))
    assert (found.kind, found.severity, found.path, found.invoice) == (
        "reminder_missed",
        "warning",
        "/state/acme/INV-1.json",
        "INV-1",
    )
    assert (
        found.detail == "the reminder overdue_5d over USD 100.00 fell due on 2026-11-21, and the log of e-mails does not show it"
    )


def test_a_reminder_that_was_sent() -> None:
    mail = Reminder(invoice="INV-1", template="overdue_5d", at=AT - 30 * HOUR)
    activity = Activity(reminders_since=AT - 3 * DAY, reminders=(mail,))
    assert compare([invoice(due=date(2026, 11, 16))], activity=activity).findings == ()


def test_a_reminder_that_was_sent_twice() -> None:
    mails = [
        Reminder(invoice=name, template="overdue_5d", at=AT - age * HOUR) for name in ("INV-1", "GONE") for age in (1, 2, 49)
    ]
    known, unknown = compare([archived()], activity=Activity(reminders=tuple(mails))).findings[::-1]
    assert (known.kind, known.severity, known.path, known.invoice) == (
        "reminder_repeated",
        "warning",
        "/state/archive/acme/INV-1.json",
        "INV-1",
    )
    assert known.detail == "sent within two days: overdue_5d 2 times"
    assert (unknown.path, unknown.invoice) == (None, "GONE")


# --- One fault, one story --------------------------------------------------------------------------------------------


def test_what_readers_found_is_passed_on() -> None:
    result = compare(
        [],
        [],
        scan={"findings": (of_reader("left_over_temp", severity="warning"), of_reader("corrupt_file"))},
        ledger={"findings": (of_reader("ledger_unparsable_line"),)},
        queues=Queues(findings=(of_reader("unreadable_file", None),)),
        activity=Activity(findings=(of_reader("unreadable_file", "/log"),)),
    )
    assert kinds(result) == ["unreadable_file", "unreadable_file", "corrupt_file", "ledger_unparsable_line", "left_over_temp"]
    assert result.counts == {"corrupt_file": 1, "ledger_unparsable_line": 1, "left_over_temp": 1, "unreadable_file": 2}
    assert suspects(result) == {"/state/x.json", "/log", "/ledger.md"}


@pytest.mark.parametrize("entries", [[entry(amount=1)], [entry("OTHER.stem"), entry(), entry()], []])
def test_the_line_of_a_file_that_could_not_be_read_is_compared_with_nothing(entries: list[Entry]) -> None:
    silenced = frozenset({"INV-1", "OTHER.stem"})
    assert compare([invoice()], entries, scan={"silenced": silenced}).findings == ()


def test_an_invoice_whose_line_could_not_be_read_is_not_missing() -> None:
    assert kinds(compare([invoice()], [], ledger={"findings": (of_reader("ledger_unparsable_line", invoice="INV-1"),)})) == [
        "ledger_unparsable_line"
    ]


@pytest.mark.parametrize("entries", [[entry(section="paid", amount=3)], []])
def test_an_unknown_status_is_compared_with_nothing(entries: list[Entry]) -> None:
    assert compare([invoice(status="odd", group=None, paid=1)], entries).findings == ()


def test_where_a_folder_could_not_be_read_nothing_is_missing_and_that_is_said() -> None:
    folder, other = (
        of_reader("unreadable_file", "/state/b", advice="open it"),
        of_reader("unreadable_file", "/state/c", advice="open"),
    )
    file = of_reader("unreadable_file", "/state/a.json")
    result = compare(
        [invoice()], [entry(), entry("B"), entry("C", "paid")], scan={"complete": False, "findings": (other, file, folder)}
    )
    assert result.findings == (
        file,
        msgspec.structs.replace(folder, advice="open it; until then 2 invoices of the ledger cannot be compared with a file"),
        other,
    )


@pytest.mark.parametrize(("lines", "found"), [([entry()], "unreadable_file"), ([entry(), entry("B")], "state_missing")])
def test_where_nothing_went_unchecked_nothing_is_said(lines: list[Entry], found: FindingKind) -> None:
    finding = of_reader(found)
    assert compare([invoice()], lines, scan={"complete": False, "findings": (finding,)}).findings == (finding,)


@pytest.mark.parametrize(
    ("section", "expected"), [("unpaid", []), ("escalated", ["status_mismatch"]), ("paid", ["status_mismatch"])]
)
def test_without_an_amount_the_status_is_compared(section: Section, expected: list[str]) -> None:
    assert kinds(compare([invoice(amount=None, paid=3)], [entry(section=section, amount=7)])) == expected


@pytest.mark.parametrize(
    ("invoices", "entries", "expected"),
    [
        # Several files: whatever the ledger says.
        ([invoice(), invoice(folder="b")], [], ["duplicate_invoice"]),
        ([invoice(), invoice(folder="b"), invoice(folder="c")], [entry(amount=1), entry()], ["duplicate_invoice"] * 2),
        ([invoice(), archived()], [entry()], ["archive_and_active"]),
        ([invoice(), archived(), archived(folder="archive/b")], [entry()], ["duplicate_invoice", "archive_and_active"]),
        # A payment that falls short: whatever the status and the ledger.
        ([archived(folder="acme", archived=False, paid=1)], [entry()], ["partial_payment"]),
        ([archived(status="unpaid", paid=1)], [entry(section="paid", amount=1)], ["partial_payment"]),
        # A status in the wrong place: whatever the ledger.
        ([archived(status="unpaid")], [entry(amount=1)], ["status_mismatch"]),
        ([archived(folder="acme", archived=False)], [], ["status_mismatch"]),
        # Several lines: whatever they say, and also without a file.
        ([invoice()], [entry(amount=1), entry(section="paid")], ["duplicate_ledger_entry"]),
        ([], [entry(), entry()], ["duplicate_ledger_entry"]),
        # Another section: whatever the amount.
        ([invoice()], [entry(section="escalated", amount=1)], ["status_mismatch"]),
        ([invoice()], [entry(section="paid", amount=120_00)], ["status_mismatch"]),
    ],
)
def test_the_first_story_of_an_invoice_is_the_only_one(
    invoices: list[Invoice], entries: list[Entry], expected: list[str]
) -> None:
    assert kinds(compare(invoices, entries)) == expected


def test_an_invoice_with_an_error_has_no_story_about_payments_and_reminders() -> None:
    mails = (Reminder(invoice="INV-1", template="overdue_5d", at=AT - 60),) * 2
    activity = Activity(payments=(Payment(invoice="INV-1", at=AT - 2 * HOUR),), reminders=mails, reminders_since=0.0)
    overdue = invoice(due=date(2026, 1, 1))
    assert kinds(compare([overdue], [entry(amount=1)], activity=activity)) == ["amount_mismatch"]
    assert kinds(compare([overdue], [entry()], activity=activity)) == ["stale_payment"]
    assert kinds(compare([overdue], [entry()], activity=msgspec.structs.replace(activity, payments=()))) == [
        "overdue_not_escalated"
    ]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"paid_at": None, "detected_at": AT - 2 * HOUR}, ["status_mismatch"]),
        ({"paid_at": None, "detected_at": None, "mtime": AT - 2 * HOUR}, ["status_mismatch"]),
        ({"paid_at": AT - 60, "detected_at": AT - 2 * HOUR}, []),
        ({"paid_at": AT - HOUR}, []),
        ({"paid_at": AT - HOUR - 1}, ["status_mismatch"]),
        ({"paid_at": -1e30}, ["status_mismatch"]),
    ],
)
def test_since_when_a_paid_invoice_lies_outside_the_archive(members: dict[str, Any], expected: list[str]) -> None:
    assert kinds(compare([archived(folder="acme", archived=False, **members)], [entry(section="paid")])) == expected


@pytest.mark.parametrize("state", ["missing", "unreadable"])
def test_without_the_files_nothing_is_compared(state: Any) -> None:
    missing, line = of_reader("state_missing", "/state"), of_reader("ledger_unparsable_line", "/ledger.md")
    result = reconcile(
        Scan(state=state, findings=(missing,)),
        Ledger(state="ok", entries=[entry()], summary={"unpaid": 1}, findings=(line,)),
        Queues(),
        Activity(reminders=(Reminder(invoice="A", template="t", at=AT),) * 2),
        SETTINGS,
        NOW,
        lambda: None,
    )
    assert result == Result(
        totals=Totals(),
        ledger=None,
        findings=(line, missing),
        counts={"ledger_unparsable_line": 1, "state_missing": 1},
    )


@pytest.mark.parametrize("state", ["missing", "unreadable", None])
def test_without_the_ledger_only_the_files_are_looked_at(state: Any) -> None:
    missing = of_reader("ledger_missing", "/ledger.md")
    ledger = None if state is None else Ledger(state=state, entries=[entry("B")], summary={"unpaid": 1}, findings=(missing,))
    scan = Scan(state="ok", invoices=[invoice(), archived("P", paid=1)])
    result = reconcile(scan, ledger, Queues(), Activity(), SETTINGS, NOW, lambda: None)
    assert kinds(result) == ["partial_payment", *(["ledger_missing"] if ledger else [])]
    assert result.ledger is None
    assert result.totals.unpaid.count == 1
    assert suspects(result) == {"/state/archive/acme/P.json", *(["/ledger.md"] if ledger else [])}


# --- How it is told --------------------------------------------------------------------------------------------------


def test_errors_come_first_and_then_the_order_is_that_of_kinds_and_places() -> None:
    result = compare(
        [invoice("B"), invoice("A"), invoice("C", due=date(2026, 1, 1))],
        [entry("C"), entry("Y"), entry("X", "paid")],
        ledger={"summary": {"unpaid": 1}},
    )
    assert [(finding.kind, finding.invoice) for finding in result.findings] == [
        ("missing_in_ledger", "A"),
        ("missing_in_ledger", "B"),
        ("missing_in_state", "X"),
        ("missing_in_state", "Y"),
        ("ledger_summary_drift", None),
        ("overdue_not_escalated", "C"),
    ]


def test_it_can_be_told_whatever_the_names_are() -> None:
    hostile = "a\x1b[2J\udcff\n\u202e" + "x" * 1000
    result = compare([invoice(hostile, status=hostile, folder="c\udcff")], [entry("\udcff\n", "paid")])
    assert kinds(result) == ["missing_in_ledger", "missing_in_state"]
    encoded = msgspec.json.encode(result.findings).decode()
    assert "\x1b" not in encoded
    assert "\\n" not in encoded
    assert "\u202e" not in encoded
    assert "\\udcff" in result.findings[0].detail
    assert (result.findings[0].path or "").startswith("/state/c\\udcff/a [2J\\udcff ")
    assert len(result.findings[0].invoice or "") < 250


def test_of_many_lines_the_first_are_named() -> None:
    found = only(compare([invoice()], [entry(line=line) for line in range(9, 0, -1)]))
    assert found.detail == f"the ledger has 9 lines for it: {'Unpaid USD 100.00, ' * 5}..."
    assert found.advice == "leave the one that is right of lines 1, 2, 3, 4, 5, ..."


class EndedError(Exception):
    pass


class Ending:
    """Ends a comparison when it is asked for the so-many-th time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self.limit:
            raise EndedError


def test_it_can_be_ended_at_any_step() -> None:
    scan = Scan(state="ok", invoices=[invoice(str(number)) for number in range(3000)])
    ledger = Ledger(state="ok", entries=[entry(str(number)) for number in range(3000)])
    never = Ending(0)
    reconcile(scan, ledger, Queues(), Activity(), SETTINGS, NOW, never)
    assert never.calls > 2 * 3000 / 512
    for limit in range(1, never.calls + 1):
        with pytest.raises(EndedError):
            reconcile(scan, ledger, Queues(), Activity(), SETTINGS, NOW, Ending(limit))


# --- Two looks -------------------------------------------------------------------------------------------------------


def test_an_error_that_only_one_look_saw_is_none() -> None:
    lagging = compare([invoice("A"), invoice("B")], [entry("A", amount=1)])
    caught_up = compare([invoice("A"), invoice("B"), invoice("C")], [entry("A", amount=1), entry("B")])
    assert kinds(lagging) == ["missing_in_ledger", "amount_mismatch"]
    result = confirmed(lagging, caught_up)
    assert [(finding.kind, finding.invoice) for finding in result.findings] == [("amount_mismatch", "A")]
    assert result.counts == {"amount_mismatch": 1}
    assert (result.totals, result.ledger) == (caught_up.totals, caught_up.ledger)


def test_an_error_with_other_figures_is_another_one() -> None:
    assert confirmed(compare([invoice()], [entry(amount=1)]), compare([invoice()], [entry(amount=2)])).findings == ()


def test_an_error_is_the_same_on_another_line() -> None:
    first, second = compare([invoice()], [entry(amount=1, line=4)]), compare([invoice()], [entry(amount=1, line=5)])
    assert confirmed(first, second) == second
    assert kinds(second) == ["amount_mismatch"]


def test_warnings_are_those_of_the_second_look() -> None:
    warned = compare([invoice(due=date(2026, 1, 1))], [entry()])
    assert confirmed(compare([], []), warned) == warned
    assert confirmed(warned, compare([], [])).findings == ()
