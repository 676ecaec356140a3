"""One reload after the other: what was read, what is said, and what becomes of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from collections_supervisor.app.own_counts import OwnCounts
from collections_supervisor.app.reload import Reloaded, Reloader, Source, summary
from collections_supervisor.app.run import Run
from collections_supervisor.config.changes import Change, Changes
from collections_supervisor.config.loader import load
from collections_supervisor.config.schema import Config, LoggingConfig
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.log_queue import Counts

ENVIRON = {"HOME": "/home/ann"}
DEADLINE = 20.0


class Pulse:
    """Who tells a service manager that a reload is under way."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @contextmanager
    def reloading(self) -> Iterator[None]:
        self.told.append("reloading")
        try:
            yield
        finally:
            self.told.append("ready")


class Parts:
    """What is told to go by another configuration."""

    def __init__(self) -> None:
        self.taken: list[Config] = []
        self.pulse = Pulse()
        self.hold: anyio.Event | None = None
        self.bug: Exception | None = None

    async def reconfigure(self, config: Config) -> None:
        if self.bug is not None:
            raise self.bug
        if self.hold is not None:
            await self.hold.wait()
        self.taken.append(config)


class Logs:
    def __init__(self) -> None:
        self.levels: list[str] = []

    def adjust(self, config: LoggingConfig) -> None:
        self.levels.append(config.level)


class Stage:
    def __init__(self, path: Path, log: Any) -> None:
        self.path = path
        self.log = log
        self.parts, self.logs = Parts(), Logs()
        self.write()
        source = Source(loaded=load(path, environ=ENVIRON), environ=ENVIRON)
        self.counts = OwnCounts(datetime.now(UTC), lambda: Counts(events={}, dropped=0))
        run = Run(
            config=source.loaded.config,
            log=log,
            run_id="run",
            environ=ENVIRON,
            boot_id="boot",
            clock=SystemClock(),
            counts=self.counts,
        )
        self.reloader = Reloader(source, self.parts, self.logs, run)  # type: ignore[arg-type]

    def write(self, text: str = "", agents: str = "mailer") -> None:
        entries = "".join(f'[[agents]]\nname = "{name}"\n' for name in agents.split())
        self.path.write_text(text + "\n" + entries, encoding="utf-8")

    async def during(self, work: Callable[[], Any]) -> Any:
        with anyio.fail_after(DEADLINE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.reloader.run)
                found = await work()
                tasks.cancel_scope.cancel()
        return found


@pytest.fixture
def stage(tmp_path: Path, log: Any) -> Stage:
    return Stage(tmp_path / "supervisor.toml", log)


async def test_what_has_not_changed_is_not_applied(stage: Stage) -> None:
    outcome = await stage.during(stage.reloader.reload)
    assert outcome == Reloaded()
    assert (stage.parts.taken, stage.logs.levels) == ([], [])
    [event] = stage.log.of("supervisor.reloaded")
    assert event["message"] == "the configuration was read again: nothing has changed"


async def test_what_has_changed_is_said_and_applied(stage: Stage) -> None:
    stage.write('[logging]\nlevel = "debug"\n[supervisor]\nstate_dir = "/else"\n', agents="mailer watcher")
    outcome = await stage.during(stage.reloader.reload)
    assert outcome.changes.added == ("watcher",)
    assert stage.parts.pulse.told == ["reloading", "ready"]
    assert stage.counts.counters().reloads == {"applied": 1, "rejected": 0}
    [config] = stage.parts.taken
    assert [agent.name for agent in config.agents] == ["mailer", "watcher"]
    assert config.supervisor.state_dir != Path("/else")
    assert stage.logs.levels == ["debug"]
    [event] = stage.log.of("supervisor.reloaded")
    assert (event["added"], event["removed"], event["changed"]) == (["watcher"], [], [])
    assert (event["keys"], event["restart_needed"]) == (["logging.level"], ["supervisor.state_dir"])
    assert stage.log.of("config.loaded")[0]["agents"] == 2
    again = await stage.during(stage.reloader.reload)
    assert (again.changes.added, again.changes.restart_needed) == ((), ("supervisor.state_dir",))


@pytest.mark.parametrize("text", ["x = 1", "not toml", '[heartbeats]\ntimeout = "-1s"\nmiss_threshold = 0'])
async def test_a_bad_file_is_refused_whole(stage: Stage, text: str) -> None:
    stage.write(text, agents="other")
    outcome = await stage.during(stage.reloader.reload)
    assert outcome.fault
    assert stage.counts.counters().reloads == {"applied": 0, "rejected": 1}
    assert (stage.parts.taken, stage.log.of("supervisor.reloaded")) == ([], [])
    [event] = stage.log.of("config.rejected")
    assert event["level"] == 40
    assert event["reason"] in event["message"]
    assert len(event["faults"]) == (2 if "timeout" in text else 1)
    stage.write(agents="mailer watcher")
    assert (await stage.during(stage.reloader.reload)).changes.added == ("watcher",), "the next good one is taken"


async def test_a_file_that_is_gone_is_refused(stage: Stage) -> None:
    stage.path.unlink()
    assert (await stage.during(stage.reloader.reload)).fault
    assert stage.log.of("config.rejected")


async def test_what_would_change_is_told_and_not_done(stage: Stage) -> None:
    stage.write(agents="watcher")
    outcome = await stage.reloader.preview()
    assert (outcome.changes.added, outcome.changes.removed) == (("watcher",), ("mailer",))
    stage.write("x = 1")
    assert "unknown key" in (await stage.reloader.preview()).fault
    assert (stage.parts.taken, stage.log.names()) == ([], [])


async def test_what_is_asked_for_during_one_is_done_by_one_more(stage: Stage) -> None:
    stage.parts.hold = anyio.Event()

    async def work() -> list[Reloaded]:
        outcomes: list[Reloaded] = []

        async def one() -> None:
            outcomes.append(await stage.reloader.reload())

        async with anyio.create_task_group() as tasks:
            stage.write(agents="mailer watcher")
            tasks.start_soon(one)
            while not stage.log.of("config.loaded"):
                await anyio.sleep(0.01)
            stage.write(agents="mailer reader")
            for _ in range(50):
                stage.reloader.ask()
                tasks.start_soon(one)
            await anyio.wait_all_tasks_blocked()
            assert outcomes == []
            assert stage.parts.hold is not None
            stage.parts.hold.set()
        return outcomes

    outcomes = await stage.during(work)
    assert [outcome.changes.added for outcome in outcomes] == [("watcher",)] + [("reader",)] * 50
    assert len(stage.log.of("supervisor.reloaded")) == 2


async def test_a_bug_is_no_fault_of_the_file_and_leaves_nobody_waiting(stage: Stage) -> None:
    stage.write(agents="mailer watcher")
    stage.parts.bug = RuntimeError("a bug")
    waiting: list[Reloaded] = []

    async def one() -> None:
        waiting.append(await stage.reloader.reload())

    with anyio.fail_after(DEADLINE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            with pytest.raises(RuntimeError, match="a bug"):  # which is logged, and told, wherever it is supervised
                await stage.reloader.run()
    assert waiting == [Reloaded(bug="RuntimeError('a bug')")]
    assert (stage.log.of("config.rejected"), stage.log.of("supervisor.reloaded")) == ([], [])
    assert stage.parts.pulse.told == ["reloading", "ready"]


@pytest.mark.parametrize(
    ("agents", "said"),
    [
        ("mailer watcher", "agents: 1 added; all of it was applied anew, since the reload before was cut short"),
        ("mailer", "all of it was applied anew, since the reload before was cut short"),
    ],
)
async def test_what_was_applied_in_part_is_applied_anew_also_by_the_file_of_before(stage: Stage, agents: str, said: str) -> None:
    stage.write(agents="mailer watcher")
    stage.parts.bug = RuntimeError("a bug")
    with pytest.raises(ExceptionGroup):
        await stage.during(stage.reloader.reload)
    stage.parts.bug = None
    stage.write(agents=agents)
    assert (await stage.reloader.preview()).again
    outcome = await stage.during(stage.reloader.reload)
    assert outcome.again
    [config] = stage.parts.taken
    assert [agent.name for agent in config.agents] == agents.split()
    assert stage.log.of("supervisor.reloaded")[0]["message"] == f"the configuration was read again: {said}"
    assert await stage.during(stage.reloader.reload) == Reloaded(), "and then it is whole"


def test_a_summary_names_what_matters() -> None:
    value = Change(key="logging.level", before="a", after="b")
    changes = Changes(added=("a", "b"), removed=("c",), values=(value, msgspec.structs.replace(value, key="timeout", agent="d")))
    assert summary(changes) == (
        "the configuration was read again: agents: 2 added, 1 removed, 1 changed; settings: logging.level"
    )
    late = Changes(restart_needed=("logging.file",))
    assert summary(late) == "the configuration was read again: logging.file needs a restart"
    late = msgspec.structs.replace(late, added=("a",), restart_needed=("logging.file", "--agents"))
    assert summary(late) == "the configuration was read again: agents: 1 added; logging.file, --agents need a restart"
    assert summary(Changes()) == "the configuration was read again: nothing has changed"
