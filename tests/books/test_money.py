"""Amounts are exact, however they are written."""

from decimal import Decimal, Inexact, localcontext
from fractions import Fraction
from json import dumps

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collections_supervisor.books.money import differ, money_text, parse_amount, parse_ledger_amount, text, total
from collections_supervisor.books.records import Hundredths

LARGE = Decimal("999999999999999.99999999999999999999")
decimals = st.decimals(min_value=0, max_value=LARGE, allow_nan=False, allow_infinity=False, places=20).map(
    lambda value: f"{value:f}"
)
amounts: st.SearchStrategy[Hundredths] = st.one_of(
    st.integers(-(10**17), 10**17), st.decimals(-(10**17), 10**17, places=18, allow_nan=False).map(lambda value: +value)
)


@pytest.mark.parametrize(
    ("written", "hundredths"),
    [
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("0.00", 0),
        ("0e99", 0),
        ("7", 700),
        ("1500", 150000),
        ("1500.0", 150000),
        ("150.25", 15025),
        ("0.05", 5),
        ("10.10", 1010),
        ("1e3", 100000),
        ("1.5E+2", 15000),
        ("1.000", 100),
        ("0.125", Decimal("12.5")),
        ("1e-05", Decimal("0.001")),
        ("1e-20", Decimal("1e-18")),
        ("999999999999999.99", 99999999999999999),
        ("12345678901234.12345678901234567891", Decimal("1234567890123412.345678901234567891")),
    ],
)
def test_plain_numbers_are_amounts(written: str, hundredths: Hundredths) -> None:
    found = parse_amount(written.encode())
    assert found == hundredths
    assert type(found) is type(hundredths)
    assert parse_amount(written) == hundredths


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            " ",
            ".",
            "1.",
            ".5",
            "01",
            "00.10",
            "01.50",
            "+1",
            " 1",
            "1 ",
            "1_0",
            "1,5",
            "0x1",
            "1e",
            "1e5.33",
            "1.2.3",
            "1.2 ",
        ),
        *("-1", "-0.01", "NaN", "Infinity", "-Infinity", "null", "true", '"1.00"', "[1.5]", "{}"),
        *("1e15", "1e16", "1e99", "1e999999", "1000000000000000", "1e-21", "0.1e-20", "0.000000000000000000001", "9" * 5000),
        *("١.٠٠", "1.٠٠", "\ud800", "²"),
    ],
)
def test_anything_else_is_none(written: str) -> None:
    assert parse_amount(written) is None
    assert parse_amount(written.encode(errors="surrogatepass")) is None


@given(decimals)
@example("0." + "0" * 19 + "1")
def test_no_digit_is_lost(written: str) -> None:
    found = parse_amount(written)
    assert found is not None
    assert Fraction(found) == Fraction(written) * 100
    assert Fraction(text(found)) == Fraction(written)


@given(st.floats(min_value=0, max_value=9e14).filter(lambda value: value == 0 or value > 1e-4))
def test_a_float_as_python_writes_it_is_taken_by_its_digits(value: float) -> None:
    found = parse_amount(dumps(value))
    assert found is not None
    assert Fraction(found) == Fraction(dumps(value)) * 100


@pytest.mark.parametrize(
    ("written", "hundredths"),
    [
        *[("0", 0), ("-0.00", 0), ("1,234.56", 123456), ("1234.5", 123450), ("-1,234.50", -123450), ("0.125", Decimal("12.5"))],
        *[("999,999,999,999,999.99", 99999999999999999), ("1,234,567", 123456700)],
    ],
)
def test_the_ledger_has_commas_and_signs(written: str, hundredths: Hundredths) -> None:
    found = parse_ledger_amount(written)
    assert found == hundredths
    assert type(found) is type(hundredths)


@pytest.mark.parametrize(
    "written", ["", "-", ".5", "1.", "1,23", "1,2345", ",123", "12,34.00", "1e3", "$1", "NaN", "١", "1" * 16]
)
def test_what_the_ledger_does_not_write_is_none(written: str) -> None:
    assert parse_ledger_amount(written) is None


@given(st.integers(-(10**16), 10**16))
def test_what_python_formats_for_the_ledger_is_read_back(cents: int) -> None:
    assert parse_ledger_amount(f"{Decimal(cents) / 100:,.2f}") == cents


@pytest.mark.parametrize(
    ("amount", "plain", "people"),
    [
        (0, "0.00", "USD 0.00"),
        (Decimal("-0"), "0.00", "USD 0.00"),
        (5, "0.05", "USD 0.05"),
        (-50, "-0.50", "USD -0.50"),
        (125000, "1250.00", "USD 1,250.00"),
        (-123456789, "-1234567.89", "USD -1,234,567.89"),
        (Decimal("12.5"), "0.125", "USD 0.125"),
        (Decimal("-12.5"), "-0.125", "USD -0.125"),
        (Decimal("1E+3"), "10.00", "USD 10.00"),
        (Decimal("1E-18"), "0.00000000000000000001", "USD 0.00000000000000000001"),
    ],
)
def test_amounts_in_words(amount: Hundredths, plain: str, people: str) -> None:
    assert text(amount) == plain
    assert money_text(amount, "USD") == people


@given(st.lists(amounts, max_size=30))
def test_sums_are_exact_whatever_the_default_context(values: list[Hundredths]) -> None:
    with localcontext(prec=5):
        found = total(values)
    assert Fraction(found) == sum(map(Fraction, values), Fraction(0))
    assert isinstance(found, int) == (Fraction(found).denominator == 1)


def test_a_sum_is_never_rounded() -> None:
    with pytest.raises(Inexact):
        total([Decimal("1e90"), Decimal("1e-20")])


@given(amounts, amounts)
def test_a_hundredth_is_a_difference(one: Hundredths, other: Hundredths) -> None:
    assert differ(one, other) == (abs(Fraction(one) - Fraction(other)) >= 1)


def test_less_than_a_hundredth_is_none() -> None:
    assert not differ(100, Decimal("100.99"))
    assert differ(Decimal("100.5"), Decimal("101.5"))
