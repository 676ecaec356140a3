"""Carries one notice over one channel: tries again and again until it is taken or given up."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Protocol

import anyio
import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.escalation.channels import Channel
from collections_supervisor.escalation.delivery import Delivery
from collections_supervisor.escalation.entries import Entry
from collections_supervisor.escalation.grace import finish
from collections_supervisor.escalation.outbox import Outbox
from collections_supervisor.escalation.outcomes import TELL_WITHIN, Outcomes
from collections_supervisor.escalation.retries import retry_delay
from collections_supervisor.system.clock import Clock, span

AT_ONCE = 2
"""Tries at one time on one channel: each `openclaw` takes some 300 MB, and notices are few."""

LAST_WORDS = 2.0
"""Seconds that a try under way gets when the program stops."""

OVERTIME = 20.0
"""Seconds beyond its own timeout after which a channel is taken for hung; ending a stubborn command takes some."""


class Ports(Protocol):
    """What is needed of the outside."""

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


class Persistence(msgspec.Struct, frozen=True, kw_only=True):
    """How long a notice is tried."""

    give_up_after: float
    """Seconds from when a channel was to be used first."""
    retries: bool = True
    """Without them each channel is tried once, and what failed waits for the next run of the program."""
    bounded: Callable[[float], float] = float
    """Shortens a time to what is left when the program stops."""


class Job:
    """One notice on its way over one channel."""

    def __init__(self, entry: Entry, channel: Channel) -> None:
        self.entry = entry
        self.channel = channel
        self.scope = anyio.CancelScope()
        self.sending = False
        self.withdrawn = False

    def withdraw(self) -> None:
        """Make no further try; one under way is finished."""
        self.withdrawn = True
        if not self.sending:
            self.scope.cancel()


class Courier:
    """Makes the tries and keeps what became of each."""

    def __init__(
        self, channels: Iterable[Channel], outbox: Outbox, ports: Ports, outcomes: Outcomes, persistence: Persistence
    ) -> None:
        self._outbox = outbox
        self._ports = ports
        self._outcomes = outcomes
        self._persistence = persistence
        self._slots = {channel.name: anyio.CapacityLimiter(AT_ONCE) for channel in channels}

    async def carry(self, job: Job) -> None:
        """Try until the channel took it or was given up, or until it is withdrawn."""
        with job.scope:
            while not job.withdrawn:
                async with self._slots[job.channel.name]:
                    job.sending = True
                    delay = await self._try(job.entry, job.channel)
                    job.sending = False
                if delay is None:
                    return
                await anyio.sleep(delay)

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
        bounded = self._persistence.bounded
        return await finish(send_and_settle, limit=longest + 2 * TELL_WITHIN, grace=lambda: bounded(LAST_WORDS))

    async def _settle(self, entry: Entry, channel: Channel, attempt: int, delivery: Delivery) -> float | None:
        match delivery.result:
            case "ok":
                await self._note_delivered(entry, channel, attempt)
            case "permanent":
                await self.give_up(entry, channel, delivery.reason, attempt)
            case "skipped":
                await self._outbox.skipped(entry.key, channel.name)
            case "transient":
                return await self._note_failed(entry, channel, attempt, delivery)
        return None

    async def _note_delivered(self, entry: Entry, channel: Channel, attempt: int) -> None:
        at = self._ports.clock.now().wall
        await self._outbox.delivered(entry.key, channel.name, at)
        self._outcomes.log_delivered(entry, channel.name, attempt)
        await self._outcomes.tell_delivered(entry, channel.name, at)

    async def _note_failed(self, entry: Entry, channel: Channel, attempt: int, delivery: Delivery) -> float | None:
        now = self._ports.clock.now()
        patience = self._persistence.give_up_after
        left = entry.put_at + channel.after + patience - now.mono
        if left <= 0:
            await self.give_up(entry, channel, f"given up after {span(patience)}: {delivery.reason}", attempt)
            return None
        delay = None
        if self._persistence.retries:
            # The last try is made when the time is up, not up to a quarter of an hour before.
            delay = min(left, retry_delay(attempt, self._ports.jitter(), delivery.retry_after))
        # Without retries it is due at once, for whichever run comes next.
        next_at = now.wall + timedelta(seconds=delay or 0.0)
        await self._outbox.failed(entry.key, channel.name, delivery.reason, next_at)
        self._outcomes.log_failed(entry, channel.name, attempt, delivery.reason, here=delay is not None)
        await self._outcomes.tell_attempted(entry)
        return delay

    async def give_up(self, entry: Entry, channel: Channel, reason: str, attempt: int = 0) -> None:
        """Try this channel no more for this notice; after `attempt` tries, if there were any."""
        await self._outbox.expired(entry.key, channel.name, reason)
        if attempt:
            self._outcomes.log_failed(entry, channel.name, attempt, reason)
            await self._outcomes.tell_attempted(entry)
        if entry.lost:
            self._outcomes.log_expired(entry)
            await self._outcomes.tell_settled(entry)
