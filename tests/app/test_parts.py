"""Another configuration for the parts of a run, where a bug cuts the change short."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.agents.ports import Runner
from collections_supervisor.app.memory import recall
from collections_supervisor.app.own_counts import OwnCounts
from collections_supervisor.app.parts import Parts
from collections_supervisor.app.run import Run
from collections_supervisor.books.auditor import Auditor
from collections_supervisor.config.loader import load
from collections_supervisor.config.schema import AgentConfig, Config
from collections_supervisor.messages import Report
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.log_queue import Counts
from collections_supervisor.system.shutdown import Shutdown

DEADLINE = 20.0


class Faulty(Parts):
    """Parts of which one can have a bug."""

    broken = ""
    """The agent, or `auditor`, that cannot be made."""
    runners: dict[str, list[float]]
    """The timeouts of each agent for which something that restarts it was made."""

    def _make_auditor(self, report: Report | None) -> Auditor | None:
        if self.broken == "auditor":
            raise RuntimeError("a bug")
        return super()._make_auditor(report)

    def _runner(self, policy: AgentConfig) -> Runner:
        if self.broken == policy.name:
            raise RuntimeError("a bug")
        self.runners.setdefault(policy.name, []).append(policy.timeout)
        return super()._runner(policy)


class Stage:
    def __init__(self, folder: Path, log: Any) -> None:
        self.folder = folder
        self.log = log
        self.parts: Faulty

    def config(self, agents: str, *, timeout: str = "1h", books: bool = False) -> Config:
        path = self.folder / "supervisor.toml"
        entries = "".join(f'[[agents]]\nname = "{name}"\ntimeout = "{timeout}"\n' for name in agents.split())
        books_are = f"[books]\nenabled = {str(books).lower()}\n"
        path.write_text(f'[supervisor]\nstate_dir = "state"\n[heartbeats]\ndir = "beats"\n{books_are}{entries}', encoding="utf-8")
        return load(path, environ={"HOME": str(self.folder)}).config

    @asynccontextmanager
    async def watching(self, config: Config) -> AsyncIterator[Faulty]:
        """Every agent's task at work, and nothing else."""
        run = Run(
            config=config,
            log=self.log,
            run_id="run",
            environ={},
            boot_id="boot",
            clock=SystemClock(),
            counts=OwnCounts(datetime.now(UTC), lambda: Counts(events={}, dropped=0)),
            dry=True,
        )
        memory = await recall(config, (), clock=run.clock, log=self.log, boot_id="boot", dry=True)
        Faulty.runners = {}
        parts = Faulty(run, (), memory, Shutdown(1.0, run.clock))
        with anyio.fail_after(DEADLINE):
            async with anyio.create_task_group() as tasks:
                parts.watchers.open(tasks, config.agents)
                await anyio.wait_all_tasks_blocked()
                try:
                    yield parts
                finally:
                    tasks.cancel_scope.cancel()
        parts.coordinator.close()


@pytest.fixture
def stage(tmp_path: Path, log: Any) -> Stage:
    return Stage(tmp_path, log)


async def test_what_a_bug_cut_short_is_applied_as_a_whole_the_next_time(stage: Stage) -> None:
    async with stage.watching(stage.config("a")) as parts:
        after = stage.config("b", books=True)
        parts.broken = "auditor"
        with pytest.raises(RuntimeError, match="a bug"):
            await parts.reconfigure(after)
        assert (parts.auditor, parts.watchers.names) == (None, ("a",))
        parts.broken = ""
        await parts.reconfigure(after)
        assert parts.auditor is not None
        assert parts.watchers.names == ("b",)
        auditor = parts.auditor
        await parts.reconfigure(after)
        assert parts.auditor is auditor, "what is whole and has not changed is not touched"


async def test_a_bug_with_one_agent_does_not_keep_the_others_from_being_changed(stage: Stage) -> None:
    async with stage.watching(stage.config("a b gone")) as parts:
        after = stage.config("a b new", timeout="2h")
        parts.broken = "a"
        with pytest.raises(ExceptionGroup, match="agents could not be changed"):
            await parts.reconfigure(after)
        assert parts.watchers.names == ("a", "b", "new")
        await anyio.wait_all_tasks_blocked()
        assert parts.runners == {"a": [3600.0], "b": [3600.0, 7200.0], "gone": [3600.0], "new": [7200.0]}
        parts.broken = ""
        await parts.reconfigure(after)
        assert parts.runners["a"] == [3600.0, 7200.0]
        parts.broken = "a"
        with pytest.raises(ExceptionGroup):
            await parts.reconfigure(stage.config("a b new", timeout="3h"))
        parts.broken = ""
        await parts.reconfigure(after)
        assert parts.runners["a"] == [3600.0, 7200.0, 7200.0], "what was in force before is so again"
