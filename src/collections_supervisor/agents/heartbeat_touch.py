"""Files whose newest modification time is the sign of life."""

import errno
import os
import stat
from contextlib import suppress
from datetime import datetime, timedelta
from glob import iglob
from itertools import islice
from pathlib import Path

import msgspec

from collections_supervisor.agents.heartbeat_line import from_nanoseconds
from collections_supervisor.messages import Now
from collections_supervisor.system.files import require_regular

MAX_MATCHES = 1000
"""Files that a pattern may match; with more the newest could be among those not looked at, and a live agent be taken for dead."""


class TouchMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of touched files after a look at them."""

    newest: datetime | None = None
    future: datetime | None = None
    future_seen: datetime | None = None
    ahead: dict[str, tuple[int, datetime]] = {}
    """Path to mtime in nanoseconds and first sight, of files then in the future; they stay so until touched again."""


def look_at_touched(pattern: str, memory: TouchMemory | None, *, now: Now, tolerance: timedelta) -> TouchMemory | None:
    """The modification times of a file, or of what a glob matches; None if there is none.

    Symbolic links and whatever else is not a regular file are passed over where a glob finds them beside regular ones. Raises
    OSError if nothing can be looked at, if nothing is a regular file, or if there are too many matches. Blocking.
    """
    files = _files(pattern)
    if not files:
        return None
    ahead = memory.ahead if memory is not None else {}
    limit = now.wall + tolerance
    still_ahead, good = {}, []
    for path, found in files.items():
        when, known = from_nanoseconds(found.st_mtime_ns), ahead.get(path)
        if known is not None and known[0] == found.st_mtime_ns:
            still_ahead[path] = known
        elif when > limit:
            still_ahead[path] = (found.st_mtime_ns, now.wall)
        else:
            good.append(when)
    latest = max(still_ahead.values(), key=lambda one: one[1], default=None)
    return TouchMemory(
        newest=max(good, default=None),
        future=from_nanoseconds(latest[0]) if latest else None,
        future_seen=latest[1] if latest else None,
        ahead=still_ahead,
    )


def _files(pattern: str) -> dict[str, os.stat_result]:
    """Path to status of every regular file that the pattern names."""
    literal = _status(pattern)
    if literal is not None:
        require_regular(Path(pattern), literal)
        return {pattern: literal}
    matches = list(islice(iglob(pattern), MAX_MATCHES + 1))  # noqa: PTH207 - Path.glob takes no absolute pattern
    if len(matches) > MAX_MATCHES:
        raise OSError(errno.E2BIG, f"more than {MAX_MATCHES} files match", pattern)
    if not matches:
        _require_listable(pattern)
    found = {path: status for path in matches if (status := _status(path)) is not None}
    regular = {path: status for path, status in found.items() if stat.S_ISREG(status.st_mode)}
    if found and not regular:
        path, status = next(iter(found.items()))
        require_regular(Path(path), status)
    return regular


def _status(path: str) -> os.stat_result | None:
    try:
        return Path(path).lstat()
    except FileNotFoundError:
        return None


def _require_listable(pattern: str) -> None:
    """Raise OSError if the folder in which the wildcards begin cannot be listed: a glob takes it for empty."""
    parts = Path(pattern).parts
    wild = (place for place, part in enumerate(parts) if set(part) & set("*?["))
    folder = Path(*parts[: next(wild, -1)])
    with suppress(FileNotFoundError):
        os.scandir(folder).close()
