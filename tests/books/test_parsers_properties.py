"""Whatever stands in a file, its reader takes it for what a slow one takes it for that was written for this, and never raises."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.books.oracle_invoices import check_invoice
from tests.books.oracle_ledger import check_ledger, read
from tests.books.oracle_lines import check_blocks, check_lines, check_log

from collections_supervisor.books.ledger import CHUNK

INVOICE = {
    "client": "Büro Köln",
    "number": "INV-1",
    "amount": 1500.25,
    "currency": "EUR",
    "status": "unpaid",
    "due_date": "2026-03-01",
    "paid_at": "2026-03-02T10:00:05.123Z",
    "payment": {"amount": 0.125, "source_file": "mail/1.eml", "detected_at": 1772445600.5},
    "_checksum": "0123456789abcdef",
}
INVOICES = [
    json.dumps(INVOICE, indent=2).encode(),
    json.dumps(INVOICE, ensure_ascii=False).encode(),
    b'{"invoice_number": 7, "amount": NaN, "status": "paused", "invoice": {"amount": 1e3}}',
]
LEDGERS = [
    b"""# Collections Ledger

## Unpaid

- `INV-2` | $1,234,567.89 | Acme | Due: 2026-11-01 | Status: unpaid
- INV-1: $100.00 (Beta) - 2026-01-01

## Paid
- `INV-3` | $5.00 | Paid: 2026-11-02 | Method: wire | Status: paid
* `INV-4`|$-0.125|C|D | Status: **unpaid**
- None

## Summary
- **Unpaid Total:** $1234667.89
- **Paid Total:** $-0.00
""",
]
LOGS = [
    b"""{"timestamp": "2026-11-22T10:00:00Z", "type": "EMAIL_SENT", "invoice": "A", "template": "t"}
{"_queued_at": 1795341600.5, "type": "INVOICE_PAID", "invoice_number": 7, "note": NaN}

2026-11-22 10:00:01,123 - mailer - smtp - ERROR - it broke
Traceback (most recent call last):
{"ts": 1795341602, "level": "CRITICAL", "x": {}}
{"timestamp": "2026-11-22 10:00:03+01:00", "type": "INVOICE_PAID", "invoice": "B"}
""",
]
NASTY = [
    *(b"NaN", b"-Infinity", b"1e999999", b"1e99999999999999999999", b"9" * 5000, b"0." + b"1" * 5000, b"-0", b"01", b"1_0"),
    *(b"[" * 100_000, b'{"a":' * 100_000, b"{" * 3, b"}", b"]", b'"', b"\\", b"\\ud800", b"\\udc00\\ud800", b"\\u0000", b"\\x"),
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc3", b"\r", b"\r\n", b"\n", b"\n\n", b"\x0b", b"\x0c", b"\x1c"),
    *("\x85".encode(), "\u2028".encode(), "\u202e".encode(), "\N{NO-BREAK SPACE}".encode(), "١".encode(), b" " * 9000),
    *(b"x" * (CHUNK + 1), b'"amount": 7, ', b'"status": "paid", ', b'"payment": null, ', b'"invoice": "C", ', b'"type": 5, '),
    *(b"} {", b"}{", b"}\n{", b"{\n", b"$", b"-$", b"`", b"|", b" | ", b": $1 (", b"- ", b"## ", b"## Summary\n", b" - ERROR - "),
    *(b"1969-12-31T23:59:59", b"9999-12-31T23:59:59Z", b"0001-01-01T00:00:00+14:00", b"2026-03-02T24:00:00", b"Status: lost"),
]


@st.composite
def damaged(draw: st.DrawFn, wholes: list[bytes]) -> bytes:
    """A realistic file, up to three times cut, changed, spliced or filled with what is hard to read."""
    data = draw(st.sampled_from(wholes))
    for _ in range(draw(st.integers(1, 3))):
        start, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        kind = draw(st.sampled_from(["cut", "flip", "fill", "instead", "again", "splice", "line ends"]))
        if kind == "cut":
            data = data[:start]
        elif kind == "flip" and start < len(data):
            data = data[:start] + bytes([data[start] ^ draw(st.integers(1, 255))]) + data[start + 1 :]
        elif kind == "fill":
            data = data[:start] + draw(st.sampled_from(NASTY)) + data[start:]
        elif kind == "instead":
            data = data[:start] + draw(st.sampled_from(NASTY)) + data[end:]
        elif kind == "again" and end - start < 200:
            data = data[:end] + data[start:end] + data[end:]
        elif kind == "splice":
            other = draw(st.sampled_from(wholes))
            data = data[:start] + other[min(end, len(other)) :]
        elif kind == "line ends":
            data = data.replace(b"\n", draw(st.sampled_from([b"\r\n", b"\r", b" \n", b"\n\n"])))
    return data


members = st.dictionaries(
    st.sampled_from([*INVOICE, "invoice_number", "invoice", "x"]),
    st.sampled_from(
        [json.dumps(value).encode() for value in (*INVOICE.values(), None, True, "", 7, [], "\ud800\n")] + NASTY[:10]
    ),
).map(lambda found: b"{%s}" % b", ".join(b"%s: %s" % (json.dumps(key).encode(), value) for key, value in found.items()))


@settings(max_examples=150)
@given(damaged(INVOICES) | members | st.binary(max_size=100))
@example(INVOICES[0])
@example(INVOICES[2])
def test_an_invoice_is_what_its_text_says(data: bytes) -> None:
    check_invoice(data)


@settings(max_examples=150)
@given(damaged(LEDGERS) | st.binary(max_size=100) | st.binary(max_size=100).map(b"## Paid\n- `".__add__))
@example(LEDGERS[0])
def test_a_ledger_is_what_its_lines_say(data: bytes) -> None:
    check_ledger(data)


@settings(max_examples=100)
@given(damaged(LEDGERS), st.integers(0, 300))
def test_a_ledger_is_the_same_in_any_chunks(data: bytes, before: int) -> None:
    # A line of prose moves the end of the first chunk to somewhere in the ledger, or before it.
    moved = read(b"x" * (CHUNK - before) + b"\n" + data.removeprefix(b"\xef\xbb\xbf"))
    alone = read(data)
    assert [(entry.line - 1, entry.number, entry.amount, entry.section) for entry in moved.entries] == [
        (entry.line, entry.number, entry.amount, entry.section) for entry in alone.entries
    ]
    assert (moved.summary, moved.findings) == (alone.summary, alone.findings)


@settings(max_examples=150)
@given(damaged(LOGS) | st.binary(max_size=100))
@example(LOGS[0])
def test_lines_are_what_each_of_them_says(data: bytes) -> None:
    check_lines(data)
    check_blocks(data[:400])


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(damaged(LOGS), st.lists(st.integers(0, 600), max_size=3), st.sampled_from([0.0, 1795341601.5]))
@example(LOGS[0], [40, 41, 200], 0.0)
def test_a_log_that_grows_says_what_one_says_that_is_read_at_once(data: bytes, cuts: list[int], since: float) -> None:
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    check_log([data[start:end] for start, end in pairwise(bounds)], since)


# --- What a coverage-guided run came to: few and small inputs that together lead everywhere it found a way to ---


CORPUS = json.loads((Path(__file__).parent / "parsers_corpus.json").read_text())
CHECKS: dict[str, Callable[[bytes], Any]] = {"invoices": check_invoice, "ledger": check_ledger, "lines": check_lines}


@pytest.mark.parametrize("kind", CHECKS)
def test_what_was_found_by_coverage(kind: str) -> None:
    assert len(CORPUS[kind]) > 10
    for text in CORPUS[kind]:
        CHECKS[kind](text.encode("latin-1"))
