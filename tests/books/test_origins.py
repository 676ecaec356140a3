"""Where the books say that they were read from."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collections_supervisor.books.audit import Audit, Books
from collections_supervisor.books.origins import origins
from collections_supervisor.books.records import Activity, Ledger, Queues, Scan
from collections_supervisor.config.schema import BooksConfig
from collections_supervisor.messages import Source

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)


def put(path: Path, content: str, at: datetime = EARLIER) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (at.timestamp(),) * 2)


@pytest.fixture
def config(tmp_path: Path) -> BooksConfig:
    return BooksConfig(
        state_dir=tmp_path / "state",
        ledger=tmp_path / "ledger.md",
        queue_dir=tmp_path / "queues",
        cache_dir=tmp_path / "cache",
        configured=True,
    )


def look(books: Books, at: datetime = NOW) -> Audit:
    return books.audit(at, full=True, check=lambda: None, pause=lambda _: None)


def sources(audit: Audit) -> dict[str, Source]:
    return {source.name: source for source in audit.told.sources}


def test_each_part_says_when_it_was_read_and_written(config: BooksConfig) -> None:
    put(
        config.state_dir / "acme" / "1.json",
        '{"number": "1", "status": "unpaid", "amount": "1.00"}',
        EARLIER - timedelta(hours=1),
    )
    put(config.state_dir / "acme" / "2.json", '{"number": "2", "status": "unpaid", "amount": "1.00"}')
    put(config.ledger, "# Collections Ledger\n", EARLIER + timedelta(minutes=1))
    put(config.queue_dir / "mail.jsonl", "", EARLIER + timedelta(minutes=2))
    put(config.cache_dir / "email_activity.log", "", EARLIER + timedelta(minutes=3))
    books = Books(config, UTC)
    found = look(books).told.sources
    assert [(one.name, one.path, one.read_at, one.changed_at, one.problem) for one in found] == [
        ("invoices", str(config.state_dir), NOW, EARLIER, ""),
        ("ledger", str(config.ledger), NOW, EARLIER + timedelta(minutes=1), ""),
        ("queues", str(config.queue_dir), NOW, EARLIER + timedelta(minutes=2), ""),
        ("activity", str(config.cache_dir), NOW, EARLIER + timedelta(minutes=3), ""),
    ]
    # Nothing was written since: what is remembered is as old as it was.
    later = sources(look(books, NOW + timedelta(hours=1)))
    assert {one.changed_at for one in later.values()} == {one.changed_at for one in found}
    assert {one.read_at for one in later.values()} == {NOW + timedelta(hours=1)}


def test_what_is_not_there_or_cannot_be_read_says_so(config: BooksConfig) -> None:
    config.ledger.mkdir()
    config.queue_dir.write_text("no folder")
    found = sources(look(Books(config, UTC)))
    assert found["invoices"].problem == "it does not exist"
    assert "regular file" in found["ledger"].problem
    assert str(config.queue_dir) in found["queues"].problem
    assert (found["activity"].problem, found["activity"].changed_at) == ("", None)


def test_after_a_look_that_came_to_nothing_the_last_one_counts(config: BooksConfig) -> None:
    put(config.ledger, "# Collections Ledger\n")
    books = Books(config, UTC)
    before = sources(books.unreadable(NOW, "the disk hangs"))
    assert [(one.read_at, one.problem) for one in before.values()] == [(None, "the disk hangs")] * 4
    look(books)
    after = sources(books.unreadable(NOW + timedelta(hours=1), "the disk hangs"))
    assert (after["ledger"].read_at, after["ledger"].changed_at, after["ledger"].problem) == (NOW, EARLIER, "the disk hangs")


def test_a_file_of_an_impossible_year_has_no_time(config: BooksConfig) -> None:
    found = origins(config, Scan(state="ok"), Ledger(state="ok", changed=1e15), Queues(), Activity(), NOW)
    assert [source.changed_at for source in found] == [None] * 4
