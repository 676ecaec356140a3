"""What an earlier run left, on a real disk."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.agents.saved import encode
from collections_supervisor.agents.state import AgentState
from collections_supervisor.app.memory import Memory, recall
from collections_supervisor.config.schema import (
    AgentConfig,
    BooksConfig,
    Config,
    DashboardConfig,
    DeadmanConfig,
    EscalationConfig,
    LoggingConfig,
    LogSource,
    MetricsConfig,
    SupervisorConfig,
)
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.messages import Notice, Now, Report

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
REPORT = Report(schema=1, generated_at=EPOCH, run_id="run-1", version="1", verdict="unknown", agents=(), incidents=())
NOWHERE = Path("/nowhere")
Recall = Callable[..., Awaitable[Memory]]


class Clock:
    def now(self) -> Now:
        return Now(mono=1000.0, wall=EPOCH)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "state"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def remember(folder: Path, log: Any) -> Recall:
    """Begin to live, watching these agents."""

    async def run(*names: str, dry: bool = False) -> Memory:
        agents = tuple(AgentConfig(name=name, sources=(LogSource(path=NOWHERE),)) for name in names)
        config = Config(
            path=None,
            supervisor=SupervisorConfig(state_dir=folder),
            logging=LoggingConfig(),
            escalation=EscalationConfig(),
            books=BooksConfig(enabled=False, state_dir=NOWHERE, ledger=NOWHERE, queue_dir=NOWHERE, cache_dir=NOWHERE),
            dashboard=DashboardConfig(path=None),
            metrics=MetricsConfig(),
            deadman=DeadmanConfig(),
            agents=agents,
        )
        return await recall(config, ("a",), clock=Clock(), log=log, boot_id="boot-1", dry=dry)

    return run


def put(folder: Path, agents: dict[str, Any]) -> None:
    """Leave a snapshot with these states of agents."""
    saved = {"mono": 990.0, "wall": "2026-11-22T10:59:50Z", "slept": 0.0}
    state = {"version": 1, "boot_id": "boot-1", "saved": saved, "fleet": {}, "agents": agents}
    (folder / "snapshot.json").write_text(json.dumps({"state": state}))


def kept(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "snapshot.json").read_bytes())["state"]["agents"]  # type: ignore[no-any-return]


def state(**known: Any) -> Any:
    return json.loads(encode(AgentState(known_at=900.0, known=EPOCH - timedelta(seconds=100), **known)))


async def test_who_was_watched_is_known_again(remember: Recall, folder: Path, log: Any) -> None:
    put(folder, {"mailer": state(missed=2), "gone": state(missed=2, restarts=3)})
    memory = await remember("mailer")
    known, resting = memory.states.load("mailer"), memory.states.load("gone")
    assert known is not None
    assert resting is not None
    assert (known.state.missed, resting.state.missed, resting.state.restarts) == (2, 0, 3)
    assert log.events == []


async def test_what_cannot_be_read_of_an_agent_is_set_aside_once(remember: Recall, folder: Path, log: Any) -> None:
    put(folder, {"gone": "noon", "mailer": {"known_at": "noon"}})
    for _ in range(3):
        memory = await remember("mailer")
        assert await memory.store.save(REPORT, FleetState())
    assert {name.partition(".")[0]: (folder / name).read_bytes() for name in aside(folder)} == {
        "gone": b'"noon"',
        "mailer": b'{"known_at": "noon"}',
    }
    said = log.of("supervisor.state_set_aside")
    assert [(one["agent"], Path(one["path"]).name) for one in said] == [(name.partition(".")[0], name) for name in aside(folder)]
    assert kept(folder) == {}


def aside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".unreadable-" in path.name)


@pytest.mark.parametrize("name", ["\0", "../../escaped", "", ".hidden", "a/b", "x" * 65, "/etc/escaped", "ü"])
async def test_what_no_agent_can_be_called_becomes_no_path(remember: Recall, folder: Path, log: Any, name: str) -> None:
    put(folder, {name: "noon", "mailer": state()})
    memory = await remember("mailer")
    assert memory.states.load("mailer") is not None
    assert await memory.store.save(REPORT, FleetState())
    assert set(kept(folder)) == {"mailer"}
    assert sorted(path.name for path in folder.parent.rglob("*")) == ["outbox.jsonl", "snapshot.json", "state"]
    [said] = log.of("supervisor.state_set_aside")
    assert (said["agents"], said["path"]) == (1, None)
    assert repr(name[:80]) in said["message"]


async def test_what_can_be_kept_nowhere_is_said_and_done_without(remember: Recall, folder: Path, log: Any) -> None:
    put(folder, {"mailer": "noon"})
    (folder / "mailer.unreadable-20261122T110000Z").mkdir()
    (folder / "mailer.unreadable-20261122T110000Z" / "full").touch()
    memory = await remember("mailer")
    assert memory.states.load("mailer") is None
    [said] = log.of("supervisor.state_set_aside")
    assert (said["agent"], said["path"]) == ("mailer", None)


async def test_a_dry_run_leaves_everything_where_it_is(remember: Recall, folder: Path, log: Any, tmp_path: Path) -> None:
    put(folder, {"mailer": "noon"})
    before = {path: path.read_bytes() for path in folder.iterdir()}
    memory = await remember("mailer", dry=True)
    assert await memory.store.save(REPORT, FleetState())
    assert await memory.store.keep_evidence("x", b"{}") is None
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert len(log.of("supervisor.state_set_aside")) == 1


async def test_an_alarm_that_only_the_outbox_knows_is_open_again(remember: Recall, folder: Path) -> None:
    notice = Notice(
        dedup_key="agent/mailer/2026-11-22T10:00:00.000000Z",
        sequence=1,
        notice="opened",
        incident_id="20261122T100000000000Z-agent-mailer",
        kind="agent",
        agent="mailer",
        missed=2,
        created_at=EPOCH - timedelta(hours=1),
        since=EPOCH - timedelta(hours=1),
        last_heartbeat=None,
        restarts=0,
        reason="no heartbeat",
        text="mailer needs you",
    )
    before = await remember("mailer")
    await before.outbox.put(notice, ("a",), Clock().now())
    await before.outbox.delivered((notice.dedup_key, 1), "a", EPOCH)
    memory = await remember("mailer")
    incident = memory.fleet.open["agent/mailer"]
    assert (incident.rebuilt, incident.delivered, incident.dedup_key) == (True, True, notice.dedup_key)
