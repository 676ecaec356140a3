"""What a person is told to do."""

import click
import pytest
from tests.reporting.stories import HOSTILE, agent, bad_day, report

from collections_supervisor.cli import cli
from collections_supervisor.reporting.acts import acts


def commands(*agents: object) -> list[str]:
    return [command for _, command in acts(report(*agents))]  # type: ignore[arg-type]


def test_the_agents_in_trouble_are_named_the_worst_first() -> None:
    shown, _ = bad_day()
    named = [command for _, command in acts(shown) if command.startswith("openclaw")]
    assert named == [
        "openclaw agent --agent payment-watcher --message restart",
        "openclaw agent --agent collections-emailer --message restart",
    ]
    assert "collections-supervisor beat payment-watcher" in commands(*shown.agents)


def test_at_most_three_are() -> None:
    many = [agent(f"a{number}", "escalated") for number in range(9)]
    assert sum(command.startswith("openclaw") for command in commands(*many)) == 3


@pytest.mark.parametrize("name", [HOSTILE, "a; rm -rf /", "$(x)", "-x", "a\nb", "", "a" * 65])
def test_a_name_that_a_shell_could_misread_is_not_written_into_a_command(name: str) -> None:
    assert commands(agent(name, "escalated")) == commands(agent("well"))
    assert commands(agent("well"))[0] == "openclaw agent --agent NAME --message restart"


def test_there_are_only_commands_that_exist() -> None:
    known = {option for parameter in cli.params for option in parameter.opts} | set(cli.commands)
    assert isinstance(cli, click.Group)
    for command in commands(agent("well")):
        program, *words = command.split()
        if program == "collections-supervisor":
            assert {word for word in words if word.startswith("-") or word.islower()} - {"dashboard.html"} <= known, command
