"""Runners and files that change nothing."""

from datetime import UTC, datetime
from typing import Any

import pytest

from collections_supervisor.agents.bystander import Bystander, Onlooker
from collections_supervisor.agents.state import ActionRecord
from collections_supervisor.config.schema import AgentConfig, RestartPolicy
from collections_supervisor.messages import ActionRequest, Beat, Now, Reading
from collections_supervisor.system.process_tree import Tree

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
REQUEST = ActionRequest(action_id="x", agent="mailer", attempt=2)
RECORD = ActionRecord(request=REQUEST, argv=("x",), boot_id="b", started=EPOCH, deadline=1.0)


class Nobody:
    """Fails whoever asks it to begin."""

    async def begin(self, argv: tuple[str, ...]) -> bool:
        raise AssertionError(argv)

    async def spawned(self, pid: int, start_time: int) -> None:
        raise AssertionError(pid)


class Files:
    """Heartbeat files that nobody may write to."""

    reading = Reading(status="ok", beat=Beat(stamp=EPOCH))

    async def read(self, now: Now) -> Reading:
        return self.reading

    async def record_miss(self, **miss: Any) -> None:
        raise AssertionError(miss)


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("dry_run", "this is a dry run; otherwise mailer would be restarted now, attempt 2"),
        ("daemon_only", "mailer is a process of the daemon's own, which alone starts it"),
    ],
)
async def test_nothing_is_begun_and_the_reason_is_said(why: Any, words: str) -> None:
    policy = AgentConfig(name="mailer", restart=RestartPolicy(timeout=100.0, verify_within=200.0))
    bystander = Bystander(policy, why)
    outcome = await bystander.run(REQUEST, Nobody())
    assert (outcome.result, outcome.classified, outcome.cause) == ("busy", why, words)
    assert outcome.retry_after == 300.0, "as soon as a real attempt would have failed"
    assert await bystander.find(RECORD) is None
    assert (await bystander.adopt(RECORD, Tree(pid=1, start_time=1, marker="x"))).result == "interrupted"
    assert await bystander.wait() is None
    await bystander.close()


async def test_an_onlooker_reads_and_writes_nothing() -> None:
    onlooker = Onlooker(Files())
    assert await onlooker.read(Now(mono=1.0, wall=EPOCH)) == Files.reading
    await onlooker.record_miss(missed=1, last_heartbeat=None, reason="", at=EPOCH)


def test_in_the_judgement_a_dry_run_repeats_itself_and_pays_nothing(make_world: Any, script: Any) -> None:
    from collections_supervisor.messages import ActionOutcome

    dry = ActionOutcome(result="busy", cause="this is a dry run", classified="dry_run", retry_after=420.0)
    world = make_world(does=script(duration=0.5, outcome=dry))
    world.beat(1000.0)
    world.run(1000.0 + 3600 + 1000)
    assert [entry.fields["reason"] for entry in world.of("agent.restart.skipped")] == ["dry_run"] * 3
    assert (world.report().restarts, world.report().held, world.report().status) == (0, None, "escalated")
