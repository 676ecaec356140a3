"""The ledger on a real disk: rewritten while it is read, cut, empty, missing, or no file at all."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collections_supervisor.books.ledger_file import SIZE_LIMIT, LedgerFile
from collections_supervisor.books.records import Ledger

NOW = 1_800_000_000.0
ENTRY = "- `INV-{}` | $1,000.00 | Client | Status: unpaid\n"


def text(count: int) -> str:
    return "# Collections Ledger\n\n## Unpaid\n" + "".join(ENTRY.format(number) for number in range(count))


class StoppedError(Exception):
    """The reading is not wanted any more."""


class Sleeper:
    """Counts what is slept, and does something meanwhile."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.slept = 0.0
        self._meanwhile = meanwhile

    def __call__(self, seconds: float) -> None:
        self.slept += seconds
        self._meanwhile()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.md"


def write(path: Path, content: str, mtime: float = NOW - 60) -> None:
    path.write_text(content)
    os.utime(path, (mtime, mtime))


def read(file: LedgerFile, *, again: bool = False, now: float = NOW, sleep: Sleeper | None = None) -> Ledger:
    return file.read(now=now, again=again, check=lambda: None, sleep=sleep or Sleeper(lambda: pytest.fail("waited")))


def test_it_is_read_at_once_and_remembered(path: Path) -> None:
    write(path, text(3))
    file = LedgerFile(path)
    first = read(file)
    assert len(first.entries) == 3
    assert read(file) is first
    assert read(file, again=True) is not first
    assert read(file, again=True) == first


def test_what_was_changed_is_read_anew(path: Path) -> None:
    write(path, text(3))
    file = LedgerFile(path)
    read(file)
    write(path, text(3).replace("INV-1", "INV-9"), NOW - 59)
    assert [entry.number for entry in read(file).entries] == ["INV-0", "INV-9", "INV-2"]
    write(path, text(4), NOW - 59)
    assert len(read(file).entries) == 4


@pytest.mark.parametrize("age", [1.9, -30])
def test_a_young_one_is_not_trusted_to_be_known(path: Path, age: float) -> None:
    write(path, text(1), NOW - age)
    file = LedgerFile(path)
    read(file)
    write(path, text(1).replace("INV-0", "INV-1"), NOW - age)
    assert [entry.number for entry in read(file).entries] == ["INV-1"]


@pytest.mark.parametrize("content", ["", text(2).rstrip("\n")])
def test_one_that_looks_cut_is_believed_if_it_stays_so(path: Path, content: str) -> None:
    write(path, content)
    sleep = Sleeper()
    ledger = read(LedgerFile(path), sleep=sleep)
    assert ledger == Ledger(state="ok", entries=ledger.entries, changed=NOW - 60)
    assert len(ledger.entries) == (2 if content else 0)
    assert 1.0 < sleep.slept < 1.5


def test_one_that_is_being_written_is_read_once_it_is_whole(path: Path) -> None:
    write(path, text(5)[:-10])
    ledger = read(LedgerFile(path), sleep=Sleeper(lambda: write(path, text(5))))
    assert len(ledger.entries) == 5
    assert ledger.findings == ()


def test_one_that_is_cut_at_each_look_is_told_to_change_all_the_time(path: Path) -> None:
    write(path, "x")

    def grow() -> None:
        with path.open("a") as file:
            file.write("x")

    ledger = read(LedgerFile(path), sleep=Sleeper(grow))
    assert (ledger.state, ledger.entries) == ("unreadable", ())
    [finding] = ledger.findings
    assert (finding.kind, finding.severity, finding.path) == ("unreadable_file", "error", str(path))
    assert "changes all the time" in finding.detail


def test_waiting_can_be_stopped(path: Path) -> None:
    write(path, "x")
    calls = iter(range(3))

    def check() -> None:
        if next(calls, None) is None:
            raise StoppedError

    with pytest.raises(StoppedError):
        LedgerFile(path).read(now=NOW, check=check, sleep=Sleeper())


def test_a_missing_one_is_told_and_one_that_comes_back_is_read(path: Path) -> None:
    file = LedgerFile(path)
    ledger = read(file)
    assert (ledger.state, [(one.kind, one.severity, one.path) for one in ledger.findings]) == (
        "missing",
        [("ledger_missing", "error", str(path))],
    )
    write(path, text(1))
    assert len(read(file).entries) == 1
    path.unlink()
    assert read(file).state == "missing"


def _folder(path: Path) -> None:
    path.mkdir()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, SIZE_LIMIT + 1)


@pytest.mark.parametrize("make", [_folder, _fifo, _socket, _link_to_itself, _sparse])
def test_what_is_no_small_regular_file_is_unreadable(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    ledger = read(LedgerFile(path))
    assert ledger.state == "unreadable"
    assert [one.kind for one in ledger.findings] == ["unreadable_file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_one_that_may_not_be_read_is_unreadable(path: Path) -> None:
    write(path, text(1))
    path.chmod(0)
    assert read(LedgerFile(path)).state == "unreadable"


def test_a_name_that_is_not_utf_8_is_shown(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/l\xff\n.md"))
    [finding] = read(LedgerFile(path)).findings
    assert finding.path is not None
    assert finding.path.isprintable()
    finding.path.encode()


WRITER = """
import sys
path, versions = sys.argv[1], sys.argv[2:]
print("ready", flush=True)
while True:
    for version in versions:
        content = open(version).read()
        with open(path, "w") as file:
            file.write(content)
"""


@pytest.fixture
def writer(path: Path, tmp_path: Path) -> Iterator[None]:
    """Somebody who rewrites the ledger in place without a pause."""
    versions = [tmp_path / "one", tmp_path / "other"]
    for version, count in zip(versions, (300, 700), strict=True):
        version.write_text(text(count))
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), *map(str, versions)], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


@pytest.mark.usefixtures("writer")
def test_beside_a_tight_writer_nothing_false_is_found(path: Path) -> None:
    file = LedgerFile(path)
    while not path.exists():
        pass
    cut = 0
    for turn in range(3000):
        cut += not path.read_bytes().endswith(b"\n")
        ledger = file.read(now=NOW, check=lambda: None)
        assert (ledger.state, ledger.findings) == ("ok", ())
        if turn >= 50 and cut > 0:
            break
    assert cut > 0, "the writer was too slow to show anything"
