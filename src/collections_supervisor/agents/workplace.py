"""What every restart needs of its surroundings: a folder, an environment, the time that is left."""

import signal
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import anyio
import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.agents.orphan import Orphan
from collections_supervisor.agents.strays import Strays
from collections_supervisor.config.schema import AgentConfig, LogSource
from collections_supervisor.messages import ActionOutcome, ActionRequest
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.process import Child, SpawnError, child_environment
from collections_supervisor.system.process_endings import Endings
from collections_supervisor.system.process_memory import Meter
from collections_supervisor.system.shutdown import Shutdown

END = 15.0
"""Seconds beyond its grace after which ending a tree is given up: only the kernel can hold a killed process longer."""

UNNEEDED = ActionOutcome(result="busy", cause="it came back before its restart began")
"""The end of an action that was not begun because nobody wants it any more."""


class Workplace(msgspec.Struct, frozen=True, kw_only=True):
    """What all runners share."""

    folder: Path
    """Where actions leave their output; it exists."""
    environment: Mapping[str, str]
    secrets: Collection[str]
    """Names of variables with tokens that no child may see; a reload may add to them."""
    shutdown: Shutdown
    clock: Clock
    log: FilteringBoundLogger
    endings: Endings = msgspec.field(default_factory=Endings)
    strays: Strays = msgspec.field(default_factory=Strays)
    meter: Meter = msgspec.field(default_factory=Meter)

    def env(self, policy: AgentConfig, request: ActionRequest, extra: Mapping[str, str]) -> dict[str, str]:
        """The environment of one action: ours, the configured one, and who and what it is about."""
        about = {
            "COLLECTIONS_SUPERVISOR_AGENT": policy.name,
            "COLLECTIONS_SUPERVISOR_ATTEMPT": str(request.attempt),
            "COLLECTIONS_SUPERVISOR_ACTION_ID": request.action_id,
        }
        logs = [source.path for source in policy.sources if isinstance(source, LogSource)]
        if logs:
            about["COLLECTIONS_SUPERVISOR_HEARTBEAT"] = str(logs[0])
        return child_environment(self.environment, {**policy.restart.env, **extra, **about}, drop=self.secrets)

    async def end(
        self,
        agent: str,
        child: Child | Orphan,
        *,
        grace: float,
        number: signal.Signals = signal.SIGTERM,
        asked: bool = False,
    ) -> None:
        """End a child and everything that it started; the grace is cut short by the operator's second signal.

        `asked`: its own process group has had the signal.
        """
        with anyio.move_on_after(grace + END, shield=True):
            left = await self.endings.end(child.tree, grace=grace, signal=number, asked=asked, kill_now=self.shutdown.kill_now)
            if not left:
                await child.wait()
                return
            self.log.error(
                "agent.restart.survivors",
                message=f"{len(left)} processes that {agent} started could not be ended",
                agent=agent,
                pids=" ".join(str(pid) for pid in left),
            )


def not_started(error: SpawnError) -> ActionOutcome:
    """The end of an action whose command could not be started; most causes are mistakes that no retry mends."""
    wrong = error.kind != "failed"
    return ActionOutcome(result="failed", cause=str(error), classified="configuration" if wrong else "")


def words(request: ActionRequest) -> dict[str, str]:
    """What the `{words}` in a configured command or message are replaced with."""
    return {
        "agent": request.agent,
        "python": sys.executable or "python3",
        "reason": request.reason,
        "since": request.since,
        "last_heartbeat": request.last_heartbeat,
        "attempt": str(request.attempt),
    }
