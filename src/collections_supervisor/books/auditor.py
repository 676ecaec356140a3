"""The supervised task that looks at the books: all its work is done on one thread, never on the event loop."""

import threading
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import anyio
import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.books.audit import Audit, Books, StoppedError
from collections_supervisor.books.telling import Told, tell
from collections_supervisor.messages import BooksAudited, ImpactAssessed, Outage
from collections_supervisor.system.clock import Clock, span
from collections_supervisor.system.emit import write
from collections_supervisor.system.threads import DaemonPool, Gate

DEADLINE = 900.0
"""Seconds that one audit may take; on a disk that answers, a million invoices take less."""

FULL_EVERY = 4
"""Of so many audits one looks at every file; the others trust that a folder which was not changed holds what it held."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """What the auditor works with."""

    clock: Clock
    log: FilteringBoundLogger
    tell: Callable[[BooksAudited | ImpactAssessed], Awaitable[bool]]
    """Brings what was found to the coordinator."""


class Progress:
    """How far the audit under way is; written by its thread, read by anybody."""

    def __init__(self) -> None:
        self.steps = 0
        """Files and folders, and parts of the ledger, the logs and the comparison."""


class Auditor:
    """Audits the books at the start, every so many seconds, and when asked to; tells what an outage costs."""

    def __init__(self, books: Books, every: float, ports: Ports, told: Told) -> None:
        """`told` is what an earlier life of ours had logged already."""
        self._books = books
        self._every = every
        self._clock = ports.clock
        self._log = ports.log
        self._tell = ports.tell
        self._told = told
        self._gate = Gate(DaemonPool("books", threads=1), deadline=DEADLINE)
        self._outages: Mapping[str, Outage] = {}
        self._assessed: dict[str, Outage] = {}
        self._asked = False
        self._woken = anyio.Event()
        self._audits = 0
        self._bad = True
        """Whether the last audit found an error: until the first one, who knows."""
        self._audited_at: datetime | None = None
        self.finished = anyio.Event()
        """Set once the first audit is over."""
        self.progress = Progress()

    def ask_for_costs(self, outages: Mapping[str, Outage]) -> None:
        """Find out what these outages cost; the whole of what is worth knowing now."""
        self._outages = dict(outages)
        self._woken.set()

    def audit_now(self) -> None:
        """Audit as soon as the one under way, if there is one, is over."""
        self._asked = True
        self._woken.set()

    async def run(self) -> None:
        """Audit until cancelled; an audit under way ends with its next file."""
        due = self._clock.now().mono
        while True:
            now = self._clock.now()
            if self._asked or now.mono >= due:
                self._asked = False
                await self._audit(now.wall)
                self.finished.set()
                due = self._clock.now().mono + self._every
            await self.assess()
            await self._wait(due)

    async def _wait(self, due: float) -> None:
        if not self._asked and not self._unassessed():
            with anyio.move_on_after(max(0.0, due - self._clock.now().mono)):
                await self._woken.wait()
        self._woken = anyio.Event()

    # --- The audit ---

    async def _audit(self, now: datetime) -> None:
        # Before an error opens or closes an incident every file is looked at.
        self._audits += 1
        full = self._bad or self._audits % FULL_EVERY == 1
        audit = await self._look(now, full=full)
        if not full and audit.has_errors:
            audit = await self._look(now, full=True)
        self._bad = audit.has_errors
        self._audited_at = now
        self._told, said = tell(audit.told, audit.findings, self._told)
        for emit in said:
            write(self._log, emit)
        self._assessed.clear()
        await self._tell(audit.told)

    async def _look(self, now: datetime, *, full: bool) -> Audit:
        stopped = threading.Event()
        self.progress.steps = 0

        def check() -> None:
            if stopped.is_set():
                raise StoppedError
            self.progress.steps += 1

        try:
            return await self._gate.run(self._books.audit, now, full=full, check=check, pause=stopped.wait)
        except TimeoutError as error:
            return self._books.unreadable(now, f"the books could not be read: {error.strerror}, after at most {span(DEADLINE)}")
        finally:
            stopped.set()

    # --- What an outage costs ---

    def _unassessed(self) -> dict[str, Outage]:
        return {name: outage for name, outage in self._outages.items() if self._assessed.get(name) != outage}

    async def assess(self) -> None:
        """Tell what the outages cost that nobody has told of yet, by what the last audit saw."""
        for name, outage in self._unassessed().items():
            if outage.until is not None and (self._audited_at is None or self._audited_at < outage.until):
                # What came in late is seen by an audit after its end only.
                await self._audit(self._clock.now().wall)
            now = self._clock.now().wall
            try:
                impact = await self._gate.run(self._books.impact, outage, now)
            except TimeoutError:
                impact = None
            self._assessed[name] = outage
            await self._tell(ImpactAssessed(agent=name, outage=outage, impact=impact))
