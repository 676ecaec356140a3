"""Ending the trees of many commands with as few looks at the list of processes as one needs."""

import anyio
import msgspec

from collections_supervisor.system.process_tree import Tree, end_trees
from collections_supervisor.system.together import Together

GATHER = 0.01
"""Seconds in which those who end something come together: a look at the list of a full machine takes longer."""

APART = 4
"""How many parts of a second there are in which deadlines count as one."""


class _Ending(msgspec.Struct, frozen=True, kw_only=True):
    tree: Tree
    until: float
    asked: bool
    kill_now: anyio.Event | None


class Endings:
    """What `end_trees` does, for callers that do not know of each other."""

    def __init__(self) -> None:
        self._together: Together[tuple[int, int], _Ending, frozenset[int]] = Together(_end, gather=GATHER)

    async def end(
        self, tree: Tree, *, grace: float, signal: int, asked: bool = False, kill_now: anyio.Event | None = None
    ) -> tuple[int, ...]:
        """End this tree; the pids of what could not be ended. `asked`: its own process group has had the signal.

        The `kill_now` of whoever came first counts for all that are ended together.
        """
        until = anyio.current_time() + grace
        ending = _Ending(tree=tree, until=until, asked=asked, kill_now=kill_now)
        if not await self._together.ask((signal, round(until * APART)), ending):
            return ()
        # Something is left of one of them: of which?
        return await end_trees([tree], grace=0.0, signal=signal)


async def _end(key: tuple[int, int], endings: list[_Ending]) -> frozenset[int]:
    grace = max(ending.until for ending in endings) - anyio.current_time()
    asked = frozenset(ending.tree.pid for ending in endings if ending.asked and ending.tree.pid)
    trees = [ending.tree for ending in endings]
    return frozenset(await end_trees(trees, grace=max(0.0, grace), signal=key[0], kill_now=endings[0].kill_now, asked=asked))
