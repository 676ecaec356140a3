"""What an audit of the books costs: beside reading every file once, on the event loop meanwhile, in memory, and of long logs.

    python -m benchmarks.books [--invoices 100000] [--folder DIR] [--rounds 7] [--json]

The floor is what any audit must do the first time: list every folder and read every file. It is measured before each audit in the
same round; a figure is the least of all rounds over the least floor, as the machine has others to serve. The books are made up,
agree to the cent and lie in DIR, by default in memory (/dev/shm) where that has room, else in the temporary folder; everything is
removed at the end. Each audit takes place five minutes after the last, as far as it is told; so no file is too young to be known.
The last line is JSON; with --json it is the only one.
"""

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
from benchmarks.books_lag import measure_lag
from benchmarks.books_logs import measure_activity_log, measure_heartbeat_log
from benchmarks.books_tree import Tree, pend

from collections_supervisor.books.audit import Audit, Books

INTERVAL = timedelta(minutes=5)
BYTES_A_FILE = 4096
LOG_LINES = 1_000_000
FOLDERS = 20


class Figure(NamedTuple):
    """One line of the table."""

    name: str
    value: float
    target: float | None
    unit: str
    absolute: str = ""

    @property
    def reached(self) -> str:
        return "" if self.target is None else "yes" if self.value <= self.target else "NO"


class Audits:
    """Audits of one tree, each five minutes after the last."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._ahead = INTERVAL
        self.books = self.anew()

    def anew(self, *, verify: bool = False) -> Books:
        """Nothing is remembered any more."""
        self.books = Books(msgspec.structs.replace(self._tree.config, verify_checksums=verify), UTC)
        return self.books

    def audit(self, *, full: bool) -> Audit:
        """One that must find nothing wrong, and so does not pause for a second look."""
        self._ahead += INTERVAL
        found = self.books.audit(datetime.now(UTC) + self._ahead, full=full, check=lambda: None, pause=refuse_to_pause)
        if found.findings or found.told.books is None:
            raise SystemExit(f"the books were to agree: {found.told}")
        return found


def refuse_to_pause(_: float) -> None:
    raise SystemExit("the audit looked a second time: the books were to agree")


def floor(folder: Path) -> None:
    """List every folder and read every file, no more."""
    folders = [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    fd = os.open(entry.path, os.O_RDONLY)
                    os.read(fd, 1 << 16)
                    os.close(fd)


def look_at_all(folder: Path) -> None:
    """List every folder and stat every file, no more: the least that a sweep can do."""
    folders = [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)


# --- Audits beside the floor ---


def measure_audits(tree: Tree, rounds: int) -> tuple[list[Figure], float]:
    """Each kind of audit, in rounds; and the floor."""
    audits = Audits(tree)
    measures: dict[str, tuple[float | None, Callable[[], object], Callable[[], object]]] = {
        "first audit, with checksums": (3.2, partial(audits.anew, verify=True), partial(audits.audit, full=True)),
        "first audit": (2.3, audits.anew, partial(audits.audit, full=True)),
        "unchanged, between sweeps": (0.05, lambda: None, partial(audits.audit, full=False)),
        "unchanged, full sweep": (0.65, lambda: None, partial(audits.audit, full=True)),
        f"1 % changed in {FOLDERS} folders": (0.15, partial(tree.change, 0.01, FOLDERS), partial(audits.audit, full=False)),
        "1 % changed, in all folders": (0.6, partial(tree.change, 0.01), partial(audits.audit, full=False)),
        "(scandir and stat of every file)": (None, lambda: None, partial(look_at_all, tree.state)),
    }
    floors: list[float] = []
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, (_target, prepare, run) in measures.items():
            floors.append(timed(partial(floor, tree.state)))
            prepare()
            taken[name].append(timed(run))
    least = min(floors)
    return [
        Figure(name, min(taken[name]) / least, target, "floors", f"{min(taken[name]) * 1000:.1f} ms")
        for name, (target, *_) in measures.items()
    ], least


def timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


# --- Memory ---


def measure_memory(tree: Tree) -> list[Figure]:
    """By a process of its own, which has nothing else to remember."""
    command = [sys.executable, "-m", "benchmarks.books", "--memory-of", str(tree.folder)]
    here = Path(__file__).parents[1]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=here).stdout)
    return [
        Figure("RSS growth, after several audits", found["after"], 64.0, "MiB", f"peak {found['peak']:.1f} MiB"),
        Figure("RSS growth, at its peak", found["peak"], 64.0, "MiB"),
    ]


def print_memory(folder: Path) -> None:
    """What the books take, in MiB: two sweeps, and audits between them that find changes."""
    tree = Tree(folder, 0)
    audits = Audits(tree)
    files = [path for folder in tree.state.iterdir() if folder.is_dir() for path in islice(folder.glob("*.json"), 10)]
    before = memory("VmRSS")
    for full in (True, False, False, True, False):
        audits.audit(full=full)
        for path in files:
            pend(path)
    print(json.dumps({"after": memory("VmRSS") - before, "peak": memory("VmHWM") - before}))


def memory(what: str) -> float:
    with Path("/proc/self/status").open() as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{what}:"))


# --- All of it ---


@contextmanager
def place(wanted: Path | None, invoices: int) -> Iterator[Path]:
    """A new folder, removed at the end."""
    parent = wanted
    if parent is None:
        shared = Path("/dev/shm")
        roomy = shared.is_dir() and shutil.disk_usage(shared).free > 3 * invoices * BYTES_A_FILE
        parent = shared if roomy else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="books-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--invoices", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where the books are made; a new folder in it is removed at the end")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print the JSON alone")
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        print_memory(options.memory_of)
        return 0
    with place(options.folder, options.invoices) as folder:
        tree = Tree(folder / "books", options.invoices)
        tree.write()
        # What the tree remembers is no part of the program: its garbage collector must not go through it again and again.
        gc.collect()
        gc.freeze()
        figures, least = measure_audits(tree, options.rounds)
        figures += [Figure(*row) for row in measure_lag(tree.config)] + measure_memory(tree)
        figures += [Figure(*row) for row in (*measure_activity_log(folder, LOG_LINES), *measure_heartbeat_log(folder, LOG_LINES))]
    load = round(os.getloadavg()[0], 1)
    if not options.json:
        print(
            f"{options.invoices} invoices in {len(tree.folders)} folders below {folder.parent}; floor {least:.3f} s; load {load}"
        )
        print_table(figures)
    rows = [{**figure._asdict(), "value": round(figure.value, 4), "reached": figure.reached} for figure in figures]
    result = {"benchmark": "books", "invoices": options.invoices, "floor_s": round(least, 4), "load": load, "figures": rows}
    print(json.dumps(result))
    return 0


def print_table(figures: list[Figure]) -> None:
    print(f"{'':<36}{'FIGURE':>8} {'TARGET':>7}  {'':<7}{'REACHED':<9}ABSOLUTE")
    for figure in figures:
        target = "" if figure.target is None else f"{figure.target:g}"
        print(f"{figure.name:<36}{figure.value:>8.3f} {target:>7}  {figure.unit:<7}{figure.reached:<9}{figure.absolute}")


if __name__ == "__main__":
    sys.exit(main())
