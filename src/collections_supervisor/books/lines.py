"""The lines of the ledger beside the invoices: their sums, and which of them need a closer look. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import filterfalse
from operator import attrgetter

import msgspec

from collections_supervisor.books.records import Entry, Hundredths, Invoice, Section
from collections_supervisor.books.steps import in_steps
from collections_supervisor.books.totals import Tally


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """What one walk through the ledger found."""

    sums: Tally[Section]
    """Of all lines; a line has the currency of its invoice."""
    odd: dict[int, Entry]
    """Those that do not plainly agree with their invoice, or have none; by identity."""
    repeated: dict[str, list[Entry]]
    """All lines of the numbers that have several, in the order of the file."""
    unlisted: dict[str, Invoice]
    """Invoices without a line, by number."""


def agree(entry: Entry, record: Invoice) -> bool:
    """Whether a line says what the invoice says, to the last digit."""
    amount = entry.amount
    if record.group != entry.section or record.amount != amount:
        return False
    return entry.section != "paid" or record.paid is None or record.paid == amount


def look_up(entries: Sequence[Entry], records: Mapping[str, Invoice], house: str, check: Callable[[], None]) -> Lines:
    """Find the invoice of every line; `house` is the currency of a line without one."""
    amounts: defaultdict[tuple[Section, str], list[Hundredths]] = defaultdict(list)
    odd: dict[int, Entry] = {}
    for entry in in_steps(entries, check):
        record, section, amount = records.get(entry.number), entry.section, entry.amount
        amounts[section, house if record is None else record.currency].append(amount)
        # Nearly all lines end here, many without the cost of a call, and the rest is judged with more patience.
        if record is None or (
            (record.amount != amount or record.group != section or section == "paid") and not agree(entry, record)
        ):
            odd[id(entry)] = entry
    numbers = set(map(attrgetter("number"), in_steps(entries, check)))
    unlisted = {number: records[number] for number in filterfalse(numbers.__contains__, in_steps(records, check))}
    repeated = {} if len(numbers) == len(entries) else _repeated(entries, check)
    return Lines(sums=Tally(amounts), odd=odd, repeated=repeated, unlisted=unlisted)


def _repeated(entries: Iterable[Entry], check: Callable[[], None]) -> dict[str, list[Entry]]:
    by_number: dict[str, list[Entry]] = {}
    times = Counter(entry.number for entry in in_steps(entries, check))
    for entry in in_steps(entries, check):
        if times[entry.number] > 1:
            by_number.setdefault(entry.number, []).append(entry)
    return {number: sorted(several, key=attrgetter("line")) for number, several in by_number.items()}
