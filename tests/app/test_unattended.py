"""A person's word while nobody runs: it changes what is kept by that word, and by nothing else."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from collections_supervisor.app.memory import Memory, recall
from collections_supervisor.app.unattended import decide
from collections_supervisor.config.loader import load
from collections_supervisor.config.schema import Config
from collections_supervisor.control.protocol import Reply, Request
from collections_supervisor.coordination.snapshot import decode_report
from collections_supervisor.messages import Notice
from collections_supervisor.system.clock import SystemClock, boot_id
from collections_supervisor.system.lock import Lock, LockHeldError

ENVIRON = {"HOME": "/home/ann"}
TEXT = """
[supervisor]
state_dir = "state"
[heartbeats]
dir = "heartbeats"
[escalation]
channels = [{ kind = "command", command = ["true"] }]
[[agents]]
name = "mailer"
[[agents]]
name = "watcher"
"""
NOTICE = Notice(
    dedup_key="agent/mailer/2026-11-22T11:00:00.000000Z",
    sequence=1,
    notice="opened",
    incident_id="20261122T110000000000Z-agent-mailer",
    kind="agent",
    agent="mailer",
    missed=2,
    created_at=datetime.now(UTC),
    since=datetime.now(UTC) - timedelta(hours=1),
    last_heartbeat=None,
    restarts=0,
    reason="no heartbeat",
    text="mailer needs you",
)


class House:
    def __init__(self, folder: Path, log: Any) -> None:
        path = folder / "supervisor.toml"
        path.write_text(TEXT)
        self.config: Config = load(path, environ=ENVIRON).config
        self.state = self.config.supervisor.state_dir
        self.log = log

    def do(self, op: str, agent: str, **members: Any) -> Reply:
        return decide(self.config, Request(op=op, agent=agent, **members), ENVIRON)

    def remember(self) -> Memory:
        """What the next supervisor finds."""

        async def read() -> Memory:
            clock = SystemClock()
            return await recall(self.config, ("command",), clock=clock, log=self.log, boot_id=boot_id(), dry=False)

        return anyio.run(read)

    def edit(self, **members: Any) -> None:
        """Change what says when and in which boot the snapshot was written."""
        path = self.state / "snapshot.json"
        found = json.loads(path.read_bytes())
        found["state"] = {**found["state"], **members}
        path.write_text(json.dumps(found))


@pytest.fixture
def house(tmp_path: Path, log: Any) -> House:
    return House(tmp_path, log)


def test_a_pause_is_there_for_the_next_one(house: House) -> None:
    reply = house.do("pause", "mailer", reason="holiday")
    assert reply.ok
    assert reply.message == "mailer is paused until it is resumed; no supervisor runs: the next one finds it"
    kept = house.remember().states.load("mailer")
    assert kept is not None
    assert kept.state.pause is not None
    assert kept.state.pause.reason == "holiday"
    report = decode_report((house.state / "snapshot.json").read_bytes())
    assert report is not None
    assert [(agent.name, agent.status) for agent in report.agents] == [("mailer", "paused"), ("watcher", "unknown")]
    assert house.do("resume", "mailer").ok
    kept = house.remember().states.load("mailer")
    assert kept is not None
    assert kept.state.pause is None


def test_a_pause_of_all_is_there_for_those_to_come_too(house: House) -> None:
    assert "all agents (2) are paused" in house.do("pause", "*").message
    memory = house.remember()
    assert memory.fleet.quiet is not None
    assert all((kept := memory.states.load(name)) and kept.state.pause_all for name in ("mailer", "watcher"))
    assert "the pause of all agents (2) is over" in house.do("resume", "*").message
    memory = house.remember()
    assert memory.fleet.quiet is None
    assert not any((kept := memory.states.load(name)) and kept.state.pause_all for name in ("mailer", "watcher"))


@pytest.mark.parametrize(
    ("op", "agent", "code", "said"),
    [
        ("pause", "nobody", 2, "no agent is called 'nobody'; there are: mailer, watcher"),
        ("resume", "nobody", 2, "no agent is called"),
        ("ack", "mailer", 1, "no incident of mailer is open; nothing is open at all"),
    ],
)
def test_what_cannot_be_done_writes_nothing(house: House, op: str, agent: str, code: int, said: str) -> None:
    reply = house.do(op, agent)
    assert (reply.ok, reply.code) == (False, code)
    assert said in reply.error
    assert not (house.state / "snapshot.json").exists()


def test_its_end_lies_ahead_and_not_too_far(house: House) -> None:
    now = datetime.now(UTC)
    for until in (now - timedelta(seconds=1), now + timedelta(days=4000)):
        assert "within ten years" in house.do("pause", "mailer", until=until).error
    assert house.do("pause", "mailer", until=now + timedelta(days=3000)).ok
    kept = house.remember().states.load("mailer")
    assert kept is not None
    assert kept.state.pause is not None


def test_what_is_owed_stays_owed(house: House) -> None:
    async def owe() -> None:
        memory = await recall(house.config, ("command",), clock=SystemClock(), log=house.log, boot_id=boot_id(), dry=False)
        await memory.outbox.put(NOTICE, ("command",), SystemClock().now())

    house.state.mkdir()
    anyio.run(owe)
    assert house.do("pause", "watcher").ok
    assert house.do("ack", "mailer").ok, "the incident that the notice tells of"
    [entry] = house.remember().outbox.pending()
    assert (entry.notice, entry.legs["command"].state) == (NOTICE, "pending")
    fleet = house.remember().fleet
    assert [incident.acknowledged_until is not None for incident in fleet.open.values()] == [True]


def test_that_the_machine_was_off_is_not_forgotten_by_it(house: House) -> None:
    assert house.do("pause", "mailer").ok
    known = json.loads((house.state / "snapshot.json").read_bytes())["state"]["agents"]["mailer"]
    house.edit(boot_id="another", agents={"watcher": {**known, "pause": None}})
    assert house.do("pause", "mailer").ok
    kept = house.remember().states.load("watcher")
    assert kept is not None
    assert not kept.excused, "it was taken for read in this boot"
    assert kept.state.grace_until is not None


def test_where_a_daemon_runs_it_is_refused(house: House) -> None:
    house.state.mkdir()
    lock = Lock(house.state / "supervisor.lock")
    try:
        with pytest.raises(LockHeldError):
            house.do("pause", "mailer")
    finally:
        lock.close()


def test_a_report_does_not_become_newer_by_it(house: House) -> None:
    assert house.do("pause", "mailer").ok
    first = decode_report((house.state / "snapshot.json").read_bytes())
    assert house.do("pause", "watcher").ok
    second = decode_report((house.state / "snapshot.json").read_bytes())
    assert first is not None
    assert second is not None
    assert second == msgspec.structs.replace(first, agents=second.agents)
