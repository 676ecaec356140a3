"""The stand-in for `openclaw` behaves as its docstring says: other tests believe it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("openclaw")
RESTART = ("agent", "--agent", "A", "--message", "restart", "--json", "--timeout", "75")
TASKS = ("gateway", "call", "tasks.list", "--params", '{"agentId":"a"}', "--json")


class Standin:
    """Calls of the stand-in that share a folder, and what it recorded there."""

    def __init__(self, folder: Path) -> None:
        self.calls = folder / "calls.jsonl"
        self.heartbeat = folder / "A.log"
        self.script = folder / "script.json"
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, *argv: str, rules: list[dict[str, Any]] | None = None, **env: str) -> subprocess.Popen[str]:
        if rules is not None:
            # Once: a call that runs already may be reading it.
            if not self.script.exists():
                self.script.write_text(json.dumps(rules))
            env["STANDIN_SCRIPT"] = str(self.script)
        # A real interpreter first: a shim in front of it would make every call slow.
        path = f"{PROGRAM.parent}:{Path(sys.executable).resolve().parent}:{os.environ['PATH']}"
        known = {"PATH": path, "STANDIN_CALLS": str(self.calls), "COLLECTIONS_SUPERVISOR_HEARTBEAT": str(self.heartbeat)}
        pipe = subprocess.PIPE
        process = subprocess.Popen(["openclaw", *argv], env={**known, **env}, stdout=pipe, stderr=pipe, text=True)
        self.processes.append(process)
        return process

    def run(self, *argv: str, **env: Any) -> tuple[int, str, str]:
        process = self.start(*argv, **env)
        stdout, stderr = process.communicate(timeout=30)
        return process.returncode, stdout, stderr

    def ended(self) -> list[dict[str, Any]]:
        return lines(self.calls)

    def begun(self, count: int = 1) -> list[dict[str, Any]]:
        """The calls that began, as soon as there are so many."""
        return wait_for(lambda: lines(self.calls.with_name("calls.started.jsonl")), count)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(look: Callable[[], list[Any]], count: int) -> list[Any]:
    deadline = time.monotonic() + 30
    while len(found := look()) < count:
        assert time.monotonic() < deadline, f"only {found} came"
        time.sleep(0.005)
    return found


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Standin]:
    calls = Standin(tmp_path)
    yield calls
    calls.close()


@pytest.mark.parametrize(
    ("argv", "kind", "agent", "shows"),
    [
        (RESTART, "restart", "A", '"status": "ok"'),
        (("agent", "--agent", "A", "--message", "/new", "--json"), "new", "A", '"isStatusNotice": true'),
        (("gateway", "call", "chat.abort", "--params", '{"sessionKey":"agent:A:main"}'), "abort", "A", '"aborted": false'),
        (TASKS, "tasks", "a", '"tasks": []'),
        (("gateway", "call", "agent", "--params", '{"agentId":"c","idempotencyKey":"k1"}'), "notice", "c", '"runId": "k1"'),
        (("gateway", "call", "agent", "--params", "{"), "notice", "", '"status": "accepted"'),
        (("--version",), "other", "", "OpenClaw"),
    ],
)
def test_each_kind_of_call_is_recorded_and_answered(standin: Standin, argv: Any, kind: str, agent: str, shows: str) -> None:
    before = time.time()
    code, stdout, stderr = standin.run(*argv)
    assert (code, stderr) == (0, "")
    assert shows in stdout
    [call] = standin.ended()
    assert {name: call[name] for name in ("argv", "kind", "agent", "exit")} == {
        "argv": list(argv),
        "kind": kind,
        "agent": agent,
        "exit": 0,
    }
    assert before <= call["start"] <= call["end"] <= time.time()
    [begun] = standin.begun()
    assert begun["pid"] == call["pid"] == standin.processes[0].pid


def test_variables_of_its_kind_change_a_call_and_no_other(standin: Standin) -> None:
    env = {"STANDIN_RESTART_EXIT": "3", "STANDIN_RESTART_ANSWER": "prose", "STANDIN_RESTART_STDERR": "noise"}
    assert standin.run(*RESTART, **env) == (3, "prose", "noise")
    assert standin.run(*TASKS, **env)[0] == 0


def test_a_notice_is_known_again_by_its_key_whoever_it_is_for(standin: Standin) -> None:
    def tell(agent: str, key: str, **env: str) -> tuple[str, list[str]]:
        params = json.dumps({"agentId": agent, "idempotencyKey": key})
        code, stdout, _ = standin.run("gateway", "call", "agent", "--params", params, **env)
        assert code == int(env.get("STANDIN_NOTICE_EXIT", 0))
        answer = json.loads(stdout)
        return answer["status"], [answer["runId"]]

    assert tell("caine", "k1", STANDIN_NOTICE_EXIT="1") == ("accepted", ["k1"])
    assert [tell("caine", "k1"), tell("caine", "k1"), tell("deputy", "k1")] == [
        ("accepted", ["k1"]),
        ("ok", ["k1"]),
        ("ok", ["k1"]),
    ]
    assert tell("deputy", "k2") == ("accepted", ["k2"])


def test_rules_hold_by_kind_agent_and_count(standin: Standin) -> None:
    rules: list[dict[str, Any]] = [
        {"kind": "restart", "nth": 2, "agent": "a", "exit": 5, "answer": {"ok": False}},
        {"kind": "restart", "nth": 1, "exit": 4},
        {"kind": "tasks", "active": 10, "age": 100},
    ]
    other = tuple(word.replace("A", "B") if word == "A" else word for word in RESTART)
    codes = [standin.run(*argv, rules=rules)[0] for argv in (RESTART, other, TASKS, RESTART, RESTART)]
    assert codes == [4, 0, 0, 5, 0]
    [task] = json.loads(standin.run(*TASKS, rules=rules)[1])["tasks"]
    assert task["status"] == "running"
    assert 9 < time.time() - task["execution"]["lastActivityAt"] / 1000 < 60
    assert 99 < time.time() - task["startedAt"] / 1000 < 160


def test_term_ends_a_call_at_once_and_is_recorded(standin: Standin) -> None:
    process = standin.start(*RESTART, STANDIN_RESTART_SLEEP="600")
    standin.begun()
    process.terminate()
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 143
    assert standin.ended()[0]["exit"] == 143


def test_call_that_ignores_term_is_ended_by_kill_alone(standin: Standin) -> None:
    process = standin.start(*RESTART, STANDIN_RESTART_SLEEP="600", STANDIN_RESTART_IGNORE_TERM="1")
    standin.begun()
    process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.3)
    process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL
    assert standin.ended() == []


def test_call_can_stay_after_its_answer(standin: Standin) -> None:
    process = standin.start(*RESTART, rules=[{"linger": 600}])
    assert process.stdout is not None
    # Not the end of file, which only comes with the end of the call.
    printed = ""
    while not printed.endswith("\n}\n"):
        printed += process.stdout.readline()
    assert process.poll() is None
    assert json.loads(printed)["status"] == "ok"


@pytest.mark.parametrize(
    ("sleep", "linger", "after"), [("0", "0", "0"), ("0.2", "0", "0.1"), ("0", "0.2", "0.1"), ("0", "0", "0.2")]
)
def test_beat_comes_so_long_after_the_start(standin: Standin, sleep: str, linger: str, after: str) -> None:
    standin.heartbeat.write_text('{"torn": ')
    env = {"STANDIN_RESTART_SLEEP": sleep, "STANDIN_RESTART_LINGER": linger, "STANDIN_RESTART_BEAT_AFTER": after}
    standin.run(*RESTART, **env)
    _, beat = wait_for(lambda: standin.heartbeat.read_text().split("\n")[:-1], 2)
    assert json.loads(beat)["stale"] is False
    [call] = standin.ended()
    assert standin.heartbeat.stat().st_mtime >= call["start"] + float(after) - 0.05


def test_grandchild_lives_on_in_a_session_of_its_own(standin: Standin) -> None:
    assert standin.run(*RESTART, STANDIN_RESTART_GRANDCHILD="600")[0] == 0
    [begun] = standin.begun()
    pid = begun["grandchild"]
    try:
        assert os.getsid(pid) == pid
    finally:
        os.kill(pid, signal.SIGKILL)


def test_calls_at_the_same_time_leave_whole_lines_and_one_of_them_is_the_first(standin: Standin) -> None:
    rules: list[dict[str, Any]] = [{"kind": "restart", "nth": 1, "exit": 9}]
    processes = [standin.start(*RESTART, rules=rules) for _ in range(6)]
    codes = sorted(process.wait(timeout=30) for process in processes)
    assert codes == [0, 0, 0, 0, 0, 9]
    assert len(standin.ended()) == len(standin.begun(6)) == 6
