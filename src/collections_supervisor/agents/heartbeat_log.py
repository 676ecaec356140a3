"""The heartbeat log as it grows: every line is judged once, when it is first seen whole, and only the end of the file is read."""

import os
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from collections_supervisor.agents.heartbeat_line import from_nanoseconds, parse_line
from collections_supervisor.messages import Beat, Now, StaleLine
from collections_supervisor.system.files import open_regular, require_regular

WINDOWS = (1 << 16, 1 << 18, 1 << 20)
"""Bytes of the end of a log that are read at first, until they hold a beat. More than the last is never read at one look."""

TORN_AFTER = 60.0
"""Seconds after which a last line without newline counts as invalid."""

_TRAILING = 10
_FINGERPRINT = 256

ReadAt = Callable[[int, int, int], bytes]
"""`os.pread`: descriptor, bytes, offset."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the lines judged so far say."""

    beat: Beat | None = None
    """The last beat by position that was not in the future when it was first seen."""
    future: Beat | None = None
    """The last beat after it; such beats were all in the future when first seen, and stay so when the clock passes them."""
    future_seen: datetime | None = None
    trailing: tuple[StaleLine, ...] = ()
    recorded_in_a_row: int = 0
    """Lines of ours since the last beat."""
    recorded_last_heartbeat: datetime | None = None
    invalid: int = 0
    """Invalid lines not reported yet."""


class LogMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a log after a look at it; the next look goes on from here."""

    device: int
    inode: int
    size: int = -1
    mtime_ns: int = 0
    judged_to: int = 0
    """Offset of the first byte that is not part of a judged line."""
    before: bytes = b""
    """The last bytes before `judged_to`: if they change, the file was rewritten in place."""
    torn_since: float | None = None
    """When (monotonic) the last line was first seen without its newline."""
    torn_counted: bool = False
    said: Said = Said()


def look(
    path: Path,
    memory: LogMemory | None,
    *,
    now: Now,
    tolerance: timedelta,
    first: bool,
    read_at: ReadAt = os.pread,
) -> LogMemory | None:
    """Read what is new in a log; None if there is none. An unchanged file costs one stat.

    `first` is true while nothing was ever known of this path: what the file holds then is as old as its mtime, not new. A rotated
    file (other inode, shrunk, rewritten) is begun anew. Raises OSError if it cannot be read or is not a regular file. Blocking.
    """
    try:
        found = path.lstat()
        require_regular(path, found)
        if memory is not None and _unchanged(memory, found):
            return _mind_torn(memory, now.mono)
        with open_regular(path, os.O_RDONLY) as (fd, found):
            seen = from_nanoseconds(found.st_mtime_ns) if first else now.wall
            judge = _Judge(now=now, limit=now.wall + tolerance, seen=seen, by_mtime=first)
            if memory is not None and _continues(memory, found, fd, read_at):
                looked = _go_on(fd, found.st_size, memory, judge, read_at)
            else:
                looked = _begin(fd, found, judge, read_at)
    except FileNotFoundError:
        return None
    looked = msgspec.structs.replace(looked, size=found.st_size, mtime_ns=found.st_mtime_ns)
    return _mind_torn(looked, now.mono)


class _Judge(msgspec.Struct, frozen=True, kw_only=True):
    """The instants that lines are judged by."""

    now: Now
    limit: datetime
    """A later stamp is in the future."""
    seen: datetime
    """What beats without a time are stamped."""
    by_mtime: bool
    """`seen` is the mtime of the file, which lines after the beat have moved."""

    def absorb(self, memory: LogMemory, data: bytes, start: int) -> LogMemory:
        """Judge the whole lines in `data`, which stands at offset `start`; the rest is torn."""
        whole, newline, torn = data.rpartition(b"\n")
        lines = whole.split(b"\n") if newline else []
        said = memory.said
        if lines and memory.torn_counted and lines[0].strip() and parse_line(lines[0], seen=self.seen) is None:
            del lines[0]  # counted already while it was torn
        said = self._judge(said, lines)
        continued = memory.torn_since is not None and not newline
        judged = len(whole) + len(newline)
        return msgspec.structs.replace(
            memory,
            judged_to=start + judged,
            before=(memory.before + data[:judged])[-_FINGERPRINT:],
            torn_since=(memory.torn_since if continued else self.now.mono) if torn.strip() else None,
            torn_counted=memory.torn_counted and continued,
            said=said,
        )

    def _judge(self, said: Said, lines: Iterable[bytes]) -> Said:
        for raw in lines:
            if not raw.strip():
                continue
            match parse_line(raw, seen=self.seen):
                case Beat() as beat:
                    said = self._take_beat(said, beat)
                case StaleLine() as line:
                    said = _take_stale(self._date_back(said, line), line)
                case None:
                    said = msgspec.structs.replace(said, invalid=said.invalid + 1)
        return said

    def _take_beat(self, said: Said, beat: Beat) -> Said:
        said = msgspec.structs.replace(said, trailing=(), recorded_in_a_row=0)
        if beat.stamp > self.limit:
            return msgspec.structs.replace(said, future=beat, future_seen=self.now.wall)
        return msgspec.structs.replace(said, beat=beat, future=None, future_seen=None)

    def _date_back(self, said: Said, line: StaleLine) -> Said:
        """A beat without a time is older than a miss after it, and what we recorded there is when we first saw the beat."""
        if not self.by_mtime or said.beat is None or said.beat.stamp != self.seen:
            return said
        bound = (line.last_heartbeat if line.ours else None) or line.stamp or self.seen
        return msgspec.structs.replace(said, beat=msgspec.structs.replace(said.beat, stamp=min(bound, self.seen)))


def _take_stale(said: Said, line: StaleLine) -> Said:
    trailing = (*said.trailing, line)[-_TRAILING:]
    if not line.ours:
        return msgspec.structs.replace(said, trailing=trailing)
    return msgspec.structs.replace(
        said,
        trailing=trailing,
        recorded_in_a_row=said.recorded_in_a_row + 1,
        recorded_last_heartbeat=line.last_heartbeat,
    )


def _unchanged(memory: LogMemory, found: os.stat_result) -> bool:
    known = (memory.device, memory.inode, memory.size, memory.mtime_ns)
    return known == (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _continues(memory: LogMemory, found: os.stat_result, fd: int, read_at: ReadAt) -> bool:
    same = (memory.device, memory.inode) == (found.st_dev, found.st_ino) and memory.judged_to <= found.st_size
    return same and read_at(fd, len(memory.before), memory.judged_to - len(memory.before)) == memory.before


def _mind_torn(memory: LogMemory, mono: float) -> LogMemory:
    if memory.torn_since is None or memory.torn_counted or mono - memory.torn_since < TORN_AFTER:
        return memory
    said = msgspec.structs.replace(memory.said, invalid=memory.said.invalid + 1)
    return msgspec.structs.replace(memory, torn_counted=True, said=said)


def _go_on(fd: int, size: int, memory: LogMemory, judge: _Judge, read_at: ReadAt) -> LogMemory:
    if size - memory.judged_to <= WINDOWS[-1]:
        return judge.absorb(memory, read_at(fd, size - memory.judged_to, memory.judged_to), memory.judged_to)
    data, start = _tail(fd, size, WINDOWS[-1], read_at)
    return judge.absorb(msgspec.structs.replace(memory, before=b"", torn_since=None, torn_counted=False), data, start)


def _begin(fd: int, found: os.stat_result, judge: _Judge, read_at: ReadAt) -> LogMemory:
    empty = memory = LogMemory(device=found.st_dev, inode=found.st_ino)
    for window in WINDOWS:
        data, start = _tail(fd, found.st_size, window, read_at)
        memory = judge.absorb(empty, data, start)
        if start == 0 or memory.said.beat is not None:
            break
    return memory


def _tail(fd: int, size: int, window: int, read_at: ReadAt) -> tuple[bytes, int]:
    """The last `window` bytes less the line that they begin within, and where they stand."""
    if size <= window:
        return read_at(fd, size, 0), 0
    # The byte before tells whether the window happens to begin a line.
    data = read_at(fd, window + 1, size - window - 1)
    cut = data.find(b"\n") + 1
    return data[cut:], size - window - 1 + cut
