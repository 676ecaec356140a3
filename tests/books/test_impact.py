"""What an outage of an agent costs: figures, and the sentences that people are told."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collections_supervisor.books.impact import mailer_impact, watcher_impact
from collections_supervisor.books.records import Activity, Invoice, Reminder
from collections_supervisor.messages import AtStake, Impact, Latency

BOGOTA = ZoneInfo("America/Bogota")
TODAY = date(2026, 11, 22)
EVENING = datetime(2026, 11, 22, 4, 3, tzinfo=UTC)
"""An hour before the midnight that begins the day in Bogota."""
NOON = datetime(2026, 11, 22, 17, 3, tzinfo=UTC)
HOUR, DAY = 3600.0, 86400.0


def invoice(number: str = "A", **members: Any) -> Invoice:
    given = {"folder": "a", "status": "unpaid", "group": "unpaid", "amount": 100_00, "currency": "USD", "due": TODAY}
    return Invoice(number=number, file=f"{number}.json", **{**given, **members})


def mailer(invoices: Sequence[Invoice], *sent: tuple[str, str], since: datetime = EVENING, until: datetime = NOON) -> Impact:
    log = tuple(Reminder(invoice=number, template=template, at=NOON.timestamp()) for number, template in sent)
    return mailer_impact(invoices, Activity(reminders=log), since=since, until=until, zone=BOGOTA, currency="USD")


# --- The mailer ------------------------------------------------------------------------------------------------------


def test_reminders_that_fell_due_and_were_not_sent() -> None:
    found = mailer(
        [
            invoice("A", amount=50_00),
            invoice("B", due=TODAY - timedelta(days=5), amount=Decimal("10000.5")),
            invoice("C", due=TODAY + timedelta(days=3), currency="EUR", amount=20_00),
            invoice("D", due=TODAY - timedelta(days=7), amount=70_00),
            invoice("E", due=TODAY - timedelta(days=10)),
            invoice("F", due=TODAY + timedelta(days=90), amount=1_00),
            invoice("G", due=None, status="escalated", group="escalated", amount=2_00),
        ],
        ("E", "final_notice"),
        ("A", "overdue_5d"),
    )
    assert found == Impact(
        role="mailer",
        since=EVENING,
        until=NOON,
        count=4,
        amounts={"EUR": "20.00", "USD": "220.005"},
        largest=(
            AtStake(invoice="B", amount="100.005", currency="USD"),
            AtStake(invoice="D", amount="70.00", currency="USD"),
            AtStake(invoice="A", amount="50.00", currency="USD"),
        ),
        next_at=datetime(2026, 11, 23, 5, tzinfo=UTC),
        next_count=0,
        next_amounts={},
        outstanding={"EUR": "20.00", "USD": "323.005"},
        text="4 reminders over USD 220.005 and EUR 20.00 fell due since 2026-11-21 23:03 "
        "(largest: B USD 100.005, D USD 70.00, A USD 50.00); outstanding in all: USD 323.005 and EUR 20.00",
    )


def test_a_long_outage_counts_each_reminder_and_the_amount_once() -> None:
    found = mailer([invoice(due=TODAY - timedelta(days=7))], ("A", "reminder_due"), since=EVENING - timedelta(days=30))
    assert (found.count, found.amounts) == (3, {"USD": "100.00"})
    assert found.text.startswith("3 reminders over USD 100.00 fell due since 2026-10-22 23:03 (A USD 100.00); ")


def test_of_a_day_without_a_midnight_the_next_one_is_told() -> None:
    since = datetime(2026, 11, 22, 17, 2, tzinfo=UTC)
    found = mailer([invoice(due=TODAY + timedelta(days=1))], since=since)
    assert found.text == "1 reminder over USD 100.00 falls due on 2026-11-23 at 00:00; outstanding in all: USD 100.00"
    assert (found.count, found.amounts, found.largest) == (0, {}, ())
    assert (found.next_count, found.next_amounts) == (1, {"USD": "100.00"})
    two = mailer([invoice("A", due=TODAY + timedelta(days=1)), invoice("B", due=TODAY - timedelta(days=4))], since=since)
    assert two.text.startswith("2 reminders over USD 200.00 fall due on 2026-11-23 at 00:00; ")


def test_since_is_a_time_of_today_where_it_can_be() -> None:
    last, first = datetime(2026, 11, 22, 4, 59, 59, tzinfo=UTC), datetime(2026, 11, 22, 5, tzinfo=UTC)
    one = (paid(detected_at=NOON.timestamp()), first.timestamp() + 1)
    for since, words in ((last, "since 2026-11-21 23:59 was"), (first, "since 00:00 was")):
        found = watcher_impact([one], since=since, until=NOON, zone=BOGOTA)
        assert found is not None
        assert words in found.text


def test_without_anything_nothing_is_said() -> None:
    found = mailer([])
    assert (found.text, found.count, found.next_count, found.outstanding) == ("", 0, 0, {})


def test_what_has_no_amount_is_counted_all_the_same() -> None:
    found = mailer([invoice(amount=None)])
    assert (found.count, found.amounts, found.largest, found.text) == (1, {}, (), "1 reminder fell due since 2026-11-21 23:03")


@pytest.mark.parametrize(
    ("others", "owed"),
    [
        ([invoice(status="paused")], True),
        ([invoice(status="escalated", group="escalated")], True),
        ([invoice(group="review")], False),
        ([invoice(group=None)], False),
        ([invoice(folder="archive/a", group="paid", archived=True)], False),
        ([invoice(), invoice(folder="archive/a", group="paid", archived=True)], False),
    ],
)
def test_who_gets_no_reminder(others: list[Invoice], owed: bool) -> None:
    found = mailer(others)
    assert (found.count, found.next_count) == (0, 0)
    assert found.outstanding == ({"USD": "100.00"} if owed else {})


def test_of_equal_amounts_the_first_numbers_are_named_and_so_that_they_can_be() -> None:
    invoices = [invoice("D"), invoice("C\x1b\udcff" + "x" * 300), invoice("B"), invoice("A", amount=1)]
    found = mailer(invoices)
    assert found == mailer(invoices[::-1])
    assert [one.invoice[:9] for one in found.largest] == ["B", "C \\udcffx", "D"]
    assert max(len(one.invoice) for one in found.largest) < 250
    msgspec.json.encode(found)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(-20, 5), st.integers(0, 10**6), st.sampled_from(["USD", "EUR"])), max_size=8),
    st.integers(0, 30 * 86400),
    st.integers(0, 30 * 86400),
)
def test_an_outage_in_two_parts_costs_what_it_costs_in_one(drawn: list[tuple[int, int, str]], first: int, second: int) -> None:
    invoices = [
        invoice(str(number), due=TODAY + timedelta(days=days), amount=amount, currency=currency)
        for number, (days, amount, currency) in enumerate(drawn)
    ]
    middle, end = EVENING + timedelta(seconds=first), EVENING + timedelta(seconds=first + second)
    parts = mailer(invoices, until=middle).count + mailer(invoices, since=middle, until=end).count
    assert mailer(invoices, until=end).count == parts
    following = mailer(invoices, until=middle)
    assert following.next_at is not None
    assert mailer(invoices, since=middle, until=following.next_at).count == following.next_count
    assert middle < following.next_at <= middle + timedelta(days=1)


# --- The watcher -----------------------------------------------------------------------------------------------------

BEGIN = EVENING.timestamp()


def paid(number: str = "A", **members: Any) -> Invoice:
    given = {"group": "paid", "status": "paid", "archived": True, "paid": 90_00, "detected_at": BEGIN + 14 * HOUR}
    return invoice(number, **{**given, **members})


def watcher(*payments: tuple[Invoice, float]) -> Impact | None:
    return watcher_impact(iter(payments), since=EVENING, until=NOON, zone=BOGOTA)


def test_payments_that_were_found_late() -> None:
    found = watcher(
        (paid("A"), BEGIN + 2 * HOUR),
        (paid("B", paid=None, currency="EUR"), BEGIN + 12 * HOUR),
        (paid("C", detected_at=None, paid_at=BEGIN + 2 * HOUR, amount=None), BEGIN + HOUR),
    )
    assert found == Impact(
        role="watcher",
        since=EVENING,
        until=NOON,
        count=3,
        amounts={"EUR": "100.00", "USD": "180.00"},
        largest=(
            AtStake(invoice="B", amount="100.00", currency="EUR"),
            AtStake(invoice="A", amount="90.00", currency="USD"),
            AtStake(invoice="C", amount="90.00", currency="USD"),
        ),
        delay_s=Latency(mean=5 * HOUR, p95=12 * HOUR),
        text="3 payments over EUR 100.00 and USD 180.00 that came in since 2026-11-21 23:03 were found 5 h 00 min late "
        "on average (B EUR 100.00, A USD 90.00, C USD 90.00)",
    )


def test_one_payment_that_was_found_late() -> None:
    found = watcher((paid(), BEGIN + 12 * HOUR))
    assert found is not None
    assert found.text == (
        "1 payment over USD 90.00 that came in since 2026-11-21 23:03 was found 2 h 00 min late on average (A USD 90.00)"
    )


@pytest.mark.parametrize(
    "on_time",
    [
        (paid(), BEGIN),
        (paid(), NOON.timestamp() + 1),
        (paid(detected_at=BEGIN + 60), BEGIN + 1),
        (paid(detected_at=BEGIN + 61), BEGIN + 1),
        (paid(detected_at=BEGIN), BEGIN + 1),
        (paid(detected_at=BEGIN + 31 * DAY), BEGIN + 1),
        (paid(detected_at=None), BEGIN + 1),
    ],
)
def test_what_the_outage_did_not_delay(on_time: tuple[Invoice, float]) -> None:
    assert watcher(on_time) is None


@pytest.mark.parametrize(("appeared", "detected"), [(1.0, 62.0), (1.0, 30 * DAY), (13 * HOUR, 30 * HOUR)])
def test_what_the_outage_delayed(appeared: float, detected: float) -> None:
    found = watcher((paid(detected_at=BEGIN + detected), BEGIN + appeared))
    assert found is not None
    assert found.delay_s == Latency(mean=detected - appeared, p95=detected - appeared)


def test_the_slow_end_is_that_of_nineteen_in_twenty() -> None:
    found = watcher(*((paid(str(number), detected_at=BEGIN + 100 + number), BEGIN + 1) for number in range(1, 41)))
    assert found is not None
    assert found.delay_s is not None
    assert found.delay_s.p95 == 99 + 38
