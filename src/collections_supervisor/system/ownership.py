"""Whose folders are: what root writes among another user's files is lost to that user, who may not even read it."""

import os
import pwd
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = 0


class Owner(NamedTuple):
    """A user to whom something belongs."""

    uid: int
    gid: int
    """The group of what belongs to him."""
    name: str | None
    """None where the system knows none."""

    def __str__(self) -> str:
        return self.name if self.name is not None else f"user {self.uid}"


class OthersFolderError(Exception):
    """Root is about to write where another user's supervisor, or agent, keeps its files."""

    def __init__(self, folder: Path, owner: Owner) -> None:
        self.owner = owner
        otherwise = "where all is to run as root, make it root's"
        self.fact = f"{folder} belongs to {owner}, who could not read what root writes there ({otherwise})"
        self.advice = f"as that user: {retyped(owner, typed())}"
        super().__init__(f"{self.fact}: nothing was done; {self.advice}")


def require_own(folder: Path, *, signs: Iterable[Path] = (), euid: int | None = None) -> None:
    """Raise OthersFolderError if root is about to make files in a folder of somebody else; nobody else can by mistake.

    `signs` are files by which root has worked there all along, if one of them is root's: in a container everybody is root,
    whoever the folder belongs to outside.
    """
    if (os.geteuid() if euid is None else euid) != ROOT or any(_is_roots(path) for path in signs):
        return
    owner = owner_of(folder)
    if owner is not None and owner.uid != ROOT:
        raise OthersFolderError(folder, owner)


def _is_roots(path: Path) -> bool:
    try:
        return path.lstat().st_uid == ROOT
    except OSError:
        return False


def owner_of(folder: Path) -> Owner | None:
    """Whose a folder is, of a missing one whose the nearest one above it is; None where that cannot be told."""
    for path in (folder, *folder.parents):
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:  # whoever uses it says so
            return None
        return Owner(found.st_uid, found.st_gid, _name_of(found.st_uid))
    return None


def _name_of(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def typed() -> Sequence[str]:
    """The command line of this program, as it can be typed again."""
    if os.access(sys.argv[0], os.X_OK):
        return sys.argv
    return [sys.executable, *sys.orig_argv[1:]]


def retyped(owner: Owner, argv: Sequence[str], *, platform: str = sys.platform) -> str:
    """The command line by which root does the same as that user."""
    if not platform.startswith("linux"):
        through = ["sudo", "-u", owner.name if owner.name is not None else f"#{owner.uid}", "--"]
    elif owner.name is not None:
        through = ["runuser", "-u", owner.name, "--"]
    else:
        through = ["setpriv", f"--reuid={owner.uid}", f"--regid={owner.gid}", "--clear-groups", "--"]
    return shlex.join([*through, *argv])
