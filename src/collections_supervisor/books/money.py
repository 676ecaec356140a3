"""Amounts of money, exact from the text of a file to the text of a report. Pure.

A float appears nowhere, and `decimal`'s default context neither: it rounds at 28 digits without a word.
"""

import re
from collections.abc import Iterable
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

from collections_supervisor.books.records import Hundredths

_EXACT = Context(prec=80, traps=[Inexact, InvalidOperation, Overflow])
_LIMIT = Decimal("1e15")
_DECIMALS = 20

_ZERO = 48
_HUNDREDTHS = (100, 10, 1)
"""What the last digit counts, by the digits after the decimal point."""

_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?")
_LEDGER = re.compile(r"(-?)([0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,15})(\.[0-9]{1,20})?")


def parse_amount(raw: bytes | str) -> Hundredths | None:
    """A JSON number (RFC 8259, section 6) as an amount; None unless it is one, not negative, and of a plausible size.

    At most 15 digits before the decimal point and 20 after it, so that no exponent can ask for a number of a million digits.
    """
    plain = raw.encode(errors="replace") if isinstance(raw, str) else raw
    # Nearly all amounts are like this, and at a hundred thousand of them a regular expression is felt.
    whole, point, cents = plain.partition(b".")
    decimals = len(cents)
    if decimals <= 2 and (cents or not point) and 1 <= len(whole) <= 15 and (whole[0] != _ZERO or len(whole) == 1):
        digits = whole + cents
        if digits.isdigit():
            return int(digits) * _HUNDREDTHS[decimals]
    if not _NUMBER.fullmatch(plain):
        return None
    value = Decimal(plain.decode())
    if value < 0 or value >= _LIMIT or _decimals(value) > _DECIMALS:
        return None
    return _lean(_EXACT.scaleb(value, 2))


def parse_ledger_amount(text: str) -> Hundredths | None:
    """An amount as the ledger writes it, such as `1,234.56` or `-0.00`, without a currency; None for anything else."""
    found = _LEDGER.fullmatch(text)
    if not found:
        return None
    sign, whole, fraction = found.groups()
    return _lean(_EXACT.scaleb(Decimal(f"{sign}{whole.replace(',', '')}{fraction or ''}"), 2))


def text(amount: Hundredths) -> str:
    """The amount in units of its currency, exact, with two decimals or as many as it has: `1250.00`, `0.125`."""
    if isinstance(amount, int):
        sign = "-" if amount < 0 else ""
        units, cents = divmod(abs(amount), 100)
        return f"{sign}{units}.{cents:02d}"
    plain = f"{_EXACT.scaleb(amount, -2):f}" if amount else "0"
    whole, _, fraction = plain.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def money_text(amount: Hundredths, currency: str) -> str:
    """The amount for people: `USD 45,300.00`."""
    whole, _, fraction = text(amount).partition(".")
    # A lone minus belongs to an amount such as -0.50.
    return f"{currency} {'-' if whole == '-0' else ''}{int(whole):,}.{fraction}"


def total(amounts: Iterable[Hundredths]) -> Hundredths:
    """The exact sum. Raises decimal.Inexact instead of rounding, which needs amounts that no parser here lets through."""
    whole = 0
    odd = Decimal(0)
    for amount in amounts:
        if isinstance(amount, int):
            whole += amount
        else:
            odd = _EXACT.add(odd, amount)
    return _lean(_EXACT.add(odd, Decimal(whole))) if odd else whole


def differ(one: Hundredths, other: Hundredths) -> bool:
    """Whether two amounts are apart by a hundredth or more."""
    if isinstance(one, int) and isinstance(other, int):
        return one != other
    return _EXACT.subtract(Decimal(one), Decimal(other)).copy_abs() >= 1


def _decimals(value: Decimal) -> int:
    exponent = value.normalize(_EXACT).as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _lean(hundredths: Decimal) -> Hundredths:
    whole = int(hundredths)
    return whole if whole == hundredths else hundredths.normalize(_EXACT)
