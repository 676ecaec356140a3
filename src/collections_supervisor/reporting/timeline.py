"""The last 24 hours as a picture and as a sentence: bars for an agent's states, a line for a queue's depth. Pure.

Inline SVG made of digits and words of our own. A bar's height and its gaps tell its state as well as its colour does. One unit
across is five minutes: finer than a pixel on most screens.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from collections_supervisor.messages import QueueSample, StateRun

DAY = timedelta(hours=24)
WIDTH = 288
HEIGHT = 24
_UNIT = DAY.total_seconds() / WIDTH

HEIGHTS: dict[str, int] = {
    "not_watched": 2,
    "healthy": 6,
    "paused": 4,
    "late": 10,
    "unknown": 12,
    "restarting": 14,
    "unhealthy": 18,
    "escalated": 24,
}
"""The height of each state's bars, in the order in which they are drawn: what is worse covers what is better."""


def length(seconds: float) -> str:
    """How long something lasted, in hours and minutes: `23 h 10 min`, `40 min`, `9 s`."""
    if seconds < 60:
        return f"{int(seconds)} s"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return " ".join([*([f"{hours} h"] if hours else []), *([f"{minutes} min"] if minutes else [])])


def merged(runs: Iterable[StateRun], now: datetime) -> list[tuple[str, datetime, datetime]]:
    """The states of the 24 hours before `now`, oldest first, neighbours that are the same made one."""
    found: list[tuple[str, datetime, datetime]] = []
    for run in runs:
        since, until = max(run.since, now - DAY), min(run.until, now)
        if since >= until:
            continue
        if found and found[-1][0] == run.status and found[-1][2] >= since:
            since = found.pop()[1]
        found.append((run.status, since, until))
    return found


def summary(runs: Sequence[StateRun], now: datetime) -> str:
    """What the bars show, spoken: `24 hours: healthy 23 h 10 min, escalated 40 min, not watched 10 min`."""
    lasted: dict[str, float] = {}
    for status, since, until in merged(runs, now):
        lasted[status] = lasted.get(status, 0.0) + (until - since).total_seconds()
    unknown = DAY.total_seconds() - sum(lasted.values())
    if unknown >= 60:
        lasted["no record"] = unknown
    longest = sorted(lasted.items(), key=lambda item: -item[1])
    return "24 hours: " + ", ".join(f"{status.replace('_', ' ')} {length(seconds)}" for status, seconds in longest)


def bars(runs: Sequence[StateRun], now: datetime) -> str:
    """The timeline of one agent; the page's style gives each state its colour, height and gaps."""
    drawn: dict[str, list[tuple[int, int]]] = {status: [] for status in HEIGHTS}
    for status, since, until in merged(runs, now):
        start, end = _across(since, now), _across(until, now)
        if start == end and status != "healthy":
            # However short, it happened.
            start, end = min(start, WIDTH - 1), min(start, WIDTH - 1) + 1
        if start < end:
            spans = drawn[status]
            drawn[status] = [*spans[:-1], (spans[-1][0], end)] if spans and spans[-1][1] >= start else [*spans, (start, end)]
    paths = "".join(
        f'<path class="{status}" d="{_strokes(HEIGHTS[status], spans)}"/>' for status, spans in drawn.items() if spans
    )
    return _picture("bars", summary(runs, now), paths)


def line(samples: Sequence[QueueSample], limit: int, now: datetime) -> str:
    """The depth of one queue below its limit; nothing is drawn for a time in which nobody looked."""
    seen = sorted((sample for sample in samples if now - DAY <= sample.at <= now), key=lambda sample: sample.at)
    top = max([limit, 1, *(sample.depth for sample in seen)])
    path = "".join(_area(part, top, now) for part in _unbroken(seen, now))
    ceiling = HEIGHT - round(limit / top * (HEIGHT - 2))
    return _picture("depth", _spoken(seen, now), f'<path class="limit" d="M0 {ceiling}h{WIDTH}"/><path d="{path}"/>')


def _spoken(seen: Sequence[QueueSample], now: datetime) -> str:
    if not seen:
        return "24 hours: no record"
    depths = [sample.depth for sample in seen]
    since = f", on record for {length((now - seen[0].at).total_seconds())}" if now - seen[0].at < DAY * 0.95 else ""
    return f"24 hours: from {min(depths):,} to {max(depths):,} waiting{since}"


def _across(instant: datetime, now: datetime) -> int:
    return WIDTH - round((now - instant).total_seconds() / _UNIT)


def _strokes(height: int, spans: Iterable[tuple[int, int]]) -> str:
    """Thick horizontal strokes that stand on the ground; each step but the first is told from the end of the one before."""
    path, at = "", 0
    for start, end in spans:
        path += f"m{start - at} 0" if path else f"M{start} {HEIGHT - height // 2}"
        path += f"h{end - start}"
        at = end
    return path


def _unbroken(seen: Sequence[QueueSample], now: datetime) -> Iterator[list[tuple[QueueSample, datetime]]]:
    """The samples, each with the instant until which it holds, parted where nobody looked for long."""
    gaps = [(later.at - former.at).total_seconds() for former, later in pairwise(seen)]
    if not seen:
        return
    from statistics import median  # with all that it brings: most fleets have no queues

    longest = timedelta(seconds=2 * median(gaps) + 300) if gaps else timedelta(minutes=20)
    part: list[tuple[QueueSample, datetime]] = []
    for sample, following in zip(seen, [*(later.at for later in seen[1:]), now], strict=True):
        part.append((sample, min(following, sample.at + longest)))
        if following > part[-1][1]:
            yield part
            part = []
    if part:
        yield part


def _area(part: Sequence[tuple[QueueSample, datetime]], top: int, now: datetime) -> str:
    at = _across(part[0][0].at, now)
    path = f"M{at} {HEIGHT}"
    for sample, until in part:
        # A single message is not nothing.
        level = HEIGHT - (max(1, round(sample.depth / top * (HEIGHT - 2))) if sample.depth else 0)
        end = max(at + 1, _across(until, now))
        path += f"V{level}h{end - at}"
        at = end
    return f"{path}V{HEIGHT}z"


def _picture(kind: str, spoken: str, paths: str) -> str:
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none"'
    return f'<svg class="{kind}" {size} role="img" aria-label="{spoken}">{paths}</svg>'
