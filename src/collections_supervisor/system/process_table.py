"""The kernel's list of processes: who exists, who descends from whom, who carries one of our marks.

Linux is read through /proc, other systems through `ps`. A pid alone names nothing, since the kernel gives numbers out again:
together with the start time it names one process for as long as the machine is up.
"""

import contextlib
import os
import re
import subprocess  # noqa: TID251 - `ps` is the only source where there is no /proc, and it is called from worker threads only
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

MARKER_VARIABLE = "COLLECTIONS_SUPERVISOR_ACTION_ID"
"""The environment variable that every process of a tree inherits; its value is the tree's marker."""

_MARKER = b"\0" + MARKER_VARIABLE.encode() + b"="
_MARKER_IN_PS = re.compile(rf"\s{MARKER_VARIABLE}=(\S+)")
_STAT_LIMIT = 4096
_ENVIRON_LIMIT = 8 << 20  # the kernel takes at most 6 MiB of arguments and environment together
_UNREADABLE = b"\0"
_EXEC_TIME = 0.005
_EXEC_LOOKS = 2
"""A process that is just becoming another program has no environment for an instant: look again, so often, after so long."""
_PS_TIMEOUT = 5.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_KIB = 1024


class Facilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel offers; each has a fallback, which is used where it is False."""

    pidfd: bool
    procfs: bool


HERE = Facilities(pidfd=hasattr(os, "pidfd_open"), procfs=Path("/proc/self/stat").exists())
"""What this machine has."""


STARTED: dict[int, int] = {}
"""The commands that we started and whose status nobody has taken yet, with their start times."""


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list. `start_time` is in clock ticks since boot (Linux) or seconds since 1970 (elsewhere)."""

    pid: int
    parent: int
    group: int
    session: int
    start_time: int
    exited: bool
    """It has ended and only waits for its parent to take its status (a zombie)."""
    rss: int = 0
    """Bytes that it has in memory, those that it shares with others included."""


def start_time(pid: int, facilities: Facilities = HERE) -> int | None:
    """When the kernel started this process, also of a zombie; None if there is no such process.

    Costs one small read on Linux and a run of `ps` elsewhere: call it from a worker thread there. Raises OSError when no file
    descriptor is left to ask with.
    """
    found = _find(pid, facilities)
    return None if found is None else found.start_time


def is_alive(pid: int, start_time: int, facilities: Facilities = HERE) -> bool:
    """Whether exactly this process still runs; False for a zombie and for another process with the same number.

    Costs and raises what `start_time` does.
    """
    found = _find(pid, facilities)
    return found is not None and found.start_time == start_time and not found.exited


def read_table(facilities: Facilities = HERE) -> dict[int, Process]:
    """Every process by its pid. We are always in it: an empty table means that it could not be read."""
    processes = _from_procfs() if facilities.procfs else _from_ps("-ax")
    try:
        return {process.pid: process for process in processes}
    except OSError:  # no descriptor left: half a table would pass for the news that the rest has ended
        return {}


def read_markers(pids: Iterable[int], facilities: Facilities = HERE) -> dict[int, str]:
    """The markers of those of `pids` that carry one and let us see it.

    Reading another process's memory may block for as long as that process holds a lock on it: give it a deadline.
    """
    if not facilities.procfs:
        wanted = set(pids)
        return {pid: marker for pid, marker in _markers_from_ps() if pid in wanted}
    environments = {pid: _read_environment(pid) for pid in pids}
    for _ in range(_EXEC_LOOKS):
        if empty := [pid for pid, environment in environments.items() if environment == b""]:
            time.sleep(_EXEC_TIME)
            environments.update((pid, _read_environment(pid)) for pid in empty)
    return {pid: marker for pid, environment in environments.items() if (marker := _marker_in(environment))}


def _find(pid: int, facilities: Facilities) -> Process | None:
    if facilities.procfs:
        return _read_stat(pid)
    return next(_from_ps("-p", str(pid)), None)


def _from_procfs() -> Iterator[Process]:
    # For every process of the machine: a Path for each would cost more than reading it.
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and (process := _read_stat(int(name))) is not None:
            yield process


def _read_stat(pid: int) -> Process | None:
    try:
        text = _read(f"/proc/{pid}/stat", _STAT_LIMIT)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The second member is the program's name in parentheses, which may itself hold spaces, parentheses and newlines.
    members = text.rpartition(b")")[2].split()
    state, threads = members[0], int(members[17])
    return Process(
        pid=pid,
        parent=int(members[1]),
        group=int(members[2]),
        session=int(members[3]),
        start_time=int(members[19]),
        # A process whose first thread has ended looks like a zombie while its other threads run on.
        exited=state in b"ZXx" and threads <= 1,
        rss=int(members[21]) * _PAGE,
    )


def _read_environment(pid: int) -> bytes:
    try:
        return _read(f"/proc/{pid}/environ", _ENVIRON_LIMIT)
    except OSError:  # gone, or somebody else's
        return _UNREADABLE


def _marker_in(environment: bytes) -> str:
    return os.fsdecode((b"\0" + environment).partition(_MARKER)[2].partition(b"\0")[0])


def _read(path: str, limit: int) -> bytes:
    """A file of /proc, which the kernel gives in one piece."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, limit)
    finally:
        os.close(file)


def _from_ps(*selection: str) -> Iterator[Process]:
    for line in run_ps(*selection, "-o", "pid=,ppid=,pgid=,stat=,rss=,lstart="):
        pid, parent, group, state, rss, *started = line.split()
        # `ps` prints no usable session everywhere, the kernel tells it; a process that has just gone leaves the table.
        with contextlib.suppress(OSError):
            yield Process(
                pid=int(pid),
                parent=int(parent),
                group=int(group),
                session=os.getsid(int(pid)),
                start_time=int(datetime.strptime(" ".join(started), "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC).timestamp()),
                exited=state.startswith("Z"),
                rss=int(rss) * _KIB,
            )


def _markers_from_ps() -> Iterator[tuple[int, str]]:
    for line in run_ps("axeww", "-o", "pid=,command="):
        pid, _, rest = line.strip().partition(" ")
        if pid.isdigit() and (found := _MARKER_IN_PS.search(rest)):
            yield int(pid), found[1]


def run_ps(*arguments: str) -> list[str]:
    """The lines that `ps` prints; none if it does not work."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    try:
        listing = subprocess.run(
            ["ps", *arguments],  # noqa: S607 - where `ps` lies differs between systems
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PS_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return os.fsdecode(listing.stdout).splitlines()
