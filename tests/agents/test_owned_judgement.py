"""The judgement of a process of ours, told as stories under made-up time."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.agents.health import step
from collections_supervisor.agents.state import ActionEnded, ActionStarted, ChildExited, HeartbeatRead, Resumed, RunAction
from collections_supervisor.config.schema import Backoff, LogSource
from collections_supervisor.messages import ActionOutcome, Beat, StaleLine

Make = Callable[..., Any]

SOURCES = (LogSource(path=Path("/nowhere/worker.log")),)
START = 1000.0
"""When each story begins."""


@pytest.fixture
def make(make_world: Make, script: Any) -> Make:
    """A world around a process of ours: what each start does, and settings of the agent and its restarts."""

    def made(*, does: Any = None, restart: dict[str, Any] | None = None, **agent: Any) -> Any:
        plan = {
            "kind": "process",
            "command": ("worker",),
            "attempts_per_incident": 0,
            "per_hour": 0,
            "per_day": 0,
            "backoff": Backoff(initial=1.0, max=300.0, jitter=0.0),
            **(restart or {}),
        }
        settled = {"sources": (), "startup_grace": 30.0, "timeout": 60.0, "miss_interval": 60.0, **agent}
        return make_world(does=does or script(duration=0.0), restart=plan, **settled)

    return made


def dies_after(world: Any, *lives: float, exit_code: int = 1) -> None:
    """Each process in turn lives for so many seconds."""
    script = world.restart

    def restart(number: int) -> Any:
        if number < len(lives):
            world.exit_child(world.now + script(number).duration + lives[number], exit_code)
        return script(number)

    world.restart = restart


# --- Alive is all that is known of it ---


def test_the_first_start_is_no_restart(make: Make) -> None:
    world = make()
    world.run(START + 100)
    assert world.starts == [START]
    assert (world.report().restarts, world.report().restarts_24h, world.report().status) == (0, 0, "healthy")
    assert "agent.started" in world.names()
    assert "agent.restart.started" not in world.names()
    assert "agent.restart.succeeded" not in world.names()


def test_alive_without_sources_is_health_for_ever(make: Make) -> None:
    world = make(glance=600.0)
    world.run(START + 86400)
    assert world.report().status == "healthy"
    assert (world.report().missed, world.report().next_deadline, world.lines) == (0, None, [])
    assert world.starts == [START]


def test_one_that_had_lived_is_started_again_at_once(make: Make) -> None:
    world = make()
    dies_after(world, 100.0, 50.0)
    world.run(START + 300)
    assert world.starts == [START, START + 100, START + 150]
    assert world.report().restarts == 2
    assert world.report().last_exit == "exit code 1 after 50 s"
    assert [error.reason for error in world.report().errors] == [
        "ended: exit code 1 after 1 min 40 s",
        "ended: exit code 1 after 50 s",
    ]
    assert world.state.trouble is None
    assert [entry.fields["attempt"] for entry in world.of("agent.restart.succeeded")] == [1, 1]


def test_short_lives_back_off_further_and_further_up_to_the_cap(make: Make) -> None:
    world = make(restart={"backoff": Backoff(initial=1.0, max=20.0, jitter=0.0)})
    dies_after(world, *[2.0] * 50)
    world.run(START + 150)
    gaps = [later - earlier - 2.0 for earlier, later in zip(world.starts, world.starts[1:], strict=False)]
    assert gaps[:8] == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]


def test_a_life_that_lasted_takes_the_backoff_back(make: Make) -> None:
    world = make()
    dies_after(world, 2.0, 2.0, 2.0, 2.0, 10.0, 2.0, 2.0)
    world.run(START + 100)
    gaps = [later - earlier for earlier, later in zip(world.starts, world.starts[1:], strict=False)]
    assert gaps == [2.0, 3.0, 4.0, 6.0, 10.0, 3.0, 4.0], "the start after a life that lasted is the first of a new row"


def test_each_change_of_state_begins_where_the_one_before_ended(make: Make) -> None:
    world = make(sources=SOURCES, miss_threshold=2)
    dies_after(world, *[2.0] * 6)
    world.run(START + 20)
    changes = [(entry.fields["previous"], entry.fields["state"]) for entry in world.of("agent.state_changed")]
    assert changes == [("unknown", "restarting"), ("restarting", "escalated")], "that nothing is known of a new one is not told"


def test_a_human_is_told_at_the_threshold_of_short_lives_and_it_goes_on_being_started(make: Make) -> None:
    world = make(miss_threshold=3)
    dies_after(world, *[2.0] * 6)
    world.run(START + 2 + 2 + 1.0)
    assert world.state.short_lives == 2
    assert not world.state.trouble
    world.run(START + 2 + 2 + 1 + 2)
    assert world.state.short_lives == 3
    assert world.report().status == "escalated"
    assert "ended 3 times in a row right after its start" in world.state.trouble.reason
    assert not world.state.trouble.held
    assert world.report().held is None
    starts, since = len(world.starts), world.state.trouble.since
    world.run(START + 2 + 2 + 1 + 2 + 2 + 2)
    assert len(world.starts) == starts + 1
    assert world.state.trouble.since == since


def test_the_trouble_of_short_lives_ends_after_it_has_lived_for_a_while(make: Make) -> None:
    world = make(timeout=60.0)
    dies_after(world, *[2.0] * 4)
    world.run(START + 2 + 2 + 1 + 2 + 2 + 2 + 4 + 2)
    assert world.report().status == "escalated"
    assert len(world.starts) == 5
    world.run(world.starts[-1] + 9.5)
    assert world.report().status == "escalated"
    world.run(world.starts[-1] + 10.5)
    assert world.report().status == "healthy"
    assert world.state.trouble.recovered_at is not None
    assert len(world.of("agent.recovered")) == 1
    world.run(world.starts[-1] + 10.5 + 61)
    assert world.state.trouble is None


def test_a_relapse_before_the_incident_is_closed_keeps_it(make: Make) -> None:
    world = make(timeout=600.0)
    dies_after(world, 2.0, 2.0, 2.0, 12.0, 2.0, 2.0)
    world.run(START + 2 + 2 + 1 + 2)
    since = world.state.trouble.since
    while world.state.trouble.recovered_at is None:
        world.run(world.now + 1)
    assert world.report().status == "healthy"
    world.run(world.now + 20)
    assert world.state.trouble.since == since


def test_exit_codes_that_may_end_it(make: Make) -> None:
    world = make(restart={"ok_exit_codes": (0, 3)})
    dies_after(world, 100.0, exit_code=3)
    world.run(START + 5000)
    assert world.starts == [START]
    report = world.report()
    assert (report.status, report.detail) == ("healthy", "ended by itself: exit code 3 after 1 min 40 s")
    assert report.errors == ()
    assert world.state.trouble is None


def test_exit_codes_that_forbid_another_start(make: Make) -> None:
    world = make(restart={"no_restart_exit_codes": (78,)}, glance=10.0)
    dies_after(world, 100.0, exit_code=78)
    world.run(START + 5000)
    assert world.starts == [START]
    assert world.report().status == "escalated"
    assert world.state.trouble.held
    assert "exit code 78" in world.report().held.reason
    assert world.state.trouble.since == world.wall(START + 100)


def test_a_signal_is_no_exit_code(make: Make) -> None:
    world = make(restart={"ok_exit_codes": (0, 9), "no_restart_exit_codes": (78, 15)})
    world.run(START + 20)
    world.handle(ChildExited(exit_code=None, signal="SIGKILL", uptime_s=20.0))
    world.run(START + 30)
    assert world.report().last_exit == "killed by SIGKILL after 20 s"
    assert len(world.starts) == 2


def test_a_budget_holds_it_where_one_is_set(make: Make) -> None:
    world = make(restart={"per_hour": 2}, glance=10.0)
    dies_after(world, *[20.0] * 6)
    world.run(START + 600)
    assert len(world.starts) == 3, "the first start is none of the budget's"
    assert world.report().status == "escalated"
    assert world.report().held.until == world.wall(world.starts[1] + 3600)
    world.run(world.starts[1] + 3601)
    assert len(world.starts) == 4


# --- Starts that fail ---


def test_a_configuration_error_at_the_first_start_is_held_and_told(make: Make, script: Any) -> None:
    wrong = ActionOutcome(result="failed", cause="program 'worker' is not found", classified="configuration")
    world = make(does=script(duration=0.0, outcome=wrong))
    world.run(START + 5000)
    assert world.starts == [START]
    assert world.report().status == "escalated"
    assert "is not found" in world.state.trouble.reason


def test_a_first_start_that_fails_is_tried_again_later_and_later(make: Make, script: Any) -> None:
    failed = ActionOutcome(result="failed", cause="program 'worker' cannot be started: out of memory")
    world = make(does=script(duration=0.25, outcome=failed), restart={"backoff": Backoff(initial=1.0, max=8.0, jitter=0.0)})
    world.run(START + 60)
    gaps = [later - earlier - 0.25 for earlier, later in zip(world.starts, world.starts[1:], strict=False)]
    assert len(gaps) < 20, f"{len(gaps)} starts in a minute"
    assert gaps[-1] == 8.0
    assert world.report().restarts >= len(gaps) - 1


def test_starts_that_all_fail_are_told_to_a_human(make: Make, script: Any) -> None:
    failed = ActionOutcome(result="failed", cause="program 'worker' cannot be started: out of memory")
    outcomes = [ActionOutcome(result="ok"), *[failed] * 100]
    world = make(does=lambda n: script(duration=0.25, outcome=outcomes[n]))
    dies_after(world, 100.0)
    world.run(START + 1000)
    assert len(world.starts) > 5
    assert world.report().status == "escalated"
    assert world.state.trouble is not None


# --- With a heartbeat ---


def test_ready_is_the_first_beat_stamped_after_the_start(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=0.0, beat_after=5.0))
    world.beats.append(Beat(stamp=world.wall(START - 5)))
    world.run(START + 4)
    assert world.state.attempt.phase == "proving"
    world.run(START + 6)
    assert world.state.attempt is None
    assert world.report().status == "healthy"
    assert world.report().restarts == 0


def test_an_old_beat_on_disk_is_not_held_against_it_at_its_first_start(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=0.0, beat_after=20.0))
    world.beats.append(Beat(stamp=world.wall(START - 50_000)))
    world.run(START + 21)
    assert world.starts == [START]
    assert (world.lines, world.report().missed, world.report().status) == ([], 0, "healthy")
    assert "agent.heartbeat.missed" not in world.names()


def test_stale_lines_of_ours_from_an_earlier_life_do_not_count(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=0.0, beat_after=20.0))
    old = world.wall(START - 50_000)
    world.beats.append(Beat(stamp=old))
    world.lines = [StaleLine(stamp=old, ours=True, missed=n, last_heartbeat=old) for n in range(1, 6)]
    world.run(START + 10)
    assert (world.report().missed, world.state.trouble, world.starts) == (0, None, [START])


def test_no_beat_within_its_grace_is_a_failed_start(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=lambda n: script(duration=0.0, beat_after=None if n == 0 else 5.0))
    world.run(START + 29)
    assert world.report().missed == 0
    world.run(START + 40)
    assert [entry.fields["reason"] for entry in world.of("agent.restart.failed")] == ["no heartbeat within 30 s of its start"]
    assert len(world.starts) == 2
    assert world.report().status == "healthy"
    assert world.report().restarts == 1


def test_one_that_never_beats_backs_off_and_is_told(make: Make) -> None:
    world = make(sources=SOURCES)
    world.run(START + 1000)
    gaps = [later - earlier - 30.0 for earlier, later in zip(world.starts, world.starts[1:], strict=False)]
    assert gaps[:5] == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert world.report().status == "escalated"
    assert world.report().restarts == len(world.starts) - 1


def test_a_hung_process_is_restarted_by_its_miss_and_proven_by_its_first_beat(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=2.0, beat_after=3.0))
    world.run(START + 3 + 60)
    assert world.report().missed == 1
    assert world.starts == [START, START + 3 + 60]
    world.run(START + 3 + 60 + 4)
    assert (world.report().status, world.report().missed, world.report().restarts) == ("healthy", 0, 1)
    [succeeded] = world.of("agent.restart.succeeded")
    assert succeeded.fields["attempt"] == 1
    [recovered] = world.of("agent.recovered")
    assert not recovered.fields["by_itself"]


def test_a_process_that_stays_silent_after_its_restart_reaches_a_human(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=lambda n: script(duration=0.0, beat_after=1.0 if n == 0 else None))
    world.run(START + 1 + 60 + 59)
    assert world.report().missed == 1
    world.run(START + 1 + 60 + 60)
    assert (world.report().missed, world.report().status) == (2, "escalated")


def test_it_is_not_judged_by_its_silence_while_it_is_down(make: Make, script: Any) -> None:
    world = make(
        sources=SOURCES, does=script(duration=0.0, beat_after=1.0), restart={"no_restart_exit_codes": (78,)}, glance=10.0
    )
    dies_after(world, 20.0, exit_code=78)
    world.run(START + 5000)
    assert (world.report().missed, world.lines, world.report().next_deadline) == (0, [], None)
    assert world.report().status == "escalated", "for what it ended with"


def test_one_that_ended_as_it_may_is_not_judged_by_its_silence(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=0.0, beat_after=1.0), restart={"ok_exit_codes": (0,)})
    dies_after(world, 20.0, exit_code=0)
    world.run(START + 5000)
    assert world.starts == [START]
    assert (world.report().missed, world.report().status, world.lines) == (0, "healthy", [])


def test_each_start_has_its_grace_for_the_first_beat(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=lambda n: script(duration=0.0, beat_after=1.0 if n == 0 else 25.0), startup_grace=100.0)
    dies_after(world, 70.0)
    # The last beat is 70 s old when the second one starts: by its own timeout a miss was due long ago.
    world.run(START + 70 + 26)
    assert world.starts == [START, START + 70]
    assert (world.report().missed, world.report().status) == (0, "healthy")


def test_a_first_beat_in_the_pause_before_the_next_start_saves_the_process(make: Make, script: Any) -> None:
    plan = {"backoff": Backoff(initial=50.0, max=50.0, jitter=0.0)}
    world = make(sources=SOURCES, restart=plan, does=lambda n: script(duration=0.0, beat_after=None if n == 0 else 40.0))
    world.run(START + 30 + 95)
    # The second start beats 10 s after its grace: it is slow, and it lives. Ending it now would end good work.
    assert len(world.starts) == 2
    assert world.report().status == "healthy"


def test_a_start_that_never_beats_has_failed_however_young_the_beat_of_the_one_before_is(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, timeout=3600.0, does=lambda n: script(duration=0.0, beat_after=None if n == 1 else 1.0))
    for at in range(10, 100, 10):
        world.beat(START + at)
    dies_after(world, 95.0)
    world.run(START + 95 + 29)
    assert world.starts == [START, START + 95]
    world.run(START + 95 + 60)
    assert [entry.fields["reason"] for entry in world.of("agent.restart.failed")] == ["no heartbeat within 30 s of its start"]
    assert len(world.starts) == 3
    assert world.report().status == "healthy"


def test_short_lives_count_although_each_one_beat(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=0.0, beat_after=0.5))
    dies_after(world, *[2.0] * 5)
    world.run(START + 2 + 2 + 1)
    assert world.report().status == "escalated"
    world.run(START + 100)
    gaps = [later - earlier for earlier, later in zip(world.starts, world.starts[1:], strict=False)]
    assert gaps[:4] == [2.0, 3.0, 4.0, 6.0]


# --- Events that cross ---


def test_an_exit_while_its_restart_begins_starts_it_once(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=0.0, beat_after=1.0))
    world.run(START + 60.5)
    world.now = START + 61
    state, effects = step(world.policy, world.state, HeartbeatRead(reading=world.reading()), world.clock(), 0.0)
    assert [effect for effect in effects if isinstance(effect, RunAction)]
    state, effects = step(world.policy, state, ChildExited(exit_code=None, signal="SIGSEGV", uptime_s=61.0), world.clock(), 0.0)
    assert not [effect for effect in effects if isinstance(effect, RunAction)], "the restart asked for is under way already"
    state, effects = step(world.policy, state, ActionStarted(at=world.clock().wall), world.clock(), 0.0)
    state, effects = step(world.policy, state, ActionEnded(outcome=ActionOutcome(result="ok")), world.clock(), 0.0)
    assert state.child is not None
    assert state.restarts == 1


def test_an_exit_while_its_restart_runs_is_of_the_process_before(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=5.0, beat_after=6.0))
    world.run(START + 6 + 60 + 1)
    assert world.state.attempt.phase == "running"
    world.handle(ChildExited(exit_code=1, signal=None, uptime_s=61.0))
    world.run(START + 6 + 60 + 10)
    assert len(world.starts) == 2
    assert world.report().status == "healthy"


def test_an_exit_before_its_proof_is_a_failed_restart(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=lambda n: script(duration=0.0, beat_after=1.0 if n != 1 else None))
    world.exit_child(START + 61 + 3)
    world.run(START + 61 + 3 + 2)
    assert world.starts == [START, START + 61, START + 61 + 3 + 1]
    assert world.report().status == "healthy"
    assert world.report().restarts == 2


def test_after_a_crash_of_its_watcher_it_is_started_anew(make: Make) -> None:
    for moment in (0.0, 20.0):
        world = make()
        world.run(START + moment)
        world.handle(Resumed())
        world.run(START + moment + 30)
        assert len(world.starts) == 2
        assert world.report().status == "healthy"


def test_a_crash_of_its_watcher_while_it_was_being_started_is_said(make: Make, script: Any) -> None:
    world = make(does=lambda n: script(duration=1000.0 if n == 0 else 0.0))
    world.run(START + 1)
    assert world.state.attempt.phase == "running"
    world.handle(Resumed())
    assert len(world.of("agent.restart.interrupted")) == 1
    world.run(START + 30)
    assert (len(world.starts), world.report().status) == (2, "healthy")


def test_a_crash_of_its_watcher_does_not_forget_the_misses(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=lambda n: script(duration=0.0, beat_after=1.0 if n == 0 else None))
    world.run(START + 61 + 60)
    assert world.report().status == "escalated"
    since = world.state.trouble.since
    world.handle(Resumed())
    world.run(START + 61 + 70)
    assert world.state.trouble.since == since
    assert world.report().status == "escalated"


def test_a_waiting_word_of_a_process_freezes_its_restarts(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=0.0, beat_after=1.0))
    world.at(START + 2, lambda: world.beats.append(Beat(stamp=world.wall(START + 2), status="waiting", message="captcha")))
    world.run(START + 1000)
    assert world.starts == [START]
    assert world.report().status == "escalated"
    assert world.state.trouble.since == world.wall(START) + timedelta(seconds=2)


def test_one_whose_log_ends_with_a_miss_of_another_tool_is_still_watched(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=0.0, beat_after=1.0))
    world.lines = [StaleLine(stamp=world.wall(START - 50), ours=False)]
    world.run(START + 5)
    assert world.report().next_deadline is not None
    world.run(START + 70)
    assert len(world.starts) == 2, "it beat once and fell silent"


def test_one_that_may_end_is_no_trouble_any_more_when_it_did(make: Make) -> None:
    world = make(restart={"ok_exit_codes": (0,)})
    dies_after(world, 2.0, 2.0)
    world.run(START + 4.5)
    assert world.report().status == "escalated"
    world.handle(ChildExited(exit_code=0, signal=None, uptime_s=1.0))
    world.run(START + 100)
    assert (world.report().status, world.state.trouble) == ("healthy", None)
