"""Channels that misbehave, beside one that works: real commands, real time, notices kept in a real file."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.config.schema import CommandChannel, EscalationConfig
from collections_supervisor.escalation.channels import open_channels
from collections_supervisor.escalation.outbox_file import FileOutbox
from collections_supervisor.messages import Notice, Standing
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.process_command import run_command
from collections_supervisor.system.shutdown import Shutdown

Make = Callable[..., Notice]

FLOOD = "import sys\nfor _ in range(100):\n sys.stdout.write('x' * 65536); sys.stderr.write('y' * 65536)\nsys.exit(3)"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)"
CLOSED = "import os, sys\nos.close(0); sys.exit(4)"


class Impatient(Shutdown):
    """Gives no process more than a moment between TERM and KILL."""

    def tree_grace(self) -> float:
        return 0.1


@pytest.mark.parametrize("retries", [True, False])
async def test_whatever_the_others_do_a_good_channel_delivers(
    stage: Any, make_notice: Make, tmp_path: Path, retries: bool
) -> None:
    said = tmp_path / "said"
    scripts = {"command": FLOOD, "command-2": DEAF, "command-3": CLOSED}
    bad = [CommandChannel(command=("{python}", "-c", code), timeout=1.0) for code in scripts.values()]
    good = CommandChannel(command=("sh", "-c", 'cat >> "$0"', str(said)))
    gone = CommandChannel(command=(str(tmp_path / "gone"),))
    run = partial(run_command, shutdown=Impatient(10, SystemClock()))
    channels = open_channels(EscalationConfig(channels=(*bad, gone, good)), os.environ, run=run)
    stage.outbox = await FileOutbox.load(tmp_path / "outbox.jsonl", [each.name for each in channels], stage, stage.log)
    async with stage.running(*channels, retries=retries) as notifier:
        notifier.publish(Standing(owed=tuple(make_notice(agent=f"agent-{number}") for number in range(3))))
        with anyio.fail_after(30):
            while stage.kinds().count("NoticeDelivered") < 3 or len(stage.log.of("escalation.failed")) < 12:
                await anyio.sleep(0.02)
    told = [json.loads(line)["agent"] for line in said.read_text().splitlines()]
    assert sorted(told) == ["agent-0", "agent-1", "agent-2"]
    errors = {event["channel"]: event["error"] for event in stage.log.of("escalation.failed")}
    assert errors["command"].startswith("exit code 3: yyy")
    assert errors["command-2"] == "it did not end within 1 s"
    assert errors["command-3"] == "exit code 4"
    assert "gone" in errors["command-4"]
    again = await FileOutbox.load(tmp_path / "outbox.jsonl", [each.name for each in channels], stage, stage.log)
    assert {entry.taken_by for entry in again.entries()} == {"command-5"}
    assert {entry.legs["command-4"].state for entry in again.entries()} == {"expired"}


async def test_a_life_cut_off_anywhere_loses_no_notice(stage: Any, make_channel: Any, make_notice: Make, tmp_path: Path) -> None:
    """Every prefix of what one life wrote is where a next one may have to begin."""
    path = tmp_path / "outbox.jsonl"
    stage.outbox = await FileOutbox.load(path, ("openclaw",), stage, stage.log)
    owed = Standing(owed=tuple(make_notice(agent=f"agent-{number}") for number in range(3)))
    channel = make_channel("openclaw", takes=0)
    async with stage.running(channel, retries=False) as notifier:
        notifier.publish(owed)
        await notifier.drained()
    whole = path.read_bytes()
    assert len(channel.sent) == 3
    ends = [position + 1 for position, byte in enumerate(whole) if byte == ord("\n")]
    for end in [0, *ends, ends[0] - 30, ends[-1] - 1]:
        path.write_bytes(whole[:end])
        stage.outbox = await FileOutbox.load(path, ("openclaw",), stage, stage.log)
        before = {entry.key for entry in stage.outbox.entries() if entry.taken_by}
        next_channel = make_channel("openclaw", takes=0)
        async with stage.running(next_channel, retries=False) as notifier:
            notifier.publish(owed)
            await notifier.drained()
        # All that was not yet known to be delivered is sent, and nothing else.
        assert {key for _, key, _ in next_channel.sent} == {f"{key}#{number}" for key, number in
            {(each.dedup_key, each.sequence) for each in owed.owed} - before}  # fmt: skip
        assert all(entry.taken_by for entry in stage.outbox.entries())
