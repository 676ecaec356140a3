"""Made-up invoices: both dialects, every status, clients with all sorts of names, and their lines of the ledger."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from collections_supervisor.demo_books.records import TEMPLATES, Books, Group, Invoice, Line, Members

CLIENTS = (
    ("acme", "Acme Corp"),
    ("mueller-soehne", "Müller & Söhne"),
    ("auto", "Auto Repair Ltd"),
    ("archivex", "ArchiveX"),
    ("north-south", "North | South"),
    ("quoted", 'The "Quoted" Company'),
    ("linked", "Linked by Name"),
)
LINKED = "linked"
"""The client whose folder lies elsewhere and is linked."""

# One turn of this wheel has every kind of invoice, so that small books have them too.
WHEEL: tuple[str, ...] = (
    *("paid", "unpaid", "paid", "unpaid", "escalated", "paid", "unpaid", "review", "paid", "pending"),
    *("unpaid", "paid", "unpaid", "paid", "escalated", "unpaid", "paused", "paid", "waiting", "unpaid"),
)
GROUPS: dict[str, Group] = {"pending": "unpaid", "paused": "unpaid", "review": "review", "waiting": "review"}
REVIEWS = ("review", "pending_review", "manual_entry_required")
REASONS = ("No answer for 30 days", "Disputed | waits for the lawyer", "Bounced e-mail")
METHODS = ("bank", "card", "cheque")


def stamp(at: datetime) -> str:
    """An instant as the state files have it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fill(books: Books, count: int) -> None:
    """Add so many invoices."""
    clients = [*CLIENTS, *((f"client-{number:03d}", f"Client {number} GmbH") for number in range(count // 50))]
    for index in range(count):
        status = WHEEL[index % len(WHEEL)]
        slug, name = clients[(index * 7 + index // len(WHEEL)) % len(clients)]
        books.invoices.append(_waiting(books, index) if status == "waiting" else _invoice(books, index, status, slug, name))


def _waiting(books: Books, index: int) -> Invoice:
    """One that a person must look at first: what was read of it lies below `invoice`."""
    number, cents = f"SCAN-{index:05d}", books.rng.randrange(100, 900_000)
    folder = ("review_queue", "manual")[index // len(WHEEL) % 2]
    inner = {"number": number, "amount": cents / 100, "client": "unreadable"}
    members: Members = {"invoice": inner, "reason": "low confidence", "status": "pending_review"}
    what = {"group": "review", "currency": "USD", "due": books.today, "client": ""}
    return Invoice(folder=folder, file=f"{number}.json", number=number, cents=cents, members=members, **what)  # type: ignore[arg-type]


def _invoice(books: Books, index: int, status: str, slug: str, name: str) -> Invoice:
    rng = books.rng
    group: Group = GROUPS.get(status, status)  # type: ignore[arg-type]
    due, reminded = _due(books, index, group)
    folder, file, number = _place(index, slug, group)
    currency = rng.choices(("", "EUR", "GBP"), (8, 2, 1))[0]
    written = rng.choice(REVIEWS) if status == "review" else status
    invoice = Invoice(
        folder=folder,
        file=file,
        number=number,
        client=name,
        group=group,
        cents=rng.choice((rng.randrange(100, 1_000_000), rng.randrange(1, 30_000) * 100)),
        currency=currency or "USD",
        due=due,
        members={"status": written},
        sealed=group != "paid" and index % 3 != 0,
        spare=_spare(reminded) if file == f"{number}.json" and not currency and status == group else "",
    )
    amounts: Members = {"amount": invoice.cents / 100, **({"currency": currency} if currency else {})}
    invoice.members = (_as_scanned if index % 2 else _as_entered)(books, invoice, amounts)
    if group == "paid":
        invoice.members |= _payment(books, invoice, index)
    invoice.line = _line(books, invoice, index)
    return invoice


def _spare(reminded: bool | None) -> Literal["", "quiet", "reminded"]:
    return "" if reminded is None else "reminded" if reminded else "quiet"


def _due(books: Books, index: int, group: Group) -> tuple[date, bool | None]:
    """A due date that leaves nothing overdue; whether a reminder fell due between two days and one day ago, None for nearly."""
    days = list(TEMPLATES)[:-1]
    if group == "unpaid" and index % 5 == 1:
        # The day that began between two days and one day ago.
        return (books.now - timedelta(hours=24)).date() - timedelta(days=days[index // 5 % len(days)]), True
    due = books.today + timedelta(days=books.rng.randrange(-13, 45) if group == "unpaid" else books.rng.randrange(-90, -20))
    recent = any(-4 <= (due + timedelta(days=after) - books.today).days <= 1 for after in TEMPLATES)
    return due, None if recent else False


def _place(index: int, slug: str, group: Group) -> tuple[str, str, str]:
    """Folder, file and identity: mostly the number is the file's name, but nothing makes it so."""
    number = f"INV-{2024 + index % 3}-{index:05d}"
    client = f"archive/{slug}" if group == "paid" else slug
    match index % 13:
        case 5:
            return client, f"scan {index}.json", number
        case 7:
            quarter = f"2026/q{index % 4 + 1}"
            return f"{client}/{quarter}", f"{number}.json", number if index % 2 else f"{quarter}/{number}"
        case 9 if group != "paid":
            return "", f"{number}.json", number
        case _:
            return client, f"{number}.json", number


def _as_scanned(books: Books, invoice: Invoice, amounts: Members) -> Members:
    return {
        "client": invoice.client,
        "number": invoice.number,
        **amounts,
        "email": f"billing@{invoice.folder.rpartition('/')[2] or 'example'}.example",
        "due_date": invoice.due.isoformat(),
        "status": invoice.members["status"],
        "pdf_path": f"/var/invoices/{invoice.number}.pdf",
        "confidence": books.rng.randrange(60, 100) / 100,
        "scanned_at": stamp(books.now - timedelta(days=books.rng.randrange(1, 90))),
    }


def _as_entered(books: Books, invoice: Invoice, amounts: Members) -> Members:
    # Some have no number at all: then their path below the client is what they are known by.
    nameless = (
        invoice.file == f"{invoice.number}.json" and "/2026/" not in invoice.path and invoice.folder and invoice.cents % 5 == 0
    )
    return {
        **({} if nameless else {"invoice_number": invoice.number}),
        "client_name": invoice.client,
        **amounts,
        "due_date": invoice.due.isoformat(),
        "status": invoice.members["status"],
        "items": [{"description": "Work “as agreed”", "hours": books.rng.randrange(1, 80)}],
    }


def _payment(books: Books, invoice: Invoice, index: int) -> Members:
    """When and how it was paid: some in the last day, from a file that is still there."""
    recent = index % 4 == 0
    ago = timedelta(seconds=books.rng.randrange(900, 80_000)) if recent else timedelta(days=books.rng.randrange(3, 60))
    at = (books.now - ago).replace(microsecond=0)
    source = f"cache/payments/{invoice.number}.eml"
    if recent:
        books.sources[source] = at - timedelta(seconds=books.rng.randrange(5, 300))
    payment: dict[str, Any] = {
        "method": books.rng.choice(METHODS),
        "amount": invoice.cents / 100,
        "source_file": str(books.folder / source),
        "detected_at": stamp(at),
    }
    return {"paid_at": stamp(at + timedelta(seconds=2)), "payment": payment}


def _line(books: Books, invoice: Invoice, index: int) -> Line | None:
    if invoice.group == "review":
        return None
    about = {
        "unpaid": invoice.client,
        "escalated": REASONS[index % len(REASONS)],
        "paid": invoice.members.get("payment", {}).get("method", ""),
    }
    return Line(
        section=invoice.group,
        number=invoice.number,
        cents=invoice.cents,
        about=about[invoice.group],
        when=invoice.due if invoice.group == "unpaid" else books.today - timedelta(days=index % 40),
        currency=invoice.currency,
        old_form=index % 11 == 3,
    )
