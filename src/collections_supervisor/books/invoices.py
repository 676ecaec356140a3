"""One invoice file: its bytes become an invoice, a finding, or both. Pure."""

import re
import sys
from datetime import date, datetime
from functools import lru_cache

import msgspec

from collections_supervisor.books.checksum import differing_checksum
from collections_supervisor.books.faults import shown
from collections_supervisor.books.invoice_members import CorruptError, Members, Payment, decode_fast, decode_tolerantly
from collections_supervisor.books.money import parse_amount
from collections_supervisor.books.records import Hundredths, Invoice
from collections_supervisor.books.times import instant, plausible
from collections_supervisor.messages import Finding, FindingKind, Group

ARCHIVE = "archive"
_WAITING = frozenset({"review_queue", "manual"})

_GROUPS: dict[str, Group] = {
    "unpaid": "unpaid",
    "pending": "unpaid",
    "paused": "unpaid",
    "paid": "paid",
    "escalated": "escalated",
    "review": "review",
    "pending_review": "review",
    "manual_entry_required": "review",
}
_STATUSES = {status: sys.intern(status) for status in _GROUPS}

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a time without an offset is one of UTC
_CURRENCY = re.compile("[A-Z]{3}")
_NO_PAYMENT = Payment()
_DAY = len("2026-11-22")
_LONGEST_NUMBER = 200
_LONGEST_STATUS = 200
_LONGEST_SOURCE = 4096
_LONGEST_QUOTATION = 60


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """By what an invoice file is judged."""

    root: str
    """The state folder, as people are told of it."""
    currency: str
    """Of an invoice that names none."""
    verify: bool
    """Whether checksums are."""


class Place(msgspec.Struct, frozen=True):
    """A folder of invoice files, by its path below the state folder; empty for the state folder itself."""

    folder: str
    archived: bool
    waiting: bool
    below: str
    """What stands before the name of a file in its path below the client."""


class Odd(msgspec.Struct, frozen=True, kw_only=True):
    """A file that something is wrong with; without an invoice, nothing is known of it."""

    finding: Finding
    invoice: Invoice | None = None


def place_of(folder: str) -> Place:
    """What a folder's path says of the files in it. Only its first part makes it the archive: a client may have any name."""
    parts = folder.split("/")
    archived = parts[0] == ARCHIVE
    client = parts[archived:]
    below = "".join(f"{part}/" for part in client[1:])
    return Place(sys.intern(folder), archived, parts[0] in _WAITING, below)


def judge(data: bytes, *, place: Place, file: str, mtime: float, rules: Rules) -> Invoice | Odd | None:
    """What an invoice file says; None if it is none. `file` is its name as people are told of it."""
    members = None if place.waiting else decode_fast(data)
    marked = False
    if members is None:
        try:
            members, marked = decode_tolerantly(data, nested=place.waiting)
        except CorruptError as error:
            return Odd(finding=_corrupt(f"it {error}", place, file, rules))
    raw = bytes(members.amount)
    if not raw and members.status is None and not place.folder:
        return None
    invoice = _invoice(members, parse_amount(raw), place, file, mtime, rules)
    finding = _marked(invoice, rules) if marked else _wrong(data, members, invoice, rules)
    return invoice if finding is None else Odd(finding=finding, invoice=invoice)


def stem(file: str) -> str:
    """The name of an invoice file without `.json`."""
    return file[:-5]


def _invoice(members: Members, amount: Hundredths | None, place: Place, file: str, mtime: float, rules: Rules) -> Invoice:
    status = members.status or ""
    payment = members.payment or _NO_PAYMENT
    number = members.number or members.invoice_number
    if not number or len(number) > _LONGEST_NUMBER:
        number = place.below + stem(file)
    # A call costs as much as what it is for, and there are a hundred thousand files.
    paid_at, detected_at, currency = members.paid_at, payment.detected_at, members.currency
    return Invoice(
        folder=place.folder,
        file="" if file[:-5] == number else file,
        number=number,
        status=_STATUSES.get(status) or sys.intern(status[:_LONGEST_STATUS]),
        group="paid" if place.archived else "review" if place.waiting else _GROUPS.get(status),
        amount=amount if currency is None or _is_currency(currency) else None,
        currency=sys.intern(currency) if currency and _is_currency(currency) else rules.currency,
        archived=place.archived,
        waiting=place.waiting,
        due=_day(members.due_date[:_DAY]) if members.due_date else None,
        paid=None if members.payment is None else _paid(members, payment, amount),
        paid_at=None if paid_at is None else _seconds(paid_at),
        detected_at=None if detected_at is None else _seconds(detected_at),
        source_file=(payment.source_file or "")[:_LONGEST_SOURCE],
        mtime=mtime if status == "paid" and not place.archived else 0.0,
    )


def _paid(members: Members, payment: Payment, amount: Hundredths | None) -> Hundredths | None:
    # It is nearly always the whole amount, and then one object is enough.
    raw = payment.amount
    return amount if raw == members.amount else parse_amount(bytes(raw))


@lru_cache(maxsize=4096)  # many invoices fall due on the same days, and one object for each day is enough
def _day(text: str) -> date | None:
    """A calendar date. What follows it was cut off before: a cache of whole texts could be filled with long ones."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _seconds(value: datetime | float) -> float | None:
    if isinstance(value, datetime):
        return plausible((value - _EPOCH).total_seconds() if value.tzinfo is None else value.timestamp())
    return instant(value)


def _is_currency(currency: str | None) -> bool:
    return currency is None or _CURRENCY.fullmatch(currency) is not None


def _wrong(data: bytes, members: Members, invoice: Invoice, rules: Rules) -> Finding | None:
    """The first thing that is wrong: one fault is told as one."""
    if invoice.waiting:  # a person is to fill in what is missing there
        return None
    if invoice.amount is None:
        return _finding("bad_amount", _bad_amount(members), "correct the file", invoice, rules)
    if members.payment is not None and invoice.paid is None and (raw := bytes(members.payment.amount)):
        detail = f"the amount of its payment is {_excerpt(raw)}, which is no plain number of a plausible size"
        return _finding("bad_amount", detail, "correct the file", invoice, rules)
    if invoice.group is None:
        known = ", ".join(_GROUPS)
        detail = f"its status is {_quoted(invoice.status)}, which is none of {known}" if invoice.status else "it has no status"
        return _finding("unknown_status", detail, "give it one that is known; until then it is in no total", invoice, rules)
    if rules.verify and members.checksum is not None:
        return _edited(data, members.checksum, invoice, rules)
    return None


def _bad_amount(members: Members) -> str:
    if not _is_currency(members.currency):
        return f"its currency is {_quoted(members.currency or '')}, not three capital letters"
    raw = bytes(members.amount)
    return f"its amount is {_excerpt(raw)}, which is no plain number of a plausible size" if raw else "it has no amount"


def _excerpt(raw: bytes) -> str:
    return shown(raw[:_LONGEST_QUOTATION].decode(errors="replace"))


def _corrupt(detail: str, place: Place, file: str, rules: Rules) -> Finding:
    path = "/".join(part for part in (rules.root, place.folder, file) if part)
    advice = "restore the file, or write it anew"
    return Finding(kind="corrupt_file", severity="error", path=path, invoice=None, detail=detail, advice=advice)


def _edited(data: bytes, written: str, invoice: Invoice, rules: Rules) -> Finding | None:
    found = differing_checksum(data, written)
    if found is None:
        return None
    detail = f"its checksum is {_quoted(written)}, what it holds gives {_quoted(found)}"
    advice = "something other than its writer changed it: compare it with the invoice itself"
    return _finding("checksum_mismatch", detail, advice, invoice, rules)


def _marked(invoice: Invoice, rules: Rules) -> Finding:
    detail = "it begins with a byte order mark, which its own readers refuse"
    return _finding("corrupt_file", detail, "save it without one", invoice, rules)


def _finding(kind: FindingKind, detail: str, advice: str, invoice: Invoice, rules: Rules) -> Finding:
    path = f"{rules.root}/{invoice.path}"
    return Finding(kind=kind, severity="error", path=path, invoice=shown(invoice.number), detail=detail, advice=advice)


def _quoted(text: str) -> str:
    return f'"{shown(text if len(text) <= _LONGEST_QUOTATION else text[:_LONGEST_QUOTATION] + "...")}"'
