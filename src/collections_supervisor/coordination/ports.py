"""What the coordinator needs of the outside: each port small enough for a complete fake."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.coordination.state import FleetState
from collections_supervisor.messages import History, Outage, Report, Source, Standing
from collections_supervisor.system.clock import Clock


class Sinks(Protocol):
    """Who is told what: each keeps the newest value only and never makes the coordinator wait."""

    def show(self, report: Report, history: History) -> None:
        """Render this report, and how it came to that."""
        ...

    def notify(self, standing: Standing) -> None:
        """See to it that a human gets what is owed; the whole of it."""
        ...

    def ask_for_costs(self, outages: Mapping[str, Outage]) -> None:
        """Find out what these outages cost, by agent; the whole of what is worth knowing now."""
        ...

    def restrain(self, held: frozenset[str], one_at_a_time: bool) -> None:
        """Begin no restart of the agents that are held, and no two at one time if so; the whole of what holds now."""
        ...


class Store(Protocol):
    """Where everything is kept that has to outlive us. Whatever the disk does is said there, and never raised."""

    async def save(self, report: Report, fleet: FleetState) -> bool:
        """Keep the whole; False if it is not on disk when this returns."""
        ...

    async def keep_evidence(self, incident_id: str, data: bytes) -> str | None:
        """Keep what was seen of an incident; the file's path below the state folder, None if it could not be written."""
        ...


class Histories(Protocol):
    """Where the last day is kept; like the store, it never raises."""

    async def save(self, history: History) -> bool:
        """Keep it; False if it could not be written."""
        ...


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """What the coordinator works with."""

    clock: Clock
    log: FilteringBoundLogger
    store: Store
    histories: Histories | None = None
    """None: it is kept nowhere."""
    sources: Callable[[], Iterable[Source]] = tuple
    """Where the agents' signs of life come from, and how fresh they are; asked for at every report."""
