"""Other settings for an agent that is being watched: they hold from then on, and nothing is begun because of them."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from collections_supervisor.agents.state import GiveSlotBack, PolicyChanged
from collections_supervisor.config.schema import LogSource
from collections_supervisor.messages import ActionOutcome, AgentCommand

Make = Callable[..., Any]

HOUR = 3600.0
MISS = 1000.0 + HOUR
FAILED = ActionOutcome(result="failed", cause="exit status 1")


def change(world: Any, *, restart: dict[str, Any] | None = None, **settings: Any) -> Any:
    before = world.policy
    world.policy = msgspec.structs.replace(before, restart=msgspec.structs.replace(before.restart, **(restart or {})), **settings)
    return world.handle(PolicyChanged(before=before))


@pytest.fixture
def agent(make_world: Make) -> Make:
    def made(**settings: Any) -> Any:
        world = make_world(**settings)
        world.beat(1000.0)
        return world

    return made


def test_a_longer_timeout_moves_the_deadline_and_a_shorter_one_too(agent: Make) -> None:
    world = agent(restart={"kind": "none"})
    world.run(1100.0)
    change(world, timeout=2 * HOUR)
    world.run(MISS + 100)
    assert world.report().missed == 0
    change(world, timeout=HOUR)
    assert world.report().missed == 1


def test_the_threshold_holds_for_what_is_missed_already(agent: Make) -> None:
    world = agent(restart={"kind": "none"})
    world.run(MISS + 1)
    assert world.report().status != "escalated"
    change(world, miss_threshold=1)
    assert world.report().status == "escalated"


def test_a_restart_that_runs_keeps_its_proof_the_time_it_has(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=10.0))
    world.run(MISS + 20)
    due = world.state.attempt.prove_by
    change(world, restart={"verify_within": 5.0, "timeout": 1.0})
    assert world.state.attempt.prove_by == due
    world.run(due - 1)
    assert (len(world.starts), world.of("agent.restart.failed")) == (1, [])
    world.run(due)
    assert len(world.of("agent.restart.failed")) == 1


def test_what_was_held_by_the_old_settings_is_tried_by_the_new_ones(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=1.0, outcome=FAILED))
    world.run(MISS + 600)
    assert (len(world.starts), world.report().held is not None) == (2, True)
    change(world, miss_threshold=5)
    assert len(world.starts) == 2, "what concerns no restart buys none"
    change(world, restart={"message": "wake up"})
    world.run(world.now + 1)
    assert len(world.starts) == 3


def test_a_larger_budget_ends_a_hold_for_want_of_budget_and_another_change_does_not(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=1.0, outcome=FAILED), restart={"per_hour": 1, "attempts_per_incident": 0})
    world.run(MISS + 120)
    assert world.state.hold.kind == "budget"
    said = len(world.of("agent.restart.skipped"))
    change(world, restart={"message": "wake up"})
    assert (world.state.hold.kind, len(world.of("agent.restart.skipped"))) == ("budget", said)
    change(world, restart={"per_hour": 2})
    world.run(world.now + 1)
    assert len(world.starts) == 2


def test_a_restart_that_waits_for_its_turn_is_asked_for_anew(agent: Make) -> None:
    world = agent()
    world.at = lambda *_: None  # nobody has a slot for it
    world.run(MISS)
    effects = change(world, restart={"kind": "command", "command": ("true",)})
    assert any(isinstance(effect, GiveSlotBack) for effect in effects)
    assert world.state.attempt.phase == "waiting"
    change(world, restart={"kind": "none"})
    assert world.state.attempt is None


def test_unchanged_settings_change_nothing(agent: Make) -> None:
    world = agent()
    world.run(MISS + 30)
    before = world.state
    assert change(world) == []
    assert world.state == before


def test_what_other_files_did_is_no_sign_of_the_new_ones(agent: Make, tmp_path: Any) -> None:
    world = agent(restart={"kind": "none"})
    world.run(1100.0)
    world.status = "unreadable"
    world.run(1110.0)
    assert world.state.unreadable_at is not None
    world.status = None
    change(world, sources=(LogSource(path=tmp_path / "other.log"),))
    assert (world.state.source, world.state.unreadable_at) == ("ok", None)


@pytest.mark.parametrize(
    "settings",
    [{"command": ("other",)}, {"env": {"A": "1"}}, {"cwd": "/"}, {"output": "path"}],
)
def test_another_command_of_an_owned_process_starts_it_anew(make_world: Make, script: Any, settings: Any) -> None:
    world = make_world(does=script(duration=0.0), restart={"kind": "process", "command": ("sleep", "9")}, sources=())
    world.run(1100.0)
    assert len(world.starts) == 1
    change(world, restart=settings)
    world.run(1120.0)
    assert (len(world.starts), world.report().restarts, world.report().status) == (2, 1, "healthy")
    assert "its command, folder, environment or output was changed" in world.of("agent.restart.started")[0].message


@pytest.mark.parametrize("settings", [{"stop_grace": 1.0}, {"ok_exit_codes": (3,)}, {"per_hour": 9}, {"timeout": 9.0}])
def test_nothing_else_starts_an_owned_process_anew(make_world: Make, script: Any, settings: Any) -> None:
    world = make_world(does=script(duration=0.0), restart={"kind": "process", "command": ("sleep", "9")}, sources=())
    world.run(1100.0)
    change(world, restart=settings, miss_threshold=4)
    world.run(1120.0)
    assert (len(world.starts), world.report().restarts) == (1, 0)


def test_an_owned_process_that_is_paused_is_started_anew_all_the_same(make_world: Make, script: Any) -> None:
    world = make_world(does=script(duration=0.0), restart={"kind": "process", "command": ("sleep", "9")}, sources=())
    world.run(1100.0)
    world.handle(AgentCommand(what="pause"))
    change(world, restart={"command": ("sleep", "8")})
    assert len(world.starts) == 2
