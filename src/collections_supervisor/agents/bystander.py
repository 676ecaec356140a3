"""Ports that change nothing: for a dry run, and for what a sweep that does not outlive itself must not begin."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from collections_supervisor.agents.ports import Attendant, Heartbeat
from collections_supervisor.agents.state import ActionRecord, ChildExited
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import ActionOutcome, ActionRequest, Now, Reading
from collections_supervisor.system.process_tree import Tree

_WHY = {
    "dry_run": "this is a dry run; otherwise {name} would be restarted now, attempt {attempt}",
    "no_memory": "there is no state folder to remember in what restarts of {name} have cost already",
    "daemon_only": "{name} is a process of the daemon's own, which alone starts it",
}


class Bystander:
    """Stands where a runner would, and restarts nothing."""

    def __init__(self, policy: AgentConfig, why: Literal["dry_run", "daemon_only", "no_memory"]) -> None:
        self._policy = policy
        self._why = why

    async def run(self, request: ActionRequest, attendant: Attendant) -> ActionOutcome:  # noqa: ARG002 - nothing begins
        """Say why nothing is done; it is worth saying again when a real attempt would have failed."""
        cause = _WHY[self._why].format(name=request.agent, attempt=request.attempt)
        wait = self._policy.restart.timeout + self._policy.restart.verify_within
        return ActionOutcome(result="busy", cause=cause, classified=self._why, retry_after=wait)

    async def find(self, record: ActionRecord) -> Tree | None:  # noqa: ARG002 - what runs is somebody else's to watch
        """Nothing is looked for."""
        return None

    async def adopt(self, record: ActionRecord, tree: Tree) -> ActionOutcome:  # noqa: ARG002 - nothing is ever found
        """Never asked for, since nothing is found."""
        return ActionOutcome(result="interrupted", cause="nobody watches it")

    async def wait(self) -> ChildExited | None:
        """There is nothing to wait for."""
        return None

    def when_news(self, call: Callable[[], object]) -> bool:  # noqa: ARG002 - there will be none
        """There is nothing to be told of."""
        return False

    async def close(self) -> None:
        """There is nothing to end."""


class Onlooker:
    """Reads heartbeats and records no misses."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat

    async def read(self, now: Now) -> Reading:
        """Look at every source."""
        return await self._heartbeat.read(now)

    async def record_miss(self, *, missed: int, last_heartbeat: datetime | None, reason: str, at: datetime) -> None:
        """Write nothing."""
