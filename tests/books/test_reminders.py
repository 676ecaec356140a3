"""When reminders fall due, also where the clocks skip or repeat midnight, and which were missed or repeated."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collections_supervisor.books.records import Activity, Invoice, Reminder
from collections_supervisor.books.reminders import TEMPLATES, Judge, Moment, day_of, falling_due, midnight, repeated, sent

HOUR, DAY = 3600.0, 86400.0
BERLIN = ZoneInfo("Europe/Berlin")
# Santiago skips the midnight of a day in September, Havana repeats that of one in November, Apia left out 2011-12-30.
ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/Santiago", "America/Havana", "Pacific/Apia")]


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def invoice(due: date | None, **members: Any) -> Invoice:
    given = {"status": "unpaid", "group": "unpaid", "amount": 1, "currency": "USD"}
    return Invoice(folder="a", file="A.json", number="A", due=due, **{**given, **members})


@pytest.mark.parametrize(
    ("day", "zone", "expected"),
    [
        (date(2026, 11, 22), "UTC", "2026-11-22T00:00"),
        (date(2026, 11, 22), "America/Bogota", "2026-11-22T05:00"),
        (date(2026, 3, 30), "Europe/Berlin", "2026-03-29T22:00"),
        # Skipped: when the clocks were set.
        (date(2026, 9, 6), "America/Santiago", "2026-09-06T04:00"),
        # Twice: the first time.
        (date(2026, 11, 1), "America/Havana", "2026-11-01T04:00"),
        (date(2011, 12, 30), "Pacific/Apia", "2011-12-30T10:00"),
        (date(2011, 12, 31), "Pacific/Apia", "2011-12-30T10:00"),
    ],
)
def test_a_day_begins_at_local_midnight(day: date, zone: str, expected: str) -> None:
    assert midnight(day, ZoneInfo(zone)) == at(expected)


def test_when_the_reminders_of_an_invoice_fall_due() -> None:
    due = date(2026, 3, 28)  # the clocks are set on the day after
    moments = falling_due(at("2026-03-01T00:00"), at("2026-05-01T00:00"), BERLIN)[due]
    assert list(moments) == [
        Moment("reminder_3d", at("2026-03-24T23:00")),
        Moment("reminder_due", at("2026-03-27T23:00")),
        Moment("overdue_5d", at("2026-04-01T22:00")),
        Moment("overdue_7d", at("2026-04-03T22:00")),
        Moment("final_notice", at("2026-04-06T22:00")),
        Moment("escalation", at("2026-04-10T22:00")),
    ]


def test_the_end_of_a_span_belongs_to_it_and_its_beginning_does_not() -> None:
    begin, end = midnight(date(2026, 11, 20), BERLIN), midnight(date(2026, 11, 21), BERLIN)
    assert falling_due(begin, end, BERLIN) == {
        date(2026, 11, 24): (Moment("reminder_3d", end),),
        date(2026, 11, 21): (Moment("reminder_due", end),),
        date(2026, 11, 16): (Moment("overdue_5d", end),),
        date(2026, 11, 14): (Moment("overdue_7d", end),),
        date(2026, 11, 11): (Moment("final_notice", end),),
        date(2026, 11, 7): (Moment("escalation", end),),
    }
    assert falling_due(begin, end - 1, BERLIN) == {}
    assert falling_due(end, begin, BERLIN) == {}


@settings(max_examples=60)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(["2011-12-29", "2026-03-28", "2026-09-05", "2026-10-31", "2026-11-01"]),
    st.floats(-3 * DAY, 3 * DAY),
    st.floats(0, 4 * DAY),
)
def test_every_midnight_is_found(zone: ZoneInfo, near: str, offset: float, length: float) -> None:
    after = at(near) + offset
    until = after + length
    expected = {
        (due, template)
        for day in range(-30, 30)
        for days, template in TEMPLATES
        for due in [date.fromisoformat(near) + timedelta(days=day)]
        if after < midnight(due + timedelta(days=days), zone) <= until
    }
    found = {(due, moment.template) for due, moments in falling_due(after, until, zone).items() for moment in moments}
    assert found == expected


def test_the_day_of_an_instant_is_that_of_the_zone() -> None:
    assert day_of(at("2026-11-22T23:30"), BERLIN) == date(2026, 11, 23)


# --- Missed ----------------------------------------------------------------------------------------------------------

NOW = at("2026-11-22T12:00")
LATEST = date(2026, 11, 21)
"""Its midnight in Berlin was 37 hours ago, and it is the only one between two days and one day ago."""


def judge(since: float | None = 0.0, *mails: Reminder, now: float = NOW) -> Judge:
    return Judge(Activity(reminders_since=since, reminders=mails), BERLIN, now)


@pytest.mark.parametrize(("days", "template"), TEMPLATES)
def test_a_reminder_that_fell_due_and_is_not_in_the_log_was_missed(days: int, template: str) -> None:
    one = invoice(LATEST - timedelta(days=days))
    moment = Moment(template, midnight(LATEST, BERLIN))
    assert judge().missed(one) == moment
    assert list(judge().concerned([one])) == [one]


@pytest.mark.parametrize(
    ("since", "missed"), [(None, False), (midnight(LATEST, BERLIN), True), (midnight(LATEST, BERLIN) + 1, False)]
)
def test_a_log_that_does_not_reach_back_tells_nothing(since: float | None, missed: bool) -> None:
    assert (judge(since).missed(invoice(LATEST)) is not None) is missed


@pytest.mark.parametrize("age", [1.0, 30 * HOUR, 60 * HOUR])
def test_a_reminder_was_sent_whenever_it_was(age: float) -> None:
    mail = Reminder(invoice="A", template="reminder_due", at=NOW - age)
    assert judge(0.0, mail).missed(invoice(LATEST)) is None


@pytest.mark.parametrize("mail", [("B", "reminder_due"), ("A", "overdue_5d")])
def test_another_reminder_is_another_reminder(mail: tuple[str, str]) -> None:
    assert judge(0.0, Reminder(invoice=mail[0], template=mail[1], at=NOW)).missed(invoice(LATEST)) is not None


@pytest.mark.parametrize(
    "one",
    [
        invoice(LATEST, status="paused"),
        invoice(LATEST, group="paid"),
        invoice(LATEST, group="escalated"),
        invoice(LATEST, group="review"),
        invoice(LATEST, group=None),
        invoice(LATEST + timedelta(days=1)),
        invoice(LATEST - timedelta(days=1)),
        invoice(None),
    ],
)
def test_who_gets_no_reminder(one: Invoice) -> None:
    assert judge().missed(one) is None


def test_a_reminder_is_judged_from_a_day_after_it_fell_due_to_two() -> None:
    moment = midnight(LATEST, BERLIN)
    ages = [DAY - 1, DAY, 2 * DAY - 1, 2 * DAY]
    assert [judge(now=moment + age).missed(invoice(LATEST)) is not None for age in ages] == [False, True, True, False]


# --- Overdue ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "overdue"),
    [
        (invoice(date(2026, 11, 7)), True),
        (invoice(date(2026, 11, 8)), False),
        (invoice(date.min), True),
        (invoice(date.max), False),
        (invoice(None), False),
        (invoice(date(2026, 11, 7), status="paused"), False),
        (invoice(date(2026, 11, 7), group="escalated"), False),
    ],
)
def test_an_invoice_is_overdue_after_two_weeks(one: Invoice, overdue: bool) -> None:
    assert judge().is_overdue(one) is overdue
    assert not overdue or list(judge().concerned([one])) == [one]


def test_nobody_else_is_concerned() -> None:
    fine = [invoice(None), invoice(date(2026, 12, 24)), invoice(LATEST, group="paid"), invoice(date.min, group="escalated")]
    assert list(judge().concerned(fine)) == []
    assert list(judge(None).concerned([invoice(LATEST)])) == []


# --- Repeated --------------------------------------------------------------------------------------------------------


def test_what_was_sent_more_than_once_in_two_days() -> None:
    mails = [("A", "x", 1.0), ("A", "x", 2 * DAY), ("A", "y", 5.0), ("A", "y", 5.0), ("A", "y", 6.0), ("B", "x", 1.0)]
    too_old, to_come = ("B", "x", 2 * DAY + 1), ("B", "x", -1.0)
    log = [Reminder(invoice=name, template=template, at=NOW - age) for name, template, age in [*mails, too_old, to_come]]
    assert repeated(Activity(reminders=tuple(log)), NOW) == {"A": [("x", 2), ("y", 3)]}


def test_what_the_log_shows_as_sent() -> None:
    log = (Reminder(invoice="A", template="x", at=1.0), Reminder(invoice="A", template="x", at=2.0))
    assert sent(Activity(reminders=log)) == {("A", "x")}
