"""What an outage costs: reminders that were not sent, payments that were found late. Pure."""

import math
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from heapq import nlargest

import msgspec

from collections_supervisor.books.findings import named
from collections_supervisor.books.money import money_text, text
from collections_supervisor.books.records import Activity, Hundredths, Invoice
from collections_supervisor.books.reminders import Sent, day_of, falling_due, is_reminded, midnight, sent
from collections_supervisor.books.totals import Sums
from collections_supervisor.messages import AtStake, Impact, Latency
from collections_supervisor.system.clock import span

LARGEST = 3

LATE = 60.0
"""Seconds from when a payment could be seen until it was, which are nothing to speak of."""

BEYOND = 30 * 86400.0
"""Seconds of delay that no outage explains: the times are wrong."""


def mailer_impact(
    invoices: Sequence[Invoice], activity: Activity, *, since: datetime, until: datetime, zone: tzinfo, currency: str
) -> Impact:
    """The reminders that fell due after `since` and were not sent by `until`, those of the next midnight, and all that is owed.

    `currency` is the one that people are told first.
    """
    archived = {invoice.number for invoice in invoices if invoice.archived}
    owed = [invoice for invoice in invoices if invoice.group in {"unpaid", "escalated"} and invoice.number not in archived]
    known = sent(activity)
    coming = midnight(day_of(until.timestamp(), zone) + timedelta(days=1), zone)
    count, missed = _unsent(owed, known, since.timestamp(), until.timestamp(), zone)
    next_count, following = _unsent(owed, known, until.timestamp(), coming, zone)
    fell, falls, outstanding = _sums(missed), _sums(following), _sums(owed)
    begun, next_at = since.astimezone(zone), datetime.fromtimestamp(coming, zone)
    sentences = [
        f"{_reminders(count, fell, currency)} fell due since {_clock(begun, until.astimezone(zone))}{_named(missed)}"
        * (count > 0),
        f"{_reminders(next_count, falls, currency)} fall{'s' * (next_count == 1)} due on {next_at:%Y-%m-%d at %H:%M}"
        * (next_count > 0),
        f"outstanding in all: {outstanding.words(currency)}" * bool(outstanding.words(currency)),
    ]
    return Impact(
        role="mailer",
        since=since,
        until=until,
        count=count,
        amounts=fell.amounts(),
        largest=_at_stake(missed),
        next_at=next_at.astimezone(UTC),
        next_count=next_count,
        next_amounts=falls.amounts(),
        outstanding=outstanding.amounts(),
        text="; ".join(filter(None, sentences)),
    )


def watcher_impact(payments: Iterable[tuple[Invoice, float]], *, since: datetime, until: datetime, zone: tzinfo) -> Impact | None:
    """The payments that came in after `since` and no later than `until`, and were found late; None if none was.

    Each comes with when it could first be seen, in seconds of the epoch. What was found within a minute is not late.
    """
    begin, end = since.timestamp(), until.timestamp()
    found_late = [
        (_as_paid(invoice), delay)
        for invoice, appeared in payments
        if begin < appeared <= end and LATE < (delay := _found(invoice) - appeared) <= BEYOND
    ]
    if not found_late:
        return None
    late, delay_s = [invoice for invoice, _ in found_late], _latency([delay for _, delay in found_late])
    sums = _sums(late)
    begun = _clock(since.astimezone(zone), until.astimezone(zone))
    were, was = ("payment", "was") if len(late) == 1 else ("payments", "were")
    return Impact(
        role="watcher",
        since=since,
        until=until,
        count=len(late),
        amounts=sums.amounts(),
        largest=_at_stake(late),
        delay_s=delay_s,
        text=f"{len(late)} {were}{_over(sums)} that came in since {begun} {was} found {span(delay_s.mean)} late on average"
        f"{_named(late)}",
    )


def _unsent(owed: Iterable[Invoice], known: Sent, after: float, until: float, zone: tzinfo) -> tuple[int, list[Invoice]]:
    """How many reminders fall due in the time and are not known as sent, and about which invoices."""
    due = falling_due(after, until, zone)
    count, about = 0, []
    for invoice in owed:
        if invoice.due in due and is_reminded(invoice):
            unsent = sum((invoice.number, moment.template) not in known for moment in due[invoice.due])
            if unsent:
                count += unsent
                about.append(invoice)
    return count, about


def _found(invoice: Invoice) -> float:
    """When the payment was; so early that it is never late where nothing says."""
    return next((at for at in (invoice.detected_at, invoice.paid_at) if at is not None), -math.inf)


def _as_paid(invoice: Invoice) -> Invoice:
    """With what was paid for its amount."""
    return invoice if invoice.paid is None else msgspec.structs.replace(invoice, amount=invoice.paid)


def _latency(delays: Collection[float]) -> Latency:
    slowest = sorted(delays)[math.ceil(0.95 * len(delays)) - 1]
    return Latency(mean=sum(delays) / len(delays), p95=slowest)


def _sums(invoices: Iterable[Invoice]) -> Sums:
    sums = Sums()
    for invoice in invoices:
        if invoice.amount is not None:
            sums.of[invoice.currency].append(invoice.amount)
    return sums


def _largest(invoices: Iterable[Invoice]) -> list[tuple[Invoice, Hundredths]]:
    """By the plain figure: there are no rates between currencies here."""
    known = [(invoice, invoice.amount) for invoice in invoices if invoice.amount is not None]
    known.sort(key=lambda one: (one[0].number, one[0].path))
    return nlargest(LARGEST, known, key=lambda one: one[1])


def _at_stake(invoices: Iterable[Invoice]) -> tuple[AtStake, ...]:
    return tuple(
        AtStake(invoice=named(invoice.number), amount=text(amount), currency=invoice.currency)
        for invoice, amount in _largest(invoices)
    )


# --- Words ---


def _reminders(count: int, sums: Sums, currency: str) -> str:
    return f"{count} reminder{'s' * (count != 1)}{_over(sums, currency)}"


def _over(sums: Sums, currency: str = "") -> str:
    words = sums.words(currency)
    return f" over {words}" if words else ""


def _clock(instant: datetime, today: datetime) -> str:
    return f"{instant:%H:%M}" if instant.date() == today.date() else f"{instant:%Y-%m-%d %H:%M}"


def _named(invoices: Collection[Invoice]) -> str:
    """The largest invoices, in brackets."""
    each = [f"{named(invoice.number)} {money_text(amount, invoice.currency)}" for invoice, amount in _largest(invoices)]
    largest = "largest: " if len(invoices) > LARGEST else ""
    return f" ({largest}{', '.join(each)})" if each else ""
