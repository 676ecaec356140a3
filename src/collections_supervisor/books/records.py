"""What the readers give and the judgement takes: invoices, ledger lines, messages, sent reminders. Structs only.

Instants are seconds of the Unix epoch, because hundreds of thousands of them are kept.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from collections_supervisor.messages import Finding, Group

Hundredths = int | Decimal
"""An amount in hundredths of its currency, exact: an int wherever it is whole (a number of 28 bytes), else a Decimal."""

Section = Literal["unpaid", "paid", "escalated"]
Claim = Literal["unpaid", "paid", "escalated", "grand"]
"""What the Summary of the ledger claims: the total of a section, or of all of them."""


class Invoice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One invoice file that could be read."""

    folder: str
    """Below the state folder: `acme`, `archive/acme`; empty for the state folder itself."""
    file: str
    """Its name; empty where that is its number and `.json`, as a hundred thousand of these names fill six megabytes."""
    number: str
    """Its identity: `number`, else `invoice_number`, else the path below the client without `.json`."""
    status: str
    """As written; empty if there is none."""
    group: Group | None
    """What its status means; None for one that is absent or unknown. Anything in the archive is paid."""
    amount: Hundredths | None
    """None where it cannot be counted, which is a finding."""
    currency: str
    """As written, else `books.currency`."""
    archived: bool = False
    waiting: bool = False
    """In `review_queue` or `manual`: it has no line in the ledger and no identity that could be used twice."""
    due: date | None = None
    paid: Hundredths | None = None
    """`payment.amount`."""
    paid_at: float | None = None
    detected_at: float | None = None
    """`payment.detected_at`."""
    source_file: str = ""
    """`payment.source_file`."""
    mtime: float = 0.0
    """Of a paid one outside the archive, of which it may be all that tells since when; else 0, like that of any other."""

    @property
    def name(self) -> str:
        """Of its file."""
        return self.file or f"{self.number}.json"

    @property
    def path(self) -> str:
        """Below the state folder."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """All invoice files, as one look at the state folder found them."""

    state: Literal["ok", "missing", "unreadable"]
    """Of the state folder itself; `findings` says why."""
    invoices: Sequence[Invoice] = ()
    parts: Mapping[str, Sequence[Invoice]] = {}
    """The same by folder, if the reader tells them so: what did not change since its last look is the same object."""
    findings: tuple[Finding, ...] = ()
    silenced: frozenset[str] = frozenset()
    """Stems of files that could not be read: their ledger lines are compared with nothing."""
    complete: bool = True
    """False: a folder could not be read, so nobody can say what is missing."""
    files: int = 0
    """Invoice files that are there."""
    read: int = 0
    """Those that were read, and not remembered."""
    changed: float | None = None
    """When the newest of them was written."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the ledger."""

    number: str
    section: Section
    amount: Hundredths
    line: int
    """Its number in the file, from 1."""


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger, as one look found it."""

    state: Literal["ok", "missing", "unreadable"]
    """`unreadable`: also one that changes all the time; `findings` says why."""
    entries: Sequence[Entry] = ()
    summary: dict[Claim, Hundredths] = {}
    """What its Summary claims, as far as it claims anything."""
    findings: tuple[Finding, ...] = ()
    changed: float | None = None
    """When the file was written last."""


class Payment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Somebody said that an invoice was paid."""

    invoice: str
    at: float


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """One queue file."""

    name: str
    """Its file name without `.jsonl` or `.json`."""
    depth: int
    oldest: float | None
    """When its oldest message was queued; None where it has none, or none says when."""
    invalid: int
    judged: bool = True
    """False: nobody takes from it, so its depth and age mean nothing."""


class Queues(msgspec.Struct, frozen=True, kw_only=True):
    """All queue files."""

    queues: tuple[Queue, ...] = ()
    payments: tuple[Payment, ...] = ()
    """INVOICE_PAID messages, with when they were queued."""
    findings: tuple[Finding, ...] = ()
    changed: float | None = None
    """When any of the files was written last."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that a log was kept for."""

    at: float
    invoice: str = ""
    template: str = ""


Reminder = Event
"""An e-mail about an invoice that was sent, which names both. The same objects, because there are tens of thousands."""


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """What the logs say of the last days. A number that nothing tells is None."""

    emails_sent: int | None = None
    payments_detected: int | None = None
    errors: int | None = None
    payments: tuple[Payment, ...] = ()
    """Detected in the window."""
    reminders: tuple[Reminder, ...] = ()
    """Sent as far back as `reminders_since`; those that name an invoice and a template."""
    reminders_since: float | None = None
    """How far back the log of e-mails was read without a gap; None where no line names both invoice and template."""
    findings: tuple[Finding, ...] = ()
    changed: float | None = None
    """When any of the logs was written last."""
