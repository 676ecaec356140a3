"""A process that an earlier life of ours started: it can be waited for and ended, but its exit status is its parent's to know."""

from collections_supervisor.system.process_adopt import outlast
from collections_supervisor.system.process_tree import Tree


class Orphan:
    """Stands where a child of ours would."""

    returncode: None = None

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    async def wait(self) -> None:
        """Wait until it is gone."""
        await outlast(self.tree)
