"""What invoices and ledger lines add up to."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.books.records import Hundredths, Invoice
from collections_supervisor.books.totals import Sums, add_up, drifted, invoice_totals, ledger_totals
from collections_supervisor.messages import LedgerTotals, Total, Totals


def sums_of(*amounts: tuple[str, Hundredths]) -> Sums:
    sums = Sums()
    for currency, amount in amounts:
        sums.of[currency].append(amount)
    return sums


def invoice(group: Any, amount: Hundredths | None, currency: str = "USD") -> Invoice:
    return Invoice(folder="a", file="b.json", number="b", status="", group=group, amount=amount, currency=currency)


def test_currencies_are_never_added_together() -> None:
    sums = sums_of(("USD", 1), ("EUR", 50), ("USD", 99))
    assert sums.count == 3
    assert list(sums.by_currency().items()) == [("EUR", 50), ("USD", 100)]
    assert sums.amounts() == {"EUR": "0.50", "USD": "1.00"}


def test_a_sum_is_not_rounded() -> None:
    tiny, huge = Decimal("1e-18"), 10**17 - 1
    assert sums_of(("USD", huge), ("USD", tiny)).amounts() == {"USD": "999999999999999.99000000000000000001"}


@given(st.lists(st.integers(-(10**17), 10**17)))
def test_whole_hundredths_add_up(amounts: list[int]) -> None:
    sums = sums_of(*(("USD", amount) for amount in amounts))
    assert sums.by_currency() == ({"USD": sum(amounts)} if amounts else {})
    assert sums.count == len(amounts)


@pytest.mark.parametrize(
    ("amounts", "words"),
    [
        ([], ""),
        ([("USD", 0)], ""),
        ([("USD", 4_530_000)], "USD 45,300.00"),
        ([("USD", 4_530_000), ("EUR", 1_200), ("GBP", 0)], "USD 45,300.00 and EUR 12.00"),
        ([("GBP", 300), ("USD", 100), ("EUR", Decimal("0.5"))], "USD 1.00, EUR 0.005 and GBP 3.00"),
        ([("GBP", 300), ("EUR", 200)], "EUR 2.00 and GBP 3.00"),
    ],
)
def test_sums_in_words(amounts: list[tuple[str, Hundredths]], words: str) -> None:
    assert sums_of(*amounts).words("USD") == words


def test_invoices_are_counted_by_what_their_status_means() -> None:
    invoices = [
        invoice("unpaid", 100),
        invoice("unpaid", Decimal("0.5")),
        invoice("paid", 7, "EUR"),
        invoice("escalated", 0),
        invoice("review", None),
        invoice(None, 5),
    ]
    assert invoice_totals(add_up(invoices)) == Totals(
        unpaid=Total(count=2, amounts={"USD": "1.005"}),
        paid=Total(count=1, amounts={"EUR": "0.07"}),
        escalated=Total(count=1, amounts={"USD": "0.00"}),
    )


def test_the_sums_of_the_ledger() -> None:
    assert ledger_totals({"unpaid": {"EUR": 5, "USD": 100}, "paid": {}, "escalated": {"USD": -3}}) == LedgerTotals(
        unpaid={"EUR": "0.05", "USD": "1.00"}, escalated={"USD": "-0.03"}
    )


@pytest.mark.parametrize(
    ("summary", "found"),
    [
        ({}, []),
        ({"unpaid": 105, "paid": Decimal("0.9"), "escalated": 0}, []),
        ({"grand": 105}, []),
        ({"grand": 104}, [("grand", 104, 105)]),
        ({"escalated": 2, "paid": 1, "unpaid": 104}, [("unpaid", 104, 105), ("paid", 1, 0), ("escalated", 2, 0)]),
    ],
)
def test_the_summary_is_compared_with_all_figures_of_a_section(summary: Any, found: list[tuple[str, int, int]]) -> None:
    assert drifted(summary, {"unpaid": {"EUR": 5, "USD": 100}, "paid": {}, "escalated": {}}) == found
