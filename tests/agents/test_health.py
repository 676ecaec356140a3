"""The judgement of one agent, told as stories under made-up time."""

from collections.abc import Callable
from typing import Any

import pytest

from collections_supervisor.agents.state import ActionStarted, HeartbeatRead
from collections_supervisor.config.schema import Backoff
from collections_supervisor.messages import ActionOutcome, Beat, StaleLine
from collections_supervisor.system.clock import stamp

Make = Callable[..., Any]

HOUR = 3600.0


def failed(cause: str = "exit code 1", **more: Any) -> ActionOutcome:
    return ActionOutcome(result="failed", cause=cause, **more)


# --- Misses ---


def test_a_beat_in_time_is_health_and_nothing_is_done(make_world: Make) -> None:
    world = make_world()
    world.beat(700.0)
    world.run(1000.0)
    report = world.report()
    assert (report.status, report.missed, report.last_heartbeat) == ("healthy", 0, world.wall(700.0))
    assert report.next_deadline == world.wall(700.0 + HOUR)
    assert not world.starts
    assert not world.lines


def test_an_agent_never_seen_is_unknown_until_its_grace_is_over(make_world: Make) -> None:
    world = make_world(startup_grace=600.0)
    world.run(1599.0)
    assert (world.report().status, world.starts) == ("unknown", [])
    world.run(1600.5)
    assert (world.report().missed, world.starts) == (1, [1600.0])


def test_the_first_deadline_restarts_and_the_second_tells_a_human(make_world: Make) -> None:
    world = make_world(does=lambda _: world_script(duration=5000.0))
    world.beat(1000.0)
    world.run(1000.0 + HOUR - 0.1)
    assert world.report().status == "healthy"
    world.run(1000.0 + HOUR)
    assert (world.report().status, world.report().missed) == ("restarting", 1)
    assert not world.state.trouble
    world.run(1000.0 + HOUR + 899)
    assert not world.state.trouble
    world.run(1000.0 + HOUR + 900)
    assert (world.report().status, world.report().missed) == ("escalated", 2)
    assert world.state.trouble.since == world.wall(1000.0 + HOUR + 900)


def world_script(**script: Any) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(**{"duration": 1.0, "outcome": ActionOutcome(result="ok"), "beat_after": None, **script})


def test_each_deadline_is_recorded_once(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 3 * 900)
    assert [line.missed for line in world.lines] == [1, 2, 3, 4]
    assert all(line.last_heartbeat == world.wall(1000.0) for line in world.lines)
    assert [entry.fields["missed"] for entry in world.of("agent.heartbeat.missed")] == [1, 2, 3, 4]


def test_a_long_absence_is_caught_up_with_ten_lines_and_one_event(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    world.beat(1000.0 - HOUR - 50 * 900)
    world.run(1000.0)
    assert [line.missed for line in world.lines] == list(range(42, 52))
    assert [entry.fields["missed"] for entry in world.of("agent.heartbeat.missed")] == [51]


def test_no_more_than_a_hundred_misses_are_written_for_one_silence(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"}, timeout=60.0, miss_interval=60.0, glance=60.0)
    world.beat(1000.0)
    world.run(1000.0 + 60.0 * 250)
    assert (len(world.lines), world.report().missed) == (100, 250)


def test_lines_of_ours_about_another_silence_do_not_count(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    old = world.wall(0.0)
    world.beats.append(Beat(stamp=world.wall(900.0)))
    world.lines = [StaleLine(stamp=old, ours=True, missed=n, last_heartbeat=old) for n in (1, 2, 3)]
    world.run(1000.0)
    assert (world.report().status, world.report().missed) == ("healthy", 0)


def test_stale_lines_of_another_tool_count(make_world: Make) -> None:
    world = make_world()
    world.beats.append(Beat(stamp=world.wall(900.0)))
    world.lines = [StaleLine(stamp=world.wall(950.0), ours=False)]
    world.run(1000.0)
    assert (world.report().missed, world.state.trouble, len(world.starts)) == (1, None, 1)
    world.lines.append(StaleLine(stamp=world.wall(960.0), ours=False))
    world.run(1002.0)
    assert (world.report().missed, world.report().status) == (2, "escalated")
    assert world.state.trouble.since == world.wall(960.0)


def test_misses_on_disk_are_not_written_again_after_our_own_restart(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    last = world.wall(1000.0 - HOUR - 1000)
    world.beats.append(Beat(stamp=last))
    world.lines = [StaleLine(stamp=world.wall(900.0), ours=True, missed=n, last_heartbeat=last) for n in (1, 2)]
    world.run(1001.0)
    assert len(world.lines) == 2


def test_first_seen_beyond_the_threshold_escalates_and_makes_the_first_attempt_too(make_world: Make) -> None:
    world = make_world()
    world.beat(1000.0 - 3 * HOUR)
    world.run(1001.0)
    assert (world.report().status, len(world.starts)) == ("escalated", 1)
    assert world.state.trouble.since == world.wall(1000.0 - 3 * HOUR + HOUR + 900)


def test_late_is_said_after_the_period_and_ends_with_the_beat(make_world: Make) -> None:
    world = make_world(period=60.0, timeout=300.0)
    world.beat(1000.0)
    world.beat(1100.0)
    world.run(1110.0)
    assert [status for _, status in world.statuses] == ["unknown", "healthy", "late", "healthy"]
    assert [at for at, status in world.statuses if status == "late"] == [1060.0]


# --- What the file or the agent says ---


def test_unreadable_is_not_dead(make_world: Make) -> None:
    world = make_world(glance=60.0)
    world.beat(1000.0)
    world.run(1001.0)
    world.status = "unreadable"
    world.run(1000.0 + 5 * HOUR)
    assert (world.report().status, world.starts) == ("unknown", [])
    assert "cannot be read" in world.report().detail
    assert len(world.of("agent.heartbeat.unreadable")) == 1
    world.status = None
    world.run(1000.0 + 5 * HOUR + 61)
    assert world.report().status == "escalated"


def test_a_vanished_file_is_unknown_for_a_cycle_and_then_judged_by_its_last_beat(make_world: Make) -> None:
    world = make_world(timeout=120.0, miss_interval=1000.0)
    world.beat(1000.0)
    world.run(1110.0)
    world.status = "missing"
    world.run(1125.0)
    assert (world.report().status, world.report().missed) == ("unknown", 0)
    world.run(1200.0)
    assert (world.report().missed, len(world.starts)) == (1, 1)


def test_a_beat_in_the_future_is_contact_and_never_health(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    world.future = Beat(stamp=world.wall(1000.0 + 2 * HOUR))
    world.run(1000.0 + HOUR - 1)
    assert (world.report().status, world.report().missed) == ("unknown", 0)
    assert "clock" in world.report().detail
    world.run(1000.0 + HOUR)
    assert world.report().missed == 1


def test_busy_moves_the_deadline_but_not_for_ever(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    world.beat(1000.0, status="busy", until=world.wall(1000.0 + 2 * HOUR))
    world.run(1000.0 + 2 * HOUR - 1)
    assert (world.report().status, world.report().detail) == ("healthy", "busy, as it says itself")
    world.run(1000.0 + 2 * HOUR)
    assert world.report().missed == 1
    world.beat(status="busy", until=world.wall(1000.0 + 1000 * HOUR))
    begun = world.now
    world.run(begun + 4 * HOUR - 1)
    assert world.report().missed == 0
    world.run(begun + 4 * HOUR)
    assert world.report().missed == 1


def test_stuck_and_waiting_tell_a_human_and_are_not_restarted(make_world: Make) -> None:
    for word in ("stuck", "waiting"):
        world = make_world(timeout=60.0)
        world.beat(1000.0, status=word, message="captcha")
        world.run(1001.0)
        assert world.report().status == "escalated"
        assert "captcha" in world.state.trouble.reason
        assert world.state.trouble.since == world.wall(1000.0)
        world.run(2000.0)
        assert not world.starts


def test_a_failure_it_reports_is_contact_and_an_error_and_told(make_world: Make) -> None:
    world = make_world(period=60.0, timeout=300.0)
    world.beat(1000.0, status="fail", message="mailbox full")
    world.run(1030.0)
    report = world.report()
    assert (report.missed, report.status) == (0, "escalated")
    assert "mailbox full" in report.errors[-1].reason
    assert not world.starts
    world.beat(1050.0)
    world.run(1051.0)
    assert world.report().status == "healthy"


# --- Restarts ---


def test_success_needs_a_beat_stamped_after_the_start(make_world: Make, script: Any) -> None:
    world = make_world(does=script(duration=10.0, beat_after=4.0))
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 20)
    assert world.names().count("agent.restart.succeeded") == 1
    assert world.names().count("agent.recovered") == 1
    assert (world.report().status, world.report().restarts, world.report().missed) == ("healthy", 1, 0)
    assert world.state.trouble is None


def test_exit_zero_alone_proves_nothing(make_world: Make, script: Any) -> None:
    world = make_world(does=script(), restart={"verify_within": 60.0})
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 60)
    assert world.report().detail == "attempt 1 is done; its proof, a fresh heartbeat, is awaited"
    world.run(1000.0 + HOUR + 62)
    assert [entry.fields["reason"] for entry in world.of("agent.restart.failed")] == [
        "no heartbeat within 1 min 1 s of its start"
    ]
    world.run(1000.0 + HOUR + 61 + 31)
    assert world.starts == [1000.0 + HOUR, 1000.0 + HOUR + 61 + 30]


def test_failed_attempts_back_off_and_are_then_held_and_told(make_world: Make, script: Any) -> None:
    world = make_world(does=script(outcome=failed()), restart={"attempts_per_incident": 3}, miss_interval=1e6, glance=60.0)
    world.beat(1000.0)
    world.run(1000.0 + 3 * HOUR)
    begun = 1000.0 + HOUR
    assert world.starts == [begun, begun + 31, begun + 31 + 61]
    report = world.report()
    assert report.status == "escalated"
    assert report.held is not None
    assert report.held.until is None
    assert "3 restart attempts" in report.held.reason
    assert world.state.trouble.since == world.wall(world.starts[-1]), "the start of the failed action"


def test_unlimited_attempts_grow_to_the_cap(make_world: Make, script: Any) -> None:
    plan = {
        "attempts_per_incident": 0,
        "per_hour": 0,
        "per_day": 0,
        "backoff": Backoff(initial=10, factor=2, max=100, jitter=0.5),
    }
    world = make_world(does=script(duration=0.5, outcome=failed()), restart=plan, jitter=0.5)
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 1000)
    gaps = [later - earlier for earlier, later in zip(world.starts, world.starts[1:], strict=False)]
    assert gaps[:5] == [13.0, 25.5, 50.5, 100.5, 125.5]
    assert all(gap == 125.5 for gap in gaps[4:])


def test_the_budget_holds_until_its_window_frees(make_world: Make, script: Any) -> None:
    plan = {"attempts_per_incident": 0, "per_hour": 2, "backoff": Backoff(initial=1, factor=1, max=1, jitter=0)}
    world = make_world(does=script(outcome=failed()), restart=plan, miss_interval=1e6, glance=60.0)
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 60)
    held = world.report().held
    assert len(world.starts) == 2
    assert held is not None
    assert held.until == world.wall(world.starts[0] + HOUR)
    assert world.report().status == "escalated"
    assert world.of("agent.restart.skipped")[0].fields["reason"] == "budget"
    world.run(1000.0 + 2 * HOUR + 1)
    assert len(world.starts) == 3


def test_a_configuration_error_is_held_at_once_below_the_threshold(make_world: Make, script: Any) -> None:
    world = make_world(does=script(outcome=failed("no program openclaw", classified="configuration")))
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 10)
    assert (world.report().missed, world.report().status, len(world.starts)) == (1, "escalated", 1)
    assert world.state.trouble.held
    assert "no program openclaw" in world.state.trouble.reason


def test_a_shared_cause_waits_as_told_and_spends_no_attempt(make_world: Make, script: Any) -> None:
    refused = failed("billing", classified="shared", retry_after=600.0)
    world = make_world(does=lambda n: script(outcome=refused) if n < 3 else script(beat_after=0.5), miss_interval=1e6)
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 10)
    assert (world.report().held.until, world.state.attempts) == (world.wall(1000.0 + HOUR + 1 + 600), 0)
    world.run(1000.0 + HOUR + 1900)
    assert [round(at - world.starts[0]) for at in world.starts] == [0, 601, 1202, 1803]
    assert world.report().status == "healthy"


def test_a_terminal_session_is_held_with_its_own_words(make_world: Make, script: Any) -> None:
    world = make_world(does=script(outcome=failed("session ended during restart recovery", classified="terminal")), glance=60.0)
    world.beat(1000.0)
    world.run(1000.0 + 2 * HOUR)
    assert len(world.starts) == 1
    assert "ended during restart recovery" in world.state.trouble.reason


def test_an_overflow_begins_a_new_session_next_time(make_world: Make, script: Any) -> None:
    overflow = failed("context overflow", classified="overflow")
    world = make_world(does=lambda n: script(outcome=overflow) if n == 0 else script(beat_after=0.5))
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 100)
    assert world.fresh == [False, True]
    assert world.report().status == "healthy"


def test_an_overflow_that_may_not_be_reset_is_held(make_world: Make, script: Any) -> None:
    overflow = failed("context overflow", classified="overflow")
    world = make_world(does=script(outcome=overflow), restart={"fresh": "never"})
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 100)
    assert len(world.starts) == 1
    assert world.report().status == "escalated"
    assert "restart.fresh" in world.report().held.reason


def test_the_last_attempt_after_a_hung_turn_begins_a_new_session(make_world: Make, script: Any) -> None:
    hung = ActionOutcome(result="timed_out", cause="no answer within 120 s", hung=True)
    world = make_world(does=script(outcome=hung), restart={"attempts_per_incident": 3}, miss_interval=1e6)
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 500)
    assert world.fresh == [False, False, True]


def test_busy_spends_nothing_and_is_looked_at_again(make_world: Make, script: Any) -> None:
    busy = ActionOutcome(result="busy", cause="a turn was active 10 s ago", retry_after=20.0)
    calls: list[int] = []

    def does(_: int) -> Any:
        calls.append(1)
        return script(duration=0.5, outcome=busy) if len(calls) < 3 else script(beat_after=0.2)

    world = make_world(does=does)
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 60)
    assert world.starts == [1000.0 + HOUR + 41]
    assert [entry.fields["reason"] for entry in world.of("agent.restart.skipped")] == ["busy", "busy"]
    assert (world.report().status, world.report().restarts) == ("healthy", 1)


def test_an_unknown_outcome_waits_for_its_proof_first(make_world: Make, script: Any) -> None:
    world = make_world(does=script(outcome=ActionOutcome(result="unknown", cause="lost")), restart={"verify_within": 100.0})
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 100)
    assert len(world.starts) == 1
    world.run(1000.0 + HOUR + 140)
    assert len(world.starts) == 2


# --- Recovery ---


def test_a_silence_that_ends_by_itself_is_said_so(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    world.beat(1000.0)
    world.beat(1000.0 + HOUR + 100)
    world.run(1000.0 + HOUR + 101)
    [recovered] = world.of("agent.recovered")
    assert (recovered.fields["by_itself"], recovered.fields["down_s"]) == (True, 100.0)


def test_the_incident_is_resolved_after_a_second_beat_or_a_quiet_period(make_world: Make) -> None:
    for second in (True, False):
        world = make_world(restart={"kind": "none"}, period=600.0, timeout=900.0, miss_interval=900.0)
        world.beat(1000.0)
        world.run(1000.0 + 1800)
        assert world.state.trouble is not None
        world.beat()
        world.run(world.now + 100)
        assert world.report().status == "healthy"
        assert world.state.trouble is not None
        assert world.state.trouble.recovered_at is not None
        if second:
            world.beat()
        world.run(world.now + (1 if second else 501))
        assert world.state.trouble is None


def test_a_relapse_keeps_the_incident(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"}, timeout=100.0, miss_interval=100.0)
    world.beat(1000.0)
    world.run(1250.0)
    since = world.state.trouble.since
    world.beat()
    world.run(1300.0)
    assert world.report().status == "healthy"
    world.run(1349.0)
    assert world.state.trouble is not None
    world.run(1250.0 + 250)
    assert world.report().status == "healthy" or world.state.trouble.since >= since


def test_a_flapping_agent_arrives_at_its_second_incident_held(make_world: Make, script: Any) -> None:
    world = make_world(does=script(beat_after=0.5), timeout=60.0, miss_interval=1e6)
    world.beat(1000.0)
    world.run(1000.0 + 300)
    assert len(world.starts) == 2
    assert world.report().status == "escalated"
    assert "2 restart attempts" in world.report().held.reason


def test_fresh_beats_for_ten_minutes_forgive_the_attempts(make_world: Make, script: Any) -> None:
    world = make_world(does=script(beat_after=0.5), timeout=60.0)
    world.beat(1000.0)
    for n in range(40):
        world.beat(1090.0 + 20 * n)
    world.run(1655.0)
    assert world.state.attempts == 1
    world.run(1675.0)
    assert world.state.attempts == 0


def test_only_the_last_five_errors_are_kept(make_world: Make, script: Any) -> None:
    plan = {"attempts_per_incident": 0, "per_hour": 0, "per_day": 0}
    world = make_world(does=script(outcome=failed()), restart=plan, glance=60.0)
    world.beat(1000.0)
    world.run(1000.0 + 3 * HOUR)
    assert len(world.starts) > 5
    assert len(world.report().errors) == 5


def test_a_beat_does_not_unhappen_when_its_file_is_gone_or_an_older_one_is_all_that_can_be_read(make_world: Make) -> None:
    world = make_world()
    world.beat(1000.0)
    world.run(1001.0)
    world.beats.append(Beat(stamp=world.wall(1000.0 - 3 * HOUR)))
    world.run(1100.0)
    assert (world.report().status, world.report().missed, world.starts) == ("healthy", 0, [])
    assert world.report().last_heartbeat == world.wall(1000.0)


def test_after_the_wall_clock_was_set_back_the_next_beat_is_the_newer_one(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    world.beat(1000.0)
    world.run(1001.0)
    world.set_clock(-HOUR)
    world.run(1005.0)
    assert world.report().status == "unknown"
    world.beat(1010.0)
    world.run(1070.0)
    assert (world.report().status, world.report().last_heartbeat) == ("healthy", world.wall(1010.0))


@pytest.mark.parametrize(("after", "proves"), [(-1.0, False), (0.0, False), (1e-6, True)])
def test_a_beat_from_before_the_restart_ends_the_wait_for_its_proof_and_is_none(
    make_world: Make, script: Any, after: float, proves: bool
) -> None:
    world = make_world(does=script(duration=10.0), restart={"verify_within": 300.0})
    world.beat(1000.0)
    world.at(1000.0 + HOUR + 5, lambda: world.beats.append(Beat(stamp=world.wall(1000.0 + HOUR + after))))
    world.run(1000.0 + HOUR + 1000)
    assert world.report().status == "healthy"
    assert "agent.restart.failed" not in world.names()
    assert world.report().errors == ()
    assert len(world.of("agent.restart.succeeded")) == proves
    assert [entry.fields["by_itself"] for entry in world.of("agent.recovered")] == [not proves]


def test_an_agent_long_dead_when_we_come_gets_its_last_ten_misses_written(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    world.beat(1000.0 - 72 * HOUR)
    world.run(1000.0)
    assert world.report().missed == 285
    assert [line.missed for line in world.lines] == list(range(276, 286))


def test_a_relapse_says_what_is_so_now(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"}, timeout=100.0, miss_interval=100.0)
    world.beat(1000.0)
    world.run(1250.0)
    world.beat()
    world.run(1360.0)
    assert (world.report().missed, world.report().status) == (1, "escalated")
    assert world.state.trouble.reason.startswith(f"no heartbeat since {stamp(world.wall(1250.0))}")


def test_a_restart_is_not_begun_for_an_agent_that_came_back_during_its_preparations(make_world: Make) -> None:
    world = make_world()
    world.beat(1000.0)
    world.run(1000.0 + HOUR - 1)
    world.now = 1000.0 + HOUR
    world.at = lambda *_: None
    world.handle(HeartbeatRead(reading=world.reading()))
    assert world.state.attempt is not None
    world.beats.append(Beat(stamp=world.wall(world.now)))
    world.lines.clear()
    world.handle(HeartbeatRead(reading=world.reading()))
    world.handle(ActionStarted(at=world.clock().wall))
    assert not world.state.attempt
    assert (world.report().restarts, world.report().status) == (0, "healthy")
    assert [entry.fields["reason"] for entry in world.of("agent.restart.skipped")] == ["fresh_beat"]
