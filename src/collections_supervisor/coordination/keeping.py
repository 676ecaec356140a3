"""When the fleet's state has to be on disk, and who waits until it is."""

import math

import anyio

from collections_supervisor.coordination.ports import Store
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.messages import Report
from collections_supervisor.system.clock import Clock

SAVE_EVERY = 1.0
SAVE_AGAIN = 10.0
"""Seconds between two saves of what need not be on disk before anything else happens, and after one that failed."""


class Keep:
    """Whoever waits until what was told before is on disk."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.kept = False


class Keeping:
    """Saves what is new: at once what others are told of, the rest once in a while."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._saved: object = None
        self._saved_at = -math.inf
        self._kept_at = -math.inf
        self._due = math.inf
        self._keeps: list[Keep] = []

    @property
    def due(self) -> float:
        """The monotonic instant at which to save, whatever else happens until then."""
        return self._due

    @property
    def works(self) -> bool:
        """Whether the disk took what it was given last."""
        return self._saved is not None

    def note_news(self) -> None:
        """There is something new, which may wait for a moment."""
        self._due = min(self._due, self._saved_at + SAVE_EVERY)

    def wait_for(self, keep: Keep) -> None:
        """Save without delay, and say that it is done."""
        self._keeps.append(keep)

    async def save(self, report: Report, state: FleetState, *, judged: float, cycle: float, stopped: bool) -> None:
        """Save if it is time to; `judged` is the instant of the judgement that this is about."""
        promised = _promised(state)
        # From judgement to judgement: a write takes time, and counted from its end every other cycle would come too early.
        due = judged >= self._kept_at + cycle or self._clock.now().mono >= self._due
        if stopped or due or self._keeps or promised != self._saved:
            keeps, self._keeps = self._keeps, []
            self._kept_at = judged
            saved = await self._store.save(report, state)
            for keep in keeps:
                keep.kept = saved
                keep.done.set()
            self._saved_at = self._clock.now().mono
            self._saved = promised if saved else None
            self._due = math.inf if saved else self._saved_at + SAVE_AGAIN


def _promised(state: FleetState) -> object:
    """What has to be on disk before anybody is told: which incidents there are, and what is owed and known of them."""
    kept = [*state.open.values(), *state.closing.values()]
    return (
        {(incident.id, incident.acknowledged_until, incident.agents, incident.resolved_at) for incident in kept},
        {(notice.dedup_key, notice.sequence) for incident in kept for notice in incident.outstanding},
        {(incident.id, incident.told_with) for incident in kept},
        state.quiet,
    )
