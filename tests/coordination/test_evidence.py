"""What was known when an incident was opened."""

import json
from collections.abc import Callable
from typing import Any

from collections_supervisor.coordination.evidence import SHOWN, evidence
from collections_supervisor.messages import Evidence, Trouble


def test_it_holds_the_incident_and_what_was_seen_of_the_agent(
    make_world: Callable[..., Any], make_trouble: Callable[..., Trouble]
) -> None:
    world = make_world("mailer", "watcher")
    seen = Evidence(lines=("miss 2",), cause="exit status 1", exit_code=1, output_tail="\udcff out of cheese", task="task 7")
    world.hear("mailer", trouble=make_trouble(), evidence=seen)
    world.look()
    found = json.loads(evidence(world.state.open["agent/mailer"], world.facts, world.now))
    assert found["seen_at"] == "2026-11-22T11:00:00.000000Z"
    assert found["incident"]["id"] == "20261122T110000000000Z-agent-mailer"
    [agent] = found["agents"]
    assert (agent["report"]["name"], agent["trouble"]["missed"]) == ("mailer", 2)
    assert agent["evidence"]["output_tail"] == "? out of cheese"


def test_that_of_a_host_holds_its_agents_but_not_all_of_very_many(make_world: Callable[..., Any]) -> None:
    names = tuple(f"agent-{number:04}" for number in range(2 * SHOWN))
    world = make_world(*names)
    world.silent(*names)
    world.look()
    found = json.loads(evidence(world.state.open["host/web-1"], world.facts, world.now))
    assert [agent["report"]["name"] for agent in found["agents"]] == list(names[:SHOWN])


def test_who_was_not_looked_at_yet_is_left_out(make_world: Callable[..., Any], make_trouble: Callable[..., Trouble]) -> None:
    world = make_world("mailer")
    world.hear("mailer", trouble=make_trouble())
    world.look()
    assert json.loads(evidence(world.state.open["agent/mailer"], {}, world.now))["agents"] == []
