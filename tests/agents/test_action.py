"""Restart actions against real processes: a stand-in `openclaw`, and commands of the user's own."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from collections_supervisor.agents.action import SHOWN, ActionRunner
from collections_supervisor.agents.action_output import LIMIT
from collections_supervisor.agents.workplace import Workplace
from collections_supervisor.config.schema import AgentConfig, LogSource, RestartPolicy
from collections_supervisor.messages import ActionOutcome, ActionRequest
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.process_table import is_alive, start_time
from collections_supervisor.system.shutdown import Shutdown

STANDIN = Path(__file__).parents[1] / "standin"
INTERPRETER = Path(sys.executable).resolve().parent
DEADLINE = 30.0

REQUEST = ActionRequest(
    action_id=f"mailer-{os.getpid()}-1",
    agent="mailer",
    attempt=2,
    reason="1 missed heartbeat",
    since="2026-11-22T11:00:00.000000Z",
    last_heartbeat="2026-11-22T10:00:00.000000Z",
)


class Bench:
    """One agent's runner, what it needs, and what the stand-in recorded."""

    def __init__(self, folder: Path, log: Any) -> None:
        self.folder = folder
        self.log = log
        self.actions = folder / "actions"
        self.actions.mkdir()
        self.shutdown = Shutdown(10.0, SystemClock())
        self.begun = 0
        self.wanted = True
        self.announced: tuple[str, ...] = ()
        self.spawns: list[tuple[int, int]] = []
        self.environment = {
            "PATH": os.pathsep.join([str(STANDIN), str(INTERPRETER), "/usr/bin", "/bin"]),
            "STANDIN_CALLS": str(folder / "calls.jsonl"),
            "HOOKS_TOKEN": "secret",
        }

    def runner(self, kind: Any = "openclaw", **restart: Any) -> ActionRunner:
        policy = AgentConfig(
            name="mailer",
            sources=(LogSource(path=self.folder / "mailer.log"),),
            restart=RestartPolicy(kind=kind, **{"timeout": 20.0, **restart}),
        )
        place = Workplace(
            folder=self.actions,
            environment=self.environment,
            secrets=frozenset({"HOOKS_TOKEN"}),
            shutdown=self.shutdown,
            clock=SystemClock(),
            log=self.log,
        )
        return ActionRunner(policy, place)

    async def begin(self, argv: tuple[str, ...]) -> bool:
        self.begun += 1
        self.announced = argv
        return self.wanted

    async def spawned(self, pid: int, start_time: int) -> None:
        self.spawns.append((pid, start_time))

    async def run(self, runner: ActionRunner, request: ActionRequest = REQUEST) -> ActionOutcome:
        with anyio.fail_after(DEADLINE):
            return await runner.run(request, self)

    async def command(self, script: str, **restart: Any) -> ActionOutcome:
        return await self.run(self.runner("command", command=("sh", "-c", script), **restart))

    def calls(self, suffix: str = "") -> list[dict[str, Any]]:
        path = self.folder / f"calls{suffix}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def kinds(self) -> list[str]:
        return [call["kind"] for call in self.calls(".started")]

    def set(self, **variables: object) -> None:
        self.environment.update({f"STANDIN_{name}": str(value) for name, value in variables.items()})


@pytest.fixture
def bench(tmp_path: Path, log: Any) -> Bench:
    return Bench(tmp_path, log)


@pytest.fixture(autouse=True)
def no_descriptor_leaks(bench: Bench) -> Iterator[None]:
    yield
    held = [os.path.realpath(fd) for fd in Path("/dev/fd").iterdir()]
    assert [path for path in held if path.startswith(str(bench.actions))] == []


async def until(condition: Callable[[], Any]) -> Any:
    with anyio.fail_after(DEADLINE):
        while not (found := condition()):
            await anyio.sleep(0.01)
        return found


def alive(pid: int) -> bool:
    started = start_time(pid)
    return started is not None and is_alive(pid, started)


@asynccontextmanager
async def cancelled_when(work: Callable[[], Coroutine[Any, Any, Any]], condition: Callable[[], Any]) -> AsyncIterator[None]:
    """`work` runs until the condition holds and is then cancelled; the block is entered when it is over."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await until(condition)
        tasks.cancel_scope.cancel()
    yield


# --- OpenClaw ---


async def test_a_turn_that_works_is_asked_for_aborted_first_and_judged(bench: Bench) -> None:
    outcome = await bench.run(bench.runner())
    assert outcome.result == "ok"
    assert (outcome.exit_code, outcome.output_tail, outcome.hung) == (0, "", False)
    assert outcome.duration_s > 0
    assert bench.kinds == ["tasks", "abort", "restart"]
    assert bench.begun == 1
    argv = bench.calls()[-1]["argv"]
    assert argv[:5] == ["agent", "--agent", "mailer", "--message", "restart"]
    assert [entry["step"] for entry in bench.log.of("agent.restart.prepared")] == ["abort"]


async def test_the_message_may_say_what_it_is_about(bench: Bench) -> None:
    await bench.run(bench.runner(message="attempt {attempt} for {agent}: {reason}, {unknown}"))
    assert bench.calls()[-1]["argv"][4] == "attempt 2 for mailer: 1 missed heartbeat, {unknown}"


async def test_an_agent_at_work_is_left_alone_and_nothing_counts(bench: Bench) -> None:
    bench.set(TASKS_ACTIVE=10, TASKS_AGE=60)
    outcome = await bench.run(bench.runner())
    assert outcome.result == "busy"
    assert outcome.retry_after is not None
    assert 1 <= outcome.retry_after <= 60
    assert bench.kinds == ["tasks"]
    assert bench.begun == 0


async def test_a_person_need_not_wait_for_an_agent_at_work(bench: Bench) -> None:
    bench.set(TASKS_ACTIVE=10, TASKS_AGE=60)
    outcome = await bench.run(bench.runner(), msgspec.structs.replace(REQUEST, by_hand=True))
    assert outcome.result == "ok"
    assert bench.kinds == ["tasks", "abort", "restart"]


async def test_an_agent_that_came_back_meanwhile_is_left_alone(bench: Bench) -> None:
    bench.wanted = False
    assert (await bench.run(bench.runner())).result == "busy"
    assert bench.kinds == ["tasks"]
    assert (await bench.command(f"touch {bench.folder}/done")).result == "busy"
    assert not (bench.folder / "done").exists()
    assert bench.log.of("agent.restart.interrupted") == []


async def test_a_turn_that_has_run_too_long_is_hung_and_restarted(bench: Bench) -> None:
    bench.set(TASKS_ACTIVE=1, TASKS_AGE=2000)
    outcome = await bench.run(bench.runner())
    assert (outcome.result, outcome.hung) == ("ok", True)
    assert bench.kinds[-1] == "restart"


@pytest.mark.parametrize("answer", ["", "no json", '{"ok": false, "error": {"message": "gateway down"}}'])
async def test_a_list_of_tasks_that_cannot_be_had_stops_nothing(bench: Bench, answer: str) -> None:
    bench.set(TASKS_ANSWER=answer, TASKS_EXIT=1)
    assert (await bench.run(bench.runner())).result == "ok"


async def test_an_abort_that_fails_does_not_stop_the_restart(bench: Bench) -> None:
    bench.set(ABORT_EXIT=1, ABORT_STDERR="gateway closed the connection")
    outcome = await bench.run(bench.runner())
    assert outcome.result == "ok"
    [entry] = bench.log.of("agent.restart.prepare_failed")
    assert (entry["step"], entry["exit_code"], entry["output"]) == ("abort", 1, "gateway closed the connection")
    assert (entry["agent"], entry["attempt"], entry["action_id"]) == ("mailer", 2, REQUEST.action_id)


async def test_no_abort_where_none_is_wanted(bench: Bench) -> None:
    await bench.run(bench.runner(abort_first=False))
    assert bench.kinds == ["tasks", "restart"]


async def test_a_new_session_is_begun_where_it_was_asked_for_and_cannot_fail_the_attempt(bench: Bench) -> None:
    bench.set(NEW_EXIT=1)
    request = ActionRequest(action_id=REQUEST.action_id, agent="mailer", attempt=2, fresh=True)
    outcome = await bench.run(bench.runner(), request)
    assert outcome.result == "ok"
    assert bench.kinds == ["tasks", "abort", "new", "restart"]
    assert [entry["step"] for entry in bench.log.of("agent.restart.prepare_failed")] == ["new_session"]


async def test_a_failure_is_named_by_what_it_answered_and_shows_its_output(bench: Bench) -> None:
    bench.set(
        RESTART_EXIT=1,
        RESTART_ANSWER='{"ok": false, "error": {"type": "cli_error", "message": "no such agent"}}',
        RESTART_STDERR="a plugin says hello\n",
    )
    outcome = await bench.run(bench.runner())
    assert (outcome.result, outcome.exit_code, outcome.classified) == ("failed", 1, "")
    assert "no such agent" in outcome.cause
    assert "no such agent" in outcome.output_tail
    assert outcome.output_tail.endswith("a plugin says hello")


async def test_what_it_wrote_stays_in_private_files_until_the_next_attempt(bench: Bench) -> None:
    await bench.run(bench.runner())
    files = sorted(bench.actions.iterdir())
    assert [file.name for file in files] == ["mailer.err", "mailer.out"]
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    bench.set(RESTART_ANSWER="short")
    await bench.run(bench.runner())
    assert files[1].read_text() == "short"


async def test_a_program_that_is_missing_is_a_fault_of_the_configuration(bench: Bench) -> None:
    outcome = await bench.run(bench.runner(openclaw="openclaw-nowhere"))
    assert (outcome.result, outcome.classified) == ("failed", "configuration")
    assert "openclaw-nowhere" in outcome.cause
    assert bench.begun == 1
    assert bench.kinds == []


async def test_its_deadline_ends_it_with_all_that_it_started(bench: Bench) -> None:
    bench.set(RESTART_SLEEP=1000, RESTART_GRANDCHILD=1000, RESTART_STDERR="never written")
    outcome = await bench.run(bench.runner(timeout=1.0))
    assert (outcome.result, outcome.hung) == ("timed_out", True)
    assert outcome.cause == "it did not end within 1 s and was ended"
    started = bench.calls(".started")[-1]
    assert not alive(started["pid"])
    assert not alive(started["grandchild"])
    assert bench.calls()[-1]["exit"] == 143, "it was asked before it would have been killed"


async def test_one_that_does_not_heed_the_deadline_is_killed(bench: Bench) -> None:
    bench.set(RESTART_SLEEP=1000, RESTART_IGNORE_TERM=1, RESTART_GRANDCHILD=1000)
    runner = bench.runner(timeout=0.8)
    outcomes: list[ActionOutcome] = []

    async def run() -> None:
        outcomes.append(await bench.run(runner))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await until(lambda: "restart" in bench.kinds)
        # The second signal of an operator cuts every grace short, which saves this test five seconds.
        await anyio.sleep(0.8)
        bench.shutdown.kill_now.set()
    assert [outcome.result for outcome in outcomes] == ["timed_out"]
    started = bench.calls(".started")[-1]
    assert not alive(started["pid"])
    assert not alive(started["grandchild"])


async def test_cut_short_it_is_ended_with_all_that_it_started(bench: Bench) -> None:
    bench.set(RESTART_SLEEP=1000, RESTART_GRANDCHILD=1000)
    runner = bench.runner()
    async with cancelled_when(lambda: bench.run(runner), lambda: "restart" in bench.kinds):
        started = bench.calls(".started")[-1]
        assert not alive(started["pid"])
        assert not alive(started["grandchild"])
    assert bench.log.names() == ["agent.restart.prepared"], "whoever judges the attempt says the rest"


async def test_cut_short_in_its_preparation_it_has_begun_all_the_same(bench: Bench) -> None:
    bench.set(ABORT_SLEEP=1000)
    runner = bench.runner()
    async with cancelled_when(lambda: bench.run(runner), lambda: "abort" in bench.kinds):
        assert not alive(bench.calls(".started")[-1]["pid"])
    assert (bench.begun, bench.spawns) == (1, [])


async def test_cut_short_before_it_counts_nothing_was_interrupted(bench: Bench) -> None:
    bench.set(TASKS_SLEEP=1000)
    runner = bench.runner()
    async with cancelled_when(lambda: bench.run(runner), lambda: "tasks" in bench.kinds):
        assert not alive(bench.calls(".started")[-1]["pid"])
    assert bench.begun == 0


async def test_a_program_that_has_answered_and_stays_is_ended_and_has_worked(bench: Bench) -> None:
    bench.set(RESTART_LINGER=1000, RESTART_GRANDCHILD=1000)
    outcome = await bench.run(bench.runner())
    assert (outcome.result, outcome.exit_code) == ("ok", None)
    started = bench.calls(".started")[-1]
    assert not alive(started["pid"])
    assert not alive(started["grandchild"])


async def test_after_a_normal_end_what_it_started_is_left_alone(bench: Bench) -> None:
    # It may be the agent that was just brought back.
    bench.set(RESTART_GRANDCHILD=1000)
    assert (await bench.run(bench.runner())).result == "ok"
    pid = bench.calls(".started")[-1]["grandchild"]
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


# --- Commands of the user's own ---


async def test_a_command_is_told_what_it_is_about(bench: Bench) -> None:
    words = "{agent}|{attempt}|{reason}|{since}|{last_heartbeat}|{other}"
    script = 'echo "$1"; env > "$2"; pwd >> "$2"'
    runner = bench.runner(
        "command",
        command=("sh", "-c", script, "sh", words, str(bench.folder / "env")),
        env={"COLOUR": "blue"},
        cwd=bench.folder,
    )
    assert (await bench.run(runner)).result == "ok"
    assert (bench.actions / "mailer.out").read_text() == (
        "mailer|2|1 missed heartbeat|2026-11-22T11:00:00.000000Z|2026-11-22T10:00:00.000000Z|{other}\n"
    )
    environment = dict(line.partition("=")[::2] for line in (bench.folder / "env").read_text().splitlines())
    assert environment["COLLECTIONS_SUPERVISOR_AGENT"] == "mailer"
    assert environment["COLLECTIONS_SUPERVISOR_ATTEMPT"] == "2"
    assert environment["COLLECTIONS_SUPERVISOR_ACTION_ID"] == REQUEST.action_id
    assert environment["COLLECTIONS_SUPERVISOR_HEARTBEAT"] == str(bench.folder / "mailer.log")
    assert environment["COLOUR"] == "blue"
    assert "HOOKS_TOKEN" not in environment
    assert str(bench.folder) in environment
    assert bench.kinds == []


async def test_our_own_interpreter_can_be_named(bench: Bench) -> None:
    outcome = await bench.run(bench.runner("command", command=("{python}", "-c", "import sys; sys.exit(3)")))
    assert (outcome.result, outcome.exit_code) == ("failed", 3)


@pytest.mark.parametrize(
    ("script", "result", "classified", "cause"),
    [
        ("exit 0", "ok", "", ""),
        ("echo no luck >&2; exit 3", "failed", "", "no luck"),
        ("exit 78", "failed", "configuration", "78"),
        ("exit 127", "failed", "configuration", "127"),
        ("kill -9 $$", "failed", "", "SIGKILL"),
    ],
)
async def test_a_command_is_judged_by_its_exit_status(
    bench: Bench, script: str, result: str, classified: str, cause: str
) -> None:
    outcome = await bench.command(script)
    assert (outcome.result, outcome.classified) == (result, classified)
    assert cause in outcome.cause
    assert bench.begun == 1


async def test_a_folder_that_cannot_be_entered_is_a_fault_of_the_configuration(bench: Bench) -> None:
    outcome = await bench.command("exit 0", cwd=bench.folder / "nowhere")
    assert (outcome.result, outcome.classified) == ("failed", "configuration")
    assert "nowhere" in outcome.cause


async def test_only_the_end_of_a_long_output_is_shown(bench: Bench) -> None:
    outcome = await bench.command("seq 1 100000; echo the last words >&2; exit 1")
    assert outcome.output_tail.endswith("the last words")
    assert len(outcome.output_tail) <= SHOWN
    assert "99999" in outcome.output_tail
    assert outcome.cause.endswith("the last words")


async def test_output_that_is_no_text_is_shown_all_the_same(bench: Bench) -> None:
    outcome = await bench.command(r"printf '\377\000\033[31mred'; exit 1")
    assert outcome.result == "failed"
    assert "red" in outcome.output_tail


FLOOD = """
import os, time
piece = b"x" * 1_000_000
end = time.monotonic() + 3.5
while time.monotonic() < end:
    os.write(1, piece)
    time.sleep(0.1)
"""


async def test_output_without_end_does_not_fill_the_disk(bench: Bench) -> None:
    sizes: list[int] = []
    runner = bench.runner("command", command=("{python}", "-I", "-S", "-c", FLOOD))

    async def watch() -> None:
        while True:
            if (bench.actions / "mailer.out").exists():
                sizes.append((bench.actions / "mailer.out").stat().st_size)
            await anyio.sleep(0.05)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        outcome = await bench.run(runner)
        tasks.cancel_scope.cancel()
    assert outcome.result == "ok"
    drops = sum(later < earlier for earlier, later in pairwise(sizes))
    assert drops >= 1, "it wrote about 30 MB and was never cut"
    assert max(sizes) < 8 * LIMIT


async def test_without_a_place_for_its_output_it_is_run_all_the_same(bench: Bench) -> None:
    bench.actions.rmdir()
    outcome = await bench.command("echo no luck >&2; exit 3")
    assert (outcome.result, outcome.output_tail) == ("failed", "no luck")


async def test_its_output_never_goes_through_a_link(bench: Bench) -> None:
    precious = bench.folder / "precious"
    precious.write_text("precious")
    (bench.actions / "mailer.out").symlink_to(precious)
    outcome = await bench.command("echo no luck; exit 3")
    assert outcome.output_tail == "no luck"
    assert precious.read_text() == "precious"


async def test_a_command_past_its_deadline_is_ended_with_its_session_mates(bench: Bench) -> None:
    pids = bench.folder / "pids"
    script = f"sleep 1000 & echo $! > {pids}; setsid sleep 1000 & echo $! >> {pids}; echo $$ >> {pids}; wait"
    outcome = await bench.command(script, timeout=0.7)
    assert outcome.result == "timed_out"
    found = [int(pid) for pid in pids.read_text().split()]
    assert len(found) == 3
    assert not [pid for pid in found if alive(pid)]


async def test_there_is_no_child_to_wait_for_and_nothing_to_close(bench: Bench) -> None:
    runner = bench.runner()
    assert await runner.wait() is None
    await runner.close()


async def test_cut_short_at_any_moment_nothing_is_left(bench: Bench) -> None:
    marker = f"cut-{os.getpid()}"
    pids = bench.folder / "pids"
    runner = bench.runner("command", command=("sh", "-c", f"echo $$ >> {pids}; sleep 1000"))
    for number in range(12):
        request = ActionRequest(action_id=f"{marker}-{number}", agent="mailer", attempt=1)
        with anyio.move_on_after(0.002 * number):
            await runner.run(request, bench)
    found = [int(pid) for pid in pids.read_text().split()] if pids.exists() else []
    assert not [pid for pid in found if alive(pid)]
