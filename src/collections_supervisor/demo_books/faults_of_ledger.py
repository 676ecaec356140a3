"""What can be wrong with the ledger, the logs and the queues. Each function does one thing and notes what must be found."""

from copy import deepcopy
from datetime import datetime, timedelta

from collections_supervisor.demo_books.activity import MAILER, PAYMENTS, clear_of_edge, sent
from collections_supervisor.demo_books.records import Books, Event, Invoice, Line

LEDGER = "state/collections_ledger.md"


def missing_in_ledger(books: Books) -> None:
    invoice = books.pick()
    invoice.line = None
    books.expect("missing_in_ledger", invoice.path, invoice.number)


def missing_in_state(books: Books) -> None:
    number = f"INV-GONE-{len(books.strays)}"
    line = Line(section="unpaid", number=number, cents=12_345, about="Nobody", when=books.today, currency="USD")
    books.strays.append(line)
    books.expect("missing_in_state", LEDGER, number)


def status_mismatch(books: Books) -> None:
    invoice = books.pick()
    _line(invoice).section = "escalated"
    books.expect("status_mismatch", invoice.path, invoice.number)


def amount_mismatch(books: Books) -> None:
    invoice = books.pick()
    _line(invoice).cents += 1
    books.expect("amount_mismatch", invoice.path, invoice.number)


def duplicate_ledger_entry(books: Books) -> None:
    invoice = books.pick()
    books.strays.append(deepcopy(_line(invoice)))
    books.expect("duplicate_ledger_entry", LEDGER, invoice.number)


def summary_drift(books: Books) -> None:
    books.drift += 700
    books.expect("ledger_summary_drift", LEDGER, None)


def unparsable_line(books: Books) -> None:
    books.loose.append(("unpaid", "- `INV-TORN | 12"))
    books.expect("ledger_unparsable_line", LEDGER, None)


def wrong_section(books: Books) -> None:
    line = _line(books.pick())
    line.status, line.old_form = "paid", False
    books.expect("ledger_unparsable_line", LEDGER, line.number)


def partial_payment(books: Books) -> None:
    invoice = books.pick("paid")
    half = invoice.cents // 2
    invoice.members["payment"] = invoice.members["payment"] | {"amount": half / 100}
    _line(invoice).cents = half
    books.expect("partial_payment", invoice.path, invoice.number)


def partial_in_ledger(books: Books) -> None:
    invoice = books.pick()
    line = _line(invoice)
    line.section, line.cents = "paid", invoice.cents // 2
    books.expect("partial_payment", invoice.path, invoice.number)


def ledger_missing(books: Books) -> None:
    books.without.add(LEDGER)
    books.expect("ledger_missing", LEDGER, None)


def state_missing(books: Books) -> None:
    # The ledger lies in that folder.
    books.without.add("state")
    books.expect("state_missing", "state", None)
    ledger_missing(books)


# --- Logs and queues ---


def stale_message(books: Books) -> None:
    invoice = books.pick()
    books.queues[PAYMENTS].append((books.now - timedelta(hours=3), {"type": "INVOICE_PAID", "invoice": invoice.number}))
    books.expect("stale_payment", invoice.path, invoice.number)


def stale_detection(books: Books) -> None:
    invoice = books.pick()
    books.payments.append(Event(books.now - timedelta(hours=2), {"type": "PAYMENT_DETECTED", "invoice": invoice.number}))
    books.expect("stale_payment", invoice.path, invoice.number)


def reminder_missed(books: Books) -> None:
    invoice = books.pick(spare="reminded")
    books.emails = [event for event in books.emails if event.members.get("invoice") != invoice.number]
    books.expect("reminder_missed", invoice.path, invoice.number)


def reminder_repeated(books: Books) -> None:
    invoice = books.pick(spare="reminded")
    first = next(event for event in books.emails if event.members.get("invoice") == invoice.number)
    books.emails.append(sent(invoice.number, first.members["template"], _later(books, first.at)))
    books.expect("reminder_repeated", invoice.path, invoice.number)


def queue_deep(books: Books) -> None:
    at = books.now - timedelta(minutes=1)
    books.queues["deep"] = [(at, {"type": "SEND_RECEIPT", "invoice": f"INV-OLD-{number}"}) for number in range(150)]


def queue_old(books: Books) -> None:
    books.queues["old"] = [(books.now - timedelta(days=3), {"type": "SEND_RECEIPT", "invoice": "INV-OLD"})]


def queue_garbage(books: Books) -> None:
    books.garbage[MAILER] = ["{", "7", '"text"', "\x00\x01"]


def _line(invoice: Invoice) -> Line:
    if invoice.line is None:
        raise ValueError(f"{invoice.number} has no line in the ledger")
    return invoice.line


def _later(books: Books, at: datetime) -> datetime:
    return min(clear_of_edge(books, at + timedelta(hours=1)), books.now)
