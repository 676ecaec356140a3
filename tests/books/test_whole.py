"""All readers and the comparison over made-up books, whose truth is known: they must find that, all of it and nothing else."""

import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from collections_supervisor.books.audit import MISSING_READ, Audit, Books
from collections_supervisor.config.schema import BooksConfig
from collections_supervisor.demo_books import Expected, Fault, Manifest, make

ZONE = timezone(timedelta(hours=-5))
NOW = datetime(2026, 11, 22, 20, 50, 17, tzinfo=ZONE)
LONE = {Fault.STATE_MISSING, Fault.LEDGER_MISSING}
"""With these nothing else can be found."""
UNCOUNTED = {"reminder_missed", "reminder_repeated", "overdue_not_escalated", "ledger_summary_drift", "left_over_temp"}
"""Kinds that do not make the books inconsistent."""


def books_of(manifest: Manifest, *, verify: bool = True) -> Books:
    config = BooksConfig(
        state_dir=manifest.state,
        ledger=manifest.ledger_path,
        queue_dir=manifest.queue_dir,
        cache_dir=manifest.cache,
        verify_checksums=verify,
        configured=True,
    )
    return Books(config, ZONE)


def audit(books: Books, *, full: bool = True, after: float = 0.0) -> Audit:
    return books.audit(NOW + timedelta(seconds=after), full=full, check=lambda: None, pause=lambda _: None)


def assert_true(found: Audit, manifest: Manifest, *, expected: frozenset[Expected] | None = None) -> None:
    """What was found is what is written."""
    wanted = manifest.findings if expected is None else expected
    assert Counter(Expected(one.kind, one.path, one.invoice) for one in found.findings) == Counter(wanted)
    books = found.told.books
    assert books is not None
    assert books.consistent == all(kind in UNCOUNTED for kind, _, _ in wanted)
    if any(kind == "state_missing" for kind, _, _ in wanted):
        assert (books.totals, books.ledger) == (None, None)
        return
    assert books.totals is not None
    totals = msgspec.to_builtins(books.totals)
    assert {group: total["count"] for group, total in totals.items()} == manifest.counts
    assert {group: total["amounts"] for group, total in totals.items()} == manifest.totals
    assert (None if books.ledger is None else msgspec.to_builtins(books.ledger)) == manifest.ledger
    assert_true_of_logs(found, manifest)


def assert_true_of_logs(found: Audit, manifest: Manifest) -> None:
    queues, activity = found.told.queues, found.told.activity
    assert queues is not None
    assert {one.name: (one.depth, one.invalid, one.oldest_age_s) for one in queues.items} == {
        name: (truth.depth, truth.invalid, None if truth.oldest_age_s is None else pytest.approx(truth.oldest_age_s, abs=0.01))
        for name, truth in manifest.queues.items()
    }
    assert activity is not None
    numbers = (activity.emails_sent, activity.payments_detected, activity.errors)
    assert numbers == (manifest.emails_sent, manifest.payments_detected, manifest.errors)
    seconds = manifest.latencies
    assert activity.payment_latency_s is not None
    assert activity.payment_latency_s.mean == pytest.approx(sum(seconds) / len(seconds))
    assert activity.payment_latency_s.p95 == seconds[-(-len(seconds) * 95 // 100) - 1]


@pytest.mark.parametrize("seed", range(4))
def test_sound_books_are_found_sound(tmp_path: Path, seed: int) -> None:
    manifest = make(tmp_path / "books", seed=seed, invoices=400, now=NOW)
    books = books_of(manifest)
    first = audit(books)
    assert_true(first, manifest)
    assert first.told.queues is not None
    assert first.told.queues.healthy
    for full in (False, True):
        assert_true(audit(books, full=full), manifest)


def test_what_stands_in_for_absent_logs(tmp_path: Path) -> None:
    manifest = make(tmp_path / "books", seed=5, invoices=400, now=NOW, sources="fallback")
    assert_true(audit(books_of(manifest)), manifest)


@pytest.mark.parametrize("fault", Fault)
def test_one_fault_is_found_and_nothing_else(tmp_path: Path, fault: Fault) -> None:
    manifest = make(tmp_path / "books", seed=len(fault), invoices=80, now=NOW, faults=[fault])
    books = books_of(manifest)
    for full in (True, False, True):
        found = audit(books, full=full)
        assert_true(found, manifest)
        assert found.told.queues is not None
        assert found.told.queues.healthy != fault.startswith("queue_")


@pytest.mark.parametrize("seed", range(3))
def test_all_faults_at_once_are_each_found(tmp_path: Path, seed: int) -> None:
    faults = [fault for fault in Fault if fault not in LONE]
    twice = [fault for fault in faults if fault is not Fault.UNPARSABLE_LINE]  # they would be one and the same finding
    manifest = make(tmp_path / "books", seed=seed, invoices=1000, now=NOW, faults=[*faults, *twice])
    assert_true(audit(books_of(manifest)), manifest)


def test_checksums_are_not_looked_at_unless_asked_for(tmp_path: Path) -> None:
    manifest = make(tmp_path / "books", seed=6, invoices=100, now=NOW, faults=[Fault.EDITED, Fault.EDITED_AMOUNT])
    others = frozenset(one for one in manifest.findings if one.kind != "checksum_mismatch")
    assert {one.kind for one in others} == {"amount_mismatch"}
    assert_true(audit(books_of(manifest, verify=False)), manifest, expected=others)


def test_books_that_are_made_while_they_are_looked_for_are_not_missing(tmp_path: Path) -> None:
    waited: list[float] = []

    def appear(seconds: float) -> None:
        waited.append(seconds)
        make(tmp_path / "books", seed=1, invoices=40, now=NOW)

    elsewhere = make(tmp_path / "pattern", seed=1, invoices=40, now=NOW)
    here = [tmp_path / "books" / path.relative_to(tmp_path / "pattern") for path in (elsewhere.state, elsewhere.ledger_path)]
    config = BooksConfig(state_dir=here[0], ledger=here[1], queue_dir=tmp_path, cache_dir=tmp_path, configured=True)
    found = Books(config, ZONE).audit(NOW, full=True, check=lambda: None, pause=appear)
    assert found.told.books is not None
    assert (found.told.books.consistent, found.findings) == (True, ())
    assert waited == [MISSING_READ]


def test_where_nothing_is_and_nothing_is_configured_nobody_waits(tmp_path: Path) -> None:
    config = BooksConfig(state_dir=tmp_path / "s", ledger=tmp_path / "ledger", queue_dir=tmp_path / "q", cache_dir=tmp_path / "c")
    waited: list[float] = []
    found = Books(config, ZONE).audit(NOW, full=True, check=lambda: None, pause=waited.append)
    assert (found.told.books, waited) == (None, [])
    assert str(tmp_path / "ledger") in found.told.why_not


def test_the_activity_is_counted_for_the_time_that_is_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "cache" / "email_activity.log"
    log.parent.mkdir()
    for hours in (30, 20, 5, 0.5):
        at = (NOW - timedelta(hours=hours)).isoformat()
        with log.open("a") as file:
            file.write(json.dumps({"timestamp": at, "type": "EMAIL_SENT"}) + "\n")
    places = {"state_dir": tmp_path / "state", "ledger": tmp_path / "x.md", "queue_dir": tmp_path / "q", "configured": True}
    config = BooksConfig(**places, cache_dir=log.parent)  # type: ignore[arg-type]
    for window, sent in ((86400.0, 3), (3600.0, 1), (2 * 86400.0, 4)):
        found = Books(config, ZONE, window=window).audit(NOW, full=True, check=lambda: None, pause=lambda _: None)
        assert found.told.activity is not None
        assert (found.told.activity.emails_sent, found.told.activity.window_s) == (sent, window)
