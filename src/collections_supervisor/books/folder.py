"""One folder of invoice files: what was read from it, and reading what has changed since."""

import os
from array import array
from collections.abc import Sequence
from itertools import compress, count, islice
from operator import attrgetter, ne

from collections_supervisor.books.faults import Check, shown
from collections_supervisor.books.invoice_file import UnusableError, read_invoice_file, sign, signs
from collections_supervisor.books.invoices import ARCHIVE, Odd, Place, judge, place_of, stem
from collections_supervisor.books.looking import NEVER, Look, require_bounds, unreadable
from collections_supervisor.books.records import Invoice
from collections_supervisor.books.steps import in_steps
from collections_supervisor.messages import Finding

DEEPEST = 8
"""Folders below one another that are looked into."""

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
_BY_NAME = attrgetter("name")

Outcome = Invoice | Odd | None


class Folder:
    """What is known of one folder.

    Its invoices lie in a tuple, because there may be a hundred thousand: the garbage collector, for which all threads wait, goes
    through lists again and again, and through a tuple of what it need not know only once.
    """

    def __init__(self, path: str, below: str, depth: int, *, linked: bool = False) -> None:
        """`path` as the system takes it, `below` from the state folder on; `linked`: a symbolic link leads to it."""
        self.path = path
        self.below = below
        self.depth = depth
        self.linked = linked
        self.place: Place = place_of(shown(below))
        self.invoices: tuple[Invoice, ...] = ()
        self.signs = array("q")
        self.odd: dict[str, tuple[int, Outcome]] = {}
        """Files that something is wrong with, or that are no invoices, or whose name cannot be shown as it is."""
        self.findings: list[Finding] = []
        """About what lies in it and is no file."""
        self.children: dict[str, Folder] = {}
        self.temps: list[str] = []
        self.unread = False
        """Something below it could not be looked into."""
        self.sign = NEVER
        self.files_read = 0
        """At the last look."""
        self.changed = 0.0
        """The newest mtime of the files that were read, in seconds of the epoch; 0 if none was."""

    @property
    def takes_links(self) -> bool:
        """Whether links to folders in it are followed: only those to clients."""
        return self.below in {"", ARCHIVE}

    def open(self) -> int:
        """A descriptor of it. Raises OSError."""
        return os.open(self.path, _FLAGS if self.linked else _FLAGS | os.O_NOFOLLOW)

    def is_known(self, found: os.stat_result, look: Look) -> bool:
        """Whether nothing in it was added, replaced or removed since it was read, by its own times."""
        return sign(found) == self.sign and not (look.folders and shown(self.path) in look.folders)

    @property
    def names(self) -> list[str]:
        """Of its invoices, in their order."""
        return [one.file or f"{one.number}.json" for one in self.invoices]

    def read(self, fd: int, found: os.stat_result, look: Look) -> None:
        """Look at every file in it, and read those that may have changed. Raises OSError, and then knows what it knew before."""
        self.files_read = 0
        if self.is_known(found, look) and self._holds(fd, look.check):
            return
        reading = _Reading(self, fd, look)
        with os.scandir(fd) as entries:
            # By name, so that the same files always give the same report.
            ordered = sorted(islice(entries, look.most + 1), key=_BY_NAME)
        if not reading.take_changed(ordered):
            reading.take_all(ordered)
        self.invoices, self.signs, self.odd = tuple(reading.invoices), reading.signs, reading.odd
        self.findings, self.temps, self.unread = reading.findings, reading.temps, reading.unread
        self.children = reading.children
        self.files_read = reading.files_read
        self.changed = max(self.changed, reading.changed)
        self.sign = NEVER if reading.unsettled or look.young(found) else sign(found)

    def _holds(self, fd: int, check: Check) -> bool:
        """Whether each of its files is the one that was read."""
        names = in_steps([*self.names, *self.odd], check)
        try:
            return signs(fd, names) == self.signs + array("q", [sign_ for sign_, _ in self.odd.values()])
        except OSError:
            return False


class _Reading:
    """A folder being read."""

    def __init__(self, folder: Folder, fd: int, look: Look) -> None:
        self._folder = folder
        self._fd = fd
        self._look = look
        self.invoices: list[Invoice] = []
        self.signs = array("q")
        self.odd: dict[str, tuple[int, Outcome]] = {}
        self.findings: list[Finding] = []
        self.children: dict[str, Folder] = {}
        self.temps: list[str] = []
        self.unread = False
        self.unsettled = False
        """It must be looked at again, whatever its own times say."""
        self.files_read = 0
        self.changed = 0.0

    def take_changed(self, entries: Sequence[os.DirEntry[str]]) -> bool:
        """Take a folder of the same invoices as before and nothing else, some of them replaced; False for any other.

        Most that changes is like this, and costs a third of what `take_all` does.
        """
        folder, look = self._folder, self._look
        if not folder.invoices or look.folders or [entry.name for entry in entries] != folder.names:
            return False
        try:
            found = array("q", [sign(entry.stat(follow_symlinks=False)) for entry in in_steps(entries, look.check)])
        except OSError:
            return False
        end = 0
        for place in compress(count(), map(ne, found, folder.signs)):
            self._keep_from(end, place)
            self._take(entries[place], folder.invoices[place])
            end = place + 1
        self._keep_from(end, len(found))
        return True

    def _keep_from(self, start: int, end: int) -> None:
        """Keep these invoices of the folder as they are known."""
        self.invoices += self._folder.invoices[start:end]
        self.signs += self._folder.signs[start:end]

    def take_all(self, entries: Sequence[os.DirEntry[str]]) -> None:
        """Take whatever the folder holds."""
        require_bounds(len(entries), self._look)
        folder = self._folder
        known: dict[str, tuple[int, Outcome]] = dict(folder.odd)
        known.update(zip(folder.names, zip(folder.signs, folder.invoices, strict=True), strict=True))
        for entry in entries:
            old = known.get(entry.name)
            if old is not None and self._is_same(entry, old[0]):
                self._keep(entry.name, *old)
            else:
                self._take(entry, None if old is None else old[1])

    def _is_same(self, entry: os.DirEntry[str], old: int) -> bool:
        try:
            now = sign(entry.stat(follow_symlinks=False))
        except OSError:
            return False
        return now == old and not (self._look.again and shown(f"{self._folder.path}/{entry.name}") in self._look.again)

    def _take(self, entry: os.DirEntry[str], old: Outcome) -> None:
        name = entry.name
        if name[0] == ".":
            return
        if name[-5:] == ".json" and entry.is_file(follow_symlinks=False):
            self._read(name, old)
        elif entry.is_dir(follow_symlinks=False):
            self._descend(name, linked=False)
        elif entry.is_symlink() and (_leads_to_folder(entry) or not name.endswith(".json")):
            self._link(entry)
        elif name.endswith(".json"):
            self._keep(name, NEVER, self._unusable(name, "is a symbolic link" if entry.is_symlink() else "is not a regular file"))
        elif name.endswith(".json.tmp") and entry.is_file(follow_symlinks=False):
            self.temps.append(name)
            self.unsettled = True

    # --- Files ---

    def _read(self, name: str, old: Outcome) -> None:
        look = self._look
        look.check()
        self.files_read += 1
        try:
            data, found = read_invoice_file(self._fd, name)
        except FileNotFoundError:
            return  # moved to the archive since it was listed; the folder's own times say so
        except UnusableError as error:
            self._keep(name, NEVER, self._unusable(name, str(error)))
            return
        file = name if name.isprintable() else shown(name)
        self.changed = max(self.changed, found.st_mtime)
        outcome = judge(data, place=self._folder.place, file=file, mtime=found.st_mtime, rules=look.rules)
        if old is not None and outcome == old:
            outcome = old  # one object for one invoice: whoever has worked with it need not do so again
        if file is name and isinstance(outcome, Invoice) and found.st_ctime_ns <= look.young_ns:
            self.invoices.append(outcome)
            self.signs.append(sign(found))
        else:
            self._keep(name, NEVER if look.young(found) else sign(found), outcome)

    def _keep(self, name: str, sign_: int, outcome: Outcome) -> None:
        if sign_ == NEVER:
            self.unsettled = True
        if isinstance(outcome, Invoice) and name.isprintable():
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
