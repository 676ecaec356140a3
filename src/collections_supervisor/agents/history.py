"""All beats that an agent's heartbeat log still holds, and the rhythm in them."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec

from collections_supervisor.agents.active_hours import active_seconds
from collections_supervisor.agents.heartbeat_line import MAX_BYTES, parse_line
from collections_supervisor.agents.learned import RUN
from collections_supervisor.config.schema import ActiveHours, AgentConfig, LogSource
from collections_supervisor.messages import Beat
from collections_supervisor.system.files import open_regular
from collections_supervisor.system.threads import READS, Gate

MOST_BYTES = 1 << 26
"""Of a longer log only the end is read."""

READ_DEADLINE = 120.0
"""Seconds until reading one log is given up."""

_CHUNK = 1 << 20
_UNTIMED = datetime.min.replace(tzinfo=UTC)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Older stamps are of machines that did not know the time yet."""

_OFTEN = 0.2
"""From this part of all gaps on, those that are far longer than the rest are the rhythm, and the rest are runs of beats."""

_NEAT = (86_400.0, 3600.0, 900.0, 300.0, 60.0, 10.0, 1.0)
_NEAR = 0.02


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of an agent's logs."""

    beats: tuple[tuple[float, float], ...] = ()
    """Of each beat its stamp, and the instant until which it announced to be busy or else 0; Unix seconds, ascending."""
    untimed: int = 0
    """Beats whose time is not known, or cannot be."""
    cut: bool = False
    """Older beats were left out because the log is so long."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's silences, in a row. Durations in seconds; where it has active hours, seconds of these."""

    period: float
    """How often it beats: the median."""
    gaps: tuple[float, ...]
    """From each beat to the next, without those within a run of beats and those that the agent had announced."""
    days: float

    @property
    def beats(self) -> int:
        """How many beats, a run of them counting as one."""
        return len(self.gaps) + 1 if self.gaps else 0


# --- Reading ---------------------------------------------------------------------------------------------------------


async def read_logged(config: AgentConfig, latest: datetime, *, deadline: float = READ_DEADLINE) -> Logged:
    """The beats in all logs of an agent up to `latest`; raises OSError if one cannot be read, TimeoutError among others.

    Files that are touched have no history.
    """
    found = Logged()
    for source in config.sources:
        if isinstance(source, LogSource):
            more = await Gate(READS, deadline=deadline).run(_read, source.path, latest)
            beats = tuple(sorted((*found.beats, *more.beats)))
            found = Logged(beats=beats, untimed=found.untimed + more.untimed, cut=found.cut or more.cut)
    return found


def _read(path: Path, latest: datetime) -> Logged:
    beats: list[tuple[float, float]] = []
    untimed = 0
    with open_regular(path, os.O_RDONLY) as (fd, found):
        for raw in _lines(fd, max(0, found.st_size - MOST_BYTES), found.st_size):
            beat = parse_line(raw, seen=_UNTIMED)
            if not isinstance(beat, Beat):
                continue
            if _EARLIEST <= beat.stamp <= latest:
                until = beat.until.timestamp() if beat.status == "busy" and beat.until is not None else 0.0
                beats.append((beat.stamp.timestamp(), until))
            else:
                untimed += 1
    return Logged(beats=tuple(beats), untimed=untimed, cut=found.st_size > MOST_BYTES)


def _lines(fd: int, start: int, end: int) -> Iterator[bytes]:
    """The whole lines from `start` up to `end`; the one that begins before `start` is left out."""
    rest, at, torn = b"", start, start > 0
    while at < end and (chunk := os.pread(fd, min(_CHUNK, end - at), at)):
        at += len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        # A line too long to be valid must not be carried along whole.
        rest = rest[: MAX_BYTES + 1]
        if torn and lines:
            del lines[0]
            torn = False
        yield from (line for line in lines if line.strip())


# --- Rhythm ----------------------------------------------------------------------------------------------------------


def history_of(logged: Logged, hours: ActiveHours | None) -> History:
    """The silences between these beats."""
    pairs = list(pairwise(logged.beats))
    lengths = [_length(start, end, hours) for (start, _), (end, _) in pairs]
    period = rhythm(lengths)
    gaps = [
        length
        for length, ((start, until), _) in zip(lengths, pairs, strict=True)
        if length >= RUN * period and length > 0 and until <= start
    ]
    days = (logged.beats[-1][0] - logged.beats[0][0]) / 86_400.0 if pairs else 0.0
    return History(period=period, gaps=tuple(gaps), days=days)


def rhythm(gaps: Sequence[float]) -> float:
    """How often beats come that are this far apart: the median without runs of beats, made neat; 0 if nothing can be said."""
    found = [gap for gap in gaps if gap > 0]
    if not found:
        return 0.0
    import statistics  # with all that it loads, for a history only

    typical = statistics.median_low(found)
    far_longer = [gap for gap in found if gap * RUN >= typical]
    if len(far_longer) >= _OFTEN * len(found):
        # Every job beats when it starts and when it ends, and maybe in between.
        typical = statistics.median_low(far_longer)
    return _neat(statistics.median(gap for gap in found if gap >= RUN * typical))


def _neat(seconds: float) -> float:
    """The nearest whole number of the largest unit in which that is near enough."""
    for unit in _NEAT:
        rounded = round(seconds / unit) * unit
        if abs(rounded - seconds) <= _NEAR * seconds:
            return rounded
    return seconds


def _length(start: float, end: float, hours: ActiveHours | None) -> float:
    if hours is None:
        return end - start
    return active_seconds(hours, datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))
