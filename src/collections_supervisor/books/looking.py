"""What a look at the state folder has to know, and what is said of what cannot be looked at. Pure."""

import errno
import os
from collections.abc import Collection

import msgspec

from collections_supervisor.books.faults import Check, shown
from collections_supervisor.books.invoices import Rules
from collections_supervisor.messages import Finding
from collections_supervisor.system.files import cause_of

MOST = 1_000_000
"""Files of a collection: of more nothing is read, as they would fill the memory."""

YOUNG = 2.0
"""Seconds in which a second change may leave the same times behind: what is younger is not trusted to be known."""

NEVER = -1
"""The sign of what is to be looked at again in any case."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the state folder: what it has to know, and whom to ask whether it is still wanted."""

    rules: Rules
    young_ns: int
    """What was changed later may change again within the same tick of the clock of its disk."""
    full: bool
    again: Collection[str]
    """Files that are read in any case."""
    folders: Collection[str]
    """Folders whose files are all looked at in any case."""
    check: Check
    most: int = MOST

    def young(self, found: os.stat_result) -> bool:
        """Whether it was changed a moment ago, or later than now."""
        return found.st_ctime_ns > self.young_ns


def require_bounds(files: int, look: Look) -> None:
    """Raise OSError (EFBIG) if there are more files than can be kept."""
    if files > look.most:
        raise OSError(errno.EFBIG, f"holds more than {look.most} files")


def unreadable(path: str, why: str | OSError, advice: str) -> Finding:
    """That something is there and cannot be looked at."""
    detail = cause_of(why) if isinstance(why, OSError) else why
    return Finding(kind="unreadable_file", severity="error", path=shown(path), invoice=None, detail=detail, advice=advice)
