"""Going on with a process of ours that outlived us."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collections_supervisor.agents.health import first_state
from collections_supervisor.agents.owned_life import settings
from collections_supervisor.agents.state import Attempt, ChildExited
from collections_supervisor.config.schema import AgentConfig, Backoff, LogSource, RestartPolicy
from collections_supervisor.messages import AgentCommand

Make = Callable[..., Any]

START = 1000.0
SOURCES = (LogSource(path=Path("/nowhere/worker.log")),)


@pytest.fixture
def make(make_world: Make, script: Any) -> Make:
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


def test_it_is_not_started_a_second_time(make: Make) -> None:
    world = make()
    world.run(START + 100)
    world.die(3.0, record=world.record(), running=True)
    world.run(START + 500)
    assert world.starts == [START]
    report = world.report()
    assert (report.status, report.restarts, report.errors) == ("healthy", 0, ())
    [adopted] = world.of("agent.restart.adopted")
    assert adopted.fields["pid"] == 4711


def test_what_was_kept_may_be_older_than_the_start(make: Make) -> None:
    world = make()
    world.run(START + 100)
    kept = world.state
    world.exit_child(START + 150)
    world.run(START + 155)
    record = world.record()
    assert record.restarts == 1
    world.state = kept
    world.die(2.0, record=record, running=True)
    assert world.report().restarts == 1
    world.run(START + 300)
    assert len(world.starts) == 2
    assert world.report().status == "healthy"
    assert [entry.fields["attempt"] for entry in world.of("agent.restart.succeeded")] == [1], "lived for a while by then"


def test_nothing_may_be_kept_at_all(make: Make) -> None:
    world = make()
    world.run(START + 100)
    record = world.record()
    world.state = first_state(world.clock())
    world.die(1.0, record=record, running=True)
    world.run(START + 300)
    assert (world.starts, world.report().status, world.report().restarts) == ([START], "healthy", 0)


def test_a_row_of_short_lives_goes_on_over_our_end(make: Make) -> None:
    world = make(miss_threshold=3)
    for at in (2.0, 4.0, 7.0):
        world.exit_child(START + at)
    world.run(START + 8)
    lives = world.state.short_lives
    assert lives >= 2
    world.die(0.5, record=world.record(), running=True)
    assert world.state.short_lives == lives


def test_its_forgiven_attempts_do_not_come_back(make: Make) -> None:
    world = make()
    world.exit_child(START + 2)
    world.run(START + 60)
    record = world.record(attempts=1)
    assert (world.state.attempts, record.restarts) == (0, 1)
    world.die(1.0, record=record, running=True)
    assert world.state.attempts == 0


def test_its_proof_is_awaited_where_it_was_not_given_yet(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=0.0, beat_after=20.0))
    world.run(START + 5)
    world.die(1.0, record=world.record(), running=True)
    assert world.state.attempt.phase == "proving"
    world.run(START + 19)
    assert world.report().missed == 0
    world.run(START + 25)
    assert (world.state.attempt, world.report().status) == (None, "healthy")


def test_one_that_never_beats_fails_when_its_time_is_over_whoever_watches(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=lambda n: script(duration=0.0, beat_after=None if n == 0 else 1.0))
    world.run(START + 5)
    world.die(10.0, record=world.record(), running=True)
    world.run(START + 29)
    assert world.starts == [START]
    world.run(START + 35)
    assert [entry.fields["reason"] for entry in world.of("agent.restart.failed")] == ["no heartbeat within 30 s of its start"]
    assert len(world.starts) == 2


def test_a_silent_one_is_replaced_all_the_same(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=0.0, beat_after=1.0))
    world.run(START + 50)
    world.die(1.0, record=world.record(), running=True)
    world.run(START + 75)
    assert len(world.starts) == 2
    assert world.report().restarts == 1


def test_how_it_ends_nobody_can_know_and_that_is_a_failure(make: Make) -> None:
    world = make(restart={"ok_exit_codes": (0,)})
    world.run(START + 100)
    world.die(1.0, record=world.record(), running=True)
    world.run(START + 150)
    world.handle(ChildExited(exit_code=None, signal=None, uptime_s=150.0, adopted=True))
    [exited] = world.of("agent.exited")
    assert (exited.fields["exit_code"], exited.fields["signal"], exited.fields["adopted"]) == (None, None, True)
    assert world.report().last_exit == "exit code unknown after 2 min 30 s"
    world.run(START + 170)
    assert (len(world.starts), world.report().restarts) == (2, 1)


def test_a_paused_one_goes_on_and_stays_paused(make: Make) -> None:
    world = make()
    world.run(START + 100)
    world.handle(AgentCommand(what="pause"))
    world.die(1.0, record=world.record(), running=True)
    world.run(START + 500)
    assert (world.starts, world.report().status) == ([START], "paused")


def test_a_replacement_that_was_only_asked_for_is_judged_anew(make: Make, script: Any) -> None:
    world = make(sources=SOURCES, does=script(duration=0.0, beat_after=1.0))
    world.run(START + 50)
    record = world.record()
    # We died between the decision to replace it and the start of that.
    asked = Attempt(request=msgspec.structs.replace(record.request, attempt=1), phase="waiting")
    world.state = msgspec.structs.replace(world.state, attempt=asked)
    world.beat(START + 51)
    world.die(2.0, record=record, running=True)
    assert (world.state.attempt, world.starts) == (None, [START])


# --- Which settings make it another process ---

POLICY = AgentConfig(name="worker", sources=SOURCES, restart=RestartPolicy(kind="process", command=("a", "b")))


@pytest.mark.parametrize(
    "change",
    [
        {"command": ("a", "c")},
        {"command": ("a b",)},
        {"env": {"A": "1"}},
        {"cwd": Path("/tmp")},
        {"output": Path("/tmp/log")},
    ],
)
def test_another_command_environment_folder_or_output_is_another_process(change: dict[str, Any]) -> None:
    other = msgspec.structs.replace(POLICY, restart=msgspec.structs.replace(POLICY.restart, **change))
    assert settings(other) != settings(POLICY)


def test_another_file_to_beat_into_is_another_process() -> None:
    assert settings(msgspec.structs.replace(POLICY, sources=(LogSource(path=Path("/elsewhere")),))) != settings(POLICY)


def test_what_can_be_followed_as_it_runs_is_not() -> None:
    restart = msgspec.structs.replace(POLICY.restart, stop_grace=1.0, max_rss=1 << 30, timeout=1.0, output_max=1 << 20)
    assert settings(msgspec.structs.replace(POLICY, restart=restart, timeout=1.0)) == settings(POLICY)


def test_the_order_of_variables_says_nothing_and_no_secret_is_told() -> None:
    one, two = (
        msgspec.structs.replace(POLICY, restart=msgspec.structs.replace(POLICY.restart, env=env))
        for env in ({"A": "hush", "B": "2"}, {"B": "2", "A": "hush"})
    )
    assert settings(one) == settings(two)
    assert "hush" not in settings(one)
