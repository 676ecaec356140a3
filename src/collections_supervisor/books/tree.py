"""The state folder: every invoice file in it, remembered from look to look. Blocking; one caller at a time."""

import os
import time
from collections.abc import Callable, Collection, Iterable
from itertools import chain
from operator import is_
from pathlib import Path

from collections_supervisor.books.faults import Check, shown
from collections_supervisor.books.folder import Folder, silenced
from collections_supervisor.books.invoices import Odd, Rules
from collections_supervisor.books.looking import MOST, NEVER, YOUNG, Look, require_bounds, unreadable
from collections_supervisor.books.records import Invoice, Scan
from collections_supervisor.messages import Finding

_APART = 0.15
"""Seconds between two looks at a temporary file: a writer that lives replaces the invoice with it at once."""

_ADVICE = "give this program the right to read it, or look at the disk or the network that it lies on"
_ROOT_ADVICE = "make it a folder that this program may read, or correct books.state_dir"


class StateTree:
    """The invoice files of a collection.

    Between full sweeps a folder whose own times are the same is taken to hold what it held: an invoice is replaced by renaming,
    which changes them, and only an edit in place does not. A full sweep finds what a first look would find.
    """

    def __init__(
        self, folder: Path, *, currency: str, verify: bool, pause: Callable[[float], object] = time.sleep, most: int = MOST
    ) -> None:
        """`currency` is that of invoices that name none; `verify`: check the checksums of what is read."""
        self._most = most
        self._rules = Rules(root=shown(folder), currency=currency, verify=verify)
        self._path = str(folder)
        self._pause = pause
        self._root = Folder(self._path, "", 0, linked=True)
        self._invoices: tuple[Invoice, ...] = ()
        self._parts: dict[str, tuple[Invoice, ...]] = {}

    def scan(self, *, now: float, full: bool, again: Collection[str] = (), check: Check) -> Scan:
        """Look at everything; raises what `check` raises, and goes on where it was at the next call.

        `now` is the wall clock's time, `full` a sweep over all files. Files and folders in `again`, named as findings name them,
        are looked at anew in any case.
        """
        named = frozenset(again)
        folders = named | {path.rpartition("/")[0] for path in named}
        look = Look(
            rules=self._rules,
            young_ns=int((now - YOUNG) * 1e9),
            full=full,
            again=named,
            folders=folders,
            check=check,
            most=self._most,
        )
        walk = _Walk(look, self._path)
        try:
            walk.begin(self._root)
        except FileNotFoundError:
            self._root = Folder(self._path, "", 0, linked=True)
            return Scan(state="missing", findings=(_missing(self._rules.root),), complete=False)
        except OSError as error:
            self._root = Folder(self._path, "", 0, linked=True)
            return Scan(state="unreadable", findings=(unreadable(self._path, error, _ROOT_ADVICE),), complete=False)
        temps = walk.left_over(self._pause)
        if walk.strays:
            walk.parts[""] = tuple(walk.strays)
        if not _same_objects(walk.parts, self._parts):
            self._parts, self._invoices = walk.parts, tuple(chain.from_iterable(walk.parts.values()))
        return Scan(
            state="ok",
            invoices=self._invoices,
            parts=self._parts,
            findings=(*walk.findings, *temps),
            silenced=frozenset(walk.silenced),
            complete=walk.complete,
            files=walk.files,
            read=walk.read,
            changed=walk.changed or None,
        )


class _Walk:
    """One walk over all folders, and what it has found so far."""

    def __init__(self, look: Look, root: str) -> None:
        self._look = look
        self._root = os.path.realpath(root)
        self._seen: set[tuple[int, int]] = set()
        self._links: list[Folder] = []
        self._temps: list[str] = []
        self.parts: dict[str, tuple[Invoice, ...]] = {}
        """By the path of their folder."""
        self.strays: list[Invoice] = []
        """Those whose folder does not have them in its list."""
        self.findings: list[Finding] = []
        self.silenced: set[str] = set()
        self.complete = True
        self.files = 0
        self.read = 0
        self.changed = 0.0

    def begin(self, root: Folder) -> None:
        """Walk over all. Raises OSError if the state folder itself cannot be looked at."""
        if self._visit(root):
            self._gather(root)
            self._enter(root.children.values())
        # Last, so that what a link leads to within the state folder is found in its own place.
        while self._links:
            self._enter([self._links.pop(0)], follow=True)

    def _enter(self, folders: Iterable[Folder], *, follow: bool = False) -> None:
        for folder in folders:
            if folder.linked and not follow:
                self._links.append(folder)
                continue
            try:
                fresh = self._visit(folder)
            except (FileNotFoundError, NotADirectoryError) as error:
                if folder.linked:
                    self._lost(folder, error)
                continue  # gone since its parent was listed
            except OSError as error:
                self._lost(folder, error)
                continue
            if fresh:
                self._gather(folder)
                self._enter(folder.children.values())

    def _visit(self, folder: Folder) -> bool:
        """Bring what is known of a folder up to date; False if the same one was met already. Raises OSError."""
        self._look.check()
        if not self._look.full and folder.sign != NEVER:
            found = os.stat(folder.path, follow_symlinks=folder.linked)  # noqa: PTH116 - the path as the system gave it
            if folder.is_known(found, self._look):
                folder.files_read = 0
                return self._is_new(found)
        fd = folder.open()
        try:
            found = os.fstat(fd)
            if not self._is_new(found):
                return False
            folder.read(fd, found, self._look)
        finally:
            os.close(fd)
        return True

    def _is_new(self, found: os.stat_result) -> bool:
        place = (found.st_dev, found.st_ino)
        if place in self._seen:
            return False
        self._seen.add(place)
        return True

    def _lost(self, folder: Folder, error: OSError) -> None:
        self.findings.append(unreadable(folder.path, error, _ADVICE))
        self.complete = False

    def _gather(self, folder: Folder) -> None:
        if folder.invoices:
            self.parts[folder.path] = folder.invoices
        self.findings.extend(folder.findings)
        self.files += len(folder.invoices)
        self.read += folder.files_read
        self.changed = max(self.changed, folder.changed)
        self._temps.extend(f"{folder.path}/{name}" for name in folder.temps)
        self.complete = self.complete and not folder.unread
        for name, (_, outcome) in folder.odd.items():
            if isinstance(outcome, Invoice):
                self.strays.append(outcome)
            elif outcome is None:
                continue
            else:
                self._odd(folder, name, outcome)
            self.files += 1
        require_bounds(self.files, self._look)

    def _odd(self, folder: Folder, name: str, odd: Odd) -> None:
        self.findings.append(odd.finding)
        if odd.invoice is None:
            self.silenced |= silenced(folder, name)
        else:
            self.strays.append(odd.invoice)

    # --- Temporary files ---

    def left_over(self, pause: Callable[[float], object]) -> list[Finding]:
        """Temporary files that nobody is writing: the same at two looks."""
        first = {path: _state(path) for path in self._temps}
        if any(state is not None and self._look.young(state) for state in first.values()):
            pause(_APART)
        self._look.check()
        return [_left_over(path) for path, state in first.items() if state is not None and _same(state, _state(path))]


def _same_objects(one: dict[str, tuple[Invoice, ...]], other: dict[str, tuple[Invoice, ...]]) -> bool:
    return one.keys() == other.keys() and all(map(is_, one.values(), map(other.get, one)))


def _state(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _same(one: os.stat_result, other: os.stat_result | None) -> bool:
    return other is not None and (one.st_ino, one.st_mtime_ns) == (other.st_ino, other.st_mtime_ns)


def _left_over(path: str) -> Finding:
    detail = "a temporary file that nobody is writing: its writer died before the invoice was replaced"
    advice = "compare it with the invoice beside it, and remove it"
    return Finding(kind="left_over_temp", severity="warning", path=shown(path), invoice=None, detail=detail, advice=advice)


def _missing(root: str) -> Finding:
    detail = "there is no folder of invoices here"
    advice = "restore it, or correct books.state_dir"
    return Finding(kind="state_missing", severity="error", path=root, invoice=None, detail=detail, advice=advice)
