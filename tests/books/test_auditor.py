"""The task that looks at the books: when it looks, what it tells, and that it can always be ended."""

import threading
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from collections_supervisor.books.audit import Audit, StoppedError
from collections_supervisor.books.auditor import Auditor, Ports
from collections_supervisor.books.telling import Told
from collections_supervisor.messages import (
    BooksAudited,
    BooksReport,
    Finding,
    Impact,
    ImpactAssessed,
    Outage,
    QueuesReport,
)
from collections_supervisor.system.clock import SystemClock

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DOWN = Outage(role="mailer", since=NOON - timedelta(hours=1))
COST = Impact(role="mailer", since=DOWN.since, until=NOON, count=1, amounts={"USD": "1.00"})


def audit(*kinds: str) -> Audit:
    findings = tuple(
        Finding(kind=kind, severity="error", path=None, invoice=None, detail="x")  # type: ignore[arg-type]
        for kind in kinds
    )
    books = BooksReport(
        checked_at=NOON,
        consistent=not findings,
        totals=None,
        ledger=None,
        findings=findings,
        finding_counts=dict.fromkeys(kinds, 1),
        files_read=1,
        duration_s=0.0,
    )
    queues = QueuesReport(healthy=True, limit=100, items=()) if kinds != ("unreadable_file",) else None
    return Audit(told=BooksAudited(at=NOON, books=books, queues=queues), findings=findings)


class FakeBooks:
    """Books whose audits find what they are told to, the last thing again and again."""

    def __init__(self, *found: Audit | Exception) -> None:
        self.found = list(found) or [audit()]
        self.full: list[bool] = []
        self.asked: list[tuple[Outage, datetime]] = []
        self.holds = threading.Event()
        self.holds.set()
        self.begun = threading.Event()
        self.stopped = threading.Event()

    def audit(self, now: datetime, *, full: bool, check: Callable[[], None], pause: Callable[[float], object]) -> Audit:
        self.full.append(full)
        self.begun.set()
        try:
            while not self.holds.wait(0.001):
                check()
        except StoppedError:
            self.stopped.set()
            raise
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return found

    def unreadable(self, now: datetime, why: str) -> Audit:
        return audit("unreadable_file")

    def impact(self, outage: Outage, now: datetime) -> Impact | None:
        self.asked.append((outage, now))
        return COST


class Story:
    """An auditor at work, and everything that it told."""

    def __init__(self, books: FakeBooks, log: Any, every: float) -> None:
        self.told: list[BooksAudited | ImpactAssessed] = []
        self._heard = anyio.Event()
        ports = Ports(clock=SystemClock(), log=log, tell=self._tell)
        self.auditor = Auditor(books, every, ports, Told())  # type: ignore[arg-type]

    async def _tell(self, message: BooksAudited | ImpactAssessed) -> bool:
        self.told.append(message)
        self._heard.set()
        self._heard = anyio.Event()
        return True

    async def until(self, number: int) -> None:
        with anyio.fail_after(20):
            while len(self.told) < number:
                await self._heard.wait()


@pytest.fixture
def begin(log: Any) -> Iterator[Any]:
    @asynccontextmanager
    async def begin(books: FakeBooks, every: float = 3600.0) -> Any:
        story = Story(books, log, every)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(story.auditor.run)
            yield story
            tasks.cancel_scope.cancel()

    return begin  # type: ignore[return-value]


async def test_it_looks_at_the_start_and_when_asked(begin: Any, log: Any) -> None:
    books = FakeBooks()
    async with begin(books) as story:
        with anyio.fail_after(20):
            await story.auditor.finished.wait()
        await story.until(1)
        story.auditor.audit_now()
        await story.until(2)
    assert [type(told) for told in story.told] == [BooksAudited, BooksAudited]
    assert log.names() == ["books.audited", "books.audited"]


async def test_it_looks_again_and_again_and_every_fourth_time_at_every_file(begin: Any) -> None:
    books = FakeBooks()
    async with begin(books, every=0.0) as story:
        await story.until(9)
    assert books.full[:9] == [True, False, False, False, True, False, False, False, True]


async def test_before_an_error_counts_or_is_gone_every_file_is_looked_at(begin: Any) -> None:
    good, bad = audit(), audit("bad_amount")
    books = FakeBooks(good, bad, bad, bad, good, good)
    async with begin(books, every=0.0) as story:
        await story.until(4)
    # The first, the second and once more because of what it found; the third because of the second; the fourth because of it.
    assert books.full[:5] == [True, False, True, True, True]


async def test_what_an_outage_costs_is_told_once_and_again_after_each_audit(begin: Any) -> None:
    books = FakeBooks()
    async with begin(books) as story:
        await story.until(1)
        story.auditor.ask_for_costs({"mailer": DOWN})
        await story.until(2)
        story.auditor.ask_for_costs({"mailer": DOWN})
        story.auditor.audit_now()
        await story.until(4)
        story.auditor.ask_for_costs({})
        story.auditor.audit_now()
        await story.until(5)
    assert [type(told) for told in story.told] == [
        BooksAudited,
        ImpactAssessed,
        BooksAudited,
        ImpactAssessed,
        BooksAudited,
    ]
    assert story.told[1] == ImpactAssessed(agent="mailer", outage=DOWN, impact=COST)


async def test_what_came_in_late_is_counted_after_the_end(begin: Any) -> None:
    books = FakeBooks()
    async with begin(books) as story:
        await story.until(1)
        over = Outage(role="watcher", since=NOON, until=SystemClock().now().wall)
        story.auditor.ask_for_costs({"watcher": over})
        await story.until(3)
    assert [type(told) for told in story.told] == [BooksAudited, BooksAudited, ImpactAssessed]


async def test_a_stop_ends_an_audit_under_way(begin: Any) -> None:
    books = FakeBooks()
    books.holds.clear()
    async with begin(books):
        await anyio.to_thread.run_sync(lambda: books.begun.wait(20))
    assert await anyio.to_thread.run_sync(lambda: books.stopped.wait(20))


async def test_a_disk_that_does_not_answer_is_a_finding_and_not_the_end(begin: Any, log: Any) -> None:
    books = FakeBooks(TimeoutError(110, "no answer"), audit())
    async with begin(books) as story:
        await story.until(1)
        story.auditor.audit_now()
        await story.until(2)
    assert [told.books.consistent for told in story.told] == [False, True]
    assert [entry["gone"] for entry in log.of("books.finding")] == [False, True]


async def test_how_far_it_is_can_be_seen(begin: Any) -> None:
    books = FakeBooks()
    books.holds.clear()
    async with begin(books) as story:
        with anyio.fail_after(20):
            while story.auditor.progress.steps < 3:
                await anyio.lowlevel.checkpoint()
        books.holds.set()
        await story.until(1)
