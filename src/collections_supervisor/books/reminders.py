"""When reminders about an invoice fall due, and whether they were sent. Pure.

A due date is a calendar date in the zone of the machine, and a reminder falls due at the local midnight so many days from it.
Where the clocks skip that midnight it is the moment of the change, where they repeat it the first of the two.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, tzinfo
from operator import attrgetter
from typing import NamedTuple

from collections_supervisor.books.records import Activity, Invoice

TEMPLATES = (
    (-3, "reminder_3d"),
    (0, "reminder_due"),
    (5, "overdue_5d"),
    (7, "overdue_7d"),
    (10, "final_notice"),
    (14, "escalation"),
)
"""Days from the due date, and the template of the e-mail that is sent then."""

ESCALATED_BY = timedelta(days=14)
"""After the due date; whoever has not paid by then is no case for reminders any more."""

_WHICH = attrgetter("invoice", "template")
_DAY = 86400.0
_ONE_DAY = timedelta(days=1)


class Moment(NamedTuple):
    """When a reminder falls due, in seconds of the epoch."""

    template: str
    at: float


Sent = frozenset[tuple[str, str]]
"""Invoice and template of each reminder that the log of e-mails shows."""


def midnight(day: date, zone: tzinfo) -> float:
    """The beginning of a day, in seconds of the epoch."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def day_of(at: float, zone: tzinfo) -> date:
    """The calendar date of an instant."""
    return datetime.fromtimestamp(at, zone).date()


def falling_due(after: float, until: float, zone: tzinfo) -> dict[date, tuple[Moment, ...]]:
    """Which reminders fall due later than `after` and no later than `until`, by the due date of the invoice."""
    found: defaultdict[date, list[Moment]] = defaultdict(list)
    day = day_of(after, zone)
    while (at := midnight(day, zone)) <= until:
        if at > after:
            for offset, template in TEMPLATES:
                found[day - timedelta(days=offset)].append(Moment(template, at))
        day += _ONE_DAY
    return {due: tuple(moments) for due, moments in found.items()}


def is_reminded(invoice: Invoice) -> bool:
    """Whether its state is one in which reminders are sent."""
    return invoice.group == "unpaid" and invoice.status != "paused"


def sent(activity: Activity) -> Sent:
    """What the log of e-mails shows. When it was sent does not matter: a template goes out once for an invoice."""
    return frozenset(map(_WHICH, activity.reminders))


class Judge:
    """Whether the reminders about an invoice were sent as they should, as of one instant."""

    def __init__(self, activity: Activity, zone: tzinfo, now: float) -> None:
        """`now` in seconds of the epoch."""
        # A day's grace, because a mailer may work once a day; older ones were judged the day before.
        self._moments = falling_due(now - 2 * _DAY, now - _DAY, zone) if activity.reminders_since is not None else {}
        self._since = activity.reminders_since or 0.0
        self._sent = sent(activity)
        self.sent_twice = len(self._sent) < len(activity.reminders)
        """Whether any reminder was: only then it is worth the cost to look which."""
        self._limit = day_of(now, zone) - ESCALATED_BY

    @property
    def days(self) -> tuple[date, frozenset[date]]:
        """The due dates that matter today: the first that is not overdue, and those of which a reminder had to be sent."""
        return self._limit, frozenset(self._moments)

    def concerned(self, invoices: Iterable[Invoice]) -> Iterator[Invoice]:
        """Those that are overdue, or had a reminder to be sent."""
        limit, moments = self._limit, self._moments
        for invoice in invoices:
            if invoice.group == "unpaid" and (due := invoice.due) is not None and (due < limit or due in moments):
                yield invoice

    def suspected(self, concerned: Iterable[Invoice]) -> Iterator[Invoice]:
        """Of those concerned the few that need a closer look."""
        limit, moments, known = self._limit, self._moments, self._sent
        for invoice in concerned:
            if (due := invoice.due) is not None and due >= limit:
                for moment in moments[due]:
                    if (invoice.number, moment.template) not in known:
                        yield invoice
                        break
            else:
                yield invoice

    def is_overdue(self, invoice: Invoice) -> bool:
        """It should have been escalated."""
        return invoice.due is not None and invoice.due < self._limit and is_reminded(invoice)

    def missed(self, invoice: Invoice) -> Moment | None:
        """The reminder that should have been sent; None where all were, or where nobody can tell."""
        if invoice.due not in self._moments or not is_reminded(invoice):
            return None
        for moment in self._moments[invoice.due]:
            if moment.at >= self._since and (invoice.number, moment.template) not in self._sent:
                return moment
        return None


def repeated(activity: Activity, now: float) -> dict[str, list[tuple[str, int]]]:
    """By invoice the templates that were sent more than once in the last two days, and how often."""
    times = Counter(_WHICH(reminder) for reminder in activity.reminders if now - 2 * _DAY <= reminder.at <= now)
    return _by_invoice((invoice, template, count) for (invoice, template), count in sorted(times.items()) if count > 1)


def _by_invoice(found: Iterable[tuple[str, str, int]]) -> dict[str, list[tuple[str, int]]]:
    by: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for invoice, template, count in found:
        by[invoice].append((template, count))
    return dict(by)
