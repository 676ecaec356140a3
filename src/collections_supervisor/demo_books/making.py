"""Making the books: putting them together, writing them, and telling the truth about them."""

import errno
import hashlib
import json
import os
import random  # noqa: TID251 - always seeded by the caller
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from collections_supervisor.demo_books import activity
from collections_supervisor.demo_books.faults import Fault, inject
from collections_supervisor.demo_books.invoices import LINKED, fill
from collections_supervisor.demo_books.records import Books, Expected, Invoice, Line, Section, figure

Amounts = dict[str, str]
SECTIONS: tuple[Section, ...] = ("unpaid", "paid", "escalated")
_AMOUNT = re.compile(r'("amount": )[^,\n]+')


@dataclass(frozen=True, kw_only=True)
class QueueTruth:
    """One queue as it was written."""

    depth: int
    invalid: int
    oldest_age_s: float | None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The truth about the books. Amounts are exact decimals with two places, by currency."""

    state: Path
    ledger_path: Path
    queue_dir: Path
    cache: Path
    now: datetime
    counts: dict[str, int]
    totals: dict[str, Amounts]
    """By what an invoice's status means: unpaid, paid, escalated, review."""
    ledger: dict[str, Amounts] | None
    """By section; None where there is no ledger."""
    findings: frozenset[Expected]
    """What must be found, and nothing else; paths are absolute."""
    queues: dict[str, QueueTruth]
    emails_sent: int | None
    payments_detected: int
    errors: int
    latencies: tuple[float, ...]
    """Seconds from the arrival of a payment's file to its detection, for each in the last day, in order of size."""


def make(
    folder: Path,
    *,
    seed: int,
    invoices: int,
    now: datetime,
    faults: Sequence[Fault] = (),
    sources: activity.Sources = "activity",
) -> Manifest:
    """Write books into a folder that must not exist, and tell the truth about them. The folder appears when all is written.

    `now` must be aware; its zone is that of the machine whose books they are. Each fault befalls another invoice; the same one
    may be given several times. `sources`: whether the logs of activity are written, or only what stands in for them.

    Raises ValueError where there are too few invoices for the faults, FileExistsError where the folder exists.
    """
    books = _put_together(folder, seed, invoices, now, faults)
    if folder.exists():
        raise FileExistsError(errno.EEXIST, "is there already", str(folder))
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    _write(books, beside, sources)
    beside.rename(folder)
    return _manifest(books, sources)


def _put_together(folder: Path, seed: int, count: int, now: datetime, wanted: Iterable[Fault]) -> Books:
    books = Books(folder=folder, now=now, rng=random.Random(seed))  # noqa: S311 - made-up books are no secret
    fill(books, count)
    activity.fill(books)
    books.files |= OTHER_FILES
    for fault in wanted:
        inject(books, fault)
    return books


# --- Writing ---

OTHER_FILES = {
    "state/settings.json": b'{"version": 2, "language": "de"}\n',
    "state/acme/INV-OLD.json.bak": b"an editor was here",
    "state/acme/._INV-OLD.json": b"\x00\x05\x16\x07",
    "state/acme/.draft.json": b"{",
    "state/acme/notes.txt": b"Anruf am Montag\n",
}
"""What lies about without being an invoice."""


def _write(books: Books, folder: Path, sources: activity.Sources) -> None:
    for name in ("cache/queues", f"elsewhere/{LINKED}"):
        (folder / name).mkdir(mode=0o700, parents=True)
    if "state" not in books.without:
        (folder / "state").mkdir(mode=0o700)
        (folder / "state" / LINKED).symlink_to(f"../elsewhere/{LINKED}")
    written = {invoice.path: _file(invoice) for invoice in books.invoices}
    written |= books.files | activity.render(books, sources) | {"state/collections_ledger.md": _ledger(books)}
    written |= dict.fromkeys(books.sources, b"Subject: we have paid\n")
    past = (books.now - timedelta(minutes=1)).timestamp()
    for name, data in written.items():
        path = folder / name
        if not _is_absent(books, name):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o600)
            at = books.sources[name].timestamp() if name in books.sources else past
            os.utime(path, (at, at))
    for name in books.fifos:
        os.mkfifo(folder / name, mode=0o600)


def _is_absent(books: Books, name: str) -> bool:
    return any(name == absent or name.startswith(f"{absent}/") for absent in books.without)


def _file(invoice: Invoice) -> bytes:
    members = dict(invoice.members)
    if invoice.sealed:
        members |= {"_version": 1, "_updated_at": members.get("scanned_at", ""), "_checksum": checksum(members)}
    text = json.dumps(members | invoice.changed, indent=2)
    if invoice.amount_text is not None:
        text = _AMOUNT.sub(lambda found: found[1] + str(invoice.amount_text), text, count=1)
    data = text.encode()
    return invoice.mangle(data) if invoice.mangle else data


def checksum(members: dict[str, object]) -> str:
    """What the writer of a state file puts into `_checksum`: the hash of all members that do not begin with an underscore."""
    plain = {key: value for key, value in members.items() if not key.startswith("_")}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def _ledger(books: Books) -> bytes:
    lines = books.lines()
    text = ["# Collections Ledger", ""]
    for section in SECTIONS:
        text += [f"## {section.capitalize()}", ""]
        text += [_entry(line) for line in lines if line.section == section]
        text += [loose for where, loose in books.loose if where == section]
        text.append("")
    sums = {section: sum(line.cents for line in lines if line.section == section) for section in SECTIONS}
    sums["unpaid"] += books.drift
    text += ["## Summary", "", *(f"- **{section.capitalize()} Total:** ${figure(sums[section])}" for section in SECTIONS)]
    return "\n".join([*text, f"**Grand Total:** ${figure(sum(sums.values()))}", ""]).encode()


def _entry(line: Line) -> str:
    amount = f"{line.cents // 100:,}.{line.cents % 100:02d}"
    if line.old_form:
        return f"- {line.number}: ${amount} ({line.about}) - {line.when}"
    fields = {
        "unpaid": f"{line.about} | Due: {line.when}",
        "paid": f"Paid: {line.when} | Method: {line.about}",
        "escalated": f"{line.about} | Escalated: {line.when}",
    }
    return f"- `{line.number}` | ${amount} | {fields[line.section]} | Status: {line.status or line.section}"


# --- The truth ---


def _manifest(books: Books, sources: activity.Sources) -> Manifest:
    counted = [each for each in books.invoices if each.counted and "state" not in books.without]
    lost = "state/collections_ledger.md" in books.without or "state" in books.without
    paid = [event for event in books.payments if event.members["type"] == "PAYMENT_DETECTED" and _in_window(books, event.at)]
    mails = [event for event in books.emails if event.members["type"] == "EMAIL_SENT" and _in_window(books, event.at)]
    failed = [event for event in books.errors if event.members["level"] != "WARNING" and _in_window(books, event.at)]
    return Manifest(
        state=books.folder / "state",
        ledger_path=books.folder / "state" / "collections_ledger.md",
        queue_dir=books.folder / "cache" / "queues",
        cache=books.folder / "cache",
        now=books.now,
        counts={group: sum(each.group == group for each in counted) for group in (*SECTIONS, "review")},
        totals={group: _sums(each for each in counted if each.group == group) for group in (*SECTIONS, "review")},
        ledger=None if lost else {name: _sums(line for line in books.lines() if line.section == name) for name in SECTIONS},
        findings=frozenset(_absolute(books, expected) for expected in books.expected),
        queues={name: _queue(books, name) for name in books.queues},
        emails_sent=len(mails) if sources == "activity" else None,
        payments_detected=len(paid),
        errors=len(failed),
        latencies=tuple(sorted(_latencies(books))),
    )


def _in_window(books: Books, at: datetime) -> bool:
    return books.now - activity.WINDOW < at <= books.now


def _sums(things: Iterable[Invoice | Line]) -> Amounts:
    sums: dict[str, int] = {}
    for thing in things:
        sums[thing.currency] = sums.get(thing.currency, 0) + thing.cents
    return {currency: figure(cents) for currency, cents in sorted(sums.items())}


def _absolute(books: Books, expected: Expected) -> Expected:
    return expected._replace(path=None if expected.path is None else str(books.folder / expected.path))


def _queue(books: Books, name: str) -> QueueTruth:
    messages = books.queues[name]
    oldest = min((at for at, _ in messages), default=None)
    age = None if oldest is None else (books.now - oldest).total_seconds()
    return QueueTruth(depth=len(messages), invalid=len(books.garbage.get(name, ())), oldest_age_s=age)


def _latencies(books: Books) -> Iterator[float]:
    for invoice in books.invoices:
        source = books.sources.get(f"cache/payments/{invoice.number}.eml")
        if source is not None and "payment" in invoice.members:
            seconds = (datetime.fromisoformat(invoice.members["payment"]["detected_at"]) - source).total_seconds()
            if seconds >= 0:
                yield seconds
