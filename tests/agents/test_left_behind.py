"""What runs on for agents that were taken out of the configuration while we were dead, with real processes."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from tests.agents.test_owned import DEADLINE, alive, until

from collections_supervisor.agents.journal import FileJournal
from collections_supervisor.agents.left_behind import LeftBehind
from collections_supervisor.agents.state import ActionRecord
from collections_supervisor.agents.workplace import Workplace
from collections_supervisor.messages import ActionRequest
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.process import Child, spawn
from collections_supervisor.system.shutdown import Shutdown

BOOT = "this boot"


class Remains:
    """Processes with what is written down of them, and whoever finds them."""

    def __init__(self, folder: Path, log: Any) -> None:
        self.folder = folder
        self.log = log
        self.shutdown = Shutdown(10.0, SystemClock())
        self.journal = FileJournal(folder, SystemClock(), log)
        self.configured: Callable[[], list[str]] = list
        self.children: list[Child] = []

    async def start(self, name: str, script: str = "exec sleep 1000", **record: Any) -> Child:
        """A process of ours, unless its record says that it is none."""
        marker = f"{name}-{os.getpid()}-{id(self)}-{len(self.children)}"
        child = await spawn(("sh", "-c", script), env=os.environ, cwd=self.folder, stdout=None, stderr=None, marker=marker)
        self.children.append(child)
        known = ActionRecord(
            request=ActionRequest(action_id=marker, agent=name, attempt=1),
            argv=(),
            boot_id=BOOT,
            started=SystemClock().now().wall,
            deadline=0.0,
            settings="what it was started with",
            pid=child.pid,
            start_time=child.start_time,
        )
        await self.journal.write(msgspec.structs.replace(known, **record))
        return child

    async def look(self) -> None:
        place = Workplace(
            folder=self.folder,
            environment={},
            secrets=(),
            shutdown=self.shutdown,
            clock=SystemClock(),
            log=self.log,
        )
        left_behind = LeftBehind(self.journal, place, BOOT, self.configured)
        with anyio.fail_after(DEADLINE):
            await left_behind.run()
        assert left_behind.over.is_set()

    @property
    def told(self) -> list[tuple[str, int | None, bool]]:
        return [(entry["agent"], entry["pid"], entry["ended"]) for entry in self.log.of("agent.left_behind")]


@pytest.fixture
async def remains(tmp_path: Path, log: Any) -> Any:
    made = Remains(tmp_path / "actions", log)
    made.folder.mkdir()
    yield made
    for child in made.children:
        child.signal_group(signal.SIGKILL)
        await child.wait()


async def test_a_process_of_one_that_is_gone_is_ended_and_told_of_once(remains: Remains) -> None:
    gone, stays = await remains.start("gone"), await remains.start("stays")
    remains.configured = lambda: ["stays"]
    await remains.look()
    assert (alive(gone.pid), alive(stays.pid)) == (False, True)
    assert remains.told == [("gone", gone.pid, True)]
    record = await remains.journal.read("gone")
    assert record is not None
    assert record.ended, "nobody need look for it any more; what was counted is kept"
    await remains.look()
    assert len(remains.told) == 1


async def test_what_is_paid_for_runs_to_its_end_and_is_told(remains: Remains) -> None:
    child = await remains.start("gone", settings="")
    await remains.look()
    assert alive(child.pid)
    assert remains.told == [("gone", child.pid, False)]
    record = await remains.journal.read("gone")
    assert record is not None
    assert not record.ended, "whoever watches it again goes on with it"


@pytest.mark.parametrize(
    "record", [{"boot_id": "another boot"}, {"start_time": 1}, {"ended": True}], ids=["rebooted", "another process", "over"]
)
async def test_what_is_no_process_of_ours_is_left_alone(remains: Remains, record: dict[str, Any]) -> None:
    # The marker would give it away: it is this very process that bears the number of another.
    child = await remains.start("gone", **record)
    stranger = await spawn(("sleep", "1000"), env=os.environ, cwd=None, stdout=None, stderr=None, marker="a stranger")
    remains.children.append(stranger)
    kept = await remains.journal.read("gone")
    assert kept is not None
    request = msgspec.structs.replace(kept.request, action_id="nobody's")
    await remains.journal.write(msgspec.structs.replace(kept, request=request, pid=stranger.pid))
    await remains.look()
    assert (alive(child.pid), alive(stranger.pid), remains.told) == (True, True, [])


async def test_one_that_was_spawned_and_not_recorded_is_found(remains: Remains) -> None:
    child = await remains.start("gone", pid=0, start_time=0)
    await remains.look()
    assert not alive(child.pid)
    assert remains.told == [("gone", child.pid, True)]


async def test_what_one_that_died_left_elsewhere_is_ended_too(remains: Remains) -> None:
    child = await remains.start("gone", "setsid sh -c 'echo $$ > new; mv new pids; exec sleep 1000' & exec sleep 1000")
    path = remains.folder / "pids"
    other = int(await until(lambda: path.exists() and path.read_text()))
    child.signal_group(signal.SIGKILL)
    await child.wait()
    assert alive(other)
    await remains.look()
    assert not alive(other)
    assert remains.told == []


async def test_one_that_does_not_heed_it_is_killed(remains: Remains) -> None:
    child = await remains.start("gone", "trap '' TERM; touch up; while :; do sleep 0.02; done")
    await until((remains.folder / "up").exists)
    remains.shutdown.kill_now.set()
    await remains.look()
    assert not alive(child.pid)


async def test_one_that_is_watched_again_meanwhile_is_left_to_its_own_task(remains: Remains) -> None:
    child = await remains.start("back")
    answers = [[], ["back"]]
    remains.configured = lambda: answers.pop(0) if len(answers) > 1 else answers[0]
    await remains.look()
    assert (alive(child.pid), remains.told) == (True, [])


async def test_what_cannot_be_read_keeps_nobody_else(remains: Remains) -> None:
    child = await remains.start("gone")
    (remains.folder / "broken.json").write_text("{")
    await remains.look()
    assert not alive(child.pid)
    assert len(remains.log.of("supervisor.state_set_aside")) == 1


async def test_without_a_folder_there_is_nothing(remains: Remains) -> None:
    remains.folder.rmdir()
    await remains.look()
    assert remains.log.events == []
