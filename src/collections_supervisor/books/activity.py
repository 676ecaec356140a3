"""What the agents did lately, as their logs tell it: e-mails, payments, errors, and how long payments took to be noticed."""

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from heapq import nlargest
from itertools import islice
from operator import attrgetter
from pathlib import Path

from collections_supervisor.books.activity_lines import Event, Judge
from collections_supervisor.books.faults import Check, unreadable
from collections_supervisor.books.log_tail import LogTail, Look
from collections_supervisor.books.records import Activity, Invoice, Payment, Reminder
from collections_supervisor.messages import Finding, Latency

REMINDERS_WINDOW = 72 * 3600.0
"""Seconds: how far back reminders are wanted, whatever the window."""

PAYMENTS_WINDOW = 24 * 3600.0
"""Seconds: how far back detected payments are wanted at least."""

PLAIN_LOGS_LIMIT = 100
LATENCIES_LIMIT = 1000
LATENCY_LIMIT = 30 * 86400.0

_ERRORS = ("ERROR", "CRITICAL", "error", "critical")
_EMAILS_LOG, _PAYMENTS_LOG, _ERRORS_LOG = "email_activity.log", "payment_activity.log", "error.log"
_JSON_LOGS = frozenset({_EMAILS_LOG, _PAYMENTS_LOG, _ERRORS_LOG})
_AT = attrgetter("at")


class ActivityLogs:
    """The logs of the collections system, each read on from where it was read to; blocking, one caller at a time."""

    def __init__(self, cache_dir: Path, state_dir: Path, *, zone: tzinfo) -> None:
        """`zone` is the machine's own: plain logs are written in local time."""
        self._cache_dir = cache_dir
        self._plain = Judge(member="level", values=_ERRORS, json=False, zone=zone)
        self._emails = LogTail(cache_dir / _EMAILS_LOG, Judge(member="type", values=("EMAIL_SENT",)))
        self._payments = LogTail(cache_dir / _PAYMENTS_LOG, Judge(member="type", values=("PAYMENT_DETECTED",)))
        self._errors = LogTail(cache_dir / _ERRORS_LOG, Judge(member="level", values=_ERRORS, zone=zone))
        self._events = LogTail(state_dir / "events.log", Judge(member="event", values=("paid",)))
        self._plain_logs: dict[str, LogTail] = {}

    def read(self, *, now: float, window: float, payment_queue: Sequence[Payment], check: Check) -> Activity:
        """What was done in the `window` seconds before `now`; `payment_queue` are the payments that are waiting there."""
        reading = _Reading(now, window, check)
        emails = reading.look(self._emails, REMINDERS_WINDOW)
        named = emails is not None and emails.named
        payments = reading.look(self._payments, PAYMENTS_WINDOW)
        errors = reading.look(self._errors)
        no_payments, no_errors = (log.path in reading.missing for log in (self._payments, self._errors))
        return Activity(
            emails_sent=reading.count(emails),
            payments_detected=self._paid(reading, payment_queue) if no_payments else reading.count(payments),
            errors=self._plain_errors(reading) if no_errors else reading.count(errors),
            payments=_payments(reading.past(payments)),
            reminders=_reminders(reading.past(emails)),
            reminders_since=emails.since if emails is not None and named else None,
            findings=tuple(reading.findings),
            changed=reading.changed,
        )

    def _paid(self, reading: "_Reading", payment_queue: Sequence[Payment]) -> int | None:
        """How many invoices were paid by what is told of them where no log of payments is kept."""
        events = reading.look(self._events)
        told = events is not None and reading.count(events) is not None
        if self._events.path not in reading.missing and not told:
            return None
        if not told and not payment_queue and not os.path.lexists(self._cache_dir / "payment_queue.json"):
            return None
        queued = {payment.invoice for payment in payment_queue if reading.since <= payment.at <= reading.now}
        return len(queued.union(event.invoice for event in reading.counted(events) if event.invoice))

    def _plain_errors(self, reading: "_Reading") -> int | None:
        """The errors in all logs that Python programs wrote as text, where no log of errors is kept."""
        names = self._plain_names(reading)
        if names is None:
            return None
        self._plain_logs = {name: self._plain_logs.get(name) or LogTail(Path(name), self._plain) for name in names}
        before = len(reading.findings)
        looks = [reading.look(log) for log in self._plain_logs.values()]
        counts = [count for look in looks if (count := reading.count(look)) is not None]
        # A part of the errors is not their number.
        return sum(counts) if counts and len(reading.findings) == before else None

    def _plain_names(self, reading: "_Reading") -> list[str] | None:
        names: list[os.DirEntry[str]] = []
        for folder in (self._cache_dir, self._cache_dir / "logs"):
            try:
                with os.scandir(folder) as entries:
                    names += islice(filter(reading.is_plain_log, entries), PLAIN_LOGS_LIMIT + 1)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                reading.findings.append(unreadable(folder, error, folder=True))
                return None
        if len(names) > PLAIN_LOGS_LIMIT:
            reading.findings.append(unreadable(self._cache_dir, f"holds more than {PLAIN_LOGS_LIMIT} logs"))
            return None
        return sorted(item.path for item in names)


class _Reading:
    """One look at all logs: the time that counts, and what could not be read."""

    def __init__(self, now: float, window: float, check: Check) -> None:
        self.now = now
        self.since = now - window
        self.findings: list[Finding] = []
        self.missing: set[Path] = set()
        self.changed: float | None = None
        self._window = window
        self._check = check

    def look(self, log: LogTail, at_least: float = 0.0) -> Look | None:
        try:
            look = log.look(since=self.now - max(self._window, at_least), check=self._check)
        except NotADirectoryError:
            look = None  # whoever looks for folders there tells of it
        except OSError as error:
            self.findings.append(unreadable(log.path, error))
            return None
        if look is None:
            self.missing.add(log.path)
        elif log.changed is not None:
            self.changed = max(self.changed or log.changed, log.changed)
        return look

    def is_plain_log(self, item: "os.DirEntry[str]") -> bool:
        """Whether a name says that Python's logging may have written it."""
        self._check()
        return item.name.endswith(".log") and item.name not in _JSON_LOGS and item.is_file(follow_symlinks=False)

    def counted(self, look: Look | None) -> list[Event]:
        """What happened in the window."""
        past = self.past(look)
        return past[bisect_left(past, self.since, key=_AT) :]

    def past(self, look: Look | None) -> list[Event]:
        """What happened since the log was asked for; nothing that is still to come."""
        return look.events[: bisect_right(look.events, self.now, key=_AT)] if look else []

    def count(self, look: Look | None) -> int | None:
        """How much happened in the window; None where a log says of nothing when it was."""
        if look is None or (look.since is None and not look.empty):
            return None
        return len(self.counted(look))


def _payments(events: Iterable[Event]) -> tuple[Payment, ...]:
    return tuple(Payment(invoice=event.invoice, at=event.at) for event in events if event.invoice)


def _reminders(events: Iterable[Event]) -> tuple[Reminder, ...]:
    return tuple(event for event in events if event.invoice and event.template)


def latest(invoices: Iterable[Invoice]) -> list[Invoice]:
    """Those whose payment was noticed last: all that `latency` looks at."""
    detected = (
        (at, invoice.source_file, number, invoice)
        for number, invoice in enumerate(invoices)
        if invoice.source_file
        and invoice.group == "paid"
        and invoice.source_file.startswith("/")
        and (at := invoice.paid_at if invoice.detected_at is None else invoice.detected_at) is not None
    )
    return [invoice for *_, invoice in nlargest(LATENCIES_LIMIT, detected)]


def latency(
    invoices: Iterable[Invoice],
    *,
    lstat: Callable[[str], os.stat_result] = os.lstat,
    check: Check = lambda: None,
) -> Latency | None:
    """From when a payment's file appeared until the payment was noticed, over the latest of these; None if nothing tells.

    A relative `source_file` tells nothing: nobody knows which folder it starts from. What would be negative or over a month says
    that the file was touched since, or is of another payment.
    """
    seconds: list[float] = []
    for invoice in latest(invoices):
        check()
        at = invoice.paid_at if invoice.detected_at is None else invoice.detected_at
        try:
            seconds.append((at or 0.0) - lstat(invoice.source_file).st_mtime)
        except (OSError, ValueError):
            continue  # gone, or a name that no file can have
    seconds = sorted(second for second in seconds if 0 <= second <= LATENCY_LIMIT)
    if not seconds:
        return None
    return Latency(mean=sum(seconds) / len(seconds), p95=seconds[(len(seconds) * 95 + 99) // 100 - 1])
