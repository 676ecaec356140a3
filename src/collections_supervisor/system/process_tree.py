"""Finding and ending everything that descends from a command we started, in whatever session it hides."""

import contextlib
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from signal import SIGCONT, SIGKILL, SIGTERM
from typing import TypeVar

import anyio
import msgspec

from collections_supervisor.system.process_signal import open_pidfd, send
from collections_supervisor.system.process_table import HERE, STARTED, Facilities, Process, read_markers, read_table
from collections_supervisor.system.threads import DaemonPool, hop

T = TypeVar("T")

_TABLES = DaemonPool("process-table", threads=4)
_MARKERS = DaemonPool("process-marker", threads=4)
"""Apart, because only these may hang."""

_POLL = 0.05
_KILL_DEADLINE = 2.0
"""Seconds for everything to disappear after SIGKILL; only what the kernel holds in an uninterruptible wait takes longer."""
_KILL_ROUND = 0.5
_TABLE_DEADLINE = 5.0
_MARKER_DEADLINE = 1.0


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """What names a command and everything it started: its own pid, the kernel's start time of it, and its marker.

    It was started in a session of its own. A pid of 0 leaves only the marker to go by, an empty marker only the descent.
    """

    pid: int
    start_time: int
    marker: str


async def end_trees(
    trees: Sequence[Tree],
    *,
    grace: float,
    signal: int = SIGTERM,
    kill_now: anyio.Event | None = None,
    asked: Collection[int] = (),
    facilities: Facilities = HERE,
) -> tuple[int, ...]:
    """End all of `trees` at once: `signal`, up to `grace` seconds for all of them together, then SIGKILL.

    Returns as soon as nothing is left, with the pids of those that could not be ended. Setting `kill_now` cuts the grace
    short. The process groups in `asked` have had their signal. Takes at most `grace` plus a few seconds: a caller that must
    not leave children behind shields it with that deadline. The exit status of a tree's own command is left to its `Child`.
    """
    hunt = _Hunt(trees, frozenset(asked), facilities)
    if not await hunt.look():
        return hunt.survivors()
    await hunt.ask(signal)
    await _within(grace, kill_now, lambda: _ask(hunt, signal))
    if hunt.left:
        with anyio.move_on_after(_KILL_DEADLINE):
            await _kill(hunt)
    if hunt.left:
        await hunt.look()
    return hunt.survivors()


async def _ask(hunt: "_Hunt", signal: int) -> None:
    """Wait until nothing is left. Nobody is asked twice: to many programs a second signal means to drop everything."""
    while hunt.left:
        await hunt.outlast()
        if await hunt.look():
            await hunt.ask(signal)


async def _kill(hunt: "_Hunt") -> None:
    # Looked for again soon: what cannot die must not hide what was born meanwhile.
    while await hunt.look():
        await hunt.kill()
        with anyio.move_on_after(_KILL_ROUND):
            await hunt.outlast()


def members(
    table: Mapping[int, Process],
    markers: Mapping[int, str],
    trees: Iterable[Tree],
    known: Collection[tuple[int, int]],
    own_session: int,
) -> dict[int, Process]:
    """The processes of `table` that belong to one of `trees`, zombies included.

    `known` are the members of earlier looks (pid, start time): once their parent is dead nothing else may tell whose they
    are. Nothing in `own_session`, which is where we are ourselves, can belong to a tree.
    """
    others = {pid: process for pid, process in table.items() if pid > 1 and process.session != own_session}
    wanted = {tree.marker for tree in trees if tree.marker}
    identities = {(tree.pid, tree.start_time) for tree in trees} | set(known)
    seeds = {pid for pid, process in others.items() if (pid, process.start_time) in identities or markers.get(pid) in wanted}
    followers: defaultdict[int, set[int]] = defaultdict(set)
    sessions: defaultdict[int, set[int]] = defaultdict(set)
    for pid, process in others.items():
        followers[process.parent].add(pid)
        followers[process.session].add(pid)
        sessions[process.session].add(pid)
    known_numbers = {pid for pid, _ in known}
    for number in {tree.pid for tree in trees} | known_numbers:
        # A session outlives its leader, whose number is not given out again as long as the session has members.
        if number not in table and (number in known_numbers or not seeds.isdisjoint(sessions[number])):
            seeds |= sessions[number]
    return {pid: others[pid] for pid in _closure(seeds, followers)}


def _doubtful(table: Mapping[int, Process], trees: Sequence[Tree]) -> list[int]:
    """The processes that only their marker could tell to be of one of `trees`: looking into all of them would be dear."""
    # Nothing in a tree is older than its command.
    oldest = min(tree.start_time for tree in trees)
    # Nobody can enter the session of somebody else: what lies in that of one of the commands belongs to it as it is, and
    # what lies in that of another child of ours does not.
    known = STARTED | {tree.pid: tree.start_time for tree in trees}
    decided = {pid for pid, started in known.items() if pid in table and table[pid].start_time == started}
    return [
        process.pid
        for process in table.values()
        if process.start_time >= oldest and not process.exited and process.session not in decided
    ]


def _closure(seeds: Iterable[int], followers: Mapping[int, Collection[int]]) -> set[int]:
    found = set(seeds)
    pending = list(found)
    while pending:
        new = set(followers.get(pending.pop(), ())) - found
        found |= new
        pending.extend(new)
    return found


class _Hunt:
    """One call of `end_trees`: what it has found so far and what of that is left."""

    def __init__(self, trees: Sequence[Tree], asked: frozenset[int], facilities: Facilities) -> None:
        self._trees = trees
        self._asked = asked
        self._facilities = facilities
        self._known: set[tuple[int, int]] = set()
        self._found: dict[int, Process] = {}
        self._seen = False
        self._by_marker = any(tree.marker for tree in trees)
        self.left: list[Process] = []

    def survivors(self) -> tuple[int, ...]:
        """The pids of what is left; those of the trees themselves if the machine never let us look."""
        pids = [process.pid for process in self.left] if self._seen else [tree.pid for tree in self._trees]
        return tuple(sorted(pids))

    async def look(self) -> list[Process]:
        """Find what runs of the trees; `left` keeps it."""
        # The table is read process by process: one that forks and ends meanwhile hides its child from the first reading.
        return await self._look_once() or await self._look_once()

    async def _look_once(self) -> list[Process]:
        table = await self._table()
        if not table:
            return self.left
        self._seen = True
        markers = await self._markers(table)
        self._found = members(table, markers, self._trees, self._known, os.getsid(0))
        self._known |= {(process.pid, process.start_time) for process in self._found.values()}
        self._bury_adopted()
        self.left = [process for process in self._found.values() if not process.exited]
        return self.left

    async def ask(self, number: int) -> None:
        """Ask everything that is left to end, and wake it for that; but nobody twice."""
        await self._send([process for process in self.left if process.group not in self._asked], number, SIGCONT)

    async def kill(self) -> None:
        """Kill everything that is left."""
        await self._send(self.left, SIGKILL)

    async def _send(self, targets: list[Process], *numbers: int) -> None:
        if targets:
            await _hop(_TABLES, _TABLE_DEADLINE, lambda: send(targets, self._found, numbers, self._facilities))

    async def outlast(self) -> None:
        """Wait until all that is left now has ended: one after the other, which takes as long as the slowest and one pidfd."""
        for process in self.left:
            try:
                pidfd = open_pidfd(process, self._facilities)
            except ProcessLookupError:
                continue
            if pidfd is None:
                return await self._outlast_by_polling()
            try:
                await anyio.wait_readable(pidfd)
            finally:
                os.close(pidfd)
        return None

    async def _table(self) -> dict[int, Process]:
        return await _hop(_TABLES, _TABLE_DEADLINE, lambda: read_table(self._facilities)) or {}

    async def _markers(self, table: Mapping[int, Process]) -> dict[int, str]:
        if not self._by_marker:
            return {}
        doubtful = _doubtful(table, self._trees)
        markers = await _hop(_MARKERS, _MARKER_DEADLINE, lambda: read_markers(doubtful, self._facilities))
        # A thread that hangs in a stuck process is lost to us: one is enough, descent has to do from here on.
        self._by_marker = markers is not None
        return markers or {}

    def _bury_adopted(self) -> None:
        # As pid 1 of a container we inherit the orphans of a tree, and nobody else would take their status.
        commands = {tree.pid for tree in self._trees}
        for process in self._found.values():
            if process.exited and process.parent == os.getpid() and process.pid not in commands:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)

    async def _outlast_by_polling(self) -> None:
        waiting = {(process.pid, process.start_time) for process in self.left}
        while waiting:
            await anyio.sleep(_POLL)
            if table := await self._table():
                waiting &= {(process.pid, process.start_time) for process in table.values() if not process.exited}


async def _hop(pool: DaemonPool, seconds: float, work: Callable[[], T]) -> T | None:
    """What `work` returns; None if it takes longer than this, when its thread is left to itself."""
    with anyio.move_on_after(seconds), contextlib.suppress(BlockingIOError):
        return await hop(pool, work)
    return None


async def _within(seconds: float, cut_short: anyio.Event | None, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` until it is done, `seconds` are over or `cut_short` is set."""
    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as group:
            if cut_short is not None:
                group.start_soon(_cancel_upon, cut_short, group.cancel_scope)
            await work()
            group.cancel_scope.cancel()


async def _cancel_upon(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
