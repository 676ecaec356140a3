"""The history beside the report: handed on with it, written behind it, and where everything was read from."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from collections_supervisor.coordination.coordinator import Coordinator, Fleet
from collections_supervisor.coordination.history import Past
from collections_supervisor.coordination.ports import Ports
from collections_supervisor.messages import (
    ActorCrashed,
    AgentChanged,
    AgentReport,
    BooksAudited,
    History,
    Now,
    Outage,
    Report,
    Source,
    Standing,
)

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
LOG = Source(name="mailer", path="/beats/mailer.log", read_at=EPOCH)
LEDGER = Source(name="ledger", path="/ledger.md", read_at=None, problem="it does not exist")


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    return virtual_backend


class Clock:
    def now(self) -> Now:
        mono = anyio.current_time()
        return Now(mono=mono, wall=EPOCH + timedelta(seconds=mono))


class Sinks:
    def __init__(self) -> None:
        self.shown: list[tuple[Report, History]] = []

    def show(self, report: Report, history: History) -> None:
        self.shown.append((report, history))

    def notify(self, standing: Standing) -> None:
        pass

    def ask_for_costs(self, outages: Mapping[str, Outage]) -> None:
        pass

    def restrain(self, held: frozenset[str], one_at_a_time: bool) -> None:
        pass


class Disk:
    def __init__(self) -> None:
        self.saved: list[History] = []

    async def save(self, history: History) -> bool:
        self.saved.append(history)
        return True


class Bench:
    def __init__(self, fleet: Fleet, log: Any, store: Any) -> None:
        self.sinks = Sinks()
        self.disk = Disk()
        ports = Ports(clock=Clock(), log=log, store=store, histories=self.disk, sources=lambda: [LOG])
        self.coordinator = Coordinator(fleet, ports, self.sinks, None, Past())

    async def hear(self, *words: AgentChanged | ActorCrashed | BooksAudited) -> tuple[Report, History]:
        for word in words:
            await self.coordinator.tell(word)
        await self.coordinator.settle()
        return self.sinks.shown[-1]


@pytest.fixture
def bench(make_fleet: Callable[..., Fleet], log: Any, store: Any) -> Any:
    made = Bench(make_fleet("mailer", "watcher"), log, store)
    yield made
    made.coordinator.close()


async def test_report_and_history_are_shown_together(bench: Bench, make_report: Callable[..., AgentReport]) -> None:
    _, history = await bench.hear(AgentChanged(report=make_report("mailer"), trouble=None))
    assert list(history.agents) == ["mailer"], "of the other one nothing is known yet"
    _, history = await bench.hear(ActorCrashed(actor="agent watcher", agent="watcher", crashes=1, error="a bug"))
    assert history.agents["watcher"][-1].status == "unknown"
    await anyio.sleep(1)
    _, history = await bench.hear(AgentChanged(report=make_report("mailer", status="unhealthy"), trouble=None))
    assert [run.status for run in history.agents["mailer"]] == ["healthy", "unhealthy"]
    assert bench.coordinator.history is history


async def test_it_is_written_at_the_first_look_then_once_a_cycle_and_at_the_stop(bench: Bench) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.coordinator.run)
        await anyio.sleep(190)
        tasks.cancel_scope.cancel()
    assert len(bench.disk.saved) == 3
    await bench.coordinator.settle(stopped=True)
    assert bench.disk.saved[-1].changes[0].what == "stopped"


async def test_a_disk_that_refused_the_snapshot_is_left_alone(bench: Bench, store: Any) -> None:
    store.refuses = True
    await bench.coordinator.settle(stopped=True)
    assert bench.disk.saved == []
    store.refuses = False
    await bench.coordinator.settle(stopped=True)
    assert len(bench.disk.saved) == 1


async def test_sources_of_agents_come_before_those_of_the_books(bench: Bench) -> None:
    report, _ = await bench.hear()
    assert report.sources == (LOG,)
    report, _ = await bench.hear(BooksAudited(at=EPOCH, sources=(LEDGER,)))
    assert report.sources == (LOG, LEDGER)
