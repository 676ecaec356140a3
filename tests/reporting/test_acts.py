"""What a person is told to do."""

import shlex
from pathlib import Path

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


@pytest.mark.parametrize("path", ["/etc/supervisor.toml", "/home/me/my agents/a'b.toml", "/x/$(reboot);.toml"])
def test_commands_name_the_file_that_is_in_force_as_a_shell_takes_it(path: str) -> None:
    ours = [command for _, command in acts(report(agent("well")), Path(path)) if not command.startswith("openclaw")]
    assert len(ours) == 4
    for command in ours:
        assert shlex.split(command)[:3] == ["collections-supervisor", "--config", path]


@pytest.mark.parametrize("path", ["/x/\x1b[2J.toml", "/x/new\nline.toml", "/x/\u202egnp.toml", f"/{'x' * 250}.toml"])
def test_a_file_that_cannot_be_copied_is_not_named(path: str) -> None:
    assert list(acts(report(), Path(path))) == list(acts(report()))


def test_there_are_only_commands_that_exist() -> None:
    known = {option for parameter in cli.params for option in parameter.opts} | set(cli.commands)
    assert isinstance(cli, click.Group)
    for command in commands(agent("well")):
        program, *words = command.split()
        if program == "collections-supervisor":
            assert {word for word in words if word.startswith("-") or word.islower()} - {"dashboard.html"} <= known, command
