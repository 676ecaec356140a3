"""An action and its record on a real disk."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import msgspec

from collections_supervisor.agents.action import ActionRunner
from collections_supervisor.agents.journal import FileJournal
from collections_supervisor.agents.ports import Journal, MemoryJournal, MemoryStore, Ports
from collections_supervisor.agents.slots import RestartSlots
from collections_supervisor.agents.state import ActionRecord, ActionStarted, AgentState, Attempt
from collections_supervisor.agents.undertaking import Undertaking
from collections_supervisor.agents.workplace import Workplace
from collections_supervisor.config.schema import AgentConfig, RestartPolicy
from collections_supervisor.messages import ActionOutcome, ActionRequest
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.process_table import start_time
from collections_supervisor.system.shutdown import Shutdown

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
REQUEST = ActionRequest(action_id="mailer-1", agent="mailer", attempt=1)


class Bench:
    """A restart of one agent whose command shows what the journal held when it began."""

    def __init__(self, folder: Path, log: Any, journal: Journal | None = None, kind: Any = "command") -> None:
        self.folder = folder
        self.log = log
        self.wanted = True
        actions = folder / "actions"
        actions.mkdir()
        command = ("{python}", "-I", "-S", "-c", f"print(open({str(actions / 'mailer.json')!r}).read())")
        self.policy = AgentConfig(name="mailer", restart=RestartPolicy(kind=kind, command=command, timeout=20.0))
        self.journal = journal or FileJournal(actions, SystemClock(), log)
        ports = Ports(
            clock=SystemClock(),
            store=MemoryStore(),
            journal=self.journal,
            log=log,
            slots=RestartSlots(1, reviewing=False),
            boot_id="boot",
            jitter=lambda: 0.0,
        )
        self.undertaking = Undertaking(self.policy, ports, REQUEST, self.judge)
        place = Workplace(
            folder=actions,
            environment={"PATH": "/usr/bin:/bin"},
            secrets=frozenset(),
            shutdown=Shutdown(10.0, SystemClock()),
            clock=SystemClock(),
            log=log,
        )
        self.runner = ActionRunner(self.policy, place)

    async def judge(self, request: ActionRequest, started: ActionStarted) -> AgentState | None:
        if not self.wanted:
            return None
        attempt = Attempt(request=request, phase="running", started=started.at)
        return AgentState(known_at=1.0, known=NOON, attempt=attempt, attempts=1, restarts=4)

    async def run(self) -> ActionOutcome:
        with anyio.fail_after(30):
            return await self.runner.run(REQUEST, self.undertaking)

    def kept(self) -> ActionRecord:
        return msgspec.json.decode((self.folder / "actions" / "mailer.json").read_bytes(), type=ActionRecord)


async def test_it_is_on_disk_before_the_command_begins_and_its_process_and_end_follow(tmp_path: Path, log: Any) -> None:
    bench = Bench(tmp_path, log)
    outcome = await bench.run()
    assert outcome.result == "ok"
    # The command may be quick or slow: the record it reads has its own process in it already, or not yet.
    seen = msgspec.json.decode((tmp_path / "actions" / "mailer.out").read_bytes(), type=ActionRecord)
    assert (seen.request, seen.boot_id, seen.restarts, seen.ended) == (REQUEST, "boot", 4, False)
    assert seen.argv[0] == sys.executable
    assert bench.kept().pid > 0
    assert not bench.kept().ended
    await bench.undertaking.end(ActionOutcome(result="ok"))
    assert bench.kept().ended


async def test_a_disk_that_refuses_it_stops_no_restart(tmp_path: Path, log: Any) -> None:
    bench = Bench(tmp_path, log)
    (tmp_path / "actions" / "mailer.json").mkdir()
    assert (await bench.run()).result == "failed", "the command ran, and could not read what was not there"
    await bench.undertaking.end(ActionOutcome(result="ok"))
    assert log.names() == ["supervisor.store_failed"]


async def test_what_is_not_wanted_any_more_is_neither_written_nor_begun(tmp_path: Path, log: Any) -> None:
    bench = Bench(tmp_path, log)
    bench.wanted = False
    assert (await bench.run()).result == "busy"
    await bench.undertaking.spawned(1, 1)
    await bench.undertaking.end(ActionOutcome(result="ok"))
    assert list((tmp_path / "actions").iterdir()) == []


async def test_a_process_of_ours_is_named_by_its_record_as_long_as_it_lives(tmp_path: Path, log: Any) -> None:
    bench = Bench(tmp_path, log, kind="process")
    assert await bench.undertaking.begin(("worker",))
    await bench.undertaking.spawned(4711, 99)
    await bench.undertaking.end(ActionOutcome(result="ok"))
    assert (bench.kept().pid, bench.kept().start_time, bench.kept().ended) == (4711, 99, False)


async def test_cut_short_while_its_process_is_written_down_the_command_is_ended(tmp_path: Path, log: Any) -> None:
    class Stuck(MemoryJournal):
        pid = 0

        async def write(self, record: ActionRecord) -> None:
            self.pid = record.pid
            if record.pid:
                await anyio.sleep_forever()

    stuck = Stuck()
    bench = Bench(tmp_path, log, stuck)
    sleeping = msgspec.structs.replace(bench.policy.restart, command=("sleep", "1000"))
    bench.runner._policy = msgspec.structs.replace(bench.policy, restart=sleeping)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.run)
        with anyio.fail_after(30):
            while not stuck.pid:
                await anyio.sleep(0.01)
        assert start_time(stuck.pid) is not None
        tasks.cancel_scope.cancel()
    assert start_time(stuck.pid) is None


async def test_its_patience_counts_from_its_process_on(tmp_path: Path, log: Any) -> None:
    bench = Bench(tmp_path, log)
    assert await bench.undertaking.begin(("x",))
    before = bench.kept().deadline
    await bench.undertaking.spawned(1, 1)
    assert bench.kept().deadline < before
    assert bench.kept().deadline <= anyio.current_time() + bench.policy.restart.timeout
