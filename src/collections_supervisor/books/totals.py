"""What invoices and ledger lines add up to, exactly, each currency for itself. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import get_args

from collections_supervisor.books.money import differ, money_text, text, total
from collections_supervisor.books.records import Claim, Hundredths, Invoice, Section
from collections_supervisor.messages import Amounts, LedgerTotals, Total, Totals

SECTIONS: tuple[Section, ...] = get_args(Section)


class Sums:
    """Amounts by currency, to be added up."""

    def __init__(self) -> None:
        """There are none yet."""
        self.of: defaultdict[str, list[Hundredths]] = defaultdict(list)
        """The amounts of each currency: added up at the end, because adding to a Decimal rounds by its context."""

    @property
    def count(self) -> int:
        """How many amounts."""
        return sum(map(len, self.of.values()))

    def by_currency(self) -> dict[str, Hundredths]:
        """The sums, currencies in alphabetical order."""
        return {currency: _added(self.of[currency]) for currency in sorted(self.of)}

    def amounts(self) -> Amounts:
        """The sums for a report."""
        return {currency: text(amount) for currency, amount in self.by_currency().items()}

    def words(self, house: str) -> str:
        """The sums for people, the currency of the house first and without those that are 0: `USD 45,300.00 and EUR 12.00`."""
        sums = sorted(self.by_currency().items(), key=lambda item: item[0] != house)
        *most, last = [money_text(amount, currency) for currency, amount in sums if amount] or [""]
        return f"{', '.join(most)} and {last}" if most else last


def invoice_totals(invoices: Iterable[Invoice]) -> Totals:
    """All invoices whose status and amount are known, by what their status means."""
    sums: defaultdict[str, Sums] = defaultdict(Sums)
    for invoice in invoices:
        if invoice.group is not None and invoice.amount is not None:
            sums[invoice.group].of[invoice.currency].append(invoice.amount)
    return Totals(**{group: Total(count=added.count, amounts=added.amounts()) for group, added in sums.items()})


def _added(amounts: Collection[Hundredths]) -> Hundredths:
    # Nearly always there are only whole hundredths, and `sum` takes a tenth of the time for those.
    return sum(amounts) if set(map(type, amounts)) == {int} else total(amounts)


def ledger_totals(sums: Mapping[Section, Mapping[str, Hundredths]]) -> LedgerTotals:
    """The sums of each section by currency, for a report."""
    return LedgerTotals(
        **{section: {currency: text(amount) for currency, amount in added.items()} for section, added in sums.items()}
    )


def drifted(
    summary: Mapping[Claim, Hundredths], sums: Mapping[Section, Mapping[str, Hundredths]]
) -> list[tuple[Claim, Hundredths, Hundredths]]:
    """Each total of which the Summary claims something else than the lines add up to: the claim, and the sum.

    The Summary knows no currencies: it is compared with the plain sum of all figures.
    """
    true: dict[Claim, Hundredths] = {section: total(sums[section].values()) for section in SECTIONS}
    true["grand"] = total(true.values())
    return [
        (claim, summary[claim], amount) for claim, amount in true.items() if claim in summary and differ(summary[claim], amount)
    ]
