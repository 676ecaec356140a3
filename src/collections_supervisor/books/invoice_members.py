"""The members of an invoice file that the books need, decoded the fast way and the tolerant way. Pure."""

import json
from datetime import datetime
from typing import Any

import msgspec

from collections_supervisor.books.times import instant

ABSENT = msgspec.Raw()

_BOM = b"\xef\xbb\xbf"


class Payment(msgspec.Struct, frozen=True, gc=False):
    """`payment`, which a paid invoice has."""

    amount: msgspec.Raw = ABSENT
    detected_at: datetime | float | None = None
    source_file: str | None = None


class Members(msgspec.Struct, frozen=True, gc=False):
    """What both dialects of the format have. Amounts are as they were written: a float would not be exact."""

    amount: msgspec.Raw = ABSENT
    status: str | None = None
    number: str | None = None
    invoice_number: str | None = None
    currency: str | None = None
    due_date: str | None = None
    paid_at: datetime | float | None = None
    payment: Payment | None = None
    checksum: str | None = msgspec.field(name="_checksum", default=None)


class CorruptError(ValueError):
    """The bytes are no JSON object; its text says why, as the end of a sentence about the file."""


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


class _Constant(str):
    """NaN, Infinity or -Infinity, which are no JSON but which Python writes."""

    __slots__ = ()


_DECODER = msgspec.json.Decoder(Members)


def decode_fast(data: bytes) -> Members | None:
    """The members of a file that is as its writers write it; None for one that needs the tolerant way."""
    try:
        if not data.isascii():
            data.decode()  # msgspec does not look into members that it skips
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def decode_tolerantly(data: bytes, *, nested: bool) -> tuple[Members, bool]:
    """The members, whatever types they have, and whether a byte order mark stands before them. Raises CorruptError.

    `nested`: the members may also stand in a member `invoice`, as they do in files that wait for review.
    """
    if not data:
        raise CorruptError("is empty")
    try:
        text = data.removeprefix(_BOM).decode()
        found: Any = json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_Constant)
    except UnicodeDecodeError as error:
        raise CorruptError(f"is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise CorruptError("is nested too deeply") from None
    except ValueError as error:
        raise CorruptError(f"is not JSON, or cut off ({error})") from None
    if not isinstance(found, dict):
        raise CorruptError("is no JSON object")
    if nested and isinstance(inner := found.get("invoice"), dict):
        found = found | inner
    return _members(found), data.startswith(_BOM)


def _members(found: dict[str, Any]) -> Members:
    payment = found.get("payment")
    return Members(
        amount=_raw(found, "amount"),
        status=_plain(found.get("status")),
        number=_text(found.get("number")),
        invoice_number=_text(found.get("invoice_number")),
        currency=_plain(found.get("currency")),
        due_date=_text(found.get("due_date")),
        paid_at=instant(_text(found.get("paid_at"))),
        payment=_payment(payment) if isinstance(payment, dict) else None,
        checksum=_plain(found.get("_checksum")),
    )


def _payment(found: dict[str, Any]) -> Payment:
    source = _text(found.get("source_file"))
    return Payment(amount=_raw(found, "amount"), detected_at=instant(_text(found.get("detected_at"))), source_file=source)


def _raw(found: dict[str, Any], key: str) -> msgspec.Raw:
    return msgspec.Raw(_written(found[key]).encode()) if key in found else ABSENT


def _text(value: object) -> str | None:
    """A text or, because numbers of invoices and seconds are written as such, a number; None for anything else."""
    return _encodable(value) if isinstance(value, str) and not isinstance(value, _Constant) else None


def _plain(value: object) -> str | None:
    return None if value is None else _encodable(value) if isinstance(value, str) else _written(value)


def _written(value: object) -> str:
    """About what stands in the file."""
    if isinstance(value, dict | list):
        return "{…}" if isinstance(value, dict) else "[…]"
    return str(value) if isinstance(value, _Number | _Constant) else json.dumps(value)


def _encodable(text: str) -> str:
    """JSON can name half a character, which no encoding has."""
    return text.encode(errors="backslashreplace").decode()
