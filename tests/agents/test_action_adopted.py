"""Actions that an earlier life of ours started, as real processes whose parent is gone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.agents.action import ActionRunner
from collections_supervisor.agents.state import ActionRecord
from collections_supervisor.agents.workplace import Workplace
from collections_supervisor.config.schema import AgentConfig, RestartPolicy
from collections_supervisor.messages import ActionOutcome, ActionRequest
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.process_table import MARKER_VARIABLE, is_alive, start_time
from collections_supervisor.system.process_tree import Tree
from collections_supervisor.system.shutdown import Shutdown

DEADLINE = 30.0
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

PARENT = """
import json, os, subprocess, sys
out, err, *argv = sys.argv[1:]
with open(out, "ab") as stdout, open(err, "ab") as stderr:
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True)
print(child.pid, flush=True)
child.returncode = 0
os._exit(9)
"""


class Bench:
    """What an earlier life started, and the runner of the present one."""

    def __init__(self, folder: Path, log: Any) -> None:
        self.folder = folder
        self.log = log
        self.actions = folder / "actions"
        self.actions.mkdir()
        self.shutdown = Shutdown(10.0, SystemClock())
        self.marker = f"mailer-{os.getpid()}-{id(self)}"
        self.pids: list[int] = []

    def start(self, script: str) -> int:
        """Run it, and let whoever started it die."""
        said = subprocess.run(
            [sys.executable, "-I", "-S", "-c", PARENT, *map(str, self.files), "sh", "-c", script],
            env={"PATH": "/usr/bin:/bin", MARKER_VARIABLE: self.marker, "HERE": str(self.folder)},
            stdout=subprocess.PIPE,
            check=False,
        )
        assert said.returncode == 9
        self.pids.append(int(said.stdout))
        return self.pids[-1]

    @property
    def files(self) -> tuple[Path, Path]:
        return self.actions / "mailer.out", self.actions / "mailer.err"

    def place(self) -> Workplace:
        return Workplace(
            folder=self.actions,
            environment=dict(os.environ),
            secrets=frozenset(),
            shutdown=self.shutdown,
            clock=SystemClock(),
            log=self.log,
        )

    def runner(self, kind: Any = "openclaw") -> ActionRunner:
        policy = AgentConfig(name="mailer", restart=RestartPolicy(kind=kind, command=("true",), timeout=1000.0))
        return ActionRunner(policy, self.place())

    def record(self, pid: int = 0, started: int | None = None, *, patience: float = 20.0) -> ActionRecord:
        """What was written down: of a pid of 0 we died before its number could be."""
        started = (start_time(pid) or 0) if started is None else started
        return ActionRecord(
            request=ActionRequest(action_id=self.marker, agent="mailer", attempt=1),
            argv=("sh",),
            boot_id="boot",
            started=NOON,
            deadline=anyio.current_time() + patience,
            pid=pid,
            start_time=started if pid else 0,
        )

    async def go_on(self, runner: ActionRunner, record: ActionRecord) -> ActionOutcome:
        with anyio.fail_after(DEADLINE):
            tree = await runner.find(record)
            assert tree is not None
            return await runner.adopt(record, tree)

    def let_go(self) -> None:
        """What the scripts below wait for."""
        (self.folder / "go").touch()

    def said(self) -> list[int]:
        """The numbers of the processes that a script wrote down."""
        path = self.folder / "pids"
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []


WAITING = "while [ ! -e $HERE/go ]; do sleep 0.02; done; "
ANSWER = json.dumps({"status": "ok", "result": {"payloads": [{"text": "I am back"}]}})


@pytest.fixture
def bench(tmp_path: Path, log: Any) -> Iterator[Bench]:
    bench = Bench(tmp_path, log)
    yield bench
    for pid in (*bench.pids, *bench.said()):
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    started = start_time(pid)
    return started is not None and is_alive(pid, started)


async def until(condition: Callable[[], Any]) -> Any:
    with anyio.fail_after(DEADLINE):
        while not (found := condition()):
            await anyio.sleep(0.01)
        return found


@pytest.mark.parametrize("known", [True, False])
async def test_what_still_runs_is_found_waited_for_and_judged_by_its_answer(bench: Bench, known: bool) -> None:
    pid = bench.start(f"printf '%s' before; {WAITING} printf '%s' '{ANSWER}' > $HERE/actions/mailer.out")
    runner = bench.runner()
    record = bench.record(pid if known else 0)
    tree = await runner.find(record)
    assert tree == Tree(pid=pid, start_time=start_time(pid) or 0, marker=bench.marker)
    outcomes: list[ActionOutcome] = []

    async def adopt() -> None:
        outcomes.append(await runner.adopt(record, tree))

    with anyio.fail_after(DEADLINE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(adopt)
            await until(lambda: bench.files[0].read_text() == "before")
            await anyio.sleep(0.05)
            assert outcomes == [], "it runs on"
            assert bench.files[0].read_text() == "before", "what it said before is not cut"
            bench.let_go()
    [outcome] = outcomes
    assert (outcome.result, outcome.exit_code, outcome.cause) == ("ok", None, "")
    assert outcome.duration_s > 0
    assert not alive(pid)


async def test_a_failure_stands_in_its_answer(bench: Bench) -> None:
    pid = bench.start(
        f"""{WAITING} echo '{{"ok": false, "error": {{"type": "cli_error", "message": "no such agent"}}}}'; exit 1"""
    )
    record = bench.record(pid)
    tree = await bench.runner().find(record)
    assert tree is not None
    bench.let_go()
    with anyio.fail_after(DEADLINE):
        outcome = await bench.runner().adopt(record, tree)
    assert outcome.result == "failed"
    assert "no such agent" in outcome.cause
    assert "no such agent" in outcome.output_tail


@pytest.mark.parametrize("kind", ["openclaw", "command"])
async def test_how_one_without_an_answer_ended_is_not_known(bench: Bench, kind: str) -> None:
    pid = bench.start(f"{WAITING} exit 3")
    record = bench.record(pid)
    tree = await bench.runner(kind).find(record)
    assert tree is not None
    bench.let_go()
    with anyio.fail_after(DEADLINE):
        outcome = await bench.runner(kind).adopt(record, tree)
    assert (outcome.result, outcome.exit_code) == ("unknown", None)
    assert outcome.cause


async def test_one_past_its_deadline_is_ended_with_all_that_it_started(bench: Bench) -> None:
    pid = bench.start("setsid sleep 1000 & echo $! > $HERE/pids; sleep 1000 & echo $! >> $HERE/pids; wait")
    await until(lambda: len(bench.said()) == 2)
    outcome = await bench.go_on(bench.runner(), bench.record(pid, patience=0.3))
    assert (outcome.result, outcome.hung) == ("timed_out", True)
    assert [one for one in (pid, *bench.said()) if alive(one)] == []


async def test_one_whose_deadline_passed_while_we_were_away_is_ended_at_once(bench: Bench) -> None:
    pid = bench.start("exec sleep 1000")
    outcome = await bench.go_on(bench.runner(), bench.record(pid, patience=-500.0))
    assert outcome.result == "timed_out"
    assert not alive(pid)


async def test_our_stop_ends_it_too(bench: Bench) -> None:
    pid = bench.start("sleep 1000 & echo $! > $HERE/pids; wait")
    await until(bench.said)
    record = bench.record(pid)
    with anyio.move_on_after(0.2) as cut:
        await bench.go_on(bench.runner(), record)
    assert cut.cancelled_caught
    assert [one for one in (pid, *bench.said()) if alive(one)] == []


async def test_without_a_place_for_its_output_it_is_waited_for_all_the_same(bench: Bench) -> None:
    pid = bench.start(WAITING)
    record = bench.record(pid)
    for file in bench.files:
        file.unlink()
    bench.actions.rmdir()
    tree = await bench.runner().find(record)
    assert tree is not None
    bench.let_go()
    with anyio.fail_after(DEADLINE):
        assert (await bench.runner().adopt(record, tree)).result == "unknown"
    assert not alive(pid)


async def test_what_is_gone_or_somebody_elses_is_not_found(bench: Bench) -> None:
    pid = bench.start("exit 0")
    await until(lambda: not alive(pid))
    assert await bench.runner().find(bench.record(pid, 1)) is None
    assert await bench.runner().find(bench.record()) is None
    other = bench.start("exec sleep 1000")
    assert await bench.runner().find(bench.record(other, (start_time(other) or 0) + 1)) is None, "its number was given out anew"
