"""A whole audit over real files: the second look, what is reported and what is remembered."""

import json
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collections_supervisor.books.audit import REPORTED, SECOND_READ, Audit, Books
from collections_supervisor.config.schema import BooksConfig
from collections_supervisor.demo_books import make
from collections_supervisor.messages import BooksReport, Outage

NOW = datetime(2096, 11, 22, 12, 0, tzinfo=UTC)
"""So late that no file is young: what is remembered is trusted."""
HOUR = timedelta(hours=1)


def await_tick(folder: Path) -> None:
    """Have the next change be of another time than the last one, which these readers are made to believe to be long ago."""
    probe = folder / "probe"
    probe.touch()
    last = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == last:
        probe.touch()


class World:
    """Books in a folder, and their readers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"
        self.ledger = root / "ledger.md"
        self.cache = root / "cache"
        self.pauses: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.books = self.fresh()

    def fresh(self, **settings: Any) -> Books:
        config = {"configured": True, "queue_dir": self.cache / "queues", "cache_dir": self.cache, **settings}
        places = (self.root / "alert.txt", self.root / "refreshed.log")
        return Books(BooksConfig(state_dir=self.state, ledger=self.ledger, **config), UTC, alert=places)

    def invoice(self, number: str, amount: float = 5.0, folder: str = "acme", **members: Any) -> Path:
        path = self.state / folder / f"{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"number": number, "amount": amount, "status": "unpaid", **members}))
        return path

    def lines(self, *entries: tuple[str, float], section: str = "Unpaid") -> object:
        text = "".join(f"- `{number}` | ${amount:,.2f} | Acme\n" for number, amount in entries)
        return self.ledger.write_text(f"## {section}\n{text}\n")

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await_tick(self.root)
        self.meanwhile()

    def audit(self, books: Books | None = None, *, full: bool = True, now: datetime = NOW) -> Audit:
        self.pauses.clear()
        await_tick(self.root)
        return (books or self.books).audit(now, full=full, check=lambda: None, pause=self._pause)

    def kinds(self, books: Books | None = None, *, full: bool = True) -> list[str]:
        return [finding.kind for finding in self.audit(books, full=full).findings]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.state.mkdir()
    made.lines()
    return made


def report_of(audit: Audit) -> BooksReport:
    assert audit.told.books is not None
    return audit.told.books


# --- The second look -------------------------------------------------------------------------------------------------


def test_an_error_is_looked_at_twice_and_books_that_agree_once(world: World) -> None:
    assert (world.kinds(), world.pauses) == ([], [])
    world.invoice("A")
    assert (world.kinds(), world.pauses) == (["missing_in_ledger"], [SECOND_READ])
    (world.state / "acme/x.json.tmp").touch()
    world.lines(("A", 5.0))
    assert world.kinds() == ["left_over_temp"]
    assert world.pauses == [], "nobody takes a warning for certain"


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize(
    "mend",
    [
        lambda world: world.lines(("A", 5.0), ("B", 5.0)),
        lambda world: (world.state / "acme/B.json").unlink(),
        lambda world: (world.state / "acme").rename(world.root / "gone") and world.lines(),
    ],
    ids=["the line is written", "the file is removed", "the folder is removed"],
)
def test_what_a_writer_was_in_the_middle_of_is_no_finding(world: World, full: bool, mend: Callable[[World], object]) -> None:
    world.invoice("A")
    world.lines(("A", 5.0))
    assert world.kinds() == []
    world.invoice("B")
    world.meanwhile = lambda: mend(world)
    assert world.kinds(full=full) == []
    assert world.pauses == [SECOND_READ]


def test_an_edit_in_place_between_the_two_looks_is_seen(world: World) -> None:
    path = world.invoice("A", 7.0)
    world.lines(("A", 5.0))
    long_ago = NOW.timestamp() - 3600

    def edit(file: Path, write: Callable[[], object], at: float = long_ago) -> None:
        write()
        os.utime(file, (at, at))

    for one in (path, world.ledger):
        edit(one, one.read_bytes)
    world.meanwhile = lambda: edit(path, lambda: world.invoice("A", 5.0))
    assert world.kinds() == []
    edit(world.ledger, lambda: world.lines(("A", 9.0)), long_ago + 5)
    world.meanwhile = lambda: edit(world.ledger, lambda: world.lines(("A", 5.0)), long_ago + 5)
    assert world.kinds() == []
    assert world.pauses == [SECOND_READ]


def test_other_figures_are_another_error_that_nobody_has_seen_twice(world: World) -> None:
    world.invoice("A", 7.0)
    world.lines(("A", 5.0))
    world.meanwhile = lambda: world.invoice("A", 70.0)
    assert world.kinds() == []
    world.meanwhile = lambda: None
    [finding] = world.audit().findings
    assert finding.detail == "the ledger says USD 5.00, the invoice file USD 70.00"


# --- The report ------------------------------------------------------------------------------------------------------


def test_a_machine_without_books_has_none_and_a_reason(tmp_path: Path) -> None:
    world = World(tmp_path)
    bare = world.audit(world.fresh(configured=False))
    assert (bare.told.books, bare.told.queues, bare.told.activity, bare.has_errors) == (None, None, None, False)
    assert str(world.state) in bare.told.why_not
    assert str(world.ledger) in bare.told.why_not
    assert sorted(world.kinds(world.fresh(configured=True))) == ["ledger_missing", "state_missing"]
    world.state.mkdir()
    assert world.kinds(world.fresh(configured=False)) == ["ledger_missing"]


def test_where_the_invoices_cannot_be_read_nothing_is_zero(world: World) -> None:
    world.lines(("A", 5.0))
    world.state.rmdir()
    report = report_of(world.audit())
    assert (report.totals, report.ledger, report.consistent) == (None, None, False)
    assert report.finding_counts == {"state_missing": 1}


@pytest.mark.parametrize(("place", "path"), [("state", "state"), ("cache", "cache/payment_queue.json")])
def test_a_file_in_the_place_of_a_folder_is_told_of_once(world: World, place: str, path: str) -> None:
    (world.root / "cache/queues").mkdir(parents=True)
    assert world.kinds() == []
    (world.root / place).rename(world.root / "elsewhere")
    (world.root / place).write_text("a file")
    told = {finding.path for finding in world.audit().findings}
    assert told == {str(world.root / path)} | ({str(world.cache / "queues")} if place == "cache" else set())


def test_the_first_thousand_are_reported_and_all_are_counted(world: World) -> None:
    world.lines(*((f"X-{number:04}", 1.0) for number in range(REPORTED + 5)))
    (world.state / "acme").mkdir()
    (world.state / "acme/x.json.tmp").touch()
    audit = world.audit()
    report = report_of(audit)
    assert (len(report.findings), len(audit.findings)) == (REPORTED, REPORTED + 6)
    assert report.finding_counts == {"missing_in_state": REPORTED + 5, "left_over_temp": 1}
    assert {finding.kind for finding in report.findings} == {"missing_in_state"}, "errors come first"


def test_degraded_mode_is_told_of_where_it_is_asked_for(world: World) -> None:
    (world.root / "alert.txt").write_text("!! DEGRADED_MODE ALERT !!\nno token\n")
    assert world.kinds() == []
    asked = world.audit(world.fresh(degraded_mode=True))
    assert [finding.kind for finding in asked.findings] == ["degraded_mode"]
    assert (report_of(asked).finding_counts, report_of(asked).consistent) == ({"degraded_mode": 1}, True)


def test_where_no_log_tells_of_payments_the_queue_does(world: World) -> None:
    world.cache.mkdir()
    message = {"type": "INVOICE_PAID", "invoice": "A", "_queued_at": NOW.timestamp() - 60}
    (world.cache / "payment_queue.json").write_text(f"{json.dumps(message)}\n")
    activity = world.audit().told.activity
    assert activity is not None
    assert activity.payments_detected == 1


def test_nothing_is_known_of_a_disk_that_does_not_answer(world: World) -> None:
    audit = world.books.unreadable(NOW, "no answer within 900 s")
    report = report_of(audit)
    assert audit.has_errors
    assert (audit.told.queues, audit.told.activity, report.totals, report.ledger) == (None, None, None, None)
    assert [(one.kind, one.path, one.detail) for one in audit.findings] == [
        ("unreadable_file", str(world.state), "no answer within 900 s")
    ]


# --- What an outage costs --------------------------------------------------------------------------------------------


def test_what_an_outage_of_the_mailer_costs_is_known_from_the_first_audit_on(world: World) -> None:
    outage = Outage(role="mailer", since=NOW - 36 * HOUR)
    assert world.books.impact(outage, NOW) is None
    world.invoice("A", due_date="2096-11-22")
    world.lines(("A", 5.0))
    world.audit()
    impact = world.books.impact(outage, NOW)
    assert impact is not None
    assert (impact.count, impact.amounts, impact.until) == (1, {"USD": "5.00"}, NOW)
    (world.state / "acme/A.json").unlink()
    (world.state / "acme").rmdir()
    world.state.rmdir()
    world.audit()
    assert world.books.impact(outage, NOW) is None


def test_what_an_outage_of_the_watcher_cost_is_known_at_its_end(world: World) -> None:
    source = world.root / "payment.eml"
    source.touch()
    began, seen = NOW - 5 * HOUR, NOW - 3 * HOUR
    os.utime(source, (seen.timestamp(),) * 2)

    def paid(number: str, detected: datetime, file: str = str(source)) -> None:
        payment = {"amount": 5.0, "detected_at": detected.isoformat(), "source_file": file}
        world.invoice(number, folder="archive/acme", status="paid", paid_at=detected.isoformat(), payment=payment)

    paid("late", NOW)
    paid("before", began - HOUR)
    paid("gone", NOW, "/nowhere/at/all")
    paid("relative", NOW, source.name)
    paid("odd", NOW, "/\0")
    world.lines(*((number, 5.0) for number in ("late", "before", "gone", "relative", "odd")), section="Paid")
    assert world.kinds() == []
    assert world.books.impact(Outage(role="watcher", since=began), NOW) is None, "it lasts, and nobody sees what came in"
    impact = world.books.impact(Outage(role="watcher", since=began, until=NOW), NOW)
    assert impact is not None
    assert impact.delay_s is not None
    assert (impact.count, [one.invoice for one in impact.largest], impact.delay_s.mean) == (1, ["late"], 3 * 3600.0)


# --- What is remembered ----------------------------------------------------------------------------------------------


def answer(audit: Audit) -> object:
    books = msgspec.structs.replace(report_of(audit), files_read=0, duration_s=0.0)
    return msgspec.structs.replace(audit.told, books=books), audit.findings


@pytest.mark.parametrize("seed", range(6))
def test_right_after_a_sweep_an_audit_is_what_it_would_be_without_a_memory(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    truth = make(tmp_path / "books", seed=seed, invoices=60, now=NOW)
    config = BooksConfig(
        state_dir=truth.state,
        ledger=truth.ledger_path,
        queue_dir=truth.queue_dir,
        cache_dir=truth.cache,
        verify_checksums=True,
        configured=True,
    )
    files = sorted(path for path in (tmp_path / "books").rglob("*") if path.is_file())
    warm = Books(config, UTC)
    for turn in range(8):
        now = NOW + timedelta(minutes=turn)
        warm.audit(now, full=turn % 4 == 0, check=lambda: None, pause=lambda _: None)
        await_tick(tmp_path)
        for path in rng.sample(files, 3):
            spoil(path, rng, turn)
    now = NOW + HOUR
    seen = warm.audit(now, full=True, check=lambda: None, pause=lambda _: None)
    cold = Books(config, UTC).audit(now, full=True, check=lambda: None, pause=lambda _: None)
    assert answer(seen) == answer(cold)
    assert seen.findings


def spoil(path: Path, rng: random.Random, turn: int) -> None:
    """Change a file in one of the ways in which files are changed, never to the size that it had."""
    if not path.exists():
        return
    data, new = path.read_bytes(), path.with_name(".new")
    match rng.randrange(5):
        case 0:
            path.unlink()
        case 1:
            path.write_bytes(data[: len(data) * 2 // 3])
        case 2:
            path.write_bytes(data + b"\n" * (turn + 1))
        case 3:
            new.write_bytes(data.replace(b"1", b"27"))
            new.replace(path)
        case _:
            new.write_bytes(data + data[-40 - turn :])
            new.replace(path)
