"""Whether the mailer works in degraded mode, by the alert that it leaves in a folder that everybody may write to."""

import os
import re
from datetime import UTC
from pathlib import Path

from collections_supervisor.books.faults import shown
from collections_supervisor.books.times import from_text
from collections_supervisor.messages import Finding
from collections_supervisor.system.files import open_regular
from collections_supervisor.system.visible import one_line

SIZE_LIMIT = 8192
"""Bytes: a longer alert is none, and of the log of refreshed tokens only so much of the end is read."""

_TEXT_LIMIT = 200
_ALERT = b"DEGRADED_MODE ALERT"
_REFRESHED = b"TOKEN_REFRESH_AUDIT:"
# Without a zone nobody knows what a time in there means.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)")


def read_degraded(alert: Path, audit: Path, uid: int) -> Finding | None:
    """What is wrong if an alert of the user `uid` stands and no token was refreshed since, by `audit`; else None.

    The alert begins with a line that holds `DEGRADED_MODE ALERT`. A file of another user, or anything but a small regular file,
    says nothing: anybody could have left it. Blocking.
    """
    found = _read_own(alert, uid)
    if found is None or found[1].st_size > SIZE_LIMIT:
        return None
    data, status = found
    headline = data.partition(b"\n")[0]
    if _ALERT not in headline or _is_over(audit, uid, status.st_mtime):
        return None
    said = one_line(headline.decode("utf-8", "replace"))[:_TEXT_LIMIT]
    return Finding(
        kind="degraded_mode",
        severity="warning",
        path=shown(alert),
        invoice=None,
        detail=f"the mailer works in degraded mode: {said}",
        advice="renew the access of the mailer; this is over with the next token that it logs as refreshed",
    )


def _is_over(audit: Path, uid: int, since: float) -> bool:
    found = _read_own(audit, uid)
    if found is None:
        return False
    data, status = found
    before, _, last = data.rstrip().rpartition(b"\n")
    # The last line was written when the file was last changed, also if it does not say when.
    written = [_written(last, status.st_mtime), *(_written(line, 0.0) for line in before.split(b"\n"))]
    return max(written) > since


def _written(line: bytes, otherwise: float) -> float:
    """When a line about a refreshed token was written; 0 for any other line."""
    if _REFRESHED not in line:
        return 0.0
    found = _TIME.search(line.decode("utf-8", "replace"))
    at = from_text(found[0], UTC) if found else None
    return otherwise if at is None else at


def _read_own(path: Path, uid: int) -> tuple[bytes, os.stat_result] | None:
    """The end of a regular file of this user."""
    try:
        with open_regular(path, os.O_RDONLY) as (fd, status):
            if status.st_uid != uid:
                return None
            return os.pread(fd, SIZE_LIMIT, max(0, status.st_size - SIZE_LIMIT)), status
    except OSError:
        return None
