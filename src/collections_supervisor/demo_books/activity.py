"""Made-up logs and queues beside the invoices: what was sent, detected and went wrong, with times in every form."""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

from collections_supervisor.demo_books.records import TEMPLATES, Books, Event, Invoice, Members

Sources = Literal["activity", "fallback"]
WINDOW = timedelta(hours=24)
EDGE = timedelta(minutes=10)
"""So near to the beginning of the window nothing happens: it is looked at some time after `now`."""

MAILER, WATCHER, PAYMENTS = "collections-emailer", "payment-watcher", "payment_queue"
TRACEBACK = 'Traceback (most recent call last):\n  File "mail.py", line 7, in send\nERROR: no line of a log\n'


def fill(books: Books) -> None:
    """Add what happened to the invoices, and some noise."""
    for invoice in books.invoices:
        _remind(books, invoice)
        if invoice.group == "paid":
            _pay(books, invoice)
    # Far older than any window, so that the logs reach back behind it, and one from a broken clock.
    old = {"type": "EMAIL_SENT", "invoice": "INV-OLD", "template": "receipt"}
    books.emails += [Event(books.now - timedelta(days=days), old | {"invoice": f"INV-OLD-{days}"}) for days in range(4, 14)]
    books.emails.append(Event(books.now + timedelta(days=400), old | {"invoice": "INV-AHEAD"}))
    books.emails.append(Event(books.now - timedelta(hours=5), {"type": "EMAIL_BOUNCED", "to": "nobody@example.org"}))
    books.payments.append(Event(books.now - timedelta(hours=6), {"type": "FILE_SCANNED", "file": "statement.csv"}))
    books.payments.append(Event(books.now - timedelta(days=9), {"type": "PAYMENT_DETECTED", "invoice": "INV-OLD"}))
    _fail(books)
    _queue(books)


def _remind(books: Books, invoice: Invoice) -> None:
    if invoice.group == "review" or invoice.group == "paid":
        return
    for days, template in TEMPLATES.items():
        moment = books.midnight(invoice.due + timedelta(days=days))
        at = clear_of_edge(books, moment + timedelta(minutes=books.rng.randrange(5, 600)))
        if moment > books.now - timedelta(days=3) and at < books.now:
            books.emails.append(sent(invoice.number, template, at))


def sent(number: str, template: str, at: datetime) -> Event:
    """A reminder that was sent."""
    return Event(at, {"type": "EMAIL_SENT", "invoice": number, "template": template, "to": "billing@example.org"})


def clear_of_edge(books: Books, at: datetime) -> datetime:
    """The instant, or a little later if it is at the beginning of the window."""
    return at + 2 * EDGE if abs(at - (books.now - WINDOW)) < EDGE else at


def _pay(books: Books, invoice: Invoice) -> None:
    detected = datetime.fromisoformat(invoice.members["payment"]["detected_at"])
    known = {"client": invoice.client, "invoice": invoice.number}
    identity = hashlib.md5(invoice.number.encode(), usedforsecurity=False).hexdigest()
    books.history.append(Event(detected, {"event_id": identity, **known, "event": "paid", "data": {"by": WATCHER}}))
    if detected > books.now - WINDOW:
        books.payments.append(Event(detected, {"type": "PAYMENT_DETECTED", **known}))
        books.emails.append(sent(invoice.number, "receipt", min(detected + timedelta(minutes=3), books.now)))
        books.files[f"cache/queues/dedupe_{identity}.json"] = json.dumps({"seen": invoice.number}).encode()
        if len(books.payments) % 2:
            _message(books, PAYMENTS, detected, {"type": "INVOICE_PAID", **known})


def _fail(books: Books) -> None:
    for index in range(9):
        level = ("WARNING", "ERROR", "CRITICAL")[index % 3]
        books.errors.append(Event(books.now - timedelta(hours=1 + 2 * index), {"level": level, "message": "mail server silent"}))
    books.errors.append(Event(books.now - timedelta(days=5), {"level": "ERROR", "message": "long ago"}))


def _queue(books: Books) -> None:
    for name, depth in ((MAILER, 3), (WATCHER, 0)):
        books.queues[name] = []
        for index in range(depth):
            at = books.now - timedelta(minutes=5 * index + 1)
            _message(books, name, at, {"type": "SEND_RECEIPT", "invoice": f"INV-OLD-{index}"})
    books.queues.setdefault(PAYMENTS, [])


def _message(books: Books, queue: str, at: datetime, members: Members) -> None:
    books.queues.setdefault(queue, []).append((at, members))


def render(books: Books, sources: Sources) -> dict[str, bytes]:
    """The files of logs and queues, by path below the folder of all books."""
    files = {f"cache/queues/{name}.jsonl": _messages(books, name) for name in books.queues if name != PAYMENTS}
    files[f"cache/{PAYMENTS}.json"] = _messages(books, PAYMENTS)
    files["state/events.log"] = _log(books.history)
    if sources == "activity":
        files["cache/email_activity.log"] = _log(books.emails, torn=True)
        files["cache/payment_activity.log"] = _log(books.payments, torn=True)
        files["cache/error.log"] = _log(books.errors)
    files["cache/logs/collections-emailer.log"] = b"".join(_plain(books, event) for event in sorted(books.errors, key=_at))
    return files


def _messages(books: Books, name: str) -> bytes:
    queued = sorted(books.queues[name], key=lambda message: message[0])
    lines = [json.dumps({**members, "_queued_at": at.timestamp()}) for at, members in queued]
    return _text([*lines, *books.garbage.get(name, ())])


def _log(events: Iterable[Event], *, torn: bool = False) -> bytes:
    lines = [_line(index, event) for index, event in enumerate(sorted(events, key=_at))]
    if torn:
        lines.insert(len(lines) // 2, '{"timestamp": "2026-')
    return _text(lines)


def _text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _at(event: Event) -> datetime:
    return event.at


def _line(index: int, event: Event) -> str:
    """A line of JSON; the forms of its time take turns."""
    utc = event.at.astimezone(UTC)
    match index % 4:
        case 0:
            time: str | float = utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case 1:
            time = (utc + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT%H:%M:%S+05:30")
        case 2:
            time = utc.strftime("%Y-%m-%dT%H:%M:%S.%f")
        case _:
            time = utc.timestamp()
    return json.dumps({"timestamp": time, **event.members})


def _plain(books: Books, event: Event) -> bytes:
    local = event.at.astimezone(books.now.tzinfo).strftime("%Y-%m-%d %H:%M:%S,000")
    level = event.members["level"]
    line = f"{local} - mailer - {level} - {event.members['message']}\n"
    return (line + (TRACEBACK if level == "ERROR" else "")).encode()
