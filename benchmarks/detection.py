"""How late a missed heartbeat is noticed, and what watching costs: real files, the real clock, real actors and coordinator.

    python benchmarks/detection.py [--agents 1000] [--idle 60] [--only spread|together|idle]

spread    deadlines spread over ten seconds: how long after its true deadline each `agent.heartbeat.missed` is logged
together  one deadline for all: how long after it the last is logged, and how many reports that makes
idle      nobody is due: processor time over a minute, start-up left out
The last line is JSON.
"""

# ruff: noqa: ARG002 - what stands in for something takes what that takes

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
from structlog.typing import FilteringBoundLogger

from collections_supervisor.agents.actor import AgentActor
from collections_supervisor.agents.heartbeat import HeartbeatReader
from collections_supervisor.agents.ports import Attendant, MemoryJournal, Ports
from collections_supervisor.agents.slots import RestartSlots
from collections_supervisor.agents.state import ActionRecord, ChildExited
from collections_supervisor.agents.states import AgentStates
from collections_supervisor.config.schema import AgentConfig, LogSource, RestartPolicy
from collections_supervisor.coordination.coordinator import Coordinator, Fleet, FleetState
from collections_supervisor.coordination.ports import Ports as FleetPorts
from collections_supervisor.coordination.store import SnapshotStore
from collections_supervisor.messages import ActionOutcome, ActionRequest, History, Outage, Report, Standing
from collections_supervisor.system.clock import SystemClock, stamp
from collections_supervisor.system.process_tree import Tree
from collections_supervisor.system.supervision import supervise

LATENESS_P99_MS = 100.0
LAST_OF_ALL_S = 1.0
IDLE_PERCENT = 1.0

SETTLE = 5.0
"""Seconds that the start of all actors may take before anything is measured."""


class MissLog:
    """Remembers when each agent was said to have missed its first heartbeat."""

    def __init__(self) -> None:
        self.missed: dict[str, datetime] = {}
        self.problems: list[str] = []
        self.all_missed = anyio.Event()
        self.expected = 0

    def log(self, level: int, event: str, **fields: Any) -> None:
        if event == "agent.heartbeat.missed" and fields["agent"] not in self.missed:
            self.missed[fields["agent"]] = datetime.now(UTC)
            if len(self.missed) == self.expected:
                self.all_missed.set()
        elif level >= 50 or event == "agent.heartbeat.unwritable":
            self.problems.append(f"{event}: {fields.get('message')}")

    def __getattr__(self, name: str) -> Callable[..., None]:
        return partial(self.log, {"critical": 50, "error": 40, "warning": 30}.get(name, 20))


class CountingSinks:
    """Counts reports, and how many of them were saved."""

    def __init__(self) -> None:
        self.reports = 0
        self.saved = 0

    def show(self, report: Report, history: History) -> None:
        self.reports += 1

    def notify(self, standing: Standing) -> None:
        pass

    def ask_for_costs(self, outages: Mapping[str, Outage]) -> None:
        pass

    def restrain(self, held: frozenset[str], one_at_a_time: bool) -> None:
        pass


class CountingStore:
    """The real snapshot, counted."""

    def __init__(self, store: SnapshotStore, sinks: CountingSinks) -> None:
        self._store = store
        self._sinks = sinks

    async def save(self, report: Report, fleet: FleetState) -> bool:
        self._sinks.saved += 1
        return await self._store.save(report, fleet)

    async def keep_evidence(self, incident_id: str, data: bytes) -> str | None:
        return await self._store.keep_evidence(incident_id, data)


class NoRunner:
    """There is nothing to restart."""

    async def run(self, request: ActionRequest, attendant: Attendant) -> ActionOutcome:
        raise NotImplementedError

    async def find(self, record: ActionRecord) -> Tree | None:
        return None

    async def adopt(self, record: ActionRecord, tree: Tree) -> ActionOutcome:
        raise NotImplementedError

    async def wait(self) -> ChildExited | None:
        return None

    def when_news(self, call: Callable[[], object]) -> bool:
        return False

    async def close(self) -> None:
        pass


class Watch:
    """A running fleet over real heartbeat logs."""

    def __init__(self, folder: Path, timeouts: dict[str, float]) -> None:
        self.log = MissLog()
        self.sinks = CountingSinks()
        self._folder = folder
        self._timeouts = timeouts
        self.log.expected = len(timeouts)

    def beat(self, at: datetime) -> None:
        """Let every agent beat at that instant."""
        line = json.dumps({"timestamp": stamp(at), "stale": False}) + "\n"
        for name in self._timeouts:
            (self._folder / f"{name}.log").write_text(line)

    @asynccontextmanager
    async def running(self) -> Any:
        clock = SystemClock()
        logger = cast("FilteringBoundLogger", self.log)
        states = AgentStates()
        store = CountingStore(SnapshotStore(self._folder / "state", clock, logger, "boot", states.encoded), self.sinks)
        ports = Ports(
            clock=clock,
            store=states,
            journal=MemoryJournal(),
            log=logger,
            slots=RestartSlots(1, reviewing=True),
            boot_id="boot",
            jitter=lambda: 0.5,
        )
        fleet = Fleet(
            names=tuple(self._timeouts),
            repeat_after=14400.0,
            group_wait=30.0,
            cycle=60.0,
            host="bench",
            run_id="run",
            version="0",
        )
        coordinator = Coordinator(fleet, FleetPorts(clock=clock, log=logger, store=store), self.sinks)

        def make(policy: AgentConfig) -> AgentActor:
            return AgentActor(policy, ports, HeartbeatReader(policy), NoRunner(), coordinator.tell)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(coordinator.run)
            for name, timeout in self._timeouts.items():
                policy = AgentConfig(
                    name=name,
                    timeout=timeout,
                    miss_interval=3600.0,
                    startup_grace=timeout,
                    sources=(LogSource(path=self._folder / f"{name}.log"),),
                    restart=RestartPolicy(kind="none"),
                )
                watch = partial(
                    supervise, name, partial(make, policy), clock=clock, log=logger, crashed=coordinator.tell, agent=name
                )
                tasks.start_soon(watch)
            yield
            tasks.cancel_scope.cancel()


def names(count: int) -> list[str]:
    return [f"agent-{number:04}" for number in range(count)]


async def misses(folder: Path, count: int, spread: float) -> dict[str, Any]:
    """Let all agents fall silent, their deadlines spread over that many seconds."""
    first = 40.0
    timeouts = {name: first + spread * number / count for number, name in enumerate(names(count))}
    watch = Watch(folder, timeouts)
    begun = datetime.now(UTC)
    watch.beat(begun)
    async with watch.running():
        await anyio.sleep(first - SETTLE - (datetime.now(UTC) - begun).total_seconds())
        reports, saved, cpu = watch.sinks.reports, watch.sinks.saved, time.process_time()
        with anyio.fail_after(SETTLE + spread + 60.0):
            await watch.log.all_missed.wait()
        cpu = time.process_time() - cpu
        await anyio.sleep(1.0)
    late = sorted(
        (watch.log.missed[name] - begun - timedelta(seconds=timeout)).total_seconds() * 1000 for name, timeout in timeouts.items()
    )
    recorded = sum(b'"missed":1' in (folder / f"{name}.log").read_bytes().replace(b" ", b"") for name in timeouts)
    return {
        "p50_ms": round(statistics.median(late), 1),
        "p99_ms": round(late[int(len(late) * 0.99) - 1], 1),
        "max_ms": round(late[-1], 1),
        "min_ms": round(late[0], 1),
        "cpu_s": round(cpu, 3),
        "reports": watch.sinks.reports - reports,
        "saved": watch.sinks.saved - saved,
        "recorded": recorded,
        "problems": watch.log.problems[:5],
    }


async def idle(folder: Path, count: int, seconds: float) -> dict[str, Any]:
    """Watch agents that are all well and not due, with the default deadline."""
    watch = Watch(folder, dict.fromkeys(names(count), 3600.0))
    watch.beat(datetime.now(UTC))
    async with watch.running():
        with anyio.fail_after(60.0):
            while not watch.sinks.reports:
                await anyio.sleep(0.5)
        await anyio.sleep(SETTLE)
        reports, saved = watch.sinks.reports, watch.sinks.saved
        cpu, begun = time.process_time(), time.monotonic()
        await anyio.sleep(seconds)
        cpu, took = time.process_time() - cpu, time.monotonic() - begun
    return {
        "seconds": round(took, 1),
        "cpu_s": round(cpu, 3),
        "percent_of_a_core": round(100 * cpu / took, 2),
        "reports": watch.sinks.reports - reports,
        "saved": watch.sinks.saved - saved,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "problems": watch.log.problems[:5],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--idle", type=float, default=60.0)
    parser.add_argument("--only", choices=["spread", "together", "idle"])
    options = parser.parse_args()
    results: dict[str, Any] = {}
    runs: dict[str, Callable[[Path], Awaitable[dict[str, Any]]]] = {
        "spread": lambda folder: misses(folder, options.agents, 10.0),
        "together": lambda folder: misses(folder, options.agents, 0.0),
        "idle": lambda folder: idle(folder, options.agents, options.idle),
    }
    for name, run in runs.items():
        if options.only in (None, name):
            load = os.getloadavg()[0]
            with tempfile.TemporaryDirectory() as folder:
                results[name] = {**anyio.run(run, Path(folder)), "load": round(load, 2)}
            print(f"{name:>9}  " + "  ".join(f"{key} {value}" for key, value in results[name].items()))
    targets = {"lateness_p99_ms": LATENESS_P99_MS, "last_of_all_s": LAST_OF_ALL_S, "idle_percent": IDLE_PERCENT}
    print(json.dumps({"benchmark": "detection", "agents": options.agents, "targets": targets, "results": results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
