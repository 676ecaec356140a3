"""What invoices and ledger lines add up to, exactly, each currency for itself. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Generic, TypeVar, get_args

from collections_supervisor.books.money import differ, money_text, text, total
from collections_supervisor.books.records import Claim, Hundredths, Invoice, Section
from collections_supervisor.messages import Amounts, Group, LedgerTotals, Total, Totals

SECTIONS: tuple[Section, ...] = get_args(Section)

K = TypeVar("K", bound=str)


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


class Tally(Generic[K]):
    """How many amounts of each kind and currency there are, and what they add up to; single ones can be put in and taken out."""

    def __init__(self, amounts: Mapping[tuple[K, str], Collection[Hundredths]]) -> None:
        """By kind and currency."""
        self.whole = all(map(_are_whole, amounts.values()))
        """Whether all amounts are whole hundredths, as those must be that are put in and taken out."""
        self._of = {key: (len(each), _added(each)) for key, each in amounts.items()}

    def put(self, kind: K, currency: str, amount: int, times: int) -> None:
        """Put an amount in, so many times; take it out if that is negative."""
        count, added = self._of.get((kind, currency), (0, 0))
        self._of[kind, currency] = count + times, added + times * amount
        if count == -times:
            # As if there never had been one.
            del self._of[kind, currency]

    def by_kind(self) -> dict[K, dict[str, Hundredths]]:
        """The sums, currencies in alphabetical order."""
        sums: defaultdict[K, dict[str, Hundredths]] = defaultdict(dict)
        for kind, currency in sorted(self._of):
            sums[kind][currency] = self._of[kind, currency][1]
        return dict(sums)

    def count(self, kind: K) -> int:
        """How many amounts of that kind."""
        return sum(count for (one, _), (count, _) in self._of.items() if one == kind)


def add_up(invoices: Iterable[Invoice]) -> Tally[Group]:
    """All invoices whose status and amount are known, by what their status means."""
    amounts: defaultdict[tuple[Group, str], list[Hundredths]] = defaultdict(list)
    for invoice in invoices:
        if invoice.group is not None and invoice.amount is not None:
            amounts[invoice.group, invoice.currency].append(invoice.amount)
    return Tally(amounts)


def invoice_totals(tally: Tally[Group]) -> Totals:
    """The sums of each group, for a report."""
    return Totals(
        **{
            group: Total(count=tally.count(group), amounts={currency: text(amount) for currency, amount in added.items()})
            for group, added in tally.by_kind().items()
        }
    )


def _added(amounts: Collection[Hundredths]) -> Hundredths:
    # Nearly always there are only whole hundredths, and `sum` takes a tenth of the time for those.
    return sum(amounts) if _are_whole(amounts) else total(amounts)


def _are_whole(amounts: Collection[Hundredths]) -> bool:
    return set(map(type, amounts)) <= {int}


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
    true: dict[Claim, Hundredths] = {section: total(sums.get(section, {}).values()) for section in SECTIONS}
    true["grand"] = total(true.values())
    return [
        (claim, summary[claim], amount) for claim, amount in true.items() if claim in summary and differ(summary[claim], amount)
    ]
