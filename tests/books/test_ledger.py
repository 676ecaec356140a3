"""The ledger's lines: what agents write, what people make of it, and what neither can be read."""

from decimal import Decimal
from time import thread_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collections_supervisor.books.ledger import CHUNK, FINDINGS_LIMIT, LINE_LIMIT, parse
from collections_supervisor.books.records import Ledger


def read(text: str | bytes) -> Ledger:
    return parse(text if isinstance(text, bytes) else text.encode(), path="/books/ledger.md", check=lambda: None)


def entries(text: str | bytes) -> list[tuple[str, str, object]]:
    return [(entry.number, entry.section, entry.amount) for entry in read(text).entries]


def details(text: str | bytes) -> list[tuple[str | None, str]]:
    found = read(text).findings
    assert all((one.kind, one.path) == ("ledger_unparsable_line", "/books/ledger.md") for one in found)
    assert all(one.advice for one in found)
    return [(one.invoice, one.detail) for one in found]


WHOLE = """# Collections Ledger

## Unpaid

- `INV-2` | $1,234,567.89 | Acme | Due: 2026-11-01 | Status: unpaid
- `INV-1` | $100.00 | Beta | Status: unpaid

## Paid

- `INV-3` | $5.00 | Paid: 2026-11-02 | Method: wire | Status: paid
- `INV-4` | $6.00 | Status: paid

## Escalated

- `INV-5` | $7.00 | no answer | Escalated: 2026-11-03 | Status: escalated

## Summary

- **Unpaid Total:** $1234667.89
- **Paid Total:** $-0.00
- **Escalated Total:** $7.5
**Grand Total:** $1234685.89
"""


def test_all_sections_and_what_the_summary_claims() -> None:
    ledger = read(WHOLE)
    assert ledger.state == "ok"
    assert ledger.findings == ()
    assert [(entry.number, entry.section, entry.amount, entry.line) for entry in ledger.entries] == [
        ("INV-2", "unpaid", 123456789, 5),
        ("INV-1", "unpaid", 10000, 6),
        ("INV-3", "paid", 500, 10),
        ("INV-4", "paid", 600, 11),
        ("INV-5", "escalated", 700, 15),
    ]
    assert ledger.summary == {"unpaid": 123466789, "paid": 0, "escalated": 750, "grand": 123468589}


def test_carriage_returns_and_a_mark_at_the_beginning_change_nothing() -> None:
    assert read(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode()) == read(WHOLE)


@pytest.mark.parametrize(
    ("line", "number", "amount"),
    [
        ("- `A` | $1.00 | B | C | Status: unpaid", "A", 100),
        ("- `A` | $1.00 | B | Status: paid | Status: unpaid", "A", 100),
        ("- `A` | $1.00 | says Status: paid | Status: unpaid", "A", 100),
        ("- `A|B` | $1.00 | C | Status: unpaid", "A|B", 100),
        ("- `A` | $-0.00 | C | Status: unpaid", "A", 0),
        ("- `A` | -$12.50 | C | Status: unpaid", "A", -1250),
        ("- `A` | $0.125 | C | Status: unpaid", "A", Decimal("12.5")),
        ("- `A` | $5 | C | Status: unpaid", "A", 500),
        ("- `A` | $5.00 | C", "A", 500),
        ("- `A` | $5.00", "A", 500),
        ("- `A` | $5.00 | C | Status: paused", "A", 500),
        ("- `A` | $5.00 | C | Status: **Unpaid**", "A", 500),
        ("- `A` | $5.00 | C | Status: unpaid | seen by Bob", "A", 500),
        ("* `A`|$5.00|C|Status: unpaid", "A", 500),
        ("  - ` A ` | $5.00 | C | Status: unpaid  ", "A", 500),
        ("- A: $1,150.25 (Client (old)) - 2026-01-01", "A", 115025),
        ("- A: B: $1.00 (C)", "A: B", 100),
        ("- `A`: $1.00 (C) - 2026-01-01", "A", 100),
        ("- `Größe 7` | $5.00 | C | Status: unpaid", "Größe 7", 500),
    ],
)
def test_number_and_amount_from_the_left_and_the_status_from_the_right(line: str, number: str, amount: object) -> None:
    assert entries(f"## Unpaid\n{line}\n") == [(number, "unpaid", amount)]
    assert details(f"## Unpaid\n{line}\n") == []


@pytest.mark.parametrize(
    ("line", "invoice"),
    [
        ("- garbage", None),
        ("- `A` | 5.00 | C | Status: unpaid", "A"),
        ("- `A` | $12,34.00 | C | Status: unpaid", "A"),
        ("- `A` | $1.2.3 | C | Status: unpaid", "A"),
        ("- ` ` | $5.00 | C | Status: unpaid", None),
        ("- `A` | $1234567890123456.00 | C | Status: unpaid", "A"),
        ("- Acme: $500 promised by telephone", None),
        (f"- `A` | $5.00 | {'C' * LINE_LIMIT} | Status: unpaid", "A"),
        (f"- `A` | $5.00 | {'C' * LINE_LIMIT} | Status: paid", "A"),
        ("- `A` | USD 1,500.00 | a fee: $50 (by telephone) | Status: paid", "A"),
    ],
)
def test_an_item_that_is_no_entry_is_told_with_its_text_and_its_invoice(line: str, invoice: str | None) -> None:
    assert entries(f"## Paid\n{line}\n") == []
    [(told, detail)] = details(f"## Paid\n{line}\n")
    assert told == invoice
    assert line.rstrip()[:100] in detail


@pytest.mark.parametrize(
    "line", ["", "  ", "prose", "- ", "-", "---", "- - -", "- None", "- (none)", "- _None_", "  - a remark", "#tag"]
)
def test_prose_is_nothing(line: str) -> None:
    assert read(f"## Unpaid\n{line}\n") == Ledger(state="ok", entries=[])


def test_the_section_is_believed_and_a_status_that_contradicts_it_told() -> None:
    text = "## Unpaid\n- `A` | $5.00 | C | Status: paid\n- `B` | $5.00 | C | Status: lost\n"
    assert entries(text) == [("A", "unpaid", 500), ("B", "unpaid", 500)]
    [(first, paid), (second, lost)] = details(text)
    assert (first, second) == ("A", "B")
    assert "below Unpaid, but its status is paid" in paid
    assert "below Unpaid, but its status is lost" in lost


@pytest.mark.parametrize(
    ("heading", "section"),
    [
        ("## PAID", "paid"),
        ("# Paid (3)", "paid"),
        ("## **Escalated**", "escalated"),
        ("### Paid", "paid"),
        ("### November", "unpaid"),
    ],
)
def test_headings_are_read_tolerantly(heading: str, section: str) -> None:
    assert entries(f"## Unpaid\n{heading}\n- `A` | $5.00 | C\n") == [("A", section, 500)]


def test_below_no_heading_an_entry_counts_by_its_status() -> None:
    text = "- `A` | $5.00 | C | Status: paid\n## Notes\n- `B` | $6.00 | C | Status: paused\n- C: $7.00 (D)\n- call them\n"
    assert entries(text) == [("A", "paid", 500), ("B", "unpaid", 600)]
    assert details(text) == []


def test_an_entry_that_nothing_says_the_kind_of_is_told() -> None:
    text = "## Notes\n- `A` | $5.00 | C\n- `B` | $5.00 | C | Status: lost\n"
    assert entries(text) == []
    assert [invoice for invoice, detail in details(text) if "no heading" in detail] == ["A", "B"]


def test_a_claim_that_cannot_be_read_is_a_warning_only() -> None:
    ledger = read(
        "## Summary\n- **Unpaid Total:** $nan\n**Grand Total:** $nan\n- Paid total: $1.2.3\n"
        "- **Escalated Total:** $5\nPaid total so far\n"
    )
    assert ledger.summary == {"escalated": 500}
    assert [(one.severity, one.invoice) for one in ledger.findings] == [("warning", None)] * 3


def test_what_stands_in_the_summary_is_no_entry() -> None:
    assert entries("## Summary\n- `A` | $5.00 | C | Status: paid\n") == []


def test_bytes_that_are_not_utf_8_cost_only_their_own_line() -> None:
    text = b"## Unpaid\n- `A\xff` | $5.00 | C | Status: unpaid\n- `B` | $5.00 | \xfc | Status: unpaid\n"
    assert entries(text) == [("A\\xff", "unpaid", 500), ("B", "unpaid", 500)]


def test_a_byte_that_is_not_utf_8_is_neither_a_mark_nor_a_letter() -> None:
    assert details(b"## Unpaid\n- \xff\n") == [(None, r"a line is no entry: - \xff")]
    assert entries(b"## Unpaid\n### \xffPaid\n- `A` | $5.00 | C\n") == [("A", "unpaid", 500)]
    assert read(b"## Summary\n- \xffUnpaid Total: $5\n").summary == {}


@pytest.mark.parametrize("data", [WHOLE.encode("utf-16"), bytes(CHUNK * 2)])
def test_what_is_not_text_is_one_finding(data: bytes) -> None:
    ledger = read(data)
    assert (ledger.state, ledger.entries) == ("unreadable", ())
    assert [(one.kind, one.severity) for one in ledger.findings] == [("unreadable_file", "error")]


def test_findings_are_bounded_and_the_rest_is_counted() -> None:
    found = details("## Unpaid\n" + "- x\n" * (FINDINGS_LIMIT + 7))
    assert len(found) == FINDINGS_LIMIT + 1
    assert found[-1] == (None, "7 further lines cannot be read either")


def test_a_ledger_of_too_many_entries_is_not_read() -> None:
    line = "- `A` | $5.00 | C | Status: unpaid\n"
    ledger = parse(f"## Unpaid\n{line * 3000}".encode(), path="x", check=lambda: None, at_most=2999)
    assert (ledger.state, ledger.entries) == ("unreadable", ())
    assert "more than 2999 entries" in ledger.findings[0].detail


def test_details_disturb_no_terminal() -> None:
    [(invoice, detail)] = details("## Unpaid\n- `A\x1b[31m` | 5 | \u202e\x07\n")
    assert invoice is not None
    assert invoice.isprintable()
    assert detail.isprintable()


def test_a_large_ledger_is_parsed_in_chunks_that_can_be_stopped() -> None:
    line = "- `INV-{}` | $1,000.00 | Client | Status: unpaid\n"
    data = ("## Unpaid\n" + "".join(line.format(number) for number in range(5000))).encode()
    calls: list[None] = []
    ledger = parse(data, path="x", check=lambda: calls.append(None))
    assert [entry.line for entry in ledger.entries] == list(range(2, 5002))
    assert len(calls) >= len(data) / CHUNK

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        parse(data, path="x", check=stop)


SIZE = 1 << 20
LONG = LINE_LIMIT - 100
HOSTILE = {
    "blanks": "- " + " " * LONG + "x",
    "marks": "- " + "." * LONG + "x",
    "open brackets": "- " + ": $1 (" * (LONG // 6),
    "amounts": "- " + ": $1 " * (LONG // 5),
    "backticks": "- `" + "` | $1 | ` " * (LONG // 11),
    "digits": "- `A` | $" + "1," * (LONG // 2) + "x",
    "blank claim": "## Summary\n- " + " " * LONG + "x",
    "claimed digits": "## Summary\n- unpaid total $1" + ".," * (LONG // 2) + "x",
    "claimed dollars": "## Summary\n- paid total" + "-$" * (LONG // 2) + "x",
    "heading": "## " + " " * LONG + "x",
    "statuses": "- `A` | $5.00 |" + "| Status:" * (LONG // 9),
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE)
def test_no_line_costs_more_than_its_length(line: str) -> None:
    data = f"## Unpaid\n{line}\n".encode()
    begun = thread_time()
    read(data * (SIZE // len(data)))
    # A tenth of that is usual, and a pattern that goes back and forth takes minutes.
    assert thread_time() - begun < 0.5


def test_one_line_as_long_as_the_file_is_not_looked_through() -> None:
    begun = thread_time()
    ledger = read(b"## Unpaid\n- " + b"\xff" * (1 << 24))
    assert thread_time() - begun < 0.5
    assert [len(one.detail) for one in ledger.findings] == [300]


def test_a_long_line_is_told_however_it_begins() -> None:
    assert details(f"## Unpaid\n- {' ' * LINE_LIMIT}`A` | $5.00 | C\n") == [(None, "a line is no entry: -")]
    claim = read(f"## Summary\n- **Unpaid Total:** $5{' ' * LINE_LIMIT}000.00\n")
    assert claim.summary == {}
    assert [one.severity for one in claim.findings] == ["warning"]


def test_a_line_longer_than_a_chunk_costs_only_itself() -> None:
    text = "## Unpaid\n- `A` | $5.00 | " + "x" * (CHUNK * 2) + "\n- `B` | $5.00 | C\n"
    assert entries(text) == [("B", "unpaid", 500)]
    assert [invoice for invoice, _ in details(text)] == ["A"]


PIECES = st.sampled_from(
    [
        "- ",
        "`",
        "`A`",
        " | ",
        "|",
        "$",
        "$1.00",
        "$1,000.5",
        "-",
        "Status: paid",
        "Status:",
        "## Paid",
        "## Summary",
        "\n",
        ": ",
        "(C)",
    ]
)


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=40).map(lambda pieces: "".join(pieces).encode())))
def test_nothing_makes_it_raise(data: bytes) -> None:
    read(data)
    read(b"## Unpaid\n" + data)


@settings(max_examples=100)
@example(number="\x1fA\N{EM SPACE}", cents=5, client="C")
@given(
    number=st.text(st.characters(codec="utf-8", exclude_characters="`\n\r\0"), min_size=1).filter(
        lambda number: number == number.strip(" \t\N{NO-BREAK SPACE}")
    ),
    cents=st.integers(0, 10**16),
    client=st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), max_size=30),
)
def test_what_agents_write_is_read_the_same_by_the_quick_and_the_patient_way(number: str, cents: int, client: str) -> None:
    line = f"- `{number}` | ${cents // 100:,}.{cents % 100:02d} | {client} | Status: unpaid"
    quick, patient = entries(f"## Unpaid\n{line}\n"), entries(f"## Unpaid\n{line} \n")
    assert quick == patient == [(number, "unpaid", cents)]
