"""A person's stop: nothing is missed, restarted or told until it is over, and then the agent is judged afresh."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from collections_supervisor.agents.saved import decode, dormant, encode
from collections_supervisor.agents.state import ActionStarted, GiveSlotBack, HeartbeatRead, Resumed
from collections_supervisor.agents.telling import changed
from collections_supervisor.messages import ActionOutcome, AgentCommand, StaleLine

Make = Callable[..., Any]

HOUR = 3600.0
MISS = 1000.0 + HOUR
"""When the agent of each story, which beat at 1000, has missed its first deadline."""

FAILED = ActionOutcome(result="failed", cause="exit status 1")
PAUSE = AgentCommand(what="pause", reason="maintenance")
RESUME = AgentCommand(what="resume")


@pytest.fixture
def dead(make_world: Make) -> Make:
    def made(**settings: Any) -> Any:
        world = make_world(**settings)
        world.beat(1000.0)
        return world

    return made


def told(world: Any) -> Any:
    return changed(world.policy, world.state, world.clock())


def test_nothing_is_missed_restarted_or_told_while_it_lasts(dead: Make) -> None:
    world = dead()
    world.run(1100.0)
    world.handle(PAUSE)
    world.run(1000.0 + 10 * HOUR)
    report = world.report()
    assert (report.status, report.paused, report.missed, report.restarts) == ("paused", True, 0, 0)
    assert report.detail == "paused until it is resumed: maintenance"
    assert (world.lines, world.starts, world.state.trouble) == ([], [], None)
    assert (report.next_deadline, told(world).opens_at, told(world).missed_at) == (None, None, None)
    assert world.names()[-2:] == ["agent.paused", "agent.state_changed"]
    assert world.of("agent.paused")[0].fields == {"agent": "payment-watcher", "until": None, "reason": "maintenance"}


def test_it_is_looked_at_no_more_often_than_a_healthy_one(dead: Make) -> None:
    world = dead(restart={"kind": "none"})
    world.run(MISS + 1000)
    world.handle(PAUSE)
    looks = []
    look = world.look

    def counted(late: float = 0.0) -> None:
        looks.append(world.now)
        look(late)

    world.look = counted
    world.run(world.now + 600)
    assert len(looks) <= 12


def test_its_beats_are_seen_meanwhile(dead: Make) -> None:
    world = dead()
    world.run(1100.0)
    world.handle(PAUSE)
    world.beat(2000.0)
    world.run(2100.0)
    assert world.report().last_heartbeat == world.wall(2000.0)


def test_its_trouble_is_nobodys_business_meanwhile(dead: Make) -> None:
    world = dead(restart={"kind": "none"})
    world.run(MISS + 1000)
    assert told(world).trouble is not None
    world.handle(PAUSE)
    assert (told(world).trouble, told(world).missed_at, world.report().status) == (None, None, "paused")


@pytest.mark.parametrize("by", ["hand", "time"])
def test_then_it_is_judged_afresh_though_our_own_lines_trail_its_log(dead: Make, by: str) -> None:
    world = dead(restart={"kind": "none"})
    world.run(MISS + 1000)
    assert (world.report().missed, len(world.lines)) == (2, 2)
    until = world.now + 5 * HOUR
    word = AgentCommand(what="pause", until=world.wall(until) if by == "time" else None)
    world.handle(word)
    world.run(until - 1)
    assert world.report().status == "paused"
    world.run(until)
    if by == "hand":
        world.handle(RESUME)
    assert (world.report().missed, world.report().paused, len(world.lines)) == (0, False, 2)
    assert world.of("agent.resumed")[0].fields["reason"] == ("its time is over" if by == "time" else "a person said so")
    world.run(until + 119)
    assert (world.report().missed, len(world.lines)) == (0, 2)
    world.run(until + 120)
    assert [line.missed for line in world.lines] == [1, 2, 1], "counted from one again"
    assert world.report().missed == 1
    world.run(until + 120 + 900)
    assert world.report().missed == 2


def test_what_another_tool_recorded_before_is_forgiven_too(dead: Make) -> None:
    world = dead()
    world.run(1100.0)
    world.handle(PAUSE)
    world.lines = [StaleLine(stamp=world.wall(1200.0 + n), ours=False) for n in range(3)]
    world.run(1300.0)
    world.handle(RESUME)
    world.run(1310.0)
    assert (world.report().status, world.report().missed, world.starts) == ("healthy", 0, [])
    world.lines.append(StaleLine(stamp=world.clock().wall, ours=False))
    world.run(1312.0)
    assert (world.report().missed, len(world.starts)) == (1, 1)


def test_what_was_going_well_meanwhile_needs_no_time(dead: Make) -> None:
    world = dead()
    world.run(1100.0)
    world.handle(PAUSE)
    world.beat(1000.0 + 2 * HOUR)
    world.run(1000.0 + 2 * HOUR + 100)
    world.handle(RESUME)
    world.run(world.now + 1)
    assert (world.report().status, world.report().next_deadline) == ("healthy", world.wall(1000.0 + 3 * HOUR))


def test_an_attempt_that_waits_for_its_slot_is_dropped_and_gives_it_back(dead: Make) -> None:
    world = dead()
    world.run(MISS - 1)
    world.at = lambda *_: None
    world.now = MISS
    world.handle(HeartbeatRead(reading=world.reading()))
    assert world.state.attempt.phase == "waiting"
    effects = world.handle(PAUSE)
    assert GiveSlotBack() in effects
    assert world.state.attempt is None
    assert [entry.fields["reason"] for entry in world.of("agent.restart.skipped")] == ["paused"]
    world.handle(ActionStarted(at=world.clock().wall))
    assert (world.state.attempt, world.report().restarts) == (None, 0)


def test_a_process_of_ours_that_is_about_to_start_again_needs_no_slot_back(make_world: Make) -> None:
    world = make_world(restart={"kind": "process", "command": ("worker",)}, sources=())
    world.run(1010.0)
    world.exit_child(1020.0)
    world._run = lambda _: None
    world.run(1021.0)
    assert world.state.attempt.phase == "waiting"
    assert GiveSlotBack() not in world.handle(PAUSE)
    assert world.state.attempt is None
    world.run(1100.0)
    assert (world.report().status, len(world.starts)) == ("paused", 1)


@pytest.mark.parametrize("outcome", [ActionOutcome(result="ok"), ActionOutcome(result="interrupted", cause="stopped")])
def test_an_action_that_runs_goes_on_to_its_end_and_need_prove_nothing(dead: Make, script: Any, outcome: ActionOutcome) -> None:
    world = dead(does=script(duration=100.0, outcome=outcome), restart={"verify_within": 60.0})
    world.run(MISS + 10)
    world.handle(PAUSE)
    assert (world.state.attempt.phase, told(world).acting) == ("running", True)
    world.run(MISS + 110)
    assert (world.state.attempt, world.ends) == (None, [MISS + 100])
    world.run(MISS + 1000)
    assert "agent.restart.failed" not in world.names()
    assert (world.report().restarts, world.report().errors, len(world.starts)) == (1, (), 1)


def test_an_action_that_fails_meanwhile_is_said_and_followed_by_none(dead: Make, script: Any) -> None:
    world = dead(does=script(duration=100.0, outcome=FAILED))
    world.run(MISS + 10)
    world.handle(PAUSE)
    world.run(MISS + 1000)
    assert len(world.of("agent.restart.failed")) == 1
    assert (len(world.starts), told(world).trouble) == (1, None)


def test_a_proof_is_not_awaited_any_more(dead: Make, script: Any) -> None:
    world = dead(does=script(), restart={"verify_within": 60.0})
    world.run(MISS + 10)
    assert world.state.attempt.phase == "proving"
    world.handle(PAUSE)
    assert world.state.attempt is None
    world.run(MISS + 200)
    assert "agent.restart.failed" not in world.names()


def test_a_second_word_replaces_the_first_and_a_resume_of_what_is_not_paused_is_nothing(dead: Make) -> None:
    world = dead()
    world.run(1100.0)
    before = world.state
    world.handle(RESUME)
    assert (world.state, world.of("agent.resumed")) == (before, [])
    world.handle(AgentCommand(what="pause", until=world.wall(1200.0)))
    world.handle(AgentCommand(what="pause", until=world.wall(1400.0)))
    world.run(1399.0)
    assert world.report().detail == "paused until 2026-11-22T11:23:20.000000Z"
    world.run(1400.0)
    assert world.report().status == "healthy"


def test_it_survives_our_own_end_and_may_end_meanwhile(dead: Make) -> None:
    for away, status in ((10.0, "paused"), (5000.0, "healthy")):
        world = dead()
        world.run(1100.0)
        world.handle(AgentCommand(what="pause", until=world.wall(1000.0 + HOUR), reason="maintenance"))
        assert decode(encode(world.state), 0.0).pause == world.state.pause
        world.die(away)
        assert (world.report().status, world.report().missed) == (status, 0)


def test_the_end_of_a_pause_is_the_walls_over_a_boot(dead: Make) -> None:
    world = dead()
    world.run(1100.0)
    until = world.wall(1000.0 + 3 * HOUR)
    world.handle(AgentCommand(what="pause", until=until))
    world.boot(HOUR)
    world.run(world.now + (until - world.clock().wall).total_seconds() - 1)
    assert world.report().status == "paused"
    world.run(world.now + 1)
    assert world.report().status == "healthy"


def test_an_action_that_runs_over_our_own_end_and_a_pause_is_watched_and_not_judged(dead: Make, script: Any) -> None:
    world = dead(does=script(duration=100.0), restart={"verify_within": 60.0})
    world.run(MISS + 10)
    world.handle(PAUSE)
    world.die(10.0, running=True)
    assert (world.state.attempt.phase, world.report().status) == ("running", "paused")
    world.run(MISS + 500)
    assert (world.state.attempt, len(world.starts)) == (None, 1)
    world.handle(RESUME)
    world.handle(Resumed())
    world.run(world.now + 119)
    assert (world.report().missed, len(world.starts)) == (0, 1)
    world.run(world.now + 2)
    assert (world.report().missed, len(world.starts)) == (1, 2)


# --- All of them ---

ALL = AgentCommand(what="pause", reason="moving house", everyone=True)
RESUME_ALL = AgentCommand(what="resume", everyone=True)


def test_the_pause_of_all_is_like_its_own(dead: Make) -> None:
    world = dead()
    world.run(1100.0)
    world.handle(ALL)
    world.run(1000.0 + 10 * HOUR)
    report = world.report()
    assert (report.status, report.paused, report.missed, world.starts) == ("paused", True, 0, [])
    assert report.detail == "paused with all others until it is resumed: moving house"
    assert world.of("agent.paused") == [], "that is said once for all of them"
    world.handle(RESUME_ALL)
    assert (world.report().paused, world.report().missed) == (False, 0)
    world.run(world.now + 119)
    assert world.report().missed == 0


@pytest.mark.parametrize("first", [RESUME, RESUME_ALL])
def test_it_is_watched_again_when_it_is_in_neither(dead: Make, first: AgentCommand) -> None:
    world = dead()
    world.handle(PAUSE)
    world.handle(ALL)
    world.handle(first)
    assert world.report().paused
    assert "stays paused" in world.answers[-1].sentence
    assert world.of("agent.resumed") == []
    world.handle(RESUME_ALL if first is RESUME else RESUME)
    assert not world.report().paused
    assert world.answers[-1].sentence == "payment-watcher is watched again"
    assert len(world.of("agent.resumed")) == 1


def test_each_ends_at_its_own_time(dead: Make) -> None:
    world = dead(restart={"kind": "none"})
    world.run(1100.0)
    world.handle(msgspec.structs.replace(ALL, until=world.wall(2000.0)))
    world.handle(msgspec.structs.replace(PAUSE, until=world.wall(3000.0)))
    world.run(2500.0)
    assert (world.state.pause_all, world.report().paused) == (None, True)
    world.run(3000.0)
    assert not world.report().paused


def test_of_who_is_not_watched_any_more_only_its_own_pause_is_kept(dead: Make) -> None:
    world = dead()
    world.handle(PAUSE)
    world.handle(ALL)
    kept = dormant(world.state, world.now)
    assert (kept.pause is None, kept.pause_all) == (False, None)


def test_what_was_not_paused_stays_as_it_is(dead: Make) -> None:
    world = dead(restart={"kind": "none"})
    world.run(MISS + 1)
    world.handle(RESUME)
    world.handle(RESUME_ALL)
    assert [answer.sentence for answer in world.answers] == ["payment-watcher was not paused"] * 2
    assert world.report().missed == 1
