"""Books to be measured: sound ones of any size in no time, and files that change as their writers change them."""

import json
import os
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from collections_supervisor.config.schema import BooksConfig
from collections_supervisor.demo_books.invoices import stamp
from collections_supervisor.demo_books.making import checksum
from collections_supervisor.demo_books.records import TEMPLATES, figure

PER_FOLDER = 100
"""Invoices in one folder."""

PAID = 3
"""Of ten folders so many lie in the archive, whose files have no checksums."""

LOG_DAYS = 30
KEPT_SOURCES = 1000
"""Files that payments were read from, which are still there."""

Members = dict[str, Any]


class Written(NamedTuple):
    """One invoice as it lies on the disk."""

    path: Path
    members: Members


class Tree:
    """Made-up books that agree to the cent, with a line of the ledger for each invoice and logs that fit."""

    def __init__(self, folder: Path, invoices: int, seed: int = 1) -> None:
        """They are not there before `write`."""
        self.folder = folder
        self.state = folder / "state"
        self.config = BooksConfig(
            state_dir=self.state,
            ledger=self.state / "collections_ledger.md",
            queue_dir=folder / "cache" / "queues",
            cache_dir=folder / "cache",
            configured=True,
        )
        self.now = datetime.now(UTC)
        self.folders: list[list[Written]] = []
        """The invoices by the folder they lie in."""
        self._rng = random.Random(seed)
        self._count = invoices
        self._version = 1

    def write(self) -> None:
        """Put them on the disk."""
        for folder in (self.config.queue_dir, self.state, self.config.cache_dir / "payments"):
            folder.mkdir(parents=True)
        for start in range(0, self._count, PER_FOLDER):
            self.folders.append([*self._fill(start, min(PER_FOLDER, self._count - start))])
        self.config.ledger.write_text("\n".join(self._ledger()))
        self._write_logs()

    def _fill(self, start: int, count: int) -> Iterator[Written]:
        number = start // PER_FOLDER
        paid = number % 10 < PAID
        folder = self.state / ("archive" * paid) / f"client-{number:04d}"
        folder.mkdir(parents=True)
        for index in range(start, start + count):
            members = self._invoice(index, f"client-{number:04d}", paid)
            written = Written(folder / f"INV-{index:06d}.json", members)
            written.path.write_text(json.dumps(members, indent=2))
            yield written

    def _invoice(self, index: int, client: str, paid: bool) -> Members:
        status = "paid" if paid else "escalated" if index % 7 == 0 else "review" if index % 31 == 0 else "unpaid"
        amount, number = self._rng.randrange(100, 1_000_000) / 100, f"INV-{index:06d}"
        due = self.now.date() + timedelta(days=self._rng.randrange(-13, 45) - 60 * (status != "unpaid"))
        scanned = {
            "client": client,
            "number": number,
            "amount": amount,
            "email": f"billing@{client}.example",
            "due_date": due.isoformat(),
            "status": status,
            "pdf_path": f"/var/invoices/{number}.pdf",
            "confidence": 0.93,
            "scanned_at": stamp(self.now),
        }
        entered = {
            "invoice_number": number,
            "client_name": client,
            "amount": amount,
            "due_date": due.isoformat(),
            "status": status,
            "items": [{"description": "Work as agreed", "hours": 12}, {"description": "Travel", "hours": 3}],
        }
        members: Members = scanned if index % 2 else entered
        return members | (self._payment(index, number, amount) if paid else sealed(members, self.now, 1))

    def _payment(self, index: int, number: str, amount: float) -> Members:
        at = self.now - timedelta(seconds=self._rng.randrange(900, 60 * 86400))
        source = self.config.cache_dir / "payments" / f"{number}.eml"
        if index < KEPT_SOURCES * 10 // PAID:
            source.write_text("Subject: we have paid\n")
            os.utime(source, (at.timestamp() - 60,) * 2)
        payment = {"method": "bank", "amount": amount, "source_file": str(source), "detected_at": stamp(at)}
        return {"paid_at": stamp(at), "payment": payment}

    def _all(self) -> Iterator[Members]:
        return (written.members for folder in self.folders for written in folder)

    def _ledger(self) -> Iterator[str]:
        sums = dict.fromkeys(("unpaid", "paid", "escalated"), 0)
        yield "# Collections Ledger\n"
        for section in sums:
            yield f"## {section.capitalize()}\n"
            for members in self._all():
                if members["status"] == section:
                    cents = round(members["amount"] * 100)
                    sums[section] += cents
                    yield f"- `{number_of(members)}` | ${cents // 100:,}.{cents % 100:02d} | {about(members)} | Status: {section}"
            yield ""
        yield "## Summary\n"
        for section, total in sums.items():
            yield f"- **{section.capitalize()} Total:** ${figure(total)}"
        yield f"**Grand Total:** ${figure(sum(sums.values()))}\n"

    # --- Logs and queues ---

    def _write_logs(self) -> None:
        mails, payments = [*self._mails()], [*self._payments()]
        write_log(self.config.cache_dir / "email_activity.log", mails)
        write_log(self.config.cache_dir / "payment_activity.log", payments)
        write_log(
            self.config.cache_dir / "error.log", [(self.now - timedelta(hours=each), {"level": "ERROR"}) for each in range(500)]
        )
        queued = [{**members, "type": "INVOICE_PAID", "_queued_at": at.timestamp()} for at, members in payments[-500:]]
        (self.config.cache_dir / "payment_queue.json").write_text("".join(f"{json.dumps(one)}\n" for one in queued))
        for recipient in ("collections-emailer", "payment-watcher"):
            message = {"type": "SEND_RECEIPT", "invoice": "INV-OLD", "_queued_at": self.now.timestamp()}
            (self.config.queue_dir / f"{recipient}.jsonl").write_text(f"{json.dumps(message)}\n" * 5)

    def _mails(self) -> Iterator[tuple[datetime, Members]]:
        """Every reminder that fell due in the last month: the last four days' are about invoices that are there."""
        for members in self._all():
            due = date.fromisoformat(members["due_date"])
            for days, template in TEMPLATES.items() if members["status"] == "unpaid" else ():
                moment = datetime.combine(due + timedelta(days=days), time(), UTC)
                at = moment + timedelta(minutes=self._rng.randrange(5, 600))
                if at < self.now and moment > self.now - timedelta(days=LOG_DAYS):
                    yield at, {"type": "EMAIL_SENT", "invoice": number_of(members), "template": template, "to": "x@example.org"}

    def _payments(self) -> Iterator[tuple[datetime, Members]]:
        for members in self._all():
            if members["status"] == "paid":
                at = datetime.fromisoformat(members["paid_at"])
                yield at, {"type": "PAYMENT_DETECTED", "invoice": number_of(members), "client": "x"}

    # --- Changes ---

    def change(self, share: float, folders: int | None = None) -> int:
        """Replace that share of the files, in so many folders or spread over all; returns how many. The books agree as before."""
        self._version += 1
        wanted = max(1, round(self._count * share))
        chosen = self.folders if folders is None else self._rng.sample(self.folders, min(folders, len(self.folders)))
        for index in range(wanted):
            files = chosen[index % len(chosen)]
            replace(files[(index // len(chosen) + self._version * 7) % len(files)], self.now, self._version)
        return wanted


def sealed(members: Members, now: datetime, version: int) -> Members:
    """What the writer adds to a file outside the archive."""
    return {"_version": version, "_updated_at": stamp(now), "_checksum": checksum(members)}


def replace(written: Written, now: datetime, version: int) -> None:
    """Write a file anew, as its writers do: beside it, and then in its place."""
    members = {**written.members, "confidence": version / 1000}
    if members["status"] == "unpaid" and version % 2 == 0:
        members["status"] = "pending"  # which the ledger has among the unpaid ones too
    if "_checksum" in members:
        members |= sealed(members, now, version)
    beside = written.path.with_suffix(".json.tmp")
    beside.write_text(json.dumps(members, indent=2))
    beside.replace(written.path)


def pend(path: Path) -> None:
    """Set an unpaid invoice to pending, or back: the ledger has both among the unpaid ones."""
    data = path.read_bytes()
    before, after = (b'"unpaid"', b'"pending"')[:: 1 if b'"unpaid"' in data else -1]
    beside = path.with_suffix(".json.tmp")
    beside.write_bytes(data.replace(before, after))
    beside.replace(path)


def number_of(members: Members) -> str:
    number: str = members.get("number") or members["invoice_number"]
    return number


def about(members: Members) -> str:
    """What stands between amount and status."""
    match members["status"]:
        case "paid":
            return f"Paid: {members['paid_at'][:10]} | Method: bank"
        case "escalated":
            return f"No answer for 30 days | Escalated: {members['due_date']}"
        case _:
            return f"Client GmbH | Due: {members['due_date']}"


def write_log(path: Path, events: Iterable[tuple[datetime, Members]]) -> None:
    lines = sorted(events, key=lambda event: event[0])
    path.write_text("".join(f"{json.dumps({'timestamp': stamp(at), **members})}\n" for at, members in lines))
