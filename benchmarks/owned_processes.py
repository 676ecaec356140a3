"""How fast, how cheaply and how surely children are kept running, beside other supervisors.

    python -m benchmarks.owned_processes [--sizes 10,100,500] [--idle 120] [--repeats 3] [--only NAME,...] [--json FILE]

All in one run, one after the other, with the same children: shells that say that they are there and become `sleep`. The
supervisors that pip and Debian have are fetched into a temporary folder. Every figure is the median over the repeats; on a
machine with other work even that wanders, so what counts is how they compare.

Restart: from SIGKILL of a child to the first word of its successor. Each child is killed once in ten seconds at the most, so
that nobody's brake against children that die young is measured. CPU and PSS: of the supervisor and all its helpers, without the
children. Crash: ten children that talk ten times a second, each with a grandchild in a session of its own; half of them
are killed, then the supervisor is, and it is started again.
"""

import argparse
import json
import math
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.owned_rivals import S6, Children, Circus, Naive, Ours, Rival, Runit, Supervisord, install, paths

MARK = "OWNED_PROCESSES_BENCHMARK"
CHILD = ["sleep", "100000"]
GRANDCHILD = ["sleep", "100001"]
DEADLINE = 120.0
LONGEST_STOP = 300.0
SETTLED = 10.5
"""Seconds without a kill after which each of these takes a child for settled."""
QUIET = 12.0
"""Seconds between the last kill and the idle time: by then all have put down what the kills were."""
KILLS = 100
ROUNDS = 3
SLOWEST = 30.0
"""How many children are killed, in how many rounds at the most, and the seconds that all this may take."""
TALKERS = 10
RIVALS: tuple[type[Rival], ...] = (Ours, Supervisord, Circus, Runit, S6, Naive)
COLUMNS = {
    "n": "N",
    "up_s": "all up s",
    "kills": "kills",
    "p50_ms": "restart p50 ms",
    "p99_ms": "p99 ms",
    "cpu_s": "idle CPU s",
    "pss_mib": "PSS MiB",
    "stop_s": "stop s",
    "left": "left",
}
CRASH_COLUMNS = {"duplicates": "duplicates", "lost": "lines lost", "said": "of", "orphans": "orphans"}


def processes() -> Iterator[tuple[int, list[str]]]:
    """The living processes of this benchmark, by their environment, with their commands."""
    mark = f"{MARK}={os.getpid()}".encode()
    for name in os.listdir("/proc"):  # noqa: PTH208 - a Path for each process would cost more than reading it
        if name.isdigit():
            with suppress(OSError):
                if mark in Path(f"/proc/{name}/environ").read_bytes():
                    command = Path(f"/proc/{name}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
                    if command:
                        yield int(name), command


def supervisors() -> list[int]:
    """Those that are no children."""
    return [pid for pid, command in processes() if command not in (CHILD, GRANDCHILD) and "talker" not in str(command)]


def until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} within {seconds:g} s")
        time.sleep(0.005)


class Roll:
    """The pipe into which each child says its name and number when it is there."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDWR)
        self._rest = b""
        self.pids: dict[str, int] = {}

    def read(self) -> tuple[str, float]:
        """The next child, and when it was heard."""
        while b"\n" not in self._rest:
            self._rest += os.read(self._fd, 4096)
        heard = time.monotonic()
        line, _, self._rest = self._rest.partition(b"\n")
        name, pid = line.decode().split()
        self.pids[name] = int(pid)
        return name, heard

    def close(self) -> None:
        os.close(self._fd)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """End what waits for a child that never comes."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"not within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def environment(tools: Path) -> dict[str, str]:
    return {**os.environ, **paths(tools), MARK: str(os.getpid())}


def restarts(roll: Roll, names: Sequence[str], within: float) -> list[float]:
    """Milliseconds that each of these takes to be there again; of those that are killed within so many seconds."""
    took: list[float] = []
    end = time.monotonic() + within
    for name in names:
        if time.monotonic() > end:
            break
        killed = time.monotonic()
        os.kill(roll.pids[name], signal.SIGKILL)
        while (heard := roll.read())[0] != name:
            pass
        took.append((heard[1] - killed) * 1000)
        time.sleep(0.03)
    return took


def cpu_seconds(pids: Sequence[int]) -> float:
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            members = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(members[11]) + int(members[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def pss_mib(pids: Sequence[int]) -> float:
    total = 0
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def percentile(values: Sequence[float], share: float) -> float:
    """By the nearest rank."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def measure(kind: type[Rival], size: int, tools: Path, idle: float) -> dict[str, float]:
    """All figures of one supervisor with so many children."""
    with tempfile.TemporaryDirectory(prefix="owned-") as name:
        folder = Path(name)
        roll = Roll(folder / "roll")
        names = [f"child-{number:03}" for number in range(size)]
        rival = kind(folder, tools)
        rival.configure(Children(names, f'echo "$0 $$" > {folder}/roll; exec {" ".join(CHILD)}'))
        began = time.monotonic()
        main = rival.start(environment(tools))
        try:
            with deadline(DEADLINE):
                while len(roll.pids) < size:
                    roll.read()
            up = time.monotonic() - began
            took: list[float] = []
            for _ in range(min(ROUNDS, math.ceil(KILLS / size))):
                time.sleep(SETTLED)
                with deadline(SLOWEST + DEADLINE):
                    took += restarts(roll, names[:KILLS], SLOWEST - sum(took) / 1000)
            time.sleep(QUIET)
            pids = supervisors()
            before = cpu_seconds(pids)
            time.sleep(idle)
            cpu = cpu_seconds(pids) - before
            pss = pss_mib(pids)
            stopped = time.monotonic()
            main.send_signal(kind.stop_signal)
            main.wait(LONGEST_STOP)
            with suppress(TimeoutError):
                until(lambda: not any(command == CHILD for _, command in processes()), "end of all", 15)
            stop = time.monotonic() - stopped
            return {
                "n": size,
                "up_s": up,
                "kills": len(took),
                "p50_ms": percentile(took, 0.5),
                "p99_ms": percentile(took, 0.99),
                "cpu_s": cpu,
                "pss_mib": pss,
                "stop_s": stop,
                "left": len(list(processes())),
            }
        finally:
            clean_up(main)
            roll.close()


def clean_up(main: subprocess.Popen[bytes]) -> None:
    """Kill what is left, the supervisors first."""
    while found := list(processes()):
        for pid in (*supervisors(), *(pid for pid, _ in found)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        main.poll()
        time.sleep(0.05)
    main.wait(DEADLINE)


def crash(kind: type[Rival], tools: Path) -> dict[str, float]:
    """What the death of a supervisor costs."""
    with tempfile.TemporaryDirectory(prefix="owned-") as name:
        folder = Path(name)
        (folder / "said").mkdir()
        script = (
            f"setsid {' '.join(GRANDCHILD)} & talker=$0; n=0; while :; do n=$((n+1)); "
            f'echo "$0 $$ line $n" && echo $n >> {folder}/said/$0.$$; sleep 0.1; done'
        )
        rival = kind(folder, tools)
        names = [f"talker-{number}" for number in range(TALKERS)]
        rival.configure(Children(names, script))
        main = rival.start(environment(tools))
        try:
            until(lambda: len(talkers()) == TALKERS, "talkers")
            time.sleep(11)
            for pid in list(talkers())[: TALKERS // 2]:
                os.kill(pid, signal.SIGKILL)
            time.sleep(6)
            main.kill()
            main.wait()
            time.sleep(3)
            main = rival.start(environment(tools))
            time.sleep(8)
            duplicates = sum(count - 1 for count in Counter(talkers().values()).values())
            main.send_signal(kind.stop_signal)
            main.wait(DEADLINE)
            time.sleep(3)
            orphans = len(list(processes()))
            said, lost = account(folder, rival.printed() if kind.logs_output else None)
            return {
                "duplicates": duplicates,
                "lost": lost,
                "said": said,
                "orphans": orphans,
            }
        finally:
            clean_up(main)


def talkers() -> dict[int, str]:
    """The talking children by number, with their names."""
    return {pid: command[-1] for pid, command in processes() if command[0] == "sh" and command[-1].startswith("talker-")}


def account(folder: Path, printed: str | None) -> tuple[int, int]:
    """How many lines were said, and how many of them nobody has: -1 if nobody was to keep them."""
    said = [(path.name, line) for path in (folder / "said").iterdir() for line in path.read_text().split()]
    if printed is None:
        return len(said), -1
    known = Counter[tuple[str, str]]()
    for line in printed.splitlines():
        words = (json.loads(line)["message"] if line.startswith("{") else line).split()
        if len(words) == 4 and words[2] == "line":
            known[f"{words[0]}.{words[1]}", words[3]] += 1
    lost = [one for one in said if one not in known]
    for name, line in lost[:10]:
        print(f"lost: line {line} of {name}", file=sys.stderr)
    return len(said), len(lost)


def median_of(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def shown(value: float) -> str:
    if value == -1:
        return "-"
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}" if value < 1 else f"{value:.1f}"


def table(columns: dict[str, str], rows: Sequence[dict[str, Any]]) -> str:
    lines = [f"| supervisor | {' | '.join(columns.values())} |", "|---|" + "---|" * len(columns)]
    lines += [f"| {row['name']} | {' | '.join(shown(row[key]) for key in columns)} |" for row in rows]
    return "\n".join(lines)


def attempt(work: Callable[[], dict[str, float]], what: str) -> dict[str, float] | None:
    try:
        return work()
    except (OSError, TimeoutError, subprocess.TimeoutExpired) as error:
        print(f"{what}: {error}", file=sys.stderr)
        return None


def main() -> None:
    """Measure all and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10,100,500")
    parser.add_argument("--idle", type=float, default=120.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", default="")
    options = parser.parse_args()
    kinds = [kind for kind in RIVALS if not options.only or kind.name in options.only.split(",")]
    rows: list[dict[str, Any]] = []
    crashes: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="rivals-") as name:
        tools = Path(name)
        missing = install(tools) if set(kinds) - {Naive} else {}
        for kind, why in missing.items():
            print(f"{kind.name} cannot be had: {why}", file=sys.stderr)
        kinds = [kind for kind in kinds if kind not in missing]
        for size in map(int, filter(None, options.sizes.split(","))):
            found: dict[type[Rival], list[dict[str, float]]] = {kind: [] for kind in kinds}
            for number in range(options.repeats):
                for kind in kinds:
                    what = f"{kind.name}, {size} children, run {number + 1}"
                    row = attempt(lambda kind=kind, size=size: measure(kind, size, tools, options.idle), what)  # type: ignore[misc]
                    if row is not None:
                        print(f"{what}: {json.dumps(row)}", file=sys.stderr)
                        found[kind].append(row)
            rows += [{"name": kind.name, **median_of(some)} for kind, some in found.items() if some]
        for kind in kinds:
            row = attempt(lambda kind=kind: crash(kind, tools), f"crash of {kind.name}")  # type: ignore[misc]
            if row is not None:
                crashes.append({"name": kind.name, **row})
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    load = f"load {os.getloadavg()[1]:.1f}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {load}; median of {options.repeats}, idle {options.idle:g} s\n")
    print(table(COLUMNS, rows), table(CRASH_COLUMNS, crashes), sep="\n\n")
    if options.json:
        Path(options.json).write_text(json.dumps({"machine": machine, "rows": rows, "crashes": crashes}, indent=1))


if __name__ == "__main__":
    main()
