"""Looking at all heartbeat sources of one agent, and recording its misses in its log."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from collections_supervisor.agents.heartbeat_line import encode_miss
from collections_supervisor.agents.heartbeat_log import LogMemory, look
from collections_supervisor.agents.heartbeat_touch import TouchMemory, look_at_touched
from collections_supervisor.config.schema import AgentConfig, LogSource, Source, TouchSource
from collections_supervisor.messages import Beat, Now, Reading, StaleLine
from collections_supervisor.messages import Source as Origin
from collections_supervisor.system.files import append_line, cause_of, make_private_folder
from collections_supervisor.system.threads import READS, Gate

READ_DEADLINE = 5.0
"""Seconds until a look at one source is given up."""

MAX_RECORDED = 100
"""Misses of ours that are written in a row; a log of an agent long dead grows no further."""

_NEVER = datetime.min.replace(tzinfo=UTC)


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one source gave."""

    exists: bool = True
    is_log: bool = False
    beat: Beat | None = None
    future: Beat | None = None
    future_seen: datetime | None = None
    trailing: tuple[StaleLine, ...] = ()
    recorded_last_heartbeat: datetime | None = None
    invalid: int = 0
    error: str = ""


class HeartbeatReader:
    """The heartbeat sources of one agent, and what was seen of them before.

    Remembered are offsets, not files: a beat that was rotated away is forgotten here.
    """

    def __init__(self, config: AgentConfig, *, deadline: float = READ_DEADLINE) -> None:
        tolerance = timedelta(seconds=config.future_tolerance)
        self._watches = tuple(_watch(source, tolerance, Gate(READS, deadline=deadline)) for source in config.sources)
        self._log = next((watch for watch in self._watches if isinstance(watch, _LogWatch)), None)
        self.origins = tuple(Origin(name=config.name, path=str(source.path), read_at=None) for source in config.sources)
        """Every source, when it was read last, and the newest beat that it ever gave."""

    @property
    def can_record(self) -> bool:
        """Whether there is a log to record misses in."""
        return self._log is not None

    async def read(self, now: Now) -> Reading:
        """Look at every source, for at most `deadline` seconds each.

        Never raises for what a file system does: a source that cannot be read, or does not answer in time, makes the reading
        `unreadable` unless another one gives a beat, and `error` says why either way.
        """
        found = [await watch.look(now) for watch in self._watches]
        self.origins = tuple(_noted(origin, one, now) for origin, one in zip(self.origins, found, strict=True))
        return _combine(found)

    async def record_miss(self, *, missed: int, last_heartbeat: datetime | None, reason: str, at: datetime) -> None:
        """Append a miss to the (first) log, which is created if it is missing; raises OSError.

        Does nothing without a log, or once `MAX_RECORDED` misses stand there in a row as of the last reading.
        """
        if self._log is not None:
            await self._log.append(encode_miss(at, missed=missed, last_heartbeat=last_heartbeat, reason=reason))


class _LogWatch:
    def __init__(self, path: Path, tolerance: timedelta, gate: Gate) -> None:
        self._path = path
        self._tolerance = tolerance
        self._gate = gate
        self._memory: LogMemory | None = None
        self._first = True

    async def look(self, now: Now) -> _Found:
        try:
            memory = await self._gate.run(look, self._path, self._memory, now=now, tolerance=self._tolerance, first=self._first)
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
            return _unreadable(self._path, error)
        self._first = False
        if memory is None:
            self._memory = None
            return _Found(exists=False)
        said = memory.said
        self._memory = msgspec.structs.replace(memory, said=msgspec.structs.replace(said, invalid=0))
        # Seen in good time, and the wall clock was set back since: no proof of health until it beats again.
        clock_went_back = said.beat is not None and said.beat.stamp > now.wall + self._tolerance
        return _Found(
            is_log=True,
            beat=None if clock_went_back else said.beat,
            future=said.future or (said.beat if clock_went_back else None),
            future_seen=said.future_seen or (now.wall if clock_went_back else None),
            trailing=said.trailing,
            recorded_last_heartbeat=said.recorded_last_heartbeat,
            invalid=said.invalid,
        )

    async def append(self, line: bytes) -> None:
        if self._memory is not None and self._memory.said.recorded_in_a_row >= MAX_RECORDED:
            return
        # On the threads of the reads: this is their mount, and may hang as they may.
        try:
            await append_line(self._path, line, pool=READS)
        except FileNotFoundError:
            await make_private_folder(self._path.parent, pool=READS)
            await append_line(self._path, line, pool=READS)


class _TouchWatch:
    def __init__(self, pattern: str, tolerance: timedelta, gate: Gate) -> None:
        self._pattern = pattern
        self._tolerance = tolerance
        self._gate = gate
        self._memory: TouchMemory | None = None

    async def look(self, now: Now) -> _Found:
        try:
            memory = await self._gate.run(look_at_touched, self._pattern, self._memory, now=now, tolerance=self._tolerance)
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
            return _unreadable(self._pattern, error)
        self._memory = memory
        if memory is None:
            return _Found(exists=False)
        # The times of files have no order but their own: a future one counts while nothing was touched since it was first seen.
        touched_since = memory.newest and memory.future_seen and memory.newest > memory.future_seen
        return _Found(
            beat=Beat(stamp=memory.newest) if memory.newest else None,
            future=Beat(stamp=memory.future) if memory.future and not touched_since else None,
            future_seen=memory.future_seen,
        )


def _watch(source: Source, tolerance: timedelta, gate: Gate) -> _LogWatch | _TouchWatch:
    match source:
        case LogSource(path=path):
            return _LogWatch(path, tolerance, gate)
        case TouchSource(path=pattern):
            return _TouchWatch(pattern, tolerance, gate)


def _unreadable(path: object, error: OSError | ValueError) -> _Found:
    return _Found(error=f"cannot read {path}: {cause_of(error)}")


def _noted(origin: Origin, found: _Found, now: Now) -> Origin:
    read = found.exists and not found.error
    return Origin(
        name=origin.name,
        path=origin.path,
        read_at=now.wall if read else origin.read_at,
        changed_at=found.beat.stamp if found.beat is not None else origin.changed_at,
        problem=found.error or ("" if read else "it does not exist"),
    )


def _combine(found: Sequence[_Found]) -> Reading:
    """The newest beat of any source, and the misses in the log that is the most alive: those in another one are overtaken."""
    best = max(found, key=_worth, default=_Found(exists=False))
    log = max((one for one in found if one.is_log), key=_worth, default=_Found(exists=False))
    ahead = [one for one in found if one.future is not None and (one is best or not _passed(one, best))]
    newest_ahead = max(ahead, key=lambda one: one.future_seen or _NEVER, default=None)
    errors = [one.error for one in found if one.error]
    missing = not any(one.exists for one in found)
    return Reading(
        status="missing" if missing else "unreadable" if errors and best.beat is None else "ok",
        beat=best.beat,
        future=newest_ahead.future if newest_ahead else None,
        trailing=log.trailing,
        recorded_last_heartbeat=max((one.recorded_last_heartbeat for one in found if one.recorded_last_heartbeat), default=None),
        invalid=sum(one.invalid for one in found),
        error="; ".join(errors),
    )


def _worth(one: _Found) -> tuple[datetime, int]:
    return (one.beat.stamp if one.beat else _NEVER, len(one.trailing))


def _passed(one: _Found, best: _Found) -> bool:
    """Whether the beat of another source came after this source's beat from the future was first seen."""
    return best.beat is not None and one.future_seen is not None and best.beat.stamp > one.future_seen
