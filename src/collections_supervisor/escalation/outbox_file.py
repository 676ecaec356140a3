"""Keeps the notices that are due in a file, so that none is lost when this program dies."""

from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from collections_supervisor.escalation import outbox_lines as lines
from collections_supervisor.escalation.entries import Entries, Entry, Key
from collections_supervisor.escalation.line_file import LineFile
from collections_supervisor.escalation.outbox import MemoryOutbox
from collections_supervisor.messages import Notice, Now
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.threads import WRITES, hop

COMPACTED = 1 << 20
"""Bytes up to which the file is left to grow."""


class FileOutbox(MemoryOutbox):
    """Keeps notices in memory, and every change of them as a line in a file before it returns."""

    def __init__(self, path: Path, clock: Clock, log: FilteringBoundLogger, entries: Entries | None = None) -> None:
        super().__init__(entries)
        self._file = LineFile(path, self._render, clock, log)

    @classmethod
    async def load(cls, path: Path, channels: Collection[str], clock: Clock, log: FilteringBoundLogger) -> "FileOutbox":
        """What the file tells, with `channels` being those that are configured now. Never raises for what stands in it.

        `compact` is to be called next, with what is to be kept; until then the file stays as it is.
        """
        outbox = cls(path, clock, log)
        data = await outbox._file.read()
        outbox._entries, unusable = await hop(WRITES, lines.replay, data, clock.now())
        outbox._entries.reconfigure(channels)
        outbox._file.spoiled(unusable)
        return outbox

    async def compact(self, keep: Collection[str]) -> None:
        """Write the file anew, without what is settled of incidents other than these `dedup_key`s and those with anything due.

        `keep` must name every incident that somebody may still ask about, also one that is over but not yet told of.
        """
        due = frozenset[str]().union(*(entry.subjects for entry in self._entries.pending()))
        self._entries.forget_settled(due.union(keep))
        await self._file.rewrite()

    async def tidy(self, owed: Collection[Key]) -> None:
        """Keep within bounds, and write what could not be written before; `owed` is what somebody still asks for."""
        await super().tidy(owed)
        if self._file.size > max(COMPACTED, 2 * self._file.whole_size):
            self._entries.forget_over(owed)
            await self._file.rewrite()
        elif self._file.behind:
            await self._file.rewrite()

    async def put(self, notice: Notice, channels: tuple[str, ...], now: Now) -> Entry:
        """Keep a notice that these channels are to deliver."""
        entry = await super().put(notice, channels, now)
        await self._keep(lines.intent(entry))
        return entry

    async def attempt(self, key: Key, channel: str) -> int:
        """Keep that a try begins; its number, from 1."""
        number = await super().attempt(key, channel)
        await self._keep(lines.Attempt(dedup_key=key[0], sequence=key[1], channel=channel, attempt=number))
        return number

    async def failed(self, key: Key, channel: str, error: str, next_at: datetime | None) -> None:
        """Keep that a try failed and when the next one is due."""
        await super().failed(key, channel, error, next_at)
        await self._keep(lines.Failed(dedup_key=key[0], sequence=key[1], channel=channel, error=error, next_at=next_at))

    async def delivered(self, key: Key, channel: str, at: datetime) -> None:
        """Keep that a channel took it."""
        await super().delivered(key, channel, at)
        await self._keep(lines.Delivered(dedup_key=key[0], sequence=key[1], channel=channel, at=at))

    async def expired(self, key: Key, channel: str, error: str) -> None:
        """Keep that a channel was given up."""
        await super().expired(key, channel, error)
        await self._keep(lines.Expired(dedup_key=key[0], sequence=key[1], channel=channel, error=error))

    async def skipped(self, key: Key, channel: str) -> None:
        """Keep that a channel is not to be used, which is no failure."""
        await super().skipped(key, channel)
        await self._keep(lines.Skipped(dedup_key=key[0], sequence=key[1], channel=channel))

    async def drop(self, key: Key) -> None:
        """Forget a notice that nobody is to get any more."""
        await super().drop(key)
        await self._keep(lines.Dropped(dedup_key=key[0], sequence=key[1]))

    async def _keep(self, line: lines.Line) -> None:
        await self._file.append(lines.encode(line))

    def _render(self) -> Iterator[bytes]:
        for entry in self._entries.all():
            for line in lines.lines_of(entry):
                yield lines.encode(line)
