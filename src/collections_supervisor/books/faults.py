"""Findings about files that are not invoices, and how a path stands in one. Pure."""

from collections.abc import Callable
from pathlib import Path

from collections_supervisor.messages import Finding
from collections_supervisor.system.files import cause_of
from collections_supervisor.system.visible import one_line

Check = Callable[[], None]
"""Called every now and then by whoever reads long; raises to have the reading stopped."""


def shown(path: Path | str) -> str:
    """A path as people can find it; what is not Unicode is escaped, and nothing disturbs the line it stands in. Never raises."""
    return one_line(str(path).encode("utf-8", "backslashreplace").decode())


def unreadable(path: Path, cause: OSError | str, *, folder: bool = False) -> Finding:
    """That a file or folder which is there could not be used."""
    return Finding(
        kind="unreadable_file",
        severity="error",
        path=shown(path),
        invoice=None,
        detail=f"cannot be read: {cause if isinstance(cause, str) else cause_of(cause)}",
        advice=f"make it a {'folder' if folder else 'regular file'} that this program may read, "
        "or correct the path in the configuration",
    )
