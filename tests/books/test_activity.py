"""What the logs tell of the last day: each number from its own log, else from what stands in for it, else nothing."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.books.activity import LATENCIES_LIMIT, LATENCY_LIMIT, PLAIN_LOGS_LIMIT, ActivityLogs, latency
from collections_supervisor.books.records import Activity, Invoice, Payment

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()
HOUR, DAY = 3600.0, 86400.0
ZONE = timezone(timedelta(hours=-5))


class World:
    """A cache and a state folder with logs in them."""

    def __init__(self, root: Path) -> None:
        self.cache = root / "cache"
        self.state = root / "state"
        (self.cache / "logs").mkdir(parents=True)
        self.state.mkdir()
        self.logs = ActivityLogs(self.cache, self.state, zone=ZONE)

    def write(self, name: str, *lines: dict[str, Any] | str) -> Path:
        path = self.state / name if name == "events.log" else self.cache / name
        path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
        return path

    def read(self, *queued: Payment, window: float = DAY) -> Activity:
        return self.logs.read(now=NOW, window=window, payment_queue=queued, check=lambda: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def at(ago: float, **members: Any) -> dict[str, Any]:
    return {"timestamp": NOW - ago, **members}


def plain(ago: float, level: str = "ERROR", zone: timezone = ZONE) -> str:
    return f"{datetime.fromtimestamp(NOW - ago, zone):%Y-%m-%d %H:%M:%S,000} - mailer - {level} - it failed"


def test_where_there_is_no_log_nothing_is_zero(world: World) -> None:
    assert world.read() == Activity()


def test_an_empty_log_says_that_nothing_happened(world: World) -> None:
    for name in ("email_activity.log", "payment_activity.log", "error.log"):
        world.write(name)
    seen = world.read()
    assert (seen.emails_sent, seen.payments_detected, seen.errors, seen.findings) == (0, 0, 0, ())


def test_a_log_that_never_says_when_tells_no_number(world: World) -> None:
    world.write("email_activity.log", {"type": "EMAIL_SENT"}, "prose")
    assert world.read().emails_sent is None


def test_each_log_has_its_own_number_of_the_last_day(world: World) -> None:
    for name, member, value in (
        ("email_activity.log", "type", "EMAIL_SENT"),
        ("payment_activity.log", "type", "PAYMENT_DETECTED"),
        ("error.log", "level", "ERROR"),
    ):
        happened = [at(ago, **{member: value}) for ago in (DAY + 1, DAY, 60.0, -60.0)]
        world.write(name, *happened, at(5.0, **{member: "ELSE"}), "{", {member: value})
    seen = world.read()
    assert (seen.emails_sent, seen.payments_detected, seen.errors) == (2, 2, 2), "what is to come has not happened"


def test_payments_and_reminders_are_told_as_far_back_as_they_are_judged(world: World) -> None:
    world.write("payment_activity.log", *(at(ago, type="PAYMENT_DETECTED", invoice=f"P{ago:.0f}") for ago in (60.0, -60.0)))
    world.write(
        "email_activity.log",
        *(at(ago, type="EMAIL_SENT", invoice="A", template="t") for ago in (80 * HOUR, 71 * HOUR, 60.0, -60.0)),
        at(30.0, type="EMAIL_SENT", invoice="B"),
    )
    seen = world.read(window=HOUR)
    assert seen.emails_sent == 2
    assert [payment.invoice for payment in seen.payments] == ["P60"]
    assert [(reminder.invoice, NOW - reminder.at) for reminder in seen.reminders] == [("A", 71 * HOUR), ("A", 60.0)]
    assert seen.reminders_since == NOW - 72 * HOUR


# --- What stands in for a log ----------------------------------------------------------------------------------------


def test_without_a_log_of_payments_the_invoices_count_that_are_told_of_as_paid(world: World) -> None:
    queued = [
        Payment(invoice=number, at=NOW - ago) for number, ago in (("A", 60.0), ("Q", 60.0), ("old", DAY + 1), ("new", -60.0))
    ]
    world.write(
        "events.log", *(at(60.0, event=what, invoice=number) for what, number in (("paid", "A"), ("paid", "B"), ("x", "C")))
    )
    assert world.read(*queued).payments_detected == 3
    world.write("payment_activity.log", at(5.0, type="PAYMENT_DETECTED", invoice="A"))
    assert world.read(*queued).payments_detected == 1


def test_a_payment_queue_that_is_empty_says_that_nothing_was_paid(world: World) -> None:
    assert world.read().payments_detected is None
    world.write("payment_queue.json")
    assert world.read().payments_detected == 0
    world.write("events.log", "prose")
    assert world.read().payments_detected is None, "it may say more than anybody can read"


def test_without_a_log_of_errors_those_in_all_plain_logs_count_in_local_time(world: World) -> None:
    traceback = "Traceback (most recent call last):\nERROR - not a line of a log"
    world.write("mailer.log", plain(DAY + 60), plain(DAY - 60), traceback, plain(60.0, "CRITICAL"), plain(60.0, "WARNING"))
    world.write("logs/watcher.log", plain(60.0), json.dumps(at(60.0, level="ERROR")))
    world.write("notes.txt", plain(60.0))
    assert world.read().errors == 3
    world.write("error.log", plain(60.0), at(60.0, level="CRITICAL"))
    assert world.read().errors == 2


def test_a_part_of_the_errors_is_not_their_number(world: World) -> None:
    world.write("a.log", plain(60.0))
    path = world.write("b.log", plain(60.0))
    assert world.read().errors == 2
    world.logs = ActivityLogs(world.cache, world.state, zone=ZONE)
    calls = iter(range(3))  # once for each name in the folder

    def replace_the_second() -> None:
        if next(calls, None) is None and path.is_file():
            path.unlink()
            os.mkfifo(path)

    seen = world.logs.read(now=NOW, window=DAY, payment_queue=(), check=replace_the_second)
    assert (seen.errors, [one.path for one in seen.findings]) == (None, [str(path)])


def test_more_plain_logs_than_can_be_read_tell_no_number(world: World) -> None:
    for number in range(PLAIN_LOGS_LIMIT + 1):
        world.write(f"logs/{number}.log", plain(60.0))
    crowd = world.read()
    assert (crowd.errors, [(one.kind, one.path) for one in crowd.findings]) == (None, [("unreadable_file", str(world.cache))])
    (world.cache / "logs/0.log").unlink()
    assert world.read().errors == PLAIN_LOGS_LIMIT


def test_a_log_that_is_no_file_is_a_finding_and_no_number(world: World) -> None:
    for name in ("email_activity.log", "payment_activity.log", "error.log"):
        os.mkfifo(world.cache / name)
    world.write("mailer.log", plain(60.0))
    seen = world.read(Payment(invoice="A", at=NOW - 60.0))
    assert (seen.emails_sent, seen.payments_detected, seen.errors) == (None, None, None)
    assert sorted(Path(one.path or "").name for one in seen.findings) == [
        "email_activity.log",
        "error.log",
        "payment_activity.log",
    ]


# --- How long payments took to be noticed ----------------------------------------------------------------------------


def paid(took: float, **members: Any) -> Invoice:
    """A payment that was noticed so many seconds after its file appeared, by `when`."""
    return Invoice(
        **{
            "folder": "archive/a",
            "file": "x.json",
            "number": "x",
            "status": "paid",
            "group": "paid",
            "amount": 1,
            "currency": "USD",
            "detected_at": NOW + took,
            "source_file": "/f",
            **members,
        }
    )


class Files:
    """Files that all appeared now, and who asked for them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def lstat(self, path: str) -> os.stat_result:
        self.asked.append(path)
        if path == "/gone":
            raise FileNotFoundError
        return os.stat_result((0o100600, 1, 1, 1, 0, 0, 0, 0, int(NOW), 0))


def measured(invoices: Iterable[Invoice]) -> tuple[float, float] | None:
    found = latency(invoices, lstat=Files().lstat)
    return None if found is None else (found.mean, found.p95)


def test_latency_is_from_the_file_of_a_payment_to_when_it_was_noticed() -> None:
    assert measured([paid(10.0), paid(50.0)]) == (30.0, 50.0)
    assert measured([paid(float(seconds)) for seconds in range(1, 101)]) == (50.5, 95.0)
    assert measured([paid(0.0, detected_at=None, paid_at=NOW + 7.0)]) == (7.0, 7.0)
    assert measured([paid(0.0), paid(LATENCY_LIMIT)]) == (LATENCY_LIMIT / 2, LATENCY_LIMIT)


@pytest.mark.parametrize(
    "one",
    [
        paid(-1.0),
        paid(LATENCY_LIMIT + 1),
        paid(5.0, source_file="/gone"),
        paid(5.0, source_file="relative"),
        paid(5.0, source_file=""),
        paid(5.0, detected_at=None),
        paid(5.0, group="unpaid"),
    ],
)
def test_what_tells_no_latency(one: Invoice) -> None:
    assert measured([one]) is None
    assert measured([one, paid(9.0)]) == (9.0, 9.0)


def test_only_so_many_files_are_looked_at_those_of_the_latest_payments() -> None:
    files = Files()
    invoices = [paid(float(number), source_file=f"/{number}") for number in range(LATENCIES_LIMIT + 5)]
    latency(invoices, lstat=files.lstat)
    assert len(files.asked) == LATENCIES_LIMIT
    assert "/4" not in files.asked
