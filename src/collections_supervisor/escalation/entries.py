"""The notices that are due, and how far each has come on each channel. Pure: an outbox keeps them."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Literal

import msgspec

from collections_supervisor.messages import Notice

Key = tuple[str, int]
"""`dedup_key` and `sequence`: what stays the same over every repeat of a delivery."""

GONE = "no longer configured"

REMEMBERED = 4096
"""Notices in memory beyond which the oldest settled ones are forgotten."""


class Leg(msgspec.Struct, kw_only=True):
    """The way of one notice over one channel."""

    state: Literal["pending", "delivered", "expired", "skipped"] = "pending"
    """`skipped`: nobody is to get it this way any more, which is no failure."""
    attempts: int = 0
    error: str = ""
    next_at: datetime | None = None
    at: datetime | None = None
    """When it was delivered."""


class Entry(msgspec.Struct, kw_only=True):
    """One notice and its legs, by the name of the channel."""

    notice: Notice
    put_at: float
    """Monotonic seconds; the time to give up and the later channels count from here."""
    put_on: datetime
    """The same instant for who reads it after a restart."""
    legs: dict[str, Leg]
    taken_by: str = ""
    """The channel that took it first; empty as long as none did."""
    taken_at: datetime | None = None

    @property
    def key(self) -> Key:
        """What this notice is known by."""
        return self.notice.dedup_key, self.notice.sequence

    @property
    def subjects(self) -> frozenset[str]:
        """`dedup_key` of every incident that this notice tells of."""
        return frozenset((self.notice.dedup_key, *(each.dedup_key for each in self.notice.grouped)))

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
        return not self.taken_by and all(leg.state == "expired" for leg in self.legs.values())

    @property
    def next_at(self) -> datetime | None:
        """When the next try is made on any channel."""
        return min((leg.next_at for leg in self.legs.values() if leg.next_at is not None), default=None)

    @property
    def error(self) -> str:
        """Why it is not delivered, by channel."""
        return "; ".join(f"{name}: {leg.error}" for name, leg in self.legs.items() if leg.error)


class Entries:
    """All of them, oldest first. What is returned is not to be changed by others."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}
        self._by_subject: dict[str, dict[Key, Entry]] = {}

    def put(self, notice: Notice, channels: Iterable[str], put_at: float, put_on: datetime) -> Entry:
        """Add a notice that these channels are to deliver; one that is there already stays as it is."""
        entry = Entry(notice=notice, put_at=put_at, put_on=put_on, legs={name: Leg() for name in channels})
        if entry.key in self._entries:
            return self._entries[entry.key]
        self._entries[entry.key] = entry
        for subject in entry.subjects:
            self._by_subject.setdefault(subject, {})[entry.key] = entry
        return entry

    def attempt(self, key: Key, channel: str) -> int:
        """A try begins; its number, from 1."""
        leg = self._entries[key].legs[channel]
        leg.attempts += 1
        leg.next_at = None
        return leg.attempts

    def fail(self, key: Key, channel: str, error: str, next_at: datetime | None) -> None:
        """A try failed."""
        leg = self._entries[key].legs[channel]
        leg.error, leg.next_at = error, next_at

    def deliver(self, key: Key, channel: str, at: datetime) -> None:
        """A channel took it."""
        entry = self._entries[key]
        leg = entry.legs[channel]
        leg.state, leg.error, leg.next_at, leg.at = "delivered", "", None, at
        if not entry.taken_by:
            entry.taken_by, entry.taken_at = channel, at

    def close(self, key: Key, channel: str, state: Literal["expired", "skipped"], error: str = "") -> None:
        """A channel will not be tried any more."""
        leg = self._entries[key].legs[channel]
        leg.state, leg.error, leg.next_at = state, error, None

    def drop(self, key: Key) -> None:
        """Forget a notice."""
        entry = self._entries.pop(key, None)
        for subject in entry.subjects if entry is not None else ():
            told = self._by_subject[subject]
            del told[key]
            if not told:
                del self._by_subject[subject]

    def get(self, key: Key) -> Entry | None:
        """One notice, settled or not."""
        return self._entries.get(key)

    def all(self) -> tuple[Entry, ...]:
        """Every notice, settled or not."""
        return tuple(self._entries.values())

    def pending(self) -> tuple[Entry, ...]:
        """What has still to be tried somewhere."""
        return tuple(entry for entry in self._entries.values() if entry.pending)

    def telling_of(self, subject: str) -> tuple[Entry, ...]:
        """Every notice that tells of this incident, also together with others."""
        return tuple(self._by_subject.get(subject, {}).values())

    def is_over(self, subject: str) -> bool:
        """Whether everything is settled that was to be said of this incident, its end included."""
        told = self.telling_of(subject)
        return any(entry.notice.notice == "resolved" for entry in told) and not any(entry.pending for entry in told)

    def reconfigure(self, channels: Collection[str]) -> None:
        """Give up the ways that are no longer configured; what would be lost by that goes over all that are."""
        for entry in self.pending():
            gone = [name for name, leg in entry.legs.items() if leg.state == "pending" and name not in channels]
            for name in gone:
                self.close(entry.key, name, "expired", GONE)
            if gone and entry.lost:
                entry.legs.update((name, Leg()) for name in channels if name not in entry.legs)

    def forget_over(self, owed: Collection[Key]) -> None:
        """Forget all of the incidents of which everything is said, unless somebody still asks for an answer."""
        ended = self._ended()
        over = {
            entry.key: entry
            for entry in self._entries.values()
            if not entry.pending and entry.key not in owed and entry.subjects <= ended
        }
        # A notice that tells of a second incident too is judged again later, by what is known of the first one then.
        needed = frozenset[str]().union(*(entry.subjects for entry in self._entries.values() if entry.key not in over))
        for entry in over.values():
            if entry.subjects.isdisjoint(needed):
                self.drop(entry.key)

    def forget_settled(self, keep: Collection[str]) -> None:
        """Forget what is settled of all incidents but these, and but those that were told of together with them.

        An alarm that is kept for one of its incidents would open the others again if their ends were forgotten.
        """
        needed, more = None, frozenset(keep)
        while needed != more:
            needed = more
            kept = (entry for entry in self._entries.values() if entry.pending or not entry.subjects.isdisjoint(needed))
            more = needed.union(*(entry.subjects for entry in kept))
        for entry in self.all():
            if not entry.pending and entry.subjects.isdisjoint(more):
                self.drop(entry.key)

    def forget_oldest(self, owed: Collection[Key]) -> None:
        """Keep within bounds: forget the oldest of what is settled and nobody asks for."""
        excess = len(self._entries) - REMEMBERED
        if excess > 0:
            settled = [entry for entry in self._entries.values() if not entry.pending and entry.key not in owed]
            # Who was told of an incident that is still open must be told of its end.
            ended = self._ended()
            settled.sort(key=lambda entry: not entry.subjects <= ended)
            for entry in settled[:excess]:
                self.drop(entry.key)

    def _ended(self) -> set[str]:
        return {subject for subject in self._by_subject if self.is_over(subject)}
