"""The channels that run commands, with a made-up runner and for real."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.config.schema import (
    Channel as ChannelSettings,
)
from collections_supervisor.config.schema import (
    CommandChannel,
    EscalationConfig,
    OpenClawChannel,
)
from collections_supervisor.escalation.channels import Channel, open_channels
from collections_supervisor.escalation.delivery import Delivery
from collections_supervisor.messages import Notice
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.process import SpawnError
from collections_supervisor.system.process_command import CommandResult, run_command
from collections_supervisor.system.shutdown import Shutdown

Make = Callable[..., Notice]


class FakeRunner:
    """Answers every command with one result and remembers how it was called."""

    def __init__(self, result: CommandResult) -> None:
        self.result = result
        self.calls: list[dict[str, Any]] = []

    async def __call__(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None, timeout: float, marker: str, stdin: bytes | None
    ) -> CommandResult:
        self.calls.append(
            {"argv": list(argv), "env": dict(env), "cwd": cwd, "timeout": timeout, "marker": marker, "stdin": stdin}
        )
        return self.result


def opened(*channels: ChannelSettings, run: FakeRunner, environ: Mapping[str, str] | None = None) -> tuple[Channel, ...]:
    settings = EscalationConfig(recipient="caine", channels=channels)
    return open_channels(settings, environ or {}, secrets={"TOKEN"}, host="box", run=run)


ACCEPTED = CommandResult(exit_code=0, stdout=b'{"status":"accepted"}')


# --- OpenClaw ---


async def test_openclaw_is_asked_for_a_turn_with_a_key_that_names_the_notice(make_notice: Make) -> None:
    run = FakeRunner(ACCEPTED)
    (channel,) = opened(OpenClawChannel(agent="caine", openclaw="oc", timeout=60), run=run)
    assert (await channel.send(make_notice(sequence=3), attempt=2)).result == "ok"
    (call,) = run.calls
    assert call["argv"][:5] == ["oc", "gateway", "call", "agent", "--params"]
    assert call["argv"][6:] == ["--timeout", "30000", "--json"]
    params = json.loads(call["argv"][5])
    assert params.keys() == {"agentId", "message", "idempotencyKey"}
    assert (params["agentId"], params["idempotencyKey"]) == ("caine", "agent/payment-watcher/0/3/caine")
    assert params["message"].startswith("payment-watcher needs you.\n\n{")
    assert call["env"]["OPENCLAW_NO_RESPAWN"] == "1"
    assert (call["timeout"], call["stdin"]) == (60, None)


async def test_what_one_agent_was_told_is_not_taken_for_told_to_another(make_notice: Make) -> None:
    run = FakeRunner(ACCEPTED)
    for agent in ("caine", "deputy"):
        (channel,) = opened(OpenClawChannel(agent=agent), run=run)
        await channel.send(make_notice(), attempt=1)
    first, second = (json.loads(call["argv"][5])["idempotencyKey"] for call in run.calls)
    assert first != second


FAILED = b'{"runId": "x", "status": "error", "error": "Authentication failed (HTTP 401)."}'


class Answers(FakeRunner):
    """Answers the first command with that the notice was taken, and further ones with something else."""

    async def __call__(self, argv: Sequence[str], **rest: Any) -> CommandResult:
        answer = await super().__call__(argv, **rest)
        return answer if len(self.calls) > 1 else ACCEPTED


@pytest.mark.parametrize(
    ("further", "problem"),
    [
        (CommandResult(exit_code=0, stdout=b'{"runId":"x","status":"ok"}'), ""),
        (CommandResult(exit_code=0, stdout=FAILED), "the turn of caine failed: Authentication failed (HTTP 401)."),
        (CommandResult(exit_code=0, stdout=b'{"runId":"x","status":"timeout"}'), ""),
        (CommandResult(exit_code=1, stdout=b'{"ok":false,"error":{"message":"unknown method: agent.wait"}}'), ""),
        (CommandResult(exit_code=-9, timed_out=True), ""),
    ],
    ids=["answered", "refused by the model", "not over in time", "not known there", "killed"],
)
async def test_a_test_notice_also_proves_the_turn_that_it_begins(make_notice: Make, further: CommandResult, problem: str) -> None:
    run = Answers(further)
    (channel,) = opened(OpenClawChannel(agent="caine"), run=run)
    delivery = await channel.send(make_notice(test=True), 1)
    assert (delivery.result, delivery.reason) == ("transient" if problem else "ok", problem)
    first, second = (call["argv"] for call in run.calls)
    assert second[:5] == ["openclaw", "gateway", "call", "agent.wait", "--params"]
    assert json.loads(second[5])["runId"] == json.loads(first[5])["idempotencyKey"]


async def test_the_turn_of_a_real_notice_is_not_waited_for(make_notice: Make) -> None:
    run = Answers(CommandResult(exit_code=0, stdout=FAILED))
    (channel,) = opened(OpenClawChannel(), run=run)
    assert (await channel.send(make_notice(), 1)).result == "ok"
    assert len(run.calls) == 1


async def test_every_try_can_be_told_apart_by_its_marker(make_notice: Make) -> None:
    run = FakeRunner(ACCEPTED)
    (channel,) = opened(OpenClawChannel(), run=run)
    for attempt in (1, 2):
        await channel.send(make_notice(), attempt)
    assert run.calls[0]["marker"] != run.calls[1]["marker"]
    assert run.calls[0]["argv"][5].replace('"attempt\\":1', '"attempt\\":2') == run.calls[1]["argv"][5]


@pytest.mark.parametrize("settings", [OpenClawChannel(), CommandChannel(command=("notify",))])
@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (CommandResult(spawn_error=SpawnError("not_found", "program 'x' was not found")), "permanent"),
        (CommandResult(spawn_error=SpawnError("not_executable", "no")), "permanent"),
        (CommandResult(spawn_error=SpawnError("failed", "no process to be had")), "transient"),
        (CommandResult(exit_code=127, stderr=b"env: node: No such file\n"), "permanent"),
        (CommandResult(exit_code=126), "permanent"),
        (CommandResult(exit_code=1), "transient"),
        (CommandResult(exit_code=-9, timed_out=True), "transient"),
        (CommandResult(timed_out=True, survivors=(1,)), "transient"),
    ],
)
async def test_a_program_that_cannot_run_is_not_tried_again(
    make_notice: Make, settings: ChannelSettings, result: CommandResult, expected: str
) -> None:
    (channel,) = opened(settings, run=FakeRunner(result))
    delivery = await channel.send(make_notice(), 1)
    assert delivery.result == expected
    assert delivery.reason


# --- Commands ---


async def test_a_command_is_told_what_it_is_about(make_notice: Make) -> None:
    run = FakeRunner(CommandResult(exit_code=0))
    command = ("notify", "{agent}", "since {since}", "{attempt}", "{last_heartbeat}", "{other}")
    (channel,) = opened(CommandChannel(command=command, timeout=7), run=run, environ={"PATH": "/bin", "TOKEN": "secret"})
    assert (await channel.send(make_notice(), attempt=5)).result == "ok"
    (call,) = run.calls
    assert call["argv"] == [
        "notify",
        "payment-watcher",
        "since 2026-11-22T09:00:00.000000Z",
        "5",
        "2026-11-22T08:00:00.000000Z",
        "{other}",
    ]
    assert call["env"] == {
        "PATH": "/bin",
        "COLLECTIONS_SUPERVISOR_AGENT": "payment-watcher",
        "COLLECTIONS_SUPERVISOR_ATTEMPT": "5",
    }
    assert call["timeout"] == 7
    assert call["stdin"].endswith(b"\n")
    assert json.loads(call["stdin"])["attempt"] == 5


async def test_an_incident_of_the_host_has_no_agent(make_notice: Make) -> None:
    run = FakeRunner(CommandResult(exit_code=0))
    (channel,) = opened(CommandChannel(command=("notify", "{agent}", "{last_heartbeat}")), run=run)
    await channel.send(make_notice(agent=None, kind="host", last_heartbeat=None), 1)
    assert run.calls[0]["argv"] == ["notify", "", ""]


async def test_what_became_secret_since_a_channel_was_opened_is_kept_from_it_too(make_notice: Make) -> None:
    run = FakeRunner(CommandResult(exit_code=0))
    secrets: set[str] = set()
    settings = EscalationConfig(channels=(CommandChannel(command=("tell",)),))
    (channel,) = open_channels(settings, {"TOKEN": "secret"}, secrets=secrets, host="box", run=run)
    await channel.send(make_notice(), attempt=1)
    secrets.add("TOKEN")
    await channel.send(make_notice(), attempt=2)
    assert ["TOKEN" in call["env"] for call in run.calls] == [True, False]


def real(settings: ChannelSettings, **environ: str) -> Channel:
    (channel,) = open_channels(EscalationConfig(channels=(settings,)), {**os.environ, **environ})
    return channel


def script(code: str) -> tuple[str, ...]:
    return ("{python}", "-c", code)


async def test_a_real_command_reads_one_line_of_json(make_notice: Make, tmp_path: Path) -> None:
    out = tmp_path / "notice"
    code = f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"
    made = make_notice(text='no "quotes"\nlost\u2028\ud800')
    assert (await real(CommandChannel(command=script(code))).send(made, 1)).result == "ok"
    (line,) = out.read_text().split("\n")[:-1]
    assert json.loads(line)["text"] == 'no "quotes"\nlost \ufffd'


async def test_a_real_command_need_not_read(make_notice: Make) -> None:
    made = make_notice(text="x" * 1_000_000)
    assert (await real(CommandChannel(command=script("pass"))).send(made, 1)).result == "ok"


async def test_a_real_command_fails_with_its_last_words(make_notice: Make) -> None:
    channel = real(CommandChannel(command=script("import sys; print('noise', file=sys.stderr); sys.exit('no route to caine')")))
    delivery = await channel.send(make_notice(), 1)
    assert delivery == Delivery("transient", "exit code 1: no route to caine")


async def test_a_real_command_that_hangs_is_ended(make_notice: Make) -> None:
    channel = real(CommandChannel(command=script("import time; time.sleep(600)"), timeout=0.5))
    delivery = await channel.send(make_notice(), 1)
    assert delivery == Delivery("transient", "it did not end within 0.5 s")


class Impatient(Shutdown):
    """Gives no process more than a moment between TERM and KILL."""

    def tree_grace(self) -> float:
        return 0.2


async def test_a_real_command_that_ignores_the_request_to_end_is_killed(make_notice: Make, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(pid)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(600)"
    )
    run = partial(run_command, shutdown=Impatient(10, SystemClock()))
    (channel,) = open_channels(
        EscalationConfig(channels=(CommandChannel(command=script(code), timeout=1.0),)), os.environ, run=run
    )
    assert await channel.send(make_notice(), 1) == Delivery("transient", "it did not end within 1 s")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize(("code", "result"), [(0, "ok"), (3, "transient")])
async def test_a_real_command_may_say_more_than_anybody_can_hold(make_notice: Make, code: int, result: str) -> None:
    flood = f"import sys\nfor _ in range(300):\n for out in sys.stdout, sys.stderr: out.write('x' * 65536)\nsys.exit({code})"
    delivery = await real(CommandChannel(command=script(flood))).send(make_notice(), 1)
    assert delivery.result == result
    assert len(delivery.reason) < 350


async def test_a_real_command_may_leave_a_child_that_holds_its_output(make_notice: Make) -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)'])"
    with anyio.fail_after(2.5):
        assert await real(CommandChannel(command=script(code))).send(make_notice(), 1) == Delivery("ok")


async def test_a_real_command_may_be_replaced_while_it_runs(make_notice: Make, tmp_path: Path) -> None:
    program, running, go_on = tmp_path / "notify", tmp_path / "running", tmp_path / "go-on"
    os.mkfifo(go_on)
    program.write_text(f"#!/bin/sh\ntouch {running}\nread line < {go_on}\nexit 0\n")
    program.chmod(0o700)
    channel = real(CommandChannel(command=(str(program),)))
    found: list[Delivery] = []

    async def send() -> None:
        found.append(await channel.send(make_notice(), 1))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        while not running.exists():
            await anyio.sleep(0.01)
        newer = tmp_path / "newer"
        newer.write_text("#!/bin/sh\necho a newer one >&2\nexit 5\n")
        newer.chmod(0o700)
        newer.replace(program)
        go_on.write_text("\n")
    assert found == [Delivery("ok")]
    assert await channel.send(make_notice(), 2) == Delivery("transient", "exit code 5: a newer one")


async def test_a_command_that_is_not_there(make_notice: Make, tmp_path: Path) -> None:
    delivery = await real(CommandChannel(command=(str(tmp_path / "gone"),))).send(make_notice(), 1)
    assert delivery.result == "permanent"
    assert "gone" in delivery.reason


async def test_a_real_openclaw_gets_its_arguments_whole(make_notice: Make, tmp_path: Path) -> None:
    fake = tmp_path / "openclaw"
    fake.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        f"json.dump([sys.argv[1:], os.environ['OPENCLAW_NO_RESPAWN']], open({str(tmp_path / 'call')!r}, 'w'))\n"
        "print(json.dumps({'runId': 'x', 'status': 'accepted'}, indent=2))\n"
    )
    fake.chmod(0o700)
    channel = real(OpenClawChannel(), PATH=f"{tmp_path}:{os.environ['PATH']}")
    hostile = make_notice(text="$(rm -rf /) `x` 'y' \"z\" {agent}\n" + "\0\ud800" + "é" * 100_000)
    assert (await channel.send(hostile, 1)).result == "ok"
    (argv, no_respawn) = json.loads((tmp_path / "call").read_text())
    assert (argv[:4], no_respawn) == (["gateway", "call", "agent", "--params"], "1")
    assert json.loads(argv[4])["message"].startswith("$(rm -rf /) `x` 'y' \"z\" {agent}\n \N{REPLACEMENT CHARACTER}é")
