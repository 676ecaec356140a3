"""A log that grows: read from its end as far back as asked, and from where the last look ended when it is looked at again."""

import errno
import os
from bisect import bisect_left
from operator import attrgetter
from pathlib import Path

import msgspec

from collections_supervisor.books.activity_lines import Event, Judge, Judged
from collections_supervisor.books.blocks import backward, forward
from collections_supervisor.books.faults import Check
from collections_supervisor.system.files import open_regular, require_regular

READ_LIMIT = 1 << 26
"""Bytes of a log that are read at one look; one that says more than this about so short a time is not counted at all."""

EVENTS_LIMIT = 500_000
"""Events that are kept of one log."""

_OLD_BLOCKS = 2
"""So many blocks in a row without a line of the time asked for end the reading: one line with a broken clock does not."""

_FINGERPRINT = 256

_AT = attrgetter("at")


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a log says of the time since the one that was asked for."""

    events: list[Event]
    """By their time; those in the future are the last."""
    since: float | None
    """It tells of everything from here on; None where no line says when it was written."""
    named: bool
    """Some event, an older one perhaps, names both an invoice and a template."""
    empty: bool


class _Memory(msgspec.Struct, kw_only=True):
    status: os.stat_result
    since: float
    begins: float | None = None
    """When its first line was written, if it was read from the beginning; otherwise what was asked for then."""
    events: list[Event]
    loose: Judged = Judged(events=[], first=None, old=False)
    """What the last line says, as long as it has no newline: it may be written still."""
    named: bool = False
    judged_to: int = 0
    before: bytes = b""
    """The last bytes before `judged_to`: if they change, the file was written anew in place."""


class LogTail:
    """One log, and what is remembered of it."""

    def __init__(self, path: Path, judge: Judge) -> None:
        self.path = path
        self._judge = judge
        self._memory: _Memory | None = None

    @property
    def changed(self) -> float | None:
        """When the log was written last, as of the last look that could read it."""
        return self._memory.status.st_mtime if self._memory is not None else None

    def look(self, *, since: float, check: Check) -> Look | None:
        """What the log says of the time from `since` on; None if there is none.

        Raises OSError if it cannot be read or is not a regular file, with EFBIG if it says too much about that time.
        """
        known, self._memory = self._memory, None
        try:
            found = self.path.lstat()
            require_regular(self.path, found)
            if known is None or not _unchanged(known, found) or since < known.since:
                with open_regular(self.path, os.O_RDONLY) as (fd, found):
                    if known is not None and since >= known.since and _continues(known, found, fd):
                        self._go_on(fd, found, known, check)
                    else:
                        known = self._begin(fd, found, since, check)
        except FileNotFoundError:
            return None
        self._forget(known, since)
        self._memory = known
        return _answer(known)

    def _begin(self, fd: int, found: os.stat_result, since: float, check: Check) -> _Memory:
        memory = _Memory(status=found, since=since, events=[], judged_to=found.st_size)
        old = 0
        down_to = max(0, found.st_size - READ_LIMIT)
        for begins, block in backward(fd, found.st_size, check, down_to=down_to):
            whole, loose = _split(block)
            if loose:  # the last line
                memory.loose = self._judge.judge(loose, since)
                memory.judged_to = begins + len(whole)
            judged = self._judge.judge(whole, since)
            _take(memory, judged)
            if judged.first is not None:
                memory.begins = judged.first
                old = old + 1 if judged.old else 0
            if old == _OLD_BLOCKS:
                memory.begins = since
                break
            self._require_bounds(memory)
        else:
            if down_to:
                raise self._says_too_much()
        _settle(fd, memory)
        return memory

    def _go_on(self, fd: int, found: os.stat_result, memory: _Memory, check: Check) -> None:
        memory.status = found
        memory.loose = Judged(events=[], first=None, old=False)
        start, memory.judged_to = memory.judged_to, found.st_size
        for begins, block in forward(fd, start, found.st_size, check):
            whole, loose = _split(block)
            if loose:  # the last line, and a block of its own
                memory.loose = self._judge.judge(loose, memory.since)
                memory.judged_to = begins
            judged = self._judge.judge(whole, memory.since)
            _take(memory, judged)
            if memory.begins is None:
                memory.begins = judged.first
            self._require_bounds(memory)
        _settle(fd, memory)

    def _forget(self, memory: _Memory, since: float) -> None:
        memory.since = since
        del memory.events[: bisect_left(memory.events, since, key=_AT)]

    def _require_bounds(self, memory: _Memory) -> None:
        if len(memory.events) > EVENTS_LIMIT:
            raise self._says_too_much()

    def _says_too_much(self) -> OSError:
        return OSError(errno.EFBIG, "its last 64 MiB do not reach back over the time that is counted", str(self.path))


def _split(block: bytes) -> tuple[bytes, bytes]:
    cut = block.rfind(b"\n") + 1
    return block[:cut], block[cut:]


def _take(memory: _Memory, judged: Judged) -> None:
    memory.events += judged.events
    memory.named |= _named(judged.events)


def _named(events: list[Event]) -> bool:
    return any(event.invoice and event.template for event in events)


def _settle(fd: int, memory: _Memory) -> None:
    memory.events.sort(key=_AT)
    memory.before = _before(fd, memory.judged_to)


def _before(fd: int, offset: int) -> bytes:
    size = min(_FINGERPRINT, offset)
    return os.pread(fd, size, offset - size)


def _unchanged(memory: _Memory, found: os.stat_result) -> bool:
    known = memory.status
    return (known.st_dev, known.st_ino, known.st_size, known.st_mtime_ns) == (
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
    )


def _continues(memory: _Memory, found: os.stat_result, fd: int) -> bool:
    known = memory.status
    same = (known.st_dev, known.st_ino) == (found.st_dev, found.st_ino)
    return same and 0 <= found.st_size - memory.judged_to <= READ_LIMIT and _before(fd, memory.judged_to) == memory.before


def _answer(memory: _Memory) -> Look:
    loose = [event for event in memory.loose.events if event.at >= memory.since]
    begins = memory.loose.first if memory.begins is None else memory.begins
    return Look(
        events=sorted((*memory.events, *loose), key=_AT) if loose else memory.events.copy(),
        since=None if begins is None else max(begins, memory.since),
        named=memory.named or _named(memory.loose.events),
        empty=memory.status.st_size == 0,
    )
