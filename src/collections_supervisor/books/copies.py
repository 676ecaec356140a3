"""Which file is the record of an invoice, where several have its number. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

import msgspec

from collections_supervisor.books.records import Invoice
from collections_supervisor.books.steps import in_steps


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A file whose number another file has too."""

    copy: Invoice
    record: Invoice
    """The one that stands for the number."""


class Copies(msgspec.Struct, frozen=True, kw_only=True):
    """The invoices by number."""

    records: dict[str, Invoice]
    surplus: tuple[Copy, ...] = ()
    """Further files with the same number: invoices of their own, as far as anybody can tell."""
    left_over: tuple[Copy, ...] = ()
    """Files of invoices that lie in the archive already, which is what counts."""

    def counted(self, invoices: Iterable[Invoice]) -> Iterable[Invoice]:
        """Without those that the archive has already."""
        if not self.left_over:
            return invoices
        dropped = {id(copy.copy) for copy in self.left_over}
        return (invoice for invoice in invoices if id(invoice) not in dropped)


def by_number(invoices: Sequence[Invoice], check: Callable[[], None]) -> Copies:
    """Every invoice that has an identity: those that wait for review have none yet.

    The order of the files does not matter: an archived one is the record, and the first by path among equals.
    """
    records = {invoice.number: invoice for invoice in in_steps(invoices, check) if not invoice.waiting}
    waiting = sum(map(attrgetter("waiting"), in_steps(invoices, check)))
    surplus: list[Copy] = []
    left_over: list[Copy] = []
    crowds = {} if len(records) + waiting == len(invoices) else _crowds(invoices, check)
    for number, crowd in in_steps(crowds.items(), check):
        record, *others = sorted(crowd, key=lambda invoice: (not invoice.archived, invoice.path))
        records[number] = record
        for other in others:
            kind = surplus if other.archived is record.archived else left_over
            kind.append(Copy(copy=other, record=record))
    return Copies(records=records, surplus=tuple(surplus), left_over=tuple(left_over))


def _crowds(invoices: Iterable[Invoice], check: Callable[[], None]) -> dict[str, list[Invoice]]:
    times = Counter(invoice.number for invoice in in_steps(invoices, check) if not invoice.waiting)
    crowds: dict[str, list[Invoice]] = {number: [] for number, count in times.items() if count > 1}
    for invoice in in_steps(invoices, check):
        if not invoice.waiting and invoice.number in crowds:
            crowds[invoice.number].append(invoice)
    return crowds
