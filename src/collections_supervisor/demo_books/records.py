"""What the made-up books are made of, before anything is written: invoices, lines of the ledger, messages, events."""

import random  # noqa: TID251 - always seeded by the caller
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Literal, NamedTuple

Group = Literal["unpaid", "paid", "escalated", "review"]
Section = Literal["unpaid", "paid", "escalated"]
Members = dict[str, Any]

TEMPLATES = {-3: "reminder_3d", 0: "reminder_due", 5: "overdue_5d", 7: "overdue_7d", 10: "final_notice", 14: "escalation"}
"""The reminder that is sent so many days after the due date."""


class Expected(NamedTuple):
    """What must be found: a path below the folder of all books, and the invoice it names."""

    kind: str
    path: str | None
    invoice: str | None


@dataclass(kw_only=True)
class Line:
    """One entry of the ledger."""

    section: Section
    number: str
    cents: int
    about: str
    """The client, or why it was escalated, or how it was paid."""
    when: date
    currency: str
    old_form: bool = False
    status: str = ""
    """What it says behind `Status:` if not its section."""


@dataclass(kw_only=True)
class Invoice:
    """One invoice file."""

    folder: str
    file: str
    number: str
    client: str
    group: Group
    cents: int
    currency: str
    due: date
    members: Members
    line: Line | None = None
    counted: bool = True
    sealed: bool = False
    """It carries a checksum of its members."""
    changed: Members = field(default_factory=dict)
    """Members that were edited after the checksum was made."""
    amount_text: str | None = None
    """What stands for the amount instead of a number."""
    mangle: Callable[[bytes], bytes] | None = None
    """What happened to the finished file."""
    spare: Literal["", "quiet", "reminded"] = ""
    """It may be given a fault of which nothing else follows: nothing about it is special, or nothing but that a reminder fell due
    between two days and one day ago and was sent."""

    @property
    def path(self) -> str:
        """Below the folder of all books."""
        return "/".join(part for part in ("state", self.folder, self.file) if part)


class Event(NamedTuple):
    """One line of an activity log."""

    at: datetime
    members: Members


@dataclass(kw_only=True)
class Books:
    """Everything that will be written."""

    folder: Path
    now: datetime
    rng: random.Random
    invoices: list[Invoice] = field(default_factory=list)
    strays: list[Line] = field(default_factory=list)
    """Lines of the ledger without an invoice of their own."""
    loose: list[tuple[Section, str]] = field(default_factory=list)
    """Lines that are no entries, as they are."""
    drift: int = 0
    """By how many cents the Summary is wrong about what is unpaid."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Other files, by their path below `folder`."""
    fifos: list[str] = field(default_factory=list)
    emails: list[Event] = field(default_factory=list)
    payments: list[Event] = field(default_factory=list)
    history: list[Event] = field(default_factory=list)
    """events.log."""
    errors: list[Event] = field(default_factory=list)
    queues: dict[str, list[tuple[datetime, Members]]] = field(default_factory=dict)
    garbage: dict[str, list[str]] = field(default_factory=dict)
    """Lines that are no messages, by queue."""
    sources: dict[str, datetime] = field(default_factory=dict)
    """Files that payments were read from, by path below `folder`, with when they came."""
    expected: list[Expected] = field(default_factory=list)
    without: set[str] = field(default_factory=set)
    """Files and folders that are not there."""

    @property
    def today(self) -> date:
        """The date on the machine's calendar."""
        return self.now.date()

    def midnight(self, day: date) -> datetime:
        """When a day begins on the machine's clock."""
        return datetime.combine(day, time(), self.now.tzinfo)

    def lines(self) -> list[Line]:
        """All entries of the ledger, newest first."""
        return [*self.strays, *(invoice.line for invoice in reversed(self.invoices) if invoice.line is not None)]

    def expect(self, kind: str, path: str | None, invoice: str | None) -> None:
        """Note what will be found."""
        self.expected.append(Expected(kind, path, invoice))

    def pick(self, group: Group = "unpaid", spare: Literal["quiet", "reminded"] = "quiet") -> Invoice:
        """An invoice without a fault so far, which has one from now on."""
        fit = [each for each in self.invoices if each.group == group and each.spare == spare]
        if not fit:
            raise ValueError(f"too few invoices for one more fault: none that is {spare} and {group} is left")
        chosen = self.rng.choice(fit)
        chosen.spare = ""
        return chosen


def figure(cents: int) -> str:
    """An amount with two decimals: `1500.00`."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
