"""One folder of invoice files: what was read from it, and reading what has changed since."""

import errno
import os
from collections.abc import Collection
from itertools import islice
from operator import attrgetter

import msgspec

from collections_supervisor.books.faults import Check, shown
from collections_supervisor.books.invoice_file import UnusableError, read_invoice_file, sign
from collections_supervisor.books.invoices import ARCHIVE, Odd, Place, Rules, judge, place_of, stem
from collections_supervisor.books.records import Invoice
from collections_supervisor.messages import Finding
from collections_supervisor.system.files import cause_of

DEEPEST = 8
"""Folders below one another that are looked into."""

MOST = 1_000_000
"""Files of a collection: of more nothing is read, as they would fill the memory."""

YOUNG = 2.0
"""Seconds in which a second change may leave the same times behind: what is younger is not trusted to be known."""

_NEVER = -1
"""The sign of what is to be looked at again in any case."""

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
_BY_NAME = attrgetter("name")

Outcome = Invoice | Odd | None


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


class Folder:
    """What is known of one folder. Its invoices lie in lists, because a hundred thousand of them have to be kept."""

    def __init__(self, path: str, below: str, depth: int, *, linked: bool = False) -> None:
        """`path` as the system takes it, `below` from the state folder on; `linked`: a symbolic link leads to it."""
        self.path = path
        self.below = below
        self.depth = depth
        self.linked = linked
        self.place: Place = place_of(shown(below))
        self.invoices: list[Invoice] = []
        self.signs: list[int] = []
        self.odd: dict[str, tuple[int, Outcome]] = {}
        """Files that something is wrong with, or that are no invoices, or whose name cannot be shown as it is."""
        self.findings: list[Finding] = []
        """About what lies in it and is no file."""
        self.children: dict[str, Folder] = {}
        self.temps: list[str] = []
        self.unread = False
        """Something below it could not be looked into."""
        self.sign = _NEVER
        self.files_read = 0
        """At the last look."""

    @property
    def takes_links(self) -> bool:
        """Whether links to folders in it are followed: only those to clients."""
        return self.below in {"", ARCHIVE}

    def open(self) -> int:
        """A descriptor of it. Raises OSError."""
        return os.open(self.path, _FLAGS if self.linked else _FLAGS | os.O_NOFOLLOW)

    def is_known(self, found: os.stat_result, look: Look) -> bool:
        """Whether nothing in it was added, replaced or removed since it was read, by its own times."""
        return sign(found) == self.sign and shown(self.path) not in look.folders

    def read(self, fd: int, found: os.stat_result, look: Look) -> None:
        """Look at every file in it, and read those that may have changed. Raises OSError, and then knows what it knew before."""
        self.files_read = 0
        if self.is_known(found, look) and self._holds(fd):
            return
        reading = _Reading(self, fd, look)
        with os.scandir(fd) as entries:
            # By name, so that the same files always give the same report.
            reading.take_all(sorted(islice(entries, look.most + 1), key=_BY_NAME))
        self.invoices, self.signs, self.odd = reading.invoices, reading.signs, reading.odd
        self.findings, self.temps, self.unread = reading.findings, reading.temps, reading.unread
        self.children = reading.children
        self.files_read = reading.files_read
        self.sign = _NEVER if reading.unsettled or look.young(found) else sign(found)

    def _holds(self, fd: int) -> bool:
        """Whether each of its files is the one that was read."""
        try:
            return all(
                sign_ == sign(os.stat(one.file, dir_fd=fd, follow_symlinks=False))
                for one, sign_ in zip(self.invoices, self.signs, strict=True)
            ) and all(sign_ == sign(os.stat(name, dir_fd=fd, follow_symlinks=False)) for name, (sign_, _) in self.odd.items())
        except OSError:
            return False


class _Reading:
    """A folder being read."""

    def __init__(self, folder: Folder, fd: int, look: Look) -> None:
        self._folder = folder
        self._fd = fd
        self._look = look
        self.invoices: list[Invoice] = []
        self.signs: list[int] = []
        self.odd: dict[str, tuple[int, Outcome]] = {}
        self.findings: list[Finding] = []
        self.children: dict[str, Folder] = {}
        self.temps: list[str] = []
        self.unread = False
        self.unsettled = False
        """It must be looked at again, whatever its own times say."""
        self.files_read = 0

    def take_all(self, entries: Collection[os.DirEntry[str]]) -> None:
        require_bounds(len(entries), self._look)
        folder = self._folder
        known: dict[str, tuple[int, Outcome]] = dict(folder.odd)
        known.update({one.file: (sign_, one) for one, sign_ in zip(folder.invoices, folder.signs, strict=True)})
        for entry in entries:
            if (old := known.get(entry.name)) is not None and self._is_same(entry, old[0]):
                self._keep(entry.name, *old)
            else:
                self._take(entry)

    def _is_same(self, entry: os.DirEntry[str], old: int) -> bool:
        try:
            now = sign(entry.stat(follow_symlinks=False))
        except OSError:
            return False
        return now == old and not (self._look.again and shown(f"{self._folder.path}/{entry.name}") in self._look.again)

    def _take(self, entry: os.DirEntry[str]) -> None:
        name = entry.name
        if name.startswith("."):
            return
        if name.endswith(".json") and entry.is_file(follow_symlinks=False):
            self._read(name)
        elif entry.is_dir(follow_symlinks=False):
            self._descend(name, linked=False)
        elif entry.is_symlink() and (_leads_to_folder(entry) or not name.endswith(".json")):
            self._link(entry)
        elif name.endswith(".json"):
            self._keep(
                name, _NEVER, self._unusable(name, "is a symbolic link" if entry.is_symlink() else "is not a regular file")
            )
        elif name.endswith(".json.tmp") and entry.is_file(follow_symlinks=False):
            self.temps.append(name)
            self.unsettled = True

    # --- Files ---

    def _read(self, name: str) -> None:
        look = self._look
        look.check()
        self.files_read += 1
        try:
            data, found = read_invoice_file(self._fd, name)
        except FileNotFoundError:
            return  # moved to the archive since it was listed; the folder's own times say so
        except UnusableError as error:
            self._keep(name, _NEVER, self._unusable(name, str(error)))
            return
        outcome = judge(data, place=self._folder.place, file=_label(name), mtime=found.st_mtime, rules=look.rules)
        self._keep(name, _NEVER if look.young(found) else sign(found), outcome)

    def _keep(self, name: str, sign_: int, outcome: Outcome) -> None:
        if sign_ == _NEVER:
            self.unsettled = True
        if isinstance(outcome, Invoice) and outcome.file == name:
            self.invoices.append(outcome)
            self.signs.append(sign_)
        else:
            self.odd[name] = sign_, outcome

    def _unusable(self, name: str, why: str) -> Odd:
        return Odd(finding=unreadable(f"{self._folder.path}/{name}", why, "make it a regular file that this program may read"))

    # --- Folders ---

    def _descend(self, name: str, *, linked: bool) -> None:
        folder = self._folder
        path = f"{folder.path}/{name}"
        if folder.depth >= DEEPEST:
            self._refuse(path, f"lies more than {DEEPEST} folders deep", "move it up")
            return
        known = folder.children.get(name)
        below = f"{folder.below}/{name}" if folder.below else name
        fits = known is not None and known.linked == linked
        self.children[name] = known if known is not None and fits else Folder(path, below, folder.depth + 1, linked=linked)

    def _link(self, entry: os.DirEntry[str]) -> None:
        path = f"{self._folder.path}/{entry.name}"
        if not self._folder.takes_links:
            if _leads_to_folder(entry):
                self._refuse(path, "is a symbolic link to a folder, which is followed for clients only", "move the folder here")
        elif _leads_to_folder(entry):
            self._descend(entry.name, linked=True)
        elif not os.path.exists(path):  # noqa: PTH110 - a name that is not UTF-8, as the system gave it
            self._refuse(path, "is a symbolic link to nothing that can be reached", "restore what it leads to, or remove it")

    def _refuse(self, path: str, why: str, advice: str) -> None:
        self.findings.append(unreadable(path, why, advice))
        self.unread = True
        # What a link leads to comes and goes without a trace here.
        self.unsettled = True


def require_bounds(files: int, look: Look) -> None:
    """Raise OSError (EFBIG) if there are more files than can be kept."""
    if files > look.most:
        raise OSError(errno.EFBIG, f"holds more than {look.most} files")


def unreadable(path: str, why: str | OSError, advice: str) -> Finding:
    """That something is there and cannot be looked at."""
    detail = cause_of(why) if isinstance(why, OSError) else why
    return Finding(kind="unreadable_file", severity="error", path=shown(path), invoice=None, detail=detail, advice=advice)


def _leads_to_folder(link: os.DirEntry[str]) -> bool:
    try:
        return link.is_dir()
    except OSError:
        return False  # around in a circle, or where nobody may look


def _label(name: str) -> str:
    return name if name.isprintable() else shown(name)


def silenced(folder: Folder, name: str) -> frozenset[str]:
    """How the ledger may call an invoice whose file cannot be read."""
    label = stem(_label(name))
    return frozenset({label, folder.place.below + label})
