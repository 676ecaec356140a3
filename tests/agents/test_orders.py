"""What the outside wants of an agent's task, under virtual time."""

from functools import partial
from typing import Any

import anyio
import msgspec
import pytest
from tests.agents.test_actor import FAILED, HOUR, Fleet, Outside, Script, policy

from collections_supervisor.agents.orders import Endings
from collections_supervisor.messages import ActionOutcome, AgentCommand, Emit
from collections_supervisor.system.supervision import supervise

RESTART = AgentCommand(what="restart")


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    return virtual_backend


@pytest.fixture
def fleet(log: Any) -> Fleet:
    return Fleet(log)


# --- A person's word ---


async def test_the_answer_comes_when_the_coordinator_knows(fleet: Fleet) -> None:
    fleet.tell_takes = 0.5
    async with fleet.watching((policy(), Outside([], beats=[0.0]))):
        await anyio.sleep(10.0)
        answer = await fleet.made[0].ask(AgentCommand(what="pause"))
        assert (answer.ok, answer.sentence) == (True, "mailer is paused until it is resumed")
        assert fleet.last().status == "paused"


@pytest.mark.parametrize(
    ("script", "ok", "said"),
    [
        (Script(duration=5.0, beat_after=8.0), True, "mailer is back after restart attempt 1"),
        (Script(duration=5.0, outcome=FAILED), False, "restarting mailer failed: exit status 1"),
        (Script(outcome=ActionOutcome(result="busy", cause="a turn runs")), False, "nobody knows whether it helped"),
    ],
)
async def test_the_end_of_a_restart_is_told_to_who_waits_for_it(fleet: Fleet, script: Script, ok: bool, said: str) -> None:
    async with fleet.watching((policy(), Outside([script], beats=[0.0]))):
        await anyio.sleep(10.0)
        begun = await fleet.made[0].ask(RESTART)
        assert begun.ok
        with anyio.fail_after(400):
            end = await fleet.made[0].ending(begun.action_id)
        assert end.ok == ok
        assert said in end.sentence
        assert not (await fleet.made[0].ending(begun.action_id)).ok, "it is over"


async def test_a_restart_by_hand_has_a_slot_at_once_and_others_wait_for_it(fleet: Fleet) -> None:
    first = Outside([Script(duration=100.0, beat_after=90.0)], beats=[0.0])
    second = Outside([Script(duration=200.0, beat_after=50.0)], beats=[10.0 * HOUR])
    third = Outside([Script(beat_after=1.0)], beats=[1.0])
    async with fleet.watching((policy("first"), first), (policy("second"), second), (policy("third"), third)):
        await anyio.sleep(HOUR + 10.0)
        assert (first.starts, third.starts) == ([HOUR], [])
        assert (await fleet.made[1].ask(RESTART)).ok
        await anyio.sleep(500.0)
        assert second.starts == [HOUR + 10.0]
        assert third.starts == [HOUR + 210.0], "both had to end"
    assert fleet.idle


async def test_a_restart_by_hand_takes_the_place_of_one_that_waits(fleet: Fleet) -> None:
    first = Outside([Script(duration=100.0, beat_after=90.0)], beats=[0.0])
    second = Outside([Script(duration=20.0, beat_after=5.0)], beats=[1.0])
    async with fleet.watching((policy("first"), first), (policy("second"), second)):
        await anyio.sleep(HOUR + 10.0)
        assert second.starts == []
        assert (await fleet.made[1].ask(RESTART)).ok
        await anyio.sleep(300.0)
        assert second.starts == [HOUR + 10.0]
        assert fleet.last("second").restarts == 1
    assert fleet.idle


async def test_a_restart_by_hand_is_made_once_though_another_still_looks_into_things(fleet: Fleet) -> None:
    outside = Outside([Script(probe=14.0, duration=50.0), Script(duration=50.0, beat_after=10.0)], beats=[0.0])
    async with fleet.watching((policy(timeout=5.0, miss_interval=1e5), outside)):
        await anyio.sleep(6.0)
        assert len(outside.calls) == 1
        answers = [await fleet.made[0].ask(RESTART) for _ in range(3)]
        assert [answer.ok for answer in answers] == [True, False, False]
        await anyio.sleep(60.0)
        assert not outside.overlapped
        assert (len(outside.runs), fleet.last().restarts) == (1, 1)


async def test_the_end_of_one_is_seen_in_time_during_a_pause_too(fleet: Fleet) -> None:
    async with fleet.watching((policy(), Outside([Script(duration=5.0)], beats=[0.0]))):
        await anyio.sleep(10.0)
        await fleet.made[0].ask(AgentCommand(what="pause"))
        begun = await fleet.made[0].ask(RESTART)
        with anyio.fail_after(5.0 + 300.0 + 1.5):
            assert "no heartbeat within" in (await fleet.made[0].ending(begun.action_id)).sentence


async def test_who_gives_up_waiting_leaves_nothing_behind(fleet: Fleet) -> None:
    async with fleet.watching((policy(), Outside([Script(duration=50.0)], beats=[0.0]))):
        await anyio.sleep(1.0)
        begun = await fleet.made[0].ask(RESTART)
        with anyio.move_on_after(1.0):
            await fleet.made[0].ending(begun.action_id)
        endings = fleet.made[0]._endings
        assert (endings._waiting, endings._words) == ({}, {})


def test_what_is_said_of_a_restart_that_nobody_waits_for_is_not_kept() -> None:
    endings = Endings()
    endings.note(Emit(level="info", event="agent.restart.failed", message="", fields={"action_id": "a"}))
    assert endings._words == {}


# --- A pause of all that stands ---


async def test_a_standing_pause_holds_for_who_is_watched_only_later(fleet: Fleet) -> None:
    standing: list[AgentCommand | None] = [AgentCommand(what="pause", everyone=True)]
    fleet.ports = msgspec.structs.replace(fleet.ports, standing=lambda: standing[0])
    outside = Outside([], beats=[-HOUR])
    await fleet.watch(HOUR, (policy(), outside))
    assert (fleet.last().status, outside.starts, outside.lines) == ("paused", [], [])
    standing[0] = None
    await fleet.watch(60.0, (policy(), outside))
    assert not fleet.last().paused, "it was lifted while nobody watched"
    assert fleet.last().missed == 0


# --- Other settings ---


async def test_settings_change_while_an_action_runs(fleet: Fleet) -> None:
    before, after = Outside([Script(duration=50.0, beat_after=40.0)], beats=[0.0]), Outside([])
    after.beats = before.beats
    async with fleet.watching((policy(), before)):
        await anyio.sleep(HOUR + 10.0)
        await fleet.made[0].reconfigure(policy(miss_threshold=1, restart={"timeout": 1.0}), None, after)
        assert fleet.last().status == "escalated", "the threshold holds from now on"
        await anyio.sleep(60.0)
        assert before.runs == [[HOUR, HOUR + 50]], "it ran to its end by the old runner"
        assert fleet.of("agent.restart.succeeded")
    assert (after.calls, fleet.made[1:]) == ([], [])


async def test_the_files_are_read_by_the_new_reader(fleet: Fleet) -> None:
    old, new = Outside([], beats=[0.0]), Outside([], beats=[5.0])
    async with fleet.watching((policy(), old)):
        await anyio.sleep(10.0)
        await fleet.made[0].reconfigure(policy(), new, old)
        reads = len(old.reads)
        await anyio.sleep(200.0)
        assert len(old.reads) == reads
        assert len(new.reads) > 1


# --- Nobody watches it any more ---


async def retired(fleet: Fleet, outside: Outside, after: float, **settings: Any) -> float:
    """When its task ended, which was told to end `after` so many seconds."""
    make = partial(fleet.actor, policy(**settings), outside)
    ports = fleet.ports
    with anyio.fail_after(after + 500):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(supervise, "mailer", make, clock=ports.clock, log=fleet.log, crashed=fleet.crashed))
            await anyio.sleep(after)
            await fleet.made[0].retire()
    return anyio.current_time()


async def test_one_that_is_well_is_let_go_at_once(fleet: Fleet) -> None:
    outside = Outside([], beats=[0.0])
    assert await retired(fleet, outside, 100.0) == 100.0
    assert outside.closed == 1


async def test_a_paid_action_runs_to_its_end_and_is_not_judged(fleet: Fleet) -> None:
    outside = Outside([Script(duration=50.0, outcome=FAILED)], beats=[0.0])
    assert await retired(fleet, outside, HOUR + 10.0) == HOUR + 50.0
    assert outside.runs == [[HOUR, HOUR + 50.0]]
    assert [name for name in fleet.log.names() if name.startswith("agent.restart")] == ["agent.restart.started"]
    record = await fleet.journal.read("mailer")
    assert record is not None
    assert record.ended
    assert fleet.idle


async def test_one_that_waits_for_its_turn_makes_no_restart(fleet: Fleet) -> None:
    fleet.slots.seize("somebody")
    outside = Outside([Script()], beats=[0.0])
    assert await retired(fleet, outside, HOUR + 10.0) == HOUR + 10.0
    assert outside.calls == []
    fleet.slots.release("somebody")
    assert fleet.idle


async def test_one_that_still_looks_into_things_makes_no_restart(fleet: Fleet) -> None:
    outside = Outside([Script(probe=14.0)], beats=[0.0])
    assert await retired(fleet, outside, HOUR + 10.0) == HOUR + 14.0
    assert outside.runs == []
    assert fleet.idle


async def test_one_whose_last_look_lies_back_too_far_is_not_waited_for(fleet: Fleet) -> None:
    # Looks take so long that the action waits for the next one before it begins, which never comes.
    outside = Outside([Script(probe=1.0)], beats=[0.0])
    outside.read_takes = 4.0
    assert await retired(fleet, outside, HOUR + 30.0) <= HOUR + 60.0
    assert fleet.idle


async def test_a_process_of_ours_is_ended(fleet: Fleet) -> None:
    outside = Outside([Script(duration=0.0, lives=1e6)])
    settings = {"restart": {"kind": "process"}, "sources": ()}
    assert await retired(fleet, outside, 100.0, **settings) == 100.0
    assert outside.closed == 1
    assert fleet.of("agent.exited") == []
