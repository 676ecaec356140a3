"""Finding a command that an earlier life of ours started, and waiting for its end without being its parent."""

import contextlib
import os
from collections.abc import Callable
from typing import TypeVar

import anyio

from collections_supervisor.system.process_signal import open_pidfd
from collections_supervisor.system.process_table import HERE, Facilities, Process, is_alive, read_markers, read_table
from collections_supervisor.system.process_tree import Tree
from collections_supervisor.system.threads import DaemonPool, hop

T = TypeVar("T")

_LOOKS = DaemonPool("process-look", threads=4)
_MARKERS = DaemonPool("process-look-marker", threads=4)
"""Apart, because only these may hang."""

_LOOK_DEADLINE = 5.0
_MARKER_DEADLINE = 2.0
_POLL = 0.5
"""Seconds between two looks where there is no pidfd: a look may be a run of `ps`, and the wait may take days."""


async def find_tree(pid: int, start_time: int, marker: str, *, facilities: Facilities = HERE) -> Tree | None:
    """What still runs of a command that was started in this boot of the machine; None if nothing does.

    A known `pid` and kernel start time decide alone: when that process is gone the command is over, and what it left running
    may well be the agent that it brought back. Without them (0), which is what we leave when we die between the start of a
    command and its record, it is sought by the `marker` in its environment. What the machine would not show in time counts as
    running: `outlast` looks again.
    """
    if pid and start_time:
        alive = await _ask(_LOOKS, _LOOK_DEADLINE, lambda: is_alive(pid, start_time, facilities))
        return None if alive is False else Tree(pid=pid, start_time=start_time, marker=marker)
    carriers = await _carriers(marker, facilities) if marker else []
    if carriers == []:
        return None
    leader = _leader(carriers or [])
    if leader is None:
        return Tree(pid=0, start_time=0, marker=marker)
    return Tree(pid=leader.pid, start_time=leader.start_time, marker=marker)


async def outlast(tree: Tree, *, facilities: Facilities = HERE) -> None:
    """Wait until the command of `tree` has ended; for a pid of 0, until no process carries its marker. May be cancelled."""
    if tree.pid:
        await _outlast_one(tree.pid, tree.start_time, facilities)
        return
    gone = 0
    # The table is read process by process: one that forks and ends meanwhile hides its child from the first reading.
    while gone < 2:
        carriers = await _carriers(tree.marker, facilities)
        if carriers:
            gone = 0
            for process in carriers:
                await _outlast_one(process.pid, process.start_time, facilities)
        elif carriers is None:
            await anyio.sleep(_POLL)
        else:
            gone += 1


def _leader(carriers: list[Process]) -> Process | None:
    """The command itself: it was started in a session of its own, before anything else in its tree."""
    leaders = [process for process in carriers if process.pid == process.session]
    return min(leaders, key=lambda process: (process.start_time, process.pid), default=None)


async def _carriers(marker: str, facilities: Facilities) -> list[Process] | None:
    """The living processes with this marker, none of them of our own session; None if they could not be looked at."""
    table = await _ask(_LOOKS, _LOOK_DEADLINE, lambda: read_table(facilities))
    if not table:
        return None
    ours = os.getsid(0)
    others = {pid: process for pid, process in table.items() if process.session != ours and not process.exited}
    markers = await _ask(_MARKERS, _MARKER_DEADLINE, lambda: read_markers(others, facilities))
    return None if markers is None else [others[pid] for pid, found in markers.items() if found == marker]


async def _outlast_one(pid: int, start_time: int, facilities: Facilities) -> None:
    process = Process(pid=pid, parent=0, group=0, session=0, start_time=start_time, exited=False)
    try:
        pidfd = open_pidfd(process, facilities)
    except ProcessLookupError:
        return
    if pidfd is None:
        # Nothing tells of the end of somebody else's child.
        while await _ask(_LOOKS, _LOOK_DEADLINE, lambda: is_alive(pid, start_time, facilities)) is not False:  # noqa: ASYNC110
            await anyio.sleep(_POLL)
        return
    try:
        await anyio.wait_readable(pidfd)
    finally:
        os.close(pidfd)


async def _ask(pool: DaemonPool, seconds: float, look: Callable[[], T]) -> T | None:
    """What `look` says; None if it takes longer, when its thread is left to itself, or if no descriptor is left to look with."""
    with anyio.move_on_after(seconds), contextlib.suppress(OSError):
        return await hop(pool, look)
    return None
