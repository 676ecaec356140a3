"""Where the notices are kept that are to be delivered."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from collections_supervisor.escalation.entries import Entries, Entry, Key
from collections_supervisor.messages import Notice, Now


class Outbox(Protocol):
    """Keeps the notices. Whatever changes something returns only after it is kept; what is returned is not to be changed."""

    async def put(self, notice: Notice, channels: tuple[str, ...], now: Now) -> Entry:
        """Keep a notice that these channels are to deliver."""
        ...

    async def attempt(self, key: Key, channel: str) -> int:
        """Keep that a try begins; its number, from 1."""
        ...

    async def failed(self, key: Key, channel: str, error: str, next_at: datetime | None) -> None:
        """Keep that a try failed and when the next one is due."""
        ...

    async def delivered(self, key: Key, channel: str, at: datetime) -> None:
        """Keep that a channel took it."""
        ...

    async def expired(self, key: Key, channel: str, error: str) -> None:
        """Keep that a channel was given up."""
        ...

    async def skipped(self, key: Key, channel: str) -> None:
        """Keep that a channel is not to be used, which is no failure."""
        ...

    async def drop(self, key: Key) -> None:
        """Forget a notice that nobody is to get any more."""
        ...

    def reconfigure(self, channels: Collection[str]) -> None:
        """Give up the ways that are no longer configured."""
        ...

    async def tidy(self, owed: Collection[Key]) -> None:
        """Keep within bounds, and make up for what could not be kept before; `owed` is what somebody still asks for."""
        ...

    def get(self, key: Key) -> Entry | None:
        """One notice, settled or not."""
        ...

    def pending(self) -> tuple[Entry, ...]:
        """What has still to be tried somewhere, oldest first."""
        ...

    def telling_of(self, subject: str) -> tuple[Entry, ...]:
        """Every notice that tells of the incident with this `dedup_key`, also together with others, oldest first."""
        ...


class MemoryOutbox:
    """Keeps notices as long as this process lives."""

    def __init__(self, entries: Entries | None = None) -> None:
        self._entries = Entries() if entries is None else entries

    async def put(self, notice: Notice, channels: tuple[str, ...], now: Now) -> Entry:
        """Keep a notice that these channels are to deliver."""
        return self._entries.put(notice, channels, now.mono, now.wall)

    async def attempt(self, key: Key, channel: str) -> int:
        """Keep that a try begins; its number, from 1."""
        return self._entries.attempt(key, channel)

    async def failed(self, key: Key, channel: str, error: str, next_at: datetime | None) -> None:
        """Keep that a try failed and when the next one is due."""
        self._entries.fail(key, channel, error, next_at)

    async def delivered(self, key: Key, channel: str, at: datetime) -> None:
        """Keep that a channel took it."""
        self._entries.deliver(key, channel, at)

    async def expired(self, key: Key, channel: str, error: str) -> None:
        """Keep that a channel was given up."""
        self._entries.close(key, channel, "expired", error)

    async def skipped(self, key: Key, channel: str) -> None:
        """Keep that a channel is not to be used, which is no failure."""
        self._entries.close(key, channel, "skipped")

    async def drop(self, key: Key) -> None:
        """Forget a notice that nobody is to get any more."""
        self._entries.drop(key)

    def reconfigure(self, channels: Collection[str]) -> None:
        """Give up the ways that are no longer configured; what would be lost by that goes over all that are."""
        self._entries.reconfigure(channels)

    async def tidy(self, owed: Collection[Key]) -> None:
        """Keep within bounds; `owed` is what somebody still asks for."""
        self._entries.forget_oldest(owed)

    def get(self, key: Key) -> Entry | None:
        """One notice, settled or not."""
        return self._entries.get(key)

    def pending(self) -> tuple[Entry, ...]:
        """What has still to be tried somewhere, oldest first."""
        return self._entries.pending()

    def telling_of(self, subject: str) -> tuple[Entry, ...]:
        """Every notice that tells of the incident with this `dedup_key`, also together with others, oldest first."""
        return self._entries.telling_of(subject)

    def entries(self) -> tuple[Entry, ...]:
        """Every notice, settled or not, oldest first."""
        return self._entries.all()
