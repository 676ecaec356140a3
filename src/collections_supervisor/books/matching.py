"""Every invoice beside its line of the ledger, kept from look to look, so that only what changed is matched anew. Pure.

What is kept follows from the invoices and the lines alone, never from the time or from how they came to be what they are.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import compress, count
from operator import is_not

from collections_supervisor.books.copies import Copies, by_number
from collections_supervisor.books.lines import Lines, agree, look_up
from collections_supervisor.books.records import Entry, Invoice, Scan
from collections_supervisor.books.steps import in_steps
from collections_supervisor.books.totals import Tally, add_up
from collections_supervisor.messages import Group

Check = Callable[[], None]
Pick = Callable[[Iterable[Invoice]], Iterable[Invoice]]


class Matching:
    """Invoices and lines; one caller at a time."""

    def __init__(self, house: str) -> None:
        """`house` is the currency of a line without an invoice."""
        self.copies = Copies(records={})
        self.lines: Lines | None = None
        self.sums: Tally[Group] = Tally({})
        self.noteworthy: dict[str, Invoice] = {}
        """Records of which something may be wrong by itself."""
        self._house = house
        self._parts: Mapping[str, Sequence[Invoice]] = {}
        self._entries: Sequence[Entry] | None = None
        self._steady = False
        """Whether changes can be made one by one: every number has one file and one line, and all amounts are whole numbers."""
        self._picked: dict[str, Invoice] = {}
        self._pick: tuple[object, Pick] | None = None

    def take(self, scan: Scan, entries: Sequence[Entry] | None, check: Check) -> None:
        """Match what was found; `entries` are those of the ledger, if one is to be compared. Raises what `check` raises."""
        parts = scan.parts or {"": scan.invoices}
        steady, known = self._steady and entries is self._entries, self._parts
        if entries is self._entries and parts is known:
            return
        # Whoever is interrupted knows nothing any more.
        self._parts, self._steady = {}, False
        if not (steady and self._change(*_changed(known, parts), check)):
            self._begin(scan, entries, check)
        self._parts = parts

    def picked(self, key: object, pick: Pick, check: Check) -> Collection[Invoice]:
        """The records that `pick` picks; it must pick the same ones as long as `key` is the same."""
        if self._pick is None or self._pick[0] != key:
            self._pick = None
            self._picked = {invoice.number: invoice for invoice in pick(in_steps(self.copies.records.values(), check))}
            self._pick = key, pick
        return self._picked.values()

    # --- All of them ---

    def _begin(self, scan: Scan, entries: Sequence[Entry] | None, check: Check) -> None:
        self._entries = entries
        self._picked, self._pick = {}, None
        self.copies = copies = by_number(scan.invoices, check)
        self.noteworthy = {one.number: one for one in noteworthy(in_steps(copies.records.values(), check))}
        self.sums = add_up(in_steps(copies.counted(scan.invoices), check))
        self.lines = lines = None if entries is None else look_up(entries, copies.records, self._house, check)
        single = not (copies.surplus or copies.left_over)
        self._steady = single and self.sums.whole and (lines is None or (lines.sums.whole and not lines.repeated))

    # --- Those that changed ---

    def _change(self, went: list[Invoice], came: list[Invoice], check: Check) -> bool:
        """Whether it could be done one by one; if not, nothing that is known is of use any more."""
        records = self.copies.records
        numbers = [one.number for one in came if not one.waiting]
        left = {one.number for one in went if not one.waiting}
        if len(set(numbers)) < len(numbers) or any(number in records and number not in left for number in numbers):
            return False
        if any(type(one.amount) not in {int, type(None)} for one in came):
            return False
        # To keep all lines by number would take longer to pay off than the ledger mostly stays as it is, and five megabytes.
        wanted = left.union(numbers)
        entries = {entry.number: entry for entry in in_steps(self._entries or (), check) if entry.number in wanted}
        self._put(went, entries, -1)
        self._put(came, entries, 1)
        self._steady = True
        return True

    def _put(self, invoices: list[Invoice], entries: Mapping[str, Entry], times: int) -> None:
        """Put in what came, or with -1 take out what went."""
        for one in invoices:
            if one.group is not None and isinstance(one.amount, int):
                self.sums.put(one.group, one.currency, one.amount, times)
        records = [one for one in invoices if not one.waiting]
        _put(self.copies.records, records, times)
        _put(self.noteworthy, noteworthy(records), times)
        if self._pick is not None:
            _put(self._picked, self._pick[1](records), times)
        if self.lines is not None:
            for one in records:
                self._put_line(self.lines, one, entries.get(one.number), times)

    def _put_line(self, lines: Lines, invoice: Invoice, entry: Entry | None, times: int) -> None:
        if entry is None:
            _put(lines.unlisted, [invoice], times)
        elif isinstance(entry.amount, int):
            lines.sums.put(entry.section, self._house, entry.amount, -times)
            lines.sums.put(entry.section, invoice.currency, entry.amount, times)
            lines.odd[id(entry)] = entry
            if times > 0 and agree(entry, invoice):
                del lines.odd[id(entry)]


def noteworthy(invoices: Iterable[Invoice]) -> Iterator[Invoice]:
    """Those that may be wrong by themselves: nearly all others are unpaid, or are paid in full and archived."""
    for one in invoices:
        if one.archived:
            if one.status != "paid" or one.paid != one.amount:
                yield one
        elif one.group == "paid" or one.paid is not None:
            yield one


def _changed(
    known: Mapping[str, Sequence[Invoice]], found: Mapping[str, Sequence[Invoice]]
) -> tuple[list[Invoice], list[Invoice]]:
    """The invoices that are not there any more, and those that were not: an object that is the same says the same."""
    went: list[Invoice] = []
    came: list[Invoice] = []
    for key in known.keys() | found:
        old, new = known.get(key, ()), found.get(key, ())
        if old is new:
            continue
        if len(old) == len(new):
            # Nearly always they are replaced, and stay in their places.
            places = [*compress(count(), map(is_not, old, new))]
            old, new = [old[place] for place in places], [new[place] for place in places]
        before, after = {id(one) for one in old}, {id(one) for one in new}
        went += (one for one in old if id(one) not in after)
        came += (one for one in new if id(one) not in before)
    return went, came


def _put(known: dict[str, Invoice], invoices: Iterable[Invoice], times: int) -> None:
    if times > 0:
        known.update((one.number, one) for one in invoices)
    else:
        for one in invoices:
            known.pop(one.number, None)
