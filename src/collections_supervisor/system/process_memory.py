"""How much memory the trees of many commands use, with one look at the list of processes for all who ask."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import anyio

from collections_supervisor.system.process_table import HERE, Facilities, Process, read_table
from collections_supervisor.system.process_tree import Tree
from collections_supervisor.system.threads import DaemonPool, hop
from collections_supervisor.system.together import Together

GATHER = 0.05
_DEADLINE = 5.0
_LOOKS = DaemonPool("process-memory", threads=2)


class Meter:
    """Measures trees; those asked for at about the same time with one look."""

    def __init__(self, facilities: Facilities = HERE) -> None:
        self._facilities = facilities
        self._together: Together[None, Tree, Mapping[Tree, int]] = Together(self._measure, gather=GATHER)

    async def rss(self, tree: Tree) -> int | None:
        """Bytes that everything in this tree has in memory together; None if it is gone or cannot be seen."""
        return (await self._together.ask(None, tree)).get(tree)

    async def _measure(self, _: None, trees: list[Tree]) -> Mapping[Tree, int]:
        with anyio.move_on_after(_DEADLINE):
            return await hop(_LOOKS, sums, trees, self._facilities)
        return {}


def sums(trees: Sequence[Tree], facilities: Facilities = HERE) -> dict[Tree, int]:
    """The memory of each of these trees whose command runs. Call it from a worker thread."""
    return add_up(read_table(facilities), trees)


def add_up(table: Mapping[int, Process], trees: Sequence[Tree]) -> dict[Tree, int]:
    """The same, of a list of processes: its command, what is in its session, and what descends from either."""
    followers: defaultdict[int, list[int]] = defaultdict(list)
    for pid, process in table.items():
        followers[process.parent].append(pid)
        if process.session != pid:
            followers[process.session].append(pid)
    found = {}
    for tree in trees:
        leader = table.get(tree.pid)
        if leader is None or leader.start_time != tree.start_time:
            continue
        seen = {tree.pid}
        pending = [tree.pid]
        while pending:
            new = [pid for pid in followers[pending.pop()] if pid not in seen]
            seen.update(new)
            pending.extend(new)
        found[tree] = sum(table[pid].rss for pid in seen)
    return found
