"""Sees to it that a human is told: every notice over its channels, again and again until it is taken or given up."""

import math
from collections.abc import Collection, Sequence

import anyio
import anyio.abc

from collections_supervisor.escalation.channels import Channel
from collections_supervisor.escalation.courier import Courier, Job, Persistence, Ports
from collections_supervisor.escalation.entries import Entry, Key
from collections_supervisor.escalation.outbox import Outbox
from collections_supervisor.escalation.outcomes import Outcomes, Tell
from collections_supervisor.escalation.planning import Ladder, Plan, Spot, channels_for, plan
from collections_supervisor.messages import Notice, Standing


class Notifier:
    """Delivers what is published and tells what became of it.

    Level-triggered: `publish` gives the whole of what is wanted. What is settled already is answered again; what vanishes
    before any channel took it is dropped; what one channel took is still tried on the others.
    """

    def __init__(
        self, channels: Sequence[Channel], outbox: Outbox, ports: Ports, *, persistence: Persistence, tell: Tell
    ) -> None:
        self._outbox = outbox
        self._ports = ports
        self._outcomes = Outcomes(ports.clock, ports.log, tell)
        self._take_on(channels, persistence)
        self._next: tuple[Sequence[Channel], Persistence] | None = None
        self._lap = anyio.CancelScope()
        self._standing: Standing | None = None
        self._jobs: dict[Spot, Job] = {}
        self._tried: set[Spot] = set()
        """What has had its one try, where there is only one."""
        self._answering = 0
        self._waiting = False
        self._news = anyio.Event()
        self._idle = anyio.Event()

    def _take_on(self, channels: Sequence[Channel], persistence: Persistence) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._ladder = Ladder({channel.name: channel.after for channel in channels})
        self._retries = persistence.retries
        self._courier = Courier(channels, self._outbox, self._ports, self._outcomes, persistence)

    def adjust(self, channels: Sequence[Channel], persistence: Persistence) -> None:
        """Use these channels from now on; a try under way has a moment to end, and is made again if it did not."""
        self._next = (channels, persistence)
        self._lap.cancel()

    def publish(self, standing: Standing) -> None:
        """Take the complete set of notices that are still to be delivered."""
        self._standing = standing
        self._news.set()
        if self._idle.is_set():
            self._idle = anyio.Event()

    async def drained(self) -> None:
        """Wait until there is nothing left to do for what was published so far.

        Without retries that is when everything had its one try; with them it may be never.
        """
        await self._idle.wait()

    async def run(self) -> None:
        """Deliver until cancelled. May be run again after a crash, and goes on where it was."""
        try:
            while True:
                with anyio.CancelScope() as self._lap:
                    await self._deliver()
        except anyio.get_cancelled_exc_class():
            left = [entry for entry in self._outbox.pending() if not entry.taken_by]
            if left:
                self._outcomes.log_undelivered(left)
            raise

    async def _deliver(self) -> None:
        """Work by the present channels, for ever."""
        if self._next is not None:
            (channels, persistence), self._next = self._next, None
            self._outbox.reconfigure([channel.name for channel in channels])
            self._take_on(channels, persistence)
        self._jobs.clear()
        self._answering = 0
        async with anyio.create_task_group() as tasks:
            while True:
                self._news = anyio.Event()
                until = await self._reconcile(tasks) - self._ports.clock.now().mono
                self._rest()
                with anyio.move_on_after(until):
                    await self._news.wait()

    def _rest(self) -> None:
        """Note it if there is nothing left to do."""
        busy = self._jobs or self._answering or self._news.is_set()
        if self._standing is not None and not busy:
            self._idle.set()

    # --- What is wanted, against what is under way ---

    async def _reconcile(self, tasks: anyio.abc.TaskGroup) -> float:
        """Do what is to be done now; the monotonic instant at which to look again."""
        standing = self._standing
        if standing is None:
            # What an earlier run left over may be outdated, which only its owner can tell.
            return math.inf
        wanted = {(notice.dedup_key, notice.sequence): notice for notice in standing.owed}
        self._outcomes.forget(wanted.keys())
        for entry in self._outbox.pending():
            if entry.key not in wanted and not entry.taken_by:
                await self._withdraw(entry)
        for key in sorted(wanted):
            entry = self._outbox.get(key) or await self._accept(wanted[key])
            if (entry.taken_by or entry.lost) and self._outcomes.is_due_again(entry):
                self._answering += 1
                tasks.start_soon(self._answer, entry)
        steps = self._plan(standing, wanted.keys())
        self._waiting = steps.waiting
        for entry, name in steps.start:
            job = self._jobs[entry.key, name] = Job(entry, self._channels[name])
            tasks.start_soon(self._carry, job)
        for entry, name in steps.skip:
            await self._outbox.skipped(entry.key, name)
        for entry, name in steps.unheard:
            await self._courier.give_up(entry, self._channels[name], "the alarm did not get through here")
        await self._outbox.tidy(wanted.keys())
        return steps.wake_at

    def _plan(self, standing: Standing, wanted: Collection[Key]) -> Plan:
        pending = self._outbox.pending()
        # What nobody wants any more only waits for the end of a try under way.
        unwanted = [entry for entry in pending if entry.key not in wanted and not entry.taken_by]
        return plan(
            pending,
            self._outbox.telling_of,
            self._ladder,
            pressing=standing.pressing,
            busy={*self._jobs, *self._tried, *((entry.key, name) for entry in unwanted for name in entry.legs)},
            now=self._ports.clock.now().mono,
        )

    async def _accept(self, notice: Notice) -> Entry:
        channels = channels_for(notice, self._ladder, self._outbox.telling_of)
        entry = await self._outbox.put(notice, channels, self._ports.clock.now())
        if entry.lost:
            self._outcomes.log_expired(entry)
        return entry

    async def _answer(self, entry: Entry) -> None:
        try:
            await self._outcomes.tell_settled(entry)
        finally:
            self._answering -= 1
        self._rest()

    async def _withdraw(self, entry: Entry) -> None:
        jobs = [job for (key, _), job in self._jobs.items() if key == entry.key]
        for job in jobs:
            job.withdraw()
        if not any(job.sending for job in jobs):
            await self._outbox.drop(entry.key)

    # --- What is under way ---

    async def _carry(self, job: Job) -> None:
        entry, spot = job.entry, (job.entry.key, job.channel.name)
        try:
            await self._courier.carry(job)
        finally:
            del self._jobs[spot]
        if not self._retries:
            self._tried.add(spot)
        if job.withdrawn and not entry.taken_by and not any(key == entry.key for key, _ in self._jobs):
            await self._outbox.drop(entry.key)
        # With a thousand notices under way a look at all of them after each one would be most of the work.
        if self._waiting:
            self._news.set()
        self._rest()
