"""Our own sign of life: told to the service manager and the outside monitor when a round is over, and never by a timer.

A coordinator, a disk or an agent's task that hangs keeps the round from ending, and silence is what the others act upon.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from collections_supervisor.app import rounds
from collections_supervisor.app.rounds import PAGE, STATE, of_agent
from collections_supervisor.coordination.ports import Store
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.messages import Report
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.sdnotify import ServiceManager, monotonic, status


class Pulse:
    """Hears who had a turn. `WATCHDOG=1` goes out after a round, whatever the disks did; `complete` is called if all was well."""

    def __init__(
        self, names: Iterable[str], *, page: bool, manager: ServiceManager, clock: Clock, complete: Callable[[], None]
    ) -> None:
        """`names` are the agents; `page` says whether there is one to be replaced."""
        self._round = rounds.begin(rounds.parts_of(names, page=page))
        self._manager = manager
        self._clock = clock
        self._complete = complete
        self._ready = False
        self._reloading = False
        self._stopping = False
        self._status = ""
        self.completed = 0
        """Rounds in which nothing was amiss."""

    # --- Who had a turn ---

    def looked(self, name: str) -> None:
        """An agent was looked at, and the coordinator knows what that showed."""
        self._take(rounds.note(self._round, of_agent(name)))

    def saved(self, useful: bool) -> None:
        """The write of the state returned."""
        self._take(rounds.note(self._round, STATE, useful=useful))

    def shown(self, useful: bool) -> None:
        """The write of the page returned."""
        self._take(rounds.note(self._round, PAGE, useful=useful))

    def crashed(self, part: str) -> None:
        """The task of an agent (`agent NAME`) or of the page crashed. A bug there is told to a human, and must not end us."""
        self._take(rounds.note_crash(self._round, part))

    def watch(self, names: Iterable[str], *, page: bool) -> None:
        """Wait for these agents from now on, and for the page if there is one."""
        self._take(rounds.watching(self._round, rounds.parts_of(names, page=page)))

    def _take(self, current: rounds.Round) -> None:
        if current is self._round:
            return
        self._round = current
        if current.is_over:
            self._round = rounds.after(current)
            self._tell_over(complete=current.is_complete)

    # --- Who is told ---

    def _tell_over(self, *, complete: bool) -> None:
        if complete:
            self.completed += 1
            self._complete()
        if self._stopping:
            return
        # Together with every sign of life until it got through: without it a service is never taken for started.
        begun = [] if self._ready or self._reloading else ["READY=1"]
        if self._manager.tell(*begun, "WATCHDOG=1", status(self._status)):
            self._ready = self._ready or bool(begun)

    def report(self, report: Report) -> None:
        """Show how things stand, if that is different now."""
        states: Counter[str] = Counter(agent.status for agent in report.agents)
        spoken = rounds.spoken(report.verdict, len(report.agents), len(report.incidents), states)
        if spoken != self._status and not self._stopping:
            self._status = spoken
            self._manager.tell(status(spoken))

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """While the configuration is read anew; afterwards we are ready again, whether it was taken or refused."""
        # Before the first round nobody waits for more than that round.
        if not self._ready:
            yield
            return
        self._reloading = True
        self._manager.tell("RELOADING=1", monotonic(self._clock.now().mono))
        try:
            yield
        finally:
            self._reloading = False
            self._ready = self._manager.tell("READY=1", status(self._status))

    def stop(self) -> None:
        """The end begins: from here on nothing is said any more."""
        self._stopping = True
        self._manager.tell("STOPPING=1", status("stopping"))


class Witnessed:
    """A store that says when its writes have returned."""

    def __init__(self, store: Store, saved: Callable[[bool], None]) -> None:
        self._store = store
        self._saved = saved

    async def save(self, report: Report, fleet: FleetState) -> bool:
        """Keep the whole; False if it is not on disk when this returns."""
        kept = await self._store.save(report, fleet)
        self._saved(kept)
        return kept

    async def keep_evidence(self, incident_id: str, data: bytes) -> str | None:
        """Keep what was seen of an incident; None if it could not be written."""
        return await self._store.keep_evidence(incident_id, data)
