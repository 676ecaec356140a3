"""How long a simulated day of a fleet takes: real actors and a real coordinator under virtual time, everything else made up.

    python benchmarks/simulated_day.py [--agents 20] [--dead 0] [--hours 24] [--profile]

Without options it measures twenty healthy agents, and the same with two dead ones. The last line is JSON.
"""

# ruff: noqa: ARG002 - what stands in for something takes what that takes

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import selectors
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
from structlog.typing import FilteringBoundLogger

from collections_supervisor.agents.actor import AgentActor
from collections_supervisor.agents.ports import Attendant, MemoryJournal, MemoryStore, Ports
from collections_supervisor.agents.slots import RestartSlots
from collections_supervisor.agents.state import ActionRecord, ChildExited
from collections_supervisor.config.schema import AgentConfig, LogSource
from collections_supervisor.coordination.coordinator import Coordinator, Fleet, FleetState
from collections_supervisor.coordination.ports import Ports as FleetPorts
from collections_supervisor.messages import (
    ActionOutcome,
    ActionRequest,
    Beat,
    History,
    Now,
    Outage,
    Reading,
    Report,
    StaleLine,
    Standing,
)
from collections_supervisor.system.process_tree import Tree
from collections_supervisor.system.supervision import supervise

EPOCH = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = 3600.0
BUDGET_S = 1.0
"""What a day of twenty healthy agents may take."""


class VirtualSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the loop's clock to it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # Nothing outside this loop ever happens, so the kernel need not be asked.
        if timeout is None:
            raise RuntimeError("nothing is left to happen in virtual time")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits."""

    def __init__(self) -> None:
        self._virtual = VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


class VirtualClock:
    """The loop's own time, on both clocks."""

    def now(self) -> Now:
        mono = anyio.current_time()
        return Now(mono=mono, wall=EPOCH + timedelta(seconds=mono))


class CountingLog:
    """Counts events by name."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def log(self, level: int, event: str, **fields: Any) -> None:
        self.counts[event] += 1

    def __getattr__(self, name: str) -> Callable[..., None]:
        return partial(self.log, 0)


class CountingSinks:
    """Counts reports and notices."""

    def __init__(self) -> None:
        self.reports = 0
        self.notices: set[tuple[str, int]] = set()

    def show(self, report: Report, history: History) -> None:
        self.reports += 1

    def notify(self, standing: Standing) -> None:
        self.notices.update((notice.dedup_key, notice.sequence) for notice in standing.owed)

    def ask_for_costs(self, outages: Mapping[str, Outage]) -> None:
        pass

    def restrain(self, held: frozenset[str], one_at_a_time: bool) -> None:
        pass


class NoStore:
    """Keeps nothing."""

    async def save(self, report: Report, fleet: FleetState) -> bool:
        return True

    async def keep_evidence(self, incident_id: str, data: bytes) -> str | None:
        return None


class FakeAgent:
    """Beats every hour from its first beat on, up to its last; a restart does not bring it back."""

    def __init__(self, first: float, last: float) -> None:
        self._first = first
        self._last = last
        self._newest = -1.0
        self._reading = Reading(status="missing")
        self._lines: tuple[StaleLine, ...] = ()
        self.reads = 0
        self.starts = 0

    async def read(self, now: Now) -> Reading:
        self.reads += 1
        newest = self._first + (min(now.mono, self._last) - self._first) // HOUR * HOUR
        if newest != self._newest and newest >= self._first:
            self._newest, self._lines = newest, ()
            self._reading = Reading(status="ok", beat=Beat(stamp=EPOCH + timedelta(seconds=newest)))
        return self._reading

    async def record_miss(self, *, missed: int, last_heartbeat: datetime | None, reason: str, at: datetime) -> None:
        self._lines = (*self._lines, StaleLine(stamp=at, ours=True, missed=missed, last_heartbeat=last_heartbeat))[-10:]
        self._reading = Reading(status="ok", beat=self._reading.beat, trailing=self._lines)

    async def find(self, record: ActionRecord) -> Tree | None:
        return None

    async def adopt(self, record: ActionRecord, tree: Tree) -> ActionOutcome:
        raise NotImplementedError

    async def run(self, request: ActionRequest, attendant: Attendant) -> ActionOutcome:
        if not await attendant.begin(("restart", request.agent)):
            return ActionOutcome(result="busy", cause="not wanted any more")
        self.starts += 1
        await anyio.sleep(10.0)
        return ActionOutcome(result="failed", cause="exit status 1", exit_code=1)

    async def wait(self) -> ChildExited | None:
        return None

    def when_news(self, call: Callable[[], object]) -> bool:
        return False

    async def close(self) -> None:
        pass


def policy(name: str) -> AgentConfig:
    """What the loader makes of `period = "1h"` and nothing else."""
    source = LogSource(path=Path(f"/nowhere/{name}.log"))
    return AgentConfig(name=name, period=HOUR, timeout=1.5 * HOUR, miss_interval=HOUR, sources=(source,))


async def live(agents: dict[str, FakeAgent], seconds: float) -> tuple[CountingLog, CountingSinks]:
    log, sinks, clock = CountingLog(), CountingSinks(), VirtualClock()
    logger = cast("FilteringBoundLogger", log)
    ports = Ports(
        clock=clock,
        store=MemoryStore(),
        journal=MemoryJournal(),
        log=logger,
        slots=RestartSlots(1, reviewing=True),
        boot_id="boot",
        jitter=lambda: 0.5,
    )
    fleet = Fleet(
        names=tuple(agents), repeat_after=4 * HOUR, group_wait=30.0, cycle=60.0, host="bench", run_id="run", version="0"
    )
    coordinator = Coordinator(fleet, FleetPorts(clock=clock, log=logger, store=NoStore()), sinks)

    def make(name: str, agent: FakeAgent) -> AgentActor:
        return AgentActor(policy(name), ports, agent, agent, coordinator.tell)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(coordinator.run)
        for name, agent in agents.items():
            watch = partial(
                supervise, name, partial(make, name, agent), clock=clock, log=logger, crashed=coordinator.tell, agent=name
            )
            tasks.start_soon(watch)
        await anyio.sleep(seconds)
        tasks.cancel_scope.cancel()
    return log, sinks


def measure(count: int, dead: int, hours: float, *, profile: bool) -> dict[str, Any]:
    """Live through those hours, and say what they cost."""
    agents = {
        # Spread over the hour as real ones are; a dead one beats three times.
        f"agent-{n:03}": FakeAgent(first=n * HOUR / count, last=2.5 * HOUR if n < dead else 1e12)
        for n in range(count)
    }
    profiler = cProfile.Profile()
    wall, cpu = time.perf_counter(), time.process_time()
    if profile:
        profiler.enable()
    log, sinks = anyio.run(live, agents, hours * HOUR, backend_options={"loop_factory": VirtualLoop})
    profiler.disable()
    found = {
        "agents": count,
        "dead": dead,
        "hours": hours,
        "wall_s": round(time.perf_counter() - wall, 3),
        "cpu_s": round(time.process_time() - cpu, 3),
        "looks": sum(agent.reads for agent in agents.values()),
        "restarts": sum(agent.starts for agent in agents.values()),
        "reports": sinks.reports,
        "notices": len(sinks.notices),
        "missed_events": log.counts["agent.heartbeat.missed"],
        "crashes": log.counts["supervisor.actor_crashed"],
    }
    if profile:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(25)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--dead", type=int)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    fleets = [0, 2] if options.dead is None else [options.dead]
    results = [measure(options.agents, dead, options.hours, profile=options.profile) for dead in fleets]
    print(f"load average {os.getloadavg()[0]:.2f}")
    columns = ["agents", "dead", "hours", "wall_s", "cpu_s", "looks", "reports", "restarts", "notices"]
    print("".join(f"{column:>10}" for column in columns))
    for result in results:
        print("".join(f"{result[column]:>10}" for column in columns))
    print(json.dumps({"benchmark": "simulated_day", "budget_s": BUDGET_S, "load": os.getloadavg()[0], "results": results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
