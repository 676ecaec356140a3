"""Sees to it that a human is told: every notice over every channel, again and again until it is taken or given up."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol
from weakref import WeakValueDictionary

import anyio
import anyio.abc
from structlog.typing import FilteringBoundLogger

from collections_supervisor.escalation.channels import Channel
from collections_supervisor.escalation.delivery import Delivery
from collections_supervisor.escalation.grace import finish
from collections_supervisor.escalation.outbox import Entry, Key, Outbox
from collections_supervisor.escalation.outcomes import TELL_WITHIN, Outcomes, Tell
from collections_supervisor.escalation.retries import retry_delay
from collections_supervisor.messages import Notice
from collections_supervisor.system.clock import Clock, span

AT_ONCE = 2
"""Tries at one time on one channel: each `openclaw` takes some 300 MB, and notices are few."""

LAST_WORDS = 2.0
"""Seconds that a try under way gets when the program stops."""

OVERTIME = 20.0
"""Seconds beyond its own timeout after which a channel is taken for hung; ending a stubborn command takes some."""


class Ports(Protocol):
    """What the notifier needs of the outside."""

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    @property
    def log(self) -> FilteringBoundLogger:
        """The log."""
        ...

    @property
    def jitter(self) -> Callable[[], float]:
        """A random number in [0, 1)."""
        ...


class _Job:
    """One notice on its way over one channel."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.sending = False
        self.withdrawn = False

    def withdraw(self) -> None:
        """Make no further try; one under way is finished."""
        self.withdrawn = True
        if not self.sending:
            self.scope.cancel()


class Notifier:
    """Delivers what is published and tells what became of it.

    Level-triggered: `publish` gives the whole of what is wanted. What is settled already is answered again; what vanishes
    before any channel took it is dropped; what one channel took is still tried on the others.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        outbox: Outbox,
        ports: Ports,
        *,
        give_up_after: float,
        tell: Tell,
        bounded: Callable[[float], float] = float,
    ) -> None:
        """`bounded` shortens a time to what is left when the program stops."""
        self._channels = {channel.name: channel for channel in channels}
        self._outbox = outbox
        self._ports = ports
        self._give_up_after = give_up_after
        self._bounded = bounded
        self._outcomes = Outcomes(ports.clock, ports.log, tell)
        self._wanted: tuple[Notice, ...] = ()
        self._published = anyio.Event()
        self._slots = {name: anyio.CapacityLimiter(AT_ONCE) for name in self._channels}
        self._lanes: WeakValueDictionary[tuple[str, str], anyio.Lock] = WeakValueDictionary()
        self._jobs: dict[tuple[Key, str], _Job] = {}
        self._retries = True

    def publish(self, notices: tuple[Notice, ...]) -> None:
        """Take the complete set of notices that are still to be delivered."""
        self._wanted = notices
        self._published.set()

    async def run(self) -> None:
        """Deliver until cancelled. May be run again after a crash, and goes on where it was."""
        try:
            async with anyio.create_task_group() as tasks:
                while True:
                    await self._reconcile(tasks)
                    await self._published.wait()
                    self._published = anyio.Event()
        except anyio.get_cancelled_exc_class():
            left = [entry for entry in self._outbox.pending() if not entry.taken_by]
            if left:
                self._outcomes.log_undelivered(left)
            raise

    async def once(self) -> None:
        """Try everything that is published once on every channel; return when all were tried."""
        self._retries = False
        async with anyio.create_task_group() as tasks:
            await self._reconcile(tasks)

    # --- What is wanted, against what is under way ---

    async def _reconcile(self, tasks: anyio.abc.TaskGroup) -> None:
        wanted = {(notice.dedup_key, notice.sequence): notice for notice in self._wanted}
        self._outcomes.forget(wanted.keys())
        for entry in self._outbox.pending():
            if entry.key not in wanted and not entry.taken_by:
                await self._withdraw(entry)
        for key in sorted(wanted):
            entry = self._outbox.get(key) or await self._accept(wanted[key])
            if (entry.taken_by or entry.lost) and self._outcomes.is_due_again(entry):
                tasks.start_soon(self._outcomes.tell_settled, entry)
        for entry in self._outbox.pending():
            for name, leg in entry.legs.items():
                if leg.state == "pending" and (entry.key, name) not in self._jobs:
                    job = self._jobs[entry.key, name] = _Job()
                    tasks.start_soon(self._deliver, entry, self._channels[name], job)

    async def _accept(self, notice: Notice) -> Entry:
        entry = await self._outbox.put(notice, tuple(self._channels), self._ports.clock.now())
        if entry.lost:
            self._outcomes.log_expired(entry)
        return entry

    async def _withdraw(self, entry: Entry) -> None:
        jobs = [job for (key, _), job in self._jobs.items() if key == entry.key]
        for job in jobs:
            job.withdraw()
        if not any(job.sending for job in jobs):
            await self._outbox.drop(entry.key)

    # --- One notice, one channel ---

    async def _deliver(self, entry: Entry, channel: Channel, job: _Job) -> None:
        # One at a time and in order: nobody is to read that it is over before reading what it was.
        lane = self._lanes.setdefault((channel.name, entry.notice.dedup_key), anyio.Lock())
        try:
            with job.scope:
                async with lane:
                    await self._try_until_settled(entry, channel, job)
        finally:
            del self._jobs[entry.key, channel.name]
        if job.withdrawn and not entry.taken_by and not any(key == entry.key for key, _ in self._jobs):
            await self._outbox.drop(entry.key)

    async def _try_until_settled(self, entry: Entry, channel: Channel, job: _Job) -> None:
        if self._was_never_alarmed(entry, channel):
            await self._close(entry, channel, "the alarm did not get through here")
            return
        while not job.withdrawn:
            async with self._slots[channel.name]:
                job.sending = True
                delay = await self._try(entry, channel)
                job.sending = False
            if delay is None:
                return
            await anyio.sleep(delay)

    def _was_never_alarmed(self, entry: Entry, channel: Channel) -> bool:
        """Whether this says that something is over that was never told here."""
        if entry.notice.notice != "resolved" or entry.notice.merged:
            return False
        known = [leg for earlier in self._outbox.earlier(entry.notice) if (leg := earlier.legs.get(channel.name))]
        return bool(known) and all(leg.state == "expired" for leg in known)

    async def _try(self, entry: Entry, channel: Channel) -> float | None:
        """One try; seconds until the next one, None if there is none."""
        longest = channel.timeout + OVERTIME

        async def send_and_settle() -> float | None:
            delivery = Delivery("transient", f"the channel hangs: no answer within {span(longest)}")
            with anyio.move_on_after(longest):
                delivery = await channel.send(entry.notice, attempt)
            return await self._settle(entry, channel, attempt, delivery)

        attempt = await self._outbox.attempt(entry.key, channel.name)
        # A try that was cut off may have got through all the same: it is given the time to say so.
        return await finish(send_and_settle, limit=longest + 2 * TELL_WITHIN, grace=lambda: self._bounded(LAST_WORDS))

    async def _settle(self, entry: Entry, channel: Channel, attempt: int, delivery: Delivery) -> float | None:
        match delivery.result:
            case "ok":
                await self._note_delivered(entry, channel, attempt)
                return None
            case "permanent":
                await self._close(entry, channel, delivery.reason, attempt)
                return None
            case "transient":
                return await self._note_failed(entry, channel, attempt, delivery.reason)

    async def _note_delivered(self, entry: Entry, channel: Channel, attempt: int) -> None:
        first = not entry.taken_by
        await self._outbox.delivered(entry.key, channel.name, self._ports.clock.now().wall)
        self._outcomes.log_delivered(entry, channel.name, attempt)
        if first:
            await self._outcomes.tell_settled(entry)

    async def _note_failed(self, entry: Entry, channel: Channel, attempt: int, reason: str) -> float | None:
        now = self._ports.clock.now()
        left = entry.put_at + self._give_up_after - now.mono
        if self._retries and left <= 0:
            await self._close(entry, channel, f"given up after {span(self._give_up_after)}: {reason}", attempt)
            return None
        # The last try is made when the time is up, not up to a quarter of an hour before.
        delay = min(left, retry_delay(attempt, self._ports.jitter())) if self._retries else None
        next_at = now.wall + timedelta(seconds=delay) if delay is not None else None
        await self._outbox.failed(entry.key, channel.name, reason, next_at)
        self._outcomes.log_failed(entry, channel.name, attempt, reason)
        await self._outcomes.tell_attempted(entry)
        return delay

    async def _close(self, entry: Entry, channel: Channel, reason: str, attempt: int = 0) -> None:
        """Try this channel no more for this notice; after `attempt` tries, if there were any."""
        await self._outbox.expired(entry.key, channel.name, reason)
        if attempt:
            self._outcomes.log_failed(entry, channel.name, attempt, reason)
        if entry.lost:
            self._outcomes.log_expired(entry)
            await self._outcomes.tell_settled(entry)
        elif attempt:
            await self._outcomes.tell_attempted(entry)
