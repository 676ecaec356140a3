"""What an invoice file may be taken for, by the standard library's own JSON and Decimal: slow, and of one piece."""

import json
import unicodedata
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, DecimalException
from fractions import Fraction
from hashlib import sha256
from typing import Any

from collections_supervisor.books import invoices
from collections_supervisor.books.invoice_members import CorruptError, Members, decode_fast, decode_tolerantly
from collections_supervisor.books.invoices import Odd, Rules, judge, place_of
from collections_supervisor.books.money import parse_amount
from collections_supervisor.books.records import Invoice
from collections_supervisor.messages import Finding

RULES = Rules(root="/state", currency="USD", verify=True)
FILE = "INV-1.json"
FOLDERS = ("acme", "", "archive/acme/b", "manual")
DEEP = 500
"""So many open brackets and more may be too many, by how deep the caller stands already."""

BOM = b"\xef\xbb\xbf"
_TREACHEROUS = {"RLO", "LRO", "RLE", "LRE", "PDF", "LRI", "RLI", "FSI", "PDI"}


class _Constant:
    """NaN or Infinity."""


def check_invoice(data: bytes) -> None:
    """Fails if anything in the judgement of these bytes is more than they say."""
    for folder in FOLDERS:
        found = judge(data, place=place_of(folder), file=FILE, mtime=7.0, rules=RULES)
        if isinstance(found, Odd):
            check_texts([found.finding])
        if _depth(data) < DEEP:
            _compare(data, folder, found)
    _check_both_ways(data)


def check_texts(findings: Iterable[Finding]) -> None:
    """Each text of a finding is one line that can be written and that disturbs nothing."""
    for finding in findings:
        assert len(finding.detail) < 500
        for text in (finding.path or "", finding.invoice or "", finding.detail, finding.advice):
            text.encode()
            assert not {unicodedata.category(char) for char in text} & {"Cc", "Cs", "Zl", "Zp"}, text
            assert not {unicodedata.bidirectional(char) for char in text} & _TREACHEROUS, text


def _depth(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{")


def _compare(data: bytes, folder: str, found: Invoice | Odd | None) -> None:
    members = _read(data)
    invoice = found.invoice if isinstance(found, Odd) else found
    if members is None:
        assert isinstance(found, Odd), found
        assert (found.finding.kind, found.invoice) == ("corrupt_file", None)
        return
    if folder == "manual" and isinstance(inner := members.get("invoice"), dict):
        members = members | inner
    if invoice is None:
        assert found is None
        assert folder == ""
        assert "amount" not in members
        assert members.get("status") is None
        return
    _compare_money(members, invoice)
    _compare_names(members, invoice, folder)
    kind = found.finding.kind if isinstance(found, Odd) else None
    assert (kind == "corrupt_file") == data.startswith(BOM)
    if folder != "manual" and kind is None:
        assert invoice.amount is not None
        assert invoice.group is not None
        assert _checksum_is_right(data, members)
    if kind == "checksum_mismatch":
        assert not _checksum_is_right(data, members)


def _read(data: bytes) -> dict[str, Any] | None:
    try:
        text = data.removeprefix(BOM).decode()
        found = json.loads(text, parse_float=_number, parse_int=_number, parse_constant=lambda _: _Constant())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _number(text: str) -> Decimal | _Constant:
    try:
        return Decimal(text)
    except DecimalException:
        return _Constant()  # an exponent of twenty digits


def _compare_money(members: dict[str, Any], invoice: Invoice) -> None:
    currency = members.get("currency")
    sound = currency is None or (
        isinstance(currency, str) and len(currency) == 3 and set(currency) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    )
    assert invoice.currency == (currency if sound and currency is not None else "USD")
    _compare_amount(members.get("amount") if sound else None, invoice.amount)
    payment = members.get("payment")
    _compare_amount(payment.get("amount") if isinstance(payment, dict) else None, invoice.paid)


def _compare_amount(written: object, counted: object) -> None:
    if counted is not None:
        assert isinstance(counted, int | Decimal)
        assert isinstance(written, Decimal)
        assert 0 <= Fraction(written) < 10**15
        assert Fraction(counted) == Fraction(written) * 100
    elif isinstance(written, Decimal):
        exponent = written.as_tuple().exponent
        assert isinstance(exponent, int)
        assert not (0 <= written < 10**15 and -2 <= exponent <= 0), "an amount was lost"


def _compare_names(members: dict[str, Any], invoice: Invoice, folder: str) -> None:
    status = members.get("status")
    if isinstance(status, str):
        assert invoice.status == _whole(status)[:200]
    number = next((name for key in ("number", "invoice_number") if (name := members.get(key)) or name == 0), None)
    if isinstance(number, str) and len(_whole(number)) <= 200:
        assert invoice.number == _whole(number)
    elif number is None or isinstance(number, list | dict | bool):
        assert invoice.number == ("b/INV-1" if folder.endswith("/b") else "INV-1") or "invoice_number" in members
    due = members.get("due_date")
    assert invoice.due == (_day(due) if isinstance(due, str) else invoice.due)
    for at in (invoice.paid_at, invoice.detected_at):
        assert at is None or 0 <= at <= 1e11
    for text in (invoice.number, invoice.status, invoice.source_file):
        text.encode()


def _whole(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def _checksum_is_right(data: bytes, members: dict[str, Any]) -> bool:
    if members.get("_checksum") is None:
        return True
    try:
        kept = {key: value for key, value in json.loads(data.removeprefix(BOM)).items() if not key.startswith("_")}
        text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    except ValueError:
        return False
    return bool(members["_checksum"] == sha256(text.encode()).hexdigest()[:16])


def _check_both_ways(data: bytes) -> None:
    """What the fast way takes, the tolerant way takes too, and for the same invoice."""
    fast = decode_fast(data)
    if fast is None or _depth(data) >= DEEP:
        return
    try:
        tolerant, marked = decode_tolerantly(data, nested=False)
    except CorruptError as error:
        raise AssertionError(f"only the fast way takes it: {error}") from error
    assert not marked
    one, other = _invoice(fast), _invoice(tolerant)
    for at, same in ((one.paid_at, other.paid_at), (one.detected_at, other.detected_at)):
        # Some writers give more than six digits after the point, which are rounded or cut.
        assert (at is None) == (same is None)
        assert at is None or same is None or abs(at - same) < 1e-5
    fields = [name for name in Invoice.__struct_fields__ if name not in {"paid_at", "detected_at"}]
    for name in fields:
        assert getattr(one, name) == getattr(other, name), name
    assert fast.checksum == tolerant.checksum


def _invoice(members: Members) -> Invoice:
    amount = parse_amount(bytes(members.amount))
    return invoices._invoice(members, amount, place_of("acme"), FILE, 7.0, RULES)
