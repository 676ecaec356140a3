"""The event loop while the auditor works beside it, as it does in the program: on a thread of its own."""

import statistics
import time
from collections.abc import Callable
from datetime import UTC
from typing import cast

import anyio
from structlog.typing import FilteringBoundLogger

from collections_supervisor.books.audit import Books
from collections_supervisor.books.auditor import FULL_EVERY, Auditor, Ports
from collections_supervisor.books.telling import Told
from collections_supervisor.config.schema import BooksConfig
from collections_supervisor.messages import BooksAudited, ImpactAssessed
from collections_supervisor.system.clock import SystemClock

TICK_S = 0.005
AUDITORS = 3


class Silent:
    """A log that nobody reads."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


Row = tuple[str, float, float | None, str, str]


def measure_lag(config: BooksConfig) -> list[Row]:
    """How late the loop comes to its timers while the auditor works: first audits, and those that follow up to the next sweep."""
    idle, first, others = anyio.run(watched_audits, config)
    return [
        lag("loop lag p99 during audits", [*first, *others], 20.0),
        lag("(of these, the first audits)", first, None),
        lag("(a loop beside which nothing is done)", idle, None),
    ]


def lag(name: str, lags: list[float], target: float | None) -> Row:
    ordered = sorted(lags)
    absolute = f"p50 {statistics.median(ordered):.1f} ms, max {ordered[-1]:.1f} ms, {len(ordered)} ticks"
    return name, ordered[len(ordered) * 99 // 100], target, "ms", absolute


async def ticks(done: anyio.Event) -> list[float]:
    """How late the loop comes to each tick, in milliseconds."""
    lags: list[float] = []
    due = time.perf_counter()
    while not done.is_set():
        await anyio.sleep(max(0.0, due - time.perf_counter()))
        now = time.perf_counter()
        # Every tick that passed while the loop stood still counts: one long freeze is not one sample.
        while due <= now:
            lags.append((now - due) * 1000)
            due += TICK_S
    return lags


async def watched_audits(config: BooksConfig) -> tuple[list[float], list[float], list[float]]:
    """Without an audit, during first ones, and during those that follow."""
    done = anyio.Event()
    idle: list[float] = []
    first: list[float] = []
    others: list[float] = []

    async def tell(_: BooksAudited | ImpactAssessed) -> bool:
        done.set()
        return True

    auditors: list[Auditor] = []
    """Kept, so that nothing is set free meanwhile, which takes its time."""
    ports = Ports(clock=SystemClock(), log=cast("FilteringBoundLogger", Silent()), tell=tell)
    for _ in range(AUDITORS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(set_later, done)
            idle += await ticks(done)
            done = anyio.Event()
            auditor = Auditor(Books(config, UTC), 1e6, ports, Told())
            auditors.append(auditor)
            tasks.start_soon(auditor.run)
            first += await ticks(done)
            for _ in range(FULL_EVERY):
                done = anyio.Event()
                auditor.audit_now()
                others += await ticks(done)
            done = anyio.Event()
            tasks.cancel_scope.cancel()
    return idle, first, others


async def set_later(done: anyio.Event) -> None:
    await anyio.sleep(1.0)
    done.set()
