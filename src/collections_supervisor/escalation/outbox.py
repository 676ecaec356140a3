"""The notices that are due, and how far each has come on each channel."""

from datetime import datetime
from typing import Literal, Protocol

import msgspec

from collections_supervisor.messages import Notice, Now

Key = tuple[str, int]
"""`dedup_key` and `sequence`: what stays the same over every repeat of a delivery."""

REMEMBERED = 1024
"""Notices in memory beyond which the oldest settled ones are forgotten."""


class Leg(msgspec.Struct, kw_only=True):
    """The way of one notice over one channel."""

    state: Literal["pending", "delivered", "expired"] = "pending"
    attempts: int = 0
    error: str = ""
    next_at: datetime | None = None


class Entry(msgspec.Struct, kw_only=True):
    """One notice and its legs, by the name of the channel."""

    notice: Notice
    put_at: float
    """Monotonic seconds; the time to give up counts from here."""
    legs: dict[str, Leg]
    taken_by: str = ""
    """The channel that took it first; empty as long as none did."""
    taken_at: datetime | None = None

    @property
    def key(self) -> Key:
        """What this notice is known by."""
        return self.notice.dedup_key, self.notice.sequence

    @property
    def attempts(self) -> int:
        """Tries so far on the channel that needed most; a first try on each of several is no repetition."""
        return max((leg.attempts for leg in self.legs.values()), default=0)

    @property
    def pending(self) -> bool:
        """Whether any channel has still to try."""
        return any(leg.state == "pending" for leg in self.legs.values())

    @property
    def lost(self) -> bool:
        """Whether every channel was given up and none took it."""
        return not self.pending and not self.taken_by

    @property
    def next_at(self) -> datetime | None:
        """When the next try is made on any channel."""
        return min((leg.next_at for leg in self.legs.values() if leg.next_at is not None), default=None)

    @property
    def error(self) -> str:
        """Why it is not delivered, by channel."""
        return "; ".join(f"{name}: {leg.error}" for name, leg in self.legs.items() if leg.error)


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
        """Keep that a channel will not be tried any more."""
        ...

    async def drop(self, key: Key) -> None:
        """Forget a notice that nobody is to get any more."""
        ...

    def get(self, key: Key) -> Entry | None:
        """One notice, settled or not."""
        ...

    def pending(self) -> tuple[Entry, ...]:
        """What has still to be tried somewhere, oldest first."""
        ...

    def earlier(self, notice: Notice) -> tuple[Entry, ...]:
        """What is known of earlier notices of the same incident."""
        ...


class MemoryOutbox:
    """Keeps notices as long as this process lives."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}

    async def put(self, notice: Notice, channels: tuple[str, ...], now: Now) -> Entry:
        """Keep a notice that these channels are to deliver."""
        entry = Entry(notice=notice, put_at=now.mono, legs={name: Leg() for name in channels})
        self._entries[entry.key] = entry
        self._forget()
        return entry

    async def attempt(self, key: Key, channel: str) -> int:
        """Keep that a try begins; its number, from 1."""
        leg = self._entries[key].legs[channel]
        leg.attempts += 1
        leg.next_at = None
        return leg.attempts

    async def failed(self, key: Key, channel: str, error: str, next_at: datetime | None) -> None:
        """Keep that a try failed and when the next one is due."""
        leg = self._entries[key].legs[channel]
        leg.error, leg.next_at = error, next_at

    async def delivered(self, key: Key, channel: str, at: datetime) -> None:
        """Keep that a channel took it."""
        entry = self._entries[key]
        leg = entry.legs[channel]
        leg.state, leg.error, leg.next_at = "delivered", "", None
        if not entry.taken_by:
            entry.taken_by, entry.taken_at = channel, at

    async def expired(self, key: Key, channel: str, error: str) -> None:
        """Keep that a channel will not be tried any more."""
        leg = self._entries[key].legs[channel]
        leg.state, leg.error, leg.next_at = "expired", error, None

    async def drop(self, key: Key) -> None:
        """Forget a notice that nobody is to get any more."""
        self._entries.pop(key, None)

    def get(self, key: Key) -> Entry | None:
        """One notice, settled or not."""
        return self._entries.get(key)

    def pending(self) -> tuple[Entry, ...]:
        """What has still to be tried somewhere, oldest first."""
        return tuple(entry for entry in self._entries.values() if entry.pending)

    def earlier(self, notice: Notice) -> tuple[Entry, ...]:
        """What is known of earlier notices of the same incident."""
        return tuple(
            entry
            for entry in self._entries.values()
            if entry.notice.dedup_key == notice.dedup_key and entry.notice.sequence < notice.sequence
        )

    def _forget(self) -> None:
        excess = len(self._entries) - REMEMBERED
        if excess > 0:
            settled = [key for key, entry in self._entries.items() if not entry.pending]
            for key in settled[:excess]:
                del self._entries[key]
