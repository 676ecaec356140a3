"""What can be wrong with the files of invoices. Each function does it to one of them and notes what must be found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from collections_supervisor.demo_books.records import Books


def mangled(books: Books, how: Callable[[bytes], bytes], *, counted: bool) -> None:
    invoice = books.pick()
    invoice.mangle, invoice.counted = how, counted
    books.expect("corrupt_file", invoice.path, invoice.number if counted else None)


def bad_amount(books: Books, text: str) -> None:
    invoice = books.pick()
    invoice.amount_text, invoice.counted, invoice.sealed = text, False, False
    books.expect("bad_amount", invoice.path, invoice.number)


def amount_absent(books: Books) -> None:
    invoice = books.pick()
    del invoice.members["amount"]
    invoice.counted = False
    books.expect("bad_amount", invoice.path, invoice.number)


def fifo(books: Books) -> None:
    path = f"{books.pick().path[: -len('.json')]}-pipe.json"
    books.fifos.append(path)
    books.expect("unreadable_file", path, None)


def edited(books: Books) -> None:
    invoice = books.pick()
    invoice.sealed, invoice.changed = True, {"note": "paid by phone?"}
    books.expect("checksum_mismatch", invoice.path, invoice.number)


def edited_amount(books: Books) -> None:
    invoice = books.pick()
    invoice.sealed, invoice.cents = True, invoice.cents + 5000
    invoice.changed = {"amount": invoice.cents / 100}
    books.expect("checksum_mismatch", invoice.path, invoice.number)
    books.expect("amount_mismatch", invoice.path, invoice.number)


def status_unknown(books: Books) -> None:
    invoice = books.pick()
    invoice.members["status"], invoice.counted = "lost", False
    books.expect("unknown_status", invoice.path, invoice.number)


def status_absent(books: Books) -> None:
    invoice = books.pick()
    del invoice.members["status"]
    invoice.counted = False
    books.expect("unknown_status", invoice.path, invoice.number)


def duplicate(books: Books) -> None:
    invoice = books.pick()
    twin = replace(invoice, folder="zz-copies", line=None, members=invoice.members | {"number": invoice.number})
    books.invoices.append(twin)
    books.expect("duplicate_invoice", twin.path, invoice.number)


def archive_and_active(books: Books) -> None:
    invoice = books.pick("paid")
    folder = invoice.folder.removeprefix("archive/")
    members = {key: value for key, value in invoice.members.items() if key not in ("paid_at", "payment")}
    due = (books.today + timedelta(days=20)).isoformat()
    left = replace(invoice, folder=folder, line=None, counted=False, members=members | {"status": "unpaid", "due_date": due})
    books.invoices.append(left)
    books.expect("archive_and_active", left.path, invoice.number)


def left_over_temp(books: Books) -> None:
    invoice = books.pick()
    books.files[f"{invoice.path}.tmp"] = b'{\n  "amo'
    books.expect("left_over_temp", f"{invoice.path}.tmp", None)


def not_archived(books: Books) -> None:
    invoice = books.pick("paid")
    invoice.folder = invoice.folder.removeprefix("archive/")
    long_ago = (books.now - timedelta(days=4)).isoformat()
    invoice.members |= {"paid_at": long_ago, "payment": invoice.members["payment"] | {"detected_at": long_ago}}
    books.expect("status_mismatch", invoice.path, invoice.number)


def archived_unpaid(books: Books) -> None:
    invoice = books.pick("paid")
    invoice.members["status"] = "unpaid"
    books.expect("status_mismatch", invoice.path, invoice.number)


def overdue(books: Books) -> None:
    invoice = books.pick()
    invoice.due = books.today - timedelta(days=20)
    invoice.members["due_date"] = invoice.due.isoformat()
    books.expect("overdue_not_escalated", invoice.path, invoice.number)
