"""The lines of the ledger beside the invoices: their sums, and which of them need a closer look. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import filterfalse
from operator import attrgetter

import msgspec

from collections_supervisor.books.records import Entry, Hundredths, Invoice, Section
from collections_supervisor.books.steps import in_steps
from collections_supervisor.books.totals import SECTIONS, Sums


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """What one walk through the ledger found."""

    sums: dict[Section, dict[str, Hundredths]]
    """Of all lines, by section and currency; a line has the currency of its invoice."""
    odd: list[Entry]
    """Those that do not plainly agree with their invoice, or have none."""
    repeated: dict[str, list[Entry]]
    """All lines of the numbers that have several, in the order of the file."""
    unlisted: list[Invoice]
    """Invoices without a line."""


def look_up(entries: Sequence[Entry], records: Mapping[str, Invoice], house: str, check: Callable[[], None]) -> Lines:
    """Find the invoice of every line; `house` is the currency of a line without one."""
    sums: dict[Section, Sums] = {section: Sums() for section in SECTIONS}
    odd: list[Entry] = []
    for entry in in_steps(entries, check):
        section, amount = entry.section, entry.amount
        record = records.get(entry.number)
        sums[section].of[house if record is None else record.currency].append(amount)
        # Nearly all lines end here, and the rest is judged with more patience.
        if (
            record is None
            or record.group != section
            or record.amount != amount
            or (section == "paid" and record.paid is not None and record.paid != amount)
        ):
            odd.append(entry)
    numbers = set(map(attrgetter("number"), in_steps(entries, check)))
    unlisted = [records[number] for number in filterfalse(numbers.__contains__, in_steps(records, check))]
    repeated = {} if len(numbers) == len(entries) else _repeated(entries, check)
    return Lines(
        sums={section: added.by_currency() for section, added in sums.items()}, odd=odd, repeated=repeated, unlisted=unlisted
    )


def _repeated(entries: Iterable[Entry], check: Callable[[], None]) -> dict[str, list[Entry]]:
    by_number: dict[str, list[Entry]] = {}
    times = Counter(entry.number for entry in in_steps(entries, check))
    for entry in in_steps(entries, check):
        if times[entry.number] > 1:
            by_number.setdefault(entry.number, []).append(entry)
    return {number: sorted(several, key=attrgetter("line")) for number, several in by_number.items()}
