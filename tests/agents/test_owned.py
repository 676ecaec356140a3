"""Processes of our own, for real: started, logged, ended with all that they started."""

import os
import signal
import sys
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from collections_supervisor.agents.owned import OwnedProcess
from collections_supervisor.agents.owned_life import settings
from collections_supervisor.agents.owned_lines import LINE, LINES
from collections_supervisor.agents.state import ActionRecord, ChildExited, MemoryRead
from collections_supervisor.agents.strays import Sweeper
from collections_supervisor.agents.workplace import Workplace
from collections_supervisor.config.schema import AgentConfig, RestartPolicy
from collections_supervisor.messages import ActionOutcome, ActionRequest
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.process_table import is_alive, start_time
from collections_supervisor.system.process_tree import Tree
from collections_supervisor.system.shutdown import Shutdown

DEADLINE = 30.0


class Bench:
    """Processes of one agent, and what they said."""

    def __init__(self, folder: Path, log: Any) -> None:
        self.folder = folder
        self.log = log
        self.shutdown = Shutdown(10.0, SystemClock())
        self.secrets = {"HOOKS_TOKEN"}
        self.place = Workplace(
            folder=folder,
            environment={**os.environ, "HOOKS_TOKEN": "secret", "LATER_TOKEN": "secret"},
            secrets=self.secrets,
            shutdown=self.shutdown,
            clock=SystemClock(),
            log=log,
        )
        self.made: list[OwnedProcess] = []
        self.forgotten: list[OwnedProcess] = []
        """Those of earlier lives, whose processes live on."""
        self.begun = 0
        self.wanted = True
        self.alive_at_begin: list[int] = []
        self.at_begin: Callable[[], object] = lambda: None
        self.spawns: list[tuple[int, int]] = []
        self._count = 0

    def own(self, *command: str, **restart: Any) -> OwnedProcess:
        policy = AgentConfig(
            name="worker", restart=RestartPolicy(kind="process", command=command, **{"stop_grace": 5.0, **restart})
        )
        self.made.append(OwnedProcess(policy, self.place))
        return self.made[-1]

    def shell(self, script: str, **restart: Any) -> OwnedProcess:
        return self.own("sh", "-c", script, **restart)

    def python(self, script: str, **restart: Any) -> OwnedProcess:
        return self.own("{python}", "-I", "-S", "-u", "-c", script, **restart)

    async def begin(self, argv: tuple[str, ...]) -> bool:
        self.begun += 1
        self.at_begin()
        self.alive_at_begin = [pid for pid in self.pids if alive(pid)]
        return self.wanted

    async def spawned(self, pid: int, start_time: int) -> None:
        self.spawns.append((pid, start_time))

    def elsewhere(self) -> str:
        """A script that has ended when what it started is in a session of its own."""
        return (
            f"rm -f {self.folder}/up; setsid sh -c 'echo $$ >> {self.folder}/pids; touch {self.folder}/up; exec sleep 1000' & "
            f"until [ -e {self.folder}/up ]; do sleep 0.01; done"
        )

    def adjust(self, process: OwnedProcess, cycle: float | None = None, **restart: Any) -> None:
        """Have it go by other settings, as a reload does."""
        policy = process._policy
        changed = msgspec.structs.replace(policy.restart, **restart)
        process.adjust(msgspec.structs.replace(policy, restart=changed, cycle=cycle or policy.cycle))

    def request(self) -> ActionRequest:
        self._count += 1
        return ActionRequest(action_id=f"worker-{os.getpid()}-{id(self)}-{self._count}", agent="worker", attempt=1)

    async def start(self, process: OwnedProcess) -> ActionOutcome:
        with anyio.fail_after(DEADLINE):
            return await process.run(self.request(), self)

    async def live(self, process: OwnedProcess) -> ChildExited | None:
        """Start it and wait for its end."""
        assert (await self.start(process)).result == "ok"
        with anyio.fail_after(DEADLINE):
            news = await process.wait()
        assert not isinstance(news, MemoryRead)
        return news

    @property
    def said(self) -> list[str]:
        return [entry["message"] for entry in self.log.of("agent.output")]

    @property
    def pids(self) -> list[int]:
        path = self.folder / "pids"
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []


@pytest.fixture
async def bench(tmp_path: Path, log: Any) -> Any:
    bench = Bench(tmp_path, log)
    yield bench
    for process in (*bench.made, *bench.forgotten):
        await process.close()
    for pid in bench.pids:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(autouse=True)
def no_pipe_leaks() -> Iterator[None]:
    before = pipes()
    yield
    assert pipes() == before


def pipes() -> set[str]:
    """The pipes that are open in this process."""
    links = (os.path.realpath(fd) for fd in Path("/proc/self/fd").iterdir())
    return {link for link in links if "pipe:" in link}


async def until(condition: Callable[[], Any]) -> Any:
    with anyio.fail_after(DEADLINE):
        while not (found := condition()):
            await anyio.sleep(0.01)
        return found


def alive(pid: int) -> bool:
    started = start_time(pid)
    return started is not None and is_alive(pid, started)


async def with_waiter(process: OwnedProcess, work: Callable[[], Awaitable[Any]]) -> list[ChildExited | MemoryRead | None]:
    """What whoever waits for the process is told while something is done to it."""
    told: list[ChildExited | MemoryRead | None] = []

    async def wait() -> None:
        told.append(await process.wait())

    with anyio.fail_after(DEADLINE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.sleep(0)
            await work()
    return told


# --- Its life ---


async def test_it_is_started_and_its_end_is_told(bench: Bench) -> None:
    exited = await bench.live(bench.shell("exit 3"))
    assert exited is not None
    assert (exited.exit_code, exited.signal) == (3, None)
    assert 0 < exited.uptime_s < DEADLINE
    assert bench.begun == 1


async def test_an_end_by_a_signal_names_it(bench: Bench) -> None:
    exited = await bench.live(bench.shell("kill -SEGV $$"))
    assert exited is not None
    assert (exited.exit_code, exited.signal) == (None, "SIGSEGV")


async def test_its_end_calls_whoever_is_to_wait_then_and_what_it_said_is_told_before(bench: Bench) -> None:
    process = bench.shell(f"until [ -e {bench.folder}/end ]; do sleep 0.01; done; echo bye; exit 3")
    await bench.start(process)
    news = anyio.Event()
    assert process.when_news(news.set)
    (bench.folder / "end").touch()
    with anyio.fail_after(DEADLINE):
        await news.wait()
        exited = await process.wait()
    assert isinstance(exited, ChildExited)
    assert (exited.exit_code, bench.said) == (3, ["bye"])


async def test_nobody_is_called_when_we_end_it_ourselves(bench: Bench) -> None:
    process = bench.shell("exec sleep 1000")
    await bench.start(process)
    calls: list[int] = []
    assert process.when_news(lambda: calls.append(1))
    await process.close()
    await anyio.wait_all_tasks_blocked()
    assert calls == []


async def test_an_unfinished_line_of_one_that_is_ended_is_not_the_beginning_of_its_successors(bench: Bench) -> None:
    process = bench.shell(f"printf half; touch {bench.folder}/said-$$; exec sleep 1000")

    def spoken(number: int) -> bool:
        return len(list(bench.folder.glob("said-*"))) == number

    for number in (1, 2):
        await bench.start(process)
        assert process.when_news(lambda: None)
        await until(partial(spoken, number))
    await process.close()
    assert bench.said == ["half", "half"]


async def test_other_settings_call_whoever_is_to_wait_by_them(bench: Bench) -> None:
    process = bench.shell("exec sleep 1000")
    await bench.start(process)
    calls: list[int] = []
    assert process.when_news(lambda: calls.append(1))
    bench.adjust(process, stop_grace=1.0)
    assert calls == []
    bench.adjust(process, cycle=0.2, max_rss=1)
    assert calls == [1]
    assert not process.when_news(lambda: calls.append(2)), "it is measured once a cycle, which takes a task"
    with anyio.fail_after(DEADLINE):
        assert isinstance(await process.wait(), MemoryRead)
    await process.close()
    assert calls == [1]


async def test_without_a_process_there_is_no_end_to_wait_for(bench: Bench) -> None:
    process = bench.shell("exit 0")
    assert await process.wait() is None
    await process.close()


async def test_what_we_end_ourselves_is_no_end_to_be_judged(bench: Bench) -> None:
    process = bench.shell(f"echo $$ > {bench.folder}/pids; sleep 1000")
    await bench.start(process)
    [pid] = await until(lambda: bench.pids)
    assert await with_waiter(process, process.close) == [None]
    assert not alive(pid)


async def test_started_anew_the_one_before_is_ended_first(bench: Bench) -> None:
    process = bench.shell(f"setsid sleep 1000 & echo $! >> {bench.folder}/pids; echo $$ >> {bench.folder}/pids; wait")
    await bench.start(process)
    first = list(await until(lambda: len(bench.pids) == 2 and bench.pids))
    assert await with_waiter(process, lambda: bench.start(process)) == [None]
    assert bench.alive_at_begin == [], "what the one before beats while it is ended would prove the next one"
    assert not [pid for pid in first if alive(pid)]
    await until(lambda: len(bench.pids) == 4)
    assert all(alive(pid) for pid in bench.pids[2:])
    await process.close()
    assert not [pid for pid in bench.pids if alive(pid)]


async def test_one_that_is_not_wanted_any_more_is_not_started(bench: Bench) -> None:
    bench.wanted = False
    process = bench.shell(f"echo $$ > {bench.folder}/pids")
    assert (await bench.start(process)).result == "busy"
    assert await process.wait() is None
    assert bench.pids == []


async def test_what_one_that_died_left_in_its_group_is_ended_before_the_next_start(bench: Bench) -> None:
    process = bench.shell(f"sleep 1000 & echo $! >> {bench.folder}/pids")
    assert await bench.live(process) is not None
    [orphan] = bench.pids
    assert alive(orphan), "it may be all there is of it, until it is started anew"
    await bench.start(process)
    assert bench.alive_at_begin == []
    assert not alive(orphan)


async def test_what_one_that_died_left_in_another_session_is_ended_once_the_next_one_runs(bench: Bench) -> None:
    process = bench.shell(bench.elsewhere())
    assert await bench.live(process) is not None
    [orphan] = bench.pids
    await bench.start(process)
    assert bench.alive_at_begin == [orphan], "looking for it takes longer than the start may"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Sweeper(bench.place.strays, bench.shutdown, bench.log).run)
        await until(lambda: not alive(orphan))
        tasks.cancel_scope.cancel()
    await until(lambda: len(bench.pids) == 2)
    assert alive(bench.pids[1]), "of the one that runs now"


async def test_what_is_left_in_another_session_is_ended_with_its_agent_if_nobody_looked_for_it_before(bench: Bench) -> None:
    process = bench.shell(bench.elsewhere())
    assert await bench.live(process) is not None
    await bench.start(process)
    await until(lambda: len(bench.pids) == 2)
    await process.close()
    assert [pid for pid in bench.pids if alive(pid)] == []


async def test_it_is_asked_with_its_own_signal_and_has_its_grace(bench: Bench) -> None:
    script = f"trap 'echo int > {bench.folder}/asked; exit 0' INT; echo $$ > {bench.folder}/pids; while :; do sleep 0.05; done"
    process = bench.shell(script, stop_signal="INT")
    await bench.start(process)
    await until(lambda: bench.pids)
    await process.close()
    assert (bench.folder / "asked").read_text() == "int\n"


async def test_one_that_does_not_heed_it_is_killed_after_its_grace(bench: Bench) -> None:
    process = bench.shell(f"trap '' TERM; echo $$ > {bench.folder}/pids; while :; do sleep 0.05; done", stop_grace=0.3)
    await bench.start(process)
    [pid] = await until(lambda: bench.pids)
    await process.close()
    assert not alive(pid)


async def test_an_operators_second_signal_cuts_its_grace_short(bench: Bench) -> None:
    process = bench.shell(f"trap '' TERM; echo $$ > {bench.folder}/pids; while :; do sleep 0.05; done", stop_grace=1000.0)
    await bench.start(process)
    [pid] = await until(lambda: bench.pids)
    bench.shutdown.kill_now.set()
    with anyio.fail_after(DEADLINE):
        await process.close()
    assert not alive(pid)


async def test_it_knows_whom_it_is_and_no_secrets(bench: Bench) -> None:
    process = bench.own(
        "sh", "-c", 'echo "$COLLECTIONS_SUPERVISOR_AGENT $1 $COLOUR ${HOOKS_TOKEN-none}"; pwd', "sh", "{agent}",
        env={"COLOUR": "blue"}, cwd=bench.folder,
    )  # fmt: skip
    await bench.live(process)
    assert bench.said == ["worker worker blue none", str(bench.folder)]


async def test_what_became_secret_since_it_was_made_is_kept_from_it_too(bench: Bench) -> None:
    process = bench.shell('echo "${LATER_TOKEN-none}"')
    await bench.live(process)
    bench.secrets.add("LATER_TOKEN")
    await bench.live(process)
    assert bench.said == ["secret", "none"]


@pytest.mark.parametrize("command", [("nowhere-to-be-found",), ("/etc/passwd",), ("/",)])
async def test_a_command_that_cannot_be_run_is_a_fault_of_the_configuration(bench: Bench, command: tuple[str, ...]) -> None:
    process = bench.own(*command)
    outcome = await bench.start(process)
    assert (outcome.result, outcome.classified) == ("failed", "configuration")
    assert command[0] in outcome.cause
    assert await process.wait() is None


async def test_a_folder_that_is_missing_is_a_fault_of_the_configuration(bench: Bench) -> None:
    outcome = await bench.start(bench.own("true", cwd=bench.folder / "nowhere"))
    assert (outcome.result, outcome.classified) == ("failed", "configuration")


# --- Cut short ---


async def test_cut_short_while_waiting_its_pipe_is_closed_and_it_can_still_be_ended(bench: Bench) -> None:
    process = bench.shell(f"echo $$ > {bench.folder}/pids; sleep 1000")
    await bench.start(process)
    [pid] = await until(lambda: bench.pids)
    with anyio.move_on_after(0.05):
        await process.wait()
    assert alive(pid)
    await process.close()
    assert not alive(pid)


async def test_cut_short_right_before_the_start_nothing_is_left_open(bench: Bench) -> None:
    before = pipes()
    process = bench.shell("sleep 1000")
    with anyio.CancelScope() as scope:
        bench.at_begin = scope.cancel
        await process.run(bench.request(), bench)
    assert scope.cancelled_caught
    await process.close()
    assert pipes() == before


async def test_cut_short_at_any_moment_of_the_start_nothing_is_left(bench: Bench) -> None:
    before = pipes()
    for number in range(15):
        process = bench.shell(f"echo $$ >> {bench.folder}/pids; sleep 1000")
        with anyio.move_on_after(0.001 * number):
            await bench.start(process)
            await process.wait()
        await process.close()
    assert not [pid for pid in bench.pids if alive(pid)]
    assert pipes() == before


async def test_ended_in_the_moment_of_its_start_nothing_of_it_is_left(bench: Bench) -> None:
    # It starts something in another session and is gone: the two moments at which it can be overlooked.
    for _ in range(30):
        process = bench.shell(f"setsid sleep 1000 & echo $! >> {bench.folder}/pids")
        await bench.start(process)
        await process.close()
    assert [pid for pid in bench.pids if alive(pid)] == []


# --- What it says ---


async def test_its_lines_are_events(bench: Bench) -> None:
    await bench.live(bench.shell(r"printf 'one\ntwo\r\n\n   \nlast words'; echo three >&2"))
    assert sorted(bench.said) == sorted(["one", "two", "last wordsthree"]) or bench.said == ["one", "two", "last words", "three"]
    [entry] = [entry for entry in bench.log.of("agent.output") if entry["message"] == "one"]
    assert (entry["agent"], entry["level"]) == ("worker", 20)


async def test_a_last_line_without_an_end_is_said_too(bench: Bench) -> None:
    await bench.live(bench.shell("printf 'going down'"))
    assert bench.said == ["going down"]


async def test_what_is_no_text_is_said_as_well_as_can_be(bench: Bench) -> None:
    await bench.live(bench.shell(r"printf 'caf\351 \303\251\n'"))
    assert bench.said == ["caf\N{REPLACEMENT CHARACTER} é"]


async def test_a_long_line_is_cut(bench: Bench) -> None:
    await bench.live(bench.python(f"print('x' * {3 * LINE}); print('next')"))
    assert max(len(line) for line in bench.said) == LINE
    assert bench.said[-1] == "next"


async def test_a_line_in_pieces_is_one(bench: Bench) -> None:
    await bench.live(
        bench.python("import sys, time\nfor part in ('a', 'b', 'c\\n'):\n sys.stdout.write(part)\n time.sleep(0.05)")
    )
    assert bench.said == ["abc"]


async def test_a_line_is_told_while_it_lives(bench: Bench) -> None:
    process = bench.shell("echo up; sleep 1000")
    await bench.start(process)
    assert await with_waiter(process, lambda: close_after(process, lambda: bench.said)) == [None]
    assert bench.said == ["up"]


async def close_after(process: OwnedProcess, condition: Callable[[], Any]) -> None:
    await until(condition)
    await process.close()


async def test_all_that_it_said_right_before_its_end_is_told(bench: Bench) -> None:
    for _ in range(10):
        await bench.live(bench.shell("seq 1 10; exit 1"))
    assert bench.said == [str(number) for number in range(1, 11)] * 10


async def test_what_it_left_behind_may_hold_its_output_open(bench: Bench) -> None:
    exited = await bench.live(bench.shell(f"sleep 1000 & echo $! > {bench.folder}/pids; echo bye"))
    assert exited is not None
    assert bench.said == ["bye"]


async def test_a_flood_is_bounded_and_every_line_is_told_or_counted(bench: Bench) -> None:
    lines = 30_000
    exited = await bench.live(bench.python(f"for n in range({lines}): print(n)"))
    assert exited is not None
    dropped = sum(entry["dropped"] for entry in bench.log.of("agent.output.skipped"))
    assert len(bench.said) + dropped == lines
    assert len(bench.said) <= LINES * (exited.uptime_s + 2)
    assert bench.said[:3] == ["0", "1", "2"]
    skipped = bench.log.of("agent.output.skipped")[-1]
    assert (skipped["agent"], skipped["level"]) == ("worker", 30)


async def test_a_flood_does_not_keep_the_others_waiting(bench: Bench) -> None:
    process = bench.shell("yes")
    await bench.start(process)
    late: list[float] = []

    async def tick() -> None:
        for _ in range(20):
            begun = anyio.current_time()
            await anyio.sleep(0.01)
            late.append(anyio.current_time() - begun)
        await process.close()

    assert await with_waiter(process, tick) == [None]
    assert sorted(late)[len(late) // 2] < 0.25


async def test_a_flood_without_line_ends_takes_no_memory(bench: Bench) -> None:
    process = bench.python("import os\nfor _ in range(200): os.write(1, b'x' * 65536)")
    await bench.start(process)
    tracemalloc.start()
    try:
        with anyio.fail_after(DEADLINE):
            await process.wait()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000, "13 MB were written"
    assert all(len(line) <= LINE for line in bench.said)


async def test_it_outlives_a_log_that_nobody_reads_as_fast(bench: Bench) -> None:
    # Nobody waits for it yet: its pipe is full, it waits, and it goes on as soon as somebody reads.
    process = bench.python("for n in range(20000): print(n)")
    await bench.start(process)
    await anyio.sleep(0.1)
    exited = await process.wait()
    assert isinstance(exited, ChildExited)
    assert exited.exit_code == 0


# --- What an earlier life of ours left ---


class Earlier:
    """A process that an earlier life of ours started, with what is written down of it."""

    def __init__(self, bench: Bench, process: OwnedProcess) -> None:
        self.bench = bench
        self.process = process

    async def record(self, **changes: Any) -> ActionRecord:
        request = self.bench.request()
        with anyio.fail_after(DEADLINE):
            assert (await self.process.run(request, self.bench)).result == "ok"
        pid, started = self.bench.spawns[-1]
        # The one that started it is gone: what it had open is closed, and nobody listens any more.
        self.process._output.close()
        self.bench.made.remove(self.process)
        self.bench.forgotten.append(self.process)
        known = ActionRecord(
            request=request,
            argv=(),
            boot_id="boot",
            started=SystemClock().now().wall,
            deadline=0.0,
            settings=settings(self.process._policy),
            pid=pid,
            start_time=started,
        )
        return msgspec.structs.replace(known, **changes)


TALKS = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done"


async def found(process: OwnedProcess, record: ActionRecord) -> Tree | None:
    with anyio.fail_after(DEADLINE):
        return await process.find(record)


@pytest.mark.parametrize("known", [True, False], ids=["recorded", "spawned and not recorded"])
async def test_one_that_outlived_us_is_taken_over_with_all_that_it_says(bench: Bench, known: bool) -> None:
    record = await Earlier(bench, bench.shell(TALKS)).record(**({} if known else {"pid": 0, "start_time": 0}))
    pid = bench.spawns[-1][0]
    await anyio.sleep(0.2)
    process = bench.shell(TALKS)
    tree = await found(process, record)
    assert tree is not None
    assert tree.pid == pid
    assert (await process.adopt(record, tree)).result == "ok"

    async def listen_and_kill() -> None:
        await until(lambda: len(bench.said) > 20)
        os.kill(pid, signal.SIGKILL)

    [exited] = await with_waiter(process, listen_and_kill)
    assert isinstance(exited, ChildExited)
    assert (exited.exit_code, exited.signal, exited.adopted) == (None, None, True)
    assert 0.2 < exited.uptime_s < DEADLINE
    assert bench.said == [str(number + 1) for number in range(len(bench.said))], "no line is lost, and none comes twice"


async def test_one_that_was_taken_over_is_ended_with_us_and_with_all_that_it_started(bench: Bench) -> None:
    script = f"setsid sleep 1000 & echo $! >> {bench.folder}/pids; echo $$ >> {bench.folder}/pids; wait"
    record = await Earlier(bench, bench.shell(script)).record()
    await until(lambda: len(bench.pids) == 2)
    process = bench.shell(script)
    tree = await found(process, record)
    assert tree is not None
    await process.adopt(record, tree)
    assert await with_waiter(process, process.close) == [None]
    assert [pid for pid in bench.pids if alive(pid)] == []


@pytest.mark.parametrize("change", ["settings", "pipe"])
async def test_one_that_would_be_started_in_another_way_now_is_asked_to_end(bench: Bench, change: str) -> None:
    script = f"trap 'echo int > {bench.folder}/asked; exit' INT; echo $$ > {bench.folder}/pids; while :; do sleep 0.02; done"
    record = await Earlier(bench, bench.shell(script)).record()
    await until(lambda: bench.pids)
    if change == "pipe":
        (bench.folder / "worker.out").unlink()
    process = bench.shell(script, stop_signal="INT", **({"env": {"COLOUR": "blue"}} if change == "settings" else {}))
    assert await found(process, record) is None
    assert (bench.folder / "asked").read_text() == "int\n"
    assert not alive(bench.pids[0])
    assert [entry["pid"] for entry in bench.log.of("agent.outdated")] == bench.pids


async def test_what_one_that_died_while_nobody_watched_left_is_ended_before_the_next_start(bench: Bench) -> None:
    earlier = Earlier(bench, bench.shell(f"{bench.elsewhere()}; sleep 1000"))
    record = await earlier.record()
    await until(lambda: len(bench.pids) == 1)
    os.kill(record.pid, signal.SIGKILL)
    await until(lambda: not alive(record.pid))
    process = bench.shell("exec sleep 1000")
    assert await found(process, record) is None
    assert alive(bench.pids[0])
    await bench.start(process)
    assert not alive(bench.pids[0])


async def test_a_record_of_one_that_was_never_started_finds_nothing(bench: Bench) -> None:
    process = bench.shell("exec sleep 1000")
    record = ActionRecord(
        request=bench.request(), argv=(), boot_id="boot", started=SystemClock().now().wall, deadline=0.0, settings="x"
    )
    assert await found(process, record) is None


# --- A file instead of events, and memory ---


async def test_its_output_may_go_into_a_file_that_is_rotated_once_a_cycle(bench: Bench) -> None:
    path = bench.folder / "logs" / "worker.log"
    process = bench.python(
        "import time\nfor n in range(300): print('x' * 500)\ntime.sleep(1000)", output=path, output_max=65536, output_keep=1
    )
    process._policy = msgspec.structs.replace(process._policy, cycle=0.2)
    await bench.start(process)

    async def wait_for_rotation() -> None:
        await until(lambda: path.with_name("worker.log.1").exists() and path.stat().st_size == 0)
        await process.close()

    assert await with_waiter(process, wait_for_rotation) == [None]
    assert path.with_name("worker.log.1").read_text() == ("x" * 500 + "\n") * 300
    assert bench.said == []


@pytest.mark.parametrize("to_file", [True, False], ids=["to a file", "to the log"])
async def test_another_output_holds_from_its_next_start_on(bench: Bench, to_file: bool) -> None:
    path = bench.folder / "worker.log"
    log, file = {"output": None}, {"output": path}
    before, after = (log, file) if to_file else (file, log)
    process = bench.python(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('last of', os.getpid()), os._exit(0)))\n"
        f"print('one of', os.getpid())\nprint(os.getpid(), file=open('{bench.folder}/pids', 'a'))\ntime.sleep(1000)",
        **before,
    )
    await bench.start(process)

    async def adjust_and_start() -> None:
        await until(lambda: bench.pids)
        bench.adjust(process, **after)
        await bench.start(process)

    assert await with_waiter(process, adjust_and_start) == [None]

    async def close() -> None:
        await until(lambda: len(bench.pids) == 2)
        await process.close()

    assert await with_waiter(process, close) == [None]
    first, second = ([f"one of {pid}", f"last of {pid}"] for pid in bench.pids)
    in_file = path.read_text().splitlines()
    assert (bench.said, in_file) == ((first, second) if to_file else (second, first))


async def test_one_whose_output_was_changed_is_taken_over_with_the_new_one(bench: Bench) -> None:
    first = bench.shell(TALKS, output=bench.folder / "worker.log")
    await bench.start(first)
    bench.adjust(first, output=None)
    record = await Earlier(bench, first).record()
    process = bench.shell(TALKS)
    tree = await found(process, record)
    assert tree is not None
    await process.adopt(record, tree)
    assert await with_waiter(process, lambda: close_after(process, lambda: len(bench.said) > 20)) == [None]


async def test_one_that_is_sought_by_settings_that_changed_meanwhile_is_heard_by_them(bench: Bench) -> None:
    record = await Earlier(bench, bench.shell(TALKS)).record()
    process = bench.shell(TALKS, output=bench.folder / "worker.log")
    bench.adjust(process, output=None)
    tree = await found(process, record)
    assert tree is not None
    await process.adopt(record, tree)
    assert await with_waiter(process, lambda: close_after(process, lambda: len(bench.said) > 20)) == [None]


async def test_other_bounds_of_its_file_hold_at_once(bench: Bench) -> None:
    path = bench.folder / "worker.log"
    process = bench.python("import time\nfor n in range(300): print('x' * 500)\ntime.sleep(1000)", output=path)
    process._policy = msgspec.structs.replace(process._policy, cycle=0.2)
    await bench.start(process)

    async def adjust() -> None:
        await until(lambda: path.stat().st_size == 300 * 501)
        bench.adjust(process, output_max=65536, output_keep=0)
        await until(lambda: path.stat().st_size == 0)
        await process.close()

    assert await with_waiter(process, adjust) == [None]
    assert list(bench.folder.glob("worker.log.*")) == []


async def test_a_file_that_cannot_be_written_is_a_start_that_failed(bench: Bench) -> None:
    (bench.folder / "file").write_text("")
    outcome = await bench.start(bench.shell("exit 0", output=bench.folder / "file" / "log"))
    assert (outcome.result, outcome.classified) == ("failed", "")
    assert str(bench.folder / "file" / "log") in outcome.cause


async def test_it_is_measured_once_a_cycle_with_all_that_it_started_and_its_end_is_told_after_that(bench: Bench) -> None:
    hold = "x = bytearray(40 * 2**20); import time; time.sleep(1000)"
    process = bench.shell(f"{sys.executable} -I -S -c '{hold}' & echo $! > {bench.folder}/pids; wait; exit 3", max_rss=1)
    process._policy = msgspec.structs.replace(process._policy, cycle=0.2)
    await bench.start(process)
    await until(lambda: bench.pids)
    measured: list[int] = []
    with anyio.fail_after(DEADLINE):
        while not measured or measured[-1] < 40 * 2**20:
            news = await process.wait()
            assert isinstance(news, MemoryRead)
            measured.append(news.rss)
        os.kill(bench.pids[0], signal.SIGKILL)
        while isinstance(news := await process.wait(), MemoryRead):
            pass
    assert isinstance(news, ChildExited)
    assert news.exit_code == 3


@pytest.mark.parametrize("before", [{}, {"max_rss": 1}, {"output": Path("worker.log")}], ids=["plain", "measured", "in a file"])
async def test_that_it_is_to_be_measured_or_more_often_holds_for_one_that_lives(bench: Bench, before: dict[str, Any]) -> None:
    process = bench.shell(
        "exec sleep 1000", **{name: bench.folder / value if name == "output" else value for name, value in before.items()}
    )
    bench.adjust(process, cycle=100_000.0)
    await bench.start(process)

    async def adjust() -> None:
        await anyio.wait_all_tasks_blocked()
        bench.adjust(process, cycle=0.2, max_rss=1)

    [news] = await with_waiter(process, adjust)
    assert isinstance(news, MemoryRead)
    assert news.rss > 0


async def test_other_settings_in_the_moment_of_its_end_lose_nothing_of_that(bench: Bench) -> None:
    for number in range(20):
        process = bench.shell("echo bye; exit 3")
        await bench.start(process)

        async def adjust(process: OwnedProcess = process, pause: float = 0.001 * number) -> None:
            await anyio.sleep(pause)
            for limit in (1 << 40, None):
                bench.adjust(process, max_rss=limit)
                await anyio.sleep(0)

        [news] = await with_waiter(process, adjust)
        assert isinstance(news, ChildExited)
        assert (news.exit_code, bench.said) == (3, ["bye"] * (number + 1))
