"""The state folder, looked at again and again while it changes: real files, real links, real folders."""

import json
import os
from collections.abc import Callable, Collection
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collections_supervisor.books.folder import DEEPEST
from collections_supervisor.books.records import Scan
from collections_supervisor.books.tree import StateTree


class StoppedError(Exception):
    """The reading is not wanted any more."""


def content(number: str = "INV-1", amount: object = 5.0, **members: Any) -> bytes:
    return json.dumps({"number": number, "amount": amount, "status": "unpaid", **members}).encode()


def nothing(_seconds: float) -> None:
    """Nobody waits here."""


class World:
    """A state folder and its reader."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pauses: list[float] = []
        self.during_pause: Callable[[], object] = lambda: None
        self.on_check: Callable[[], None] = lambda: None
        self.tree = self.fresh()

    def fresh(self, **settings: Any) -> StateTree:
        return StateTree(self.root, currency="USD", verify=True, pause=self._pause, **settings)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.during_pause()

    def write(self, path: str, data: bytes | None = None) -> Path:
        """In place, as an editor may."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content(target.stem) if data is None else data)
        return target

    def replace(self, path: str, data: bytes) -> None:
        """By renaming, as the agents do."""
        self.write(f"{path}.tmp", data).replace(self.root / path)

    def scan(
        self, *, later: float = 60.0, full: bool = False, again: Collection[Path] = (), tree: StateTree | None = None
    ) -> Scan:
        """A look so many seconds after the last change."""
        now = max((path.lstat().st_ctime for path in [self.root, *self.root.rglob("*")] if os.path.lexists(path)), default=0.0)
        self._await_tick(now)
        reader = tree or self.tree
        return reader.scan(now=now + later, full=full, again=[str(path) for path in again], check=self.on_check)

    def _await_tick(self, last: float) -> None:
        """Have the next change be of another time: this reader is made to believe that all changes are long ago."""
        probe = self.root.with_name("probe")
        while True:
            probe.touch()
            if probe.stat().st_ctime > last:
                return

    def amounts(self, **how: Any) -> dict[str, object]:
        return {invoice.path: invoice.amount for invoice in self.scan(**how).invoices}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "state")
    made.root.mkdir()
    return made


def found(scan: Scan, root: Path) -> list[tuple[str, str]]:
    return [(finding.kind, finding.path.removeprefix(f"{root}/")) for finding in scan.findings if finding.path is not None]


# --- Again and again -------------------------------------------------------------------------------------------------


def test_what_did_not_change_is_not_read_again(world: World) -> None:
    for path in ("a/1.json", "a/b/2.json", "archive/a/3.json", "4.json", "a/bad.json"):
        world.write(path, b"{" if "bad" in path else None)
    first = world.scan()
    assert (first.files, first.read, len(first.invoices), len(first.findings)) == (5, 5, 4, 1)
    for full in (False, True):
        later = world.scan(full=full)
        assert later.read == 0
        assert (later.files, later.findings, list(later.invoices)) == (first.files, first.findings, list(first.invoices))


def test_an_invoice_that_was_replaced_is_read_and_no_other(world: World) -> None:
    world.write("a/1.json")
    world.write("a/2.json")
    world.scan()
    world.replace("a/1.json", content("1", 7))
    assert world.scan().read == 1
    assert world.amounts() == {"a/1.json": 700, "a/2.json": 500}


def test_an_edit_in_place_is_seen_by_a_full_sweep(world: World) -> None:
    path = world.write("a/1.json", content("1", 5.0))
    bad = world.write("a/bad.json", b"{")
    world.scan()
    path.write_bytes(content("1", 12345.0))
    assert world.amounts() == {"a/1.json": 500}, "the folder is as it was, and nobody looked further"
    bad.write_bytes(content("2", 3.0))
    assert world.amounts(full=True) == {"a/1.json": 1234500, "a/bad.json": 300}


def test_what_is_named_is_read_in_any_case(world: World) -> None:
    path, other = world.write("a/1.json"), world.write("a/2.json")
    world.scan()
    path.write_bytes(content("1", 12345.0))
    other.write_bytes(content("2", 12345.0))
    seen = world.scan(again=[path])
    assert seen.read == 2, "a named file has its whole folder looked at"
    assert world.scan(again=[path]).read == 1, "and is itself read although it is the same"
    assert world.scan(again=[world.root / "a"]).read == 0


def test_what_is_younger_than_two_seconds_is_not_trusted_to_be_known(world: World) -> None:
    world.write("a/1.json")
    assert [world.scan(later=later).read for later in (1.9, 1.9, 2.1, 2.1)] == [1, 1, 1, 0]


def test_a_folder_that_changed_less_than_two_seconds_ago_is_not_trusted_either(world: World) -> None:
    path, other = world.write("a/1.json"), world.write("a/2.json")
    world.scan()
    other.unlink()
    world.scan(later=1.999)
    path.write_bytes(content("1", 12345.0))
    assert world.amounts() == {"a/1.json": 1234500}


def test_what_moves_to_the_archive_moves_here_too(world: World) -> None:
    path = world.write("a/1.json")
    world.scan()
    (world.root / "archive/a").mkdir(parents=True)
    path.rename(world.root / "archive/a/1.json")
    assert world.amounts() == {"archive/a/1.json": 500}
    (world.root / "archive/a/1.json").unlink()
    assert world.amounts() == {}


def test_a_reading_that_was_stopped_is_taken_up_again(world: World) -> None:
    for number in range(5):
        world.write(f"{number}/x.json")
    calls = iter(range(4))

    def stop() -> None:
        if next(calls, None) is None:
            raise StoppedError

    world.on_check = stop
    with pytest.raises(StoppedError):
        world.scan()
    world.on_check = lambda: None
    assert len(world.amounts()) == 5


# --- What goes while it is looked at ---------------------------------------------------------------------------------


def at_call(number: int, do: Callable[[], None]) -> Callable[[], None]:
    """Calls `do` at one of the calls: the reader checks before it opens anything, the state folder first."""
    calls = count(1)
    return lambda: do() if next(calls) == number else None


def test_a_file_that_goes_between_listing_and_opening_is_no_finding(world: World) -> None:
    path = world.write("a/1.json")
    world.write("a/2.json")
    world.on_check = at_call(3, path.unlink)
    seen = world.scan()
    assert ([invoice.path for invoice in seen.invoices], seen.findings, seen.complete) == (["a/2.json"], (), True)


def test_a_folder_that_goes_between_listing_and_opening_is_no_finding(world: World) -> None:
    world.write("b/1.json")
    folder = world.root / "a"
    folder.mkdir()
    world.on_check = at_call(2, folder.rmdir)
    seen = world.scan()
    assert ([invoice.path for invoice in seen.invoices], seen.findings, seen.complete) == (["b/1.json"], (), True)
    assert not folder.exists()


# --- What lies in the way --------------------------------------------------------------------------------------------


def test_no_folder_is_one_finding_until_it_is_there(world: World) -> None:
    world.write("a/1.json")
    world.scan()
    world.root.rename(world.root.with_name("elsewhere"))
    missing = world.scan()
    assert (missing.state, [one.kind for one in missing.findings], missing.complete) == ("missing", ["state_missing"], False)
    world.root.write_text("a file")
    odd = world.scan()
    assert (odd.state, [(one.kind, one.path) for one in odd.findings]) == ("unreadable", [("unreadable_file", str(world.root))])
    assert odd.findings[0].advice == "make it a folder that this program may read, or correct books.state_dir"
    world.root.unlink()
    world.root.with_name("elsewhere").rename(world.root)
    assert world.amounts() == {"a/1.json": 500}


def test_a_link_to_a_client_is_followed_and_what_was_met_already_is_not_counted_twice(world: World) -> None:
    elsewhere = world.root.with_name("elsewhere")
    elsewhere.mkdir()
    (elsewhere / "1.json").write_bytes(content())
    world.write("acme/2.json")
    (world.root / "archive").mkdir()
    for link, target in (("a", elsewhere), ("b", elsewhere), ("0", world.root / "acme"), ("archive/c", elsewhere), ("d", ".")):
        (world.root / link).symlink_to(target)
    seen = world.scan()
    assert ([invoice.path for invoice in seen.invoices], seen.findings, seen.complete) == (["acme/2.json", "a/1.json"], (), True)


def test_links_to_nowhere_are_named_and_hide_nothing_else(world: World) -> None:
    world.write("acme/1.json")
    for link, target in (("around", "around"), ("gone", "nowhere"), ("through", "/dev/null/x"), ("x.json", "x.json")):
        (world.root / link).symlink_to(target)
    (world.root / "note").symlink_to("acme/1.json")
    seen = world.scan()
    assert found(seen, world.root) == [("unreadable_file", name) for name in ("around", "gone", "through", "x.json")]
    assert [invoice.path for invoice in seen.invoices] == ["acme/1.json"]
    assert not seen.complete, "a client may lie behind it"
    (world.root / "nowhere").mkdir()
    (world.root / "nowhere/2.json").write_bytes(content())
    assert ("unreadable_file", "gone") not in found(world.scan(), world.root)


def test_a_link_below_a_client_is_named_and_not_followed(world: World) -> None:
    world.write("acme/1.json")
    (world.root / "acme/more").symlink_to("..")
    (world.root / "acme/around").symlink_to("around")
    seen = world.scan()
    assert found(seen, world.root) == [("unreadable_file", "acme/more")]
    assert not seen.complete


def test_folders_are_looked_into_to_a_certain_depth(world: World) -> None:
    deepest = "/".join("abcdefgh"[:DEEPEST])
    world.write(f"{deepest}/in.json")
    world.write(f"{deepest}/i/out.json")
    seen = world.scan()
    assert [invoice.name for invoice in seen.invoices] == ["in.json"]
    assert (found(seen, world.root), seen.complete) == ([("unreadable_file", f"{deepest}/i")], False)


def test_more_files_than_can_be_kept_are_not_read(world: World) -> None:
    for number in range(4):
        world.write(f"{'ab'[number // 3]}/{number}.json")
    assert len(world.scan(tree=world.fresh(most=4)).invoices) == 4
    many = world.scan(tree=world.fresh(most=3))
    assert (many.state, many.invoices, [finding.path for finding in many.findings]) == ("unreadable", (), [str(world.root)])
    assert many.findings[0].detail == "holds more than 3 files"
    crowd = world.scan(tree=world.fresh(most=2))
    assert found(crowd, world.root) == [("unreadable_file", "a")], "the rest is read"
    assert ([invoice.path for invoice in crowd.invoices], crowd.complete) == (["b/3.json"], False)


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 30)


@pytest.mark.parametrize("make", [os.mkfifo, sparse])
def test_what_cannot_be_read_silences_its_line(world: World, make: Callable[[Path], None]) -> None:
    world.write("acme/1.json")
    make(world.root / "acme/INV-9.json")
    for _ in range(2):
        seen = world.scan()
        assert (found(seen, world.root), seen.silenced) == ([("unreadable_file", "acme/INV-9.json")], frozenset({"INV-9"}))
        assert (seen.files, len(seen.invoices), seen.complete) == (2, 1, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
@pytest.mark.parametrize("mode", [0o000, 0o600])
def test_a_folder_that_may_not_be_looked_into_is_named_until_it_may(world: World, mode: int) -> None:
    path = world.write("locked/1.json")
    world.write("open/2.json")
    path.parent.chmod(mode)
    try:
        seen = world.scan()
        assert set(found(seen, world.root)) <= {("unreadable_file", "locked"), ("unreadable_file", "locked/1.json")}
        assert len(seen.findings) == 1
        assert [invoice.path for invoice in seen.invoices] == ["open/2.json"]
        assert "1" in seen.silenced or not seen.complete
    finally:
        path.parent.chmod(0o700)
    assert set(world.amounts()) == {"locked/1.json", "open/2.json"}


# --- Temporary files -------------------------------------------------------------------------------------------------


def test_a_temporary_file_is_left_over_if_it_is_the_same_twice(world: World) -> None:
    temp = world.write("acme/1.json.tmp", b"{")
    old = world.scan()
    assert (found(old, world.root), world.pauses) == ([("left_over_temp", "acme/1.json.tmp")], [])
    assert [one.severity for one in old.findings] == ["warning"]
    young = world.scan(later=0.0)
    assert found(young, world.root) == [("left_over_temp", "acme/1.json.tmp")]
    assert [pause >= 0.1 for pause in world.pauses] == [True], "a writer that lives gets the time to go on"
    world.during_pause = lambda: temp.rename(temp.with_suffix(""))
    assert found(world.scan(later=0.0), world.root) == []


@pytest.mark.parametrize("change", ["written on", "written anew"])
def test_a_temporary_file_that_changes_is_somebodys(world: World, change: str) -> None:
    temp = world.write("acme/1.json.tmp", b"{")

    def work() -> None:
        if change == "written anew":
            other = temp.with_name("other")
            other.write_bytes(b"{")
            os.utime(other, ns=(temp.stat().st_atime_ns, temp.stat().st_mtime_ns))
            other.replace(temp)
        else:
            os.utime(temp, (1, 1))

    world.during_pause = work
    assert found(world.scan(later=0.0), world.root) == []


# --- Whatever happens ------------------------------------------------------------------------------------------------

places = st.sampled_from(["1.json", "a/1.json", "a/2.json", "b/1.json", "b/n/1.json", "archive/a/1.json", "manual/1.json"])


class Changes:
    """Changes, no two of which leave files of one size: their times are as coarse as the ticks of a kernel."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.number = 0

    def apply(self, change: str, place: str) -> None:
        """Do it, where it can be done."""
        self.number += 1
        path = self.world.root / place
        getattr(self, change)(path, place)

    def _content(self, place: str) -> bytes:
        return content(place, self.number, note="x" * self.number)

    def _clear_way(self, path: Path) -> None:
        if path.is_fifo():
            path.unlink()

    def edit(self, path: Path, place: str) -> None:
        self._clear_way(path)
        self.world.write(place, self._content(place))

    def replace(self, path: Path, place: str) -> None:
        self.world.replace(place, self._content(place))

    def spoil(self, path: Path, place: str) -> None:
        self._clear_way(path)
        self.world.write(place, self._content(place)[:-1])

    def mark(self, path: Path, place: str) -> None:
        self._clear_way(path)
        self.world.write(place, b"\xef\xbb\xbf" + self._content(place))

    def remove(self, path: Path, place: str) -> None:
        path.unlink(missing_ok=True)

    def archive(self, path: Path, place: str) -> None:
        target = self.world.root / "archive" / place
        if path.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)

    def touch(self, path: Path, place: str) -> None:
        if path.exists():
            os.utime(path, (self.number, self.number))

    def fifo(self, path: Path, place: str) -> None:
        if path.parent.is_dir() and not path.exists():
            os.mkfifo(path)

    def temp(self, path: Path, place: str) -> None:
        self.world.write(f"{place}.tmp", b"x" * self.number)

    def link(self, path: Path, place: str) -> None:
        link = self.world.root / f"link-{place[0]}"
        if not link.is_symlink():
            link.symlink_to(place.rpartition("/")[0] or "nowhere")

    def clear(self, path: Path, place: str) -> None:
        for file in list(path.parent.glob("*.json*")):
            file.unlink()


changes = st.sampled_from(["edit", "replace", "spoil", "mark", "remove", "archive", "touch", "fifo", "temp", "link", "clear"])


def answer(scan: Scan) -> object:
    invoices = sorted(scan.invoices, key=lambda invoice: invoice.path)
    findings = sorted(scan.findings, key=lambda finding: (finding.kind, finding.path or ""))
    return scan.state, invoices, findings, scan.silenced, scan.complete, scan.files


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(changes, places, st.booleans()), min_size=1, max_size=25))
def test_right_after_a_sweep_nothing_tells_that_anything_was_remembered(steps: list[tuple[str, str, bool]]) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder) / "state")
        world.root.mkdir()
        story = Changes(world)
        for change, place, looks in steps:
            story.apply(change, place)
            if looks:
                world.scan()
        assert answer(world.scan(full=True)) == answer(world.scan(full=True, tree=world.fresh()))
        # Whatever it was, a look that is no sweep changes nothing of it.
        assert answer(world.scan()) == answer(world.scan(full=True, tree=world.fresh()))
