"""What the README promises, held against the program."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from collections_supervisor.cli import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROOMS = (
    "supervisor",
    "config",
    "agent",
    "host",
    "incident",
    "escalation",
    "books",
    "queue",
    "dashboard",
    "log",
    "python",
    "control",
)
EVENT = re.compile(rf"(?:{'|'.join(ROOMS)})(?:\.[a-z_]+)+")


def emitted() -> Iterator[str]:
    """Every event name that is handed to a log anywhere in the program: the first words of calls that take one."""
    for path in (ROOT / "src").rglob("*.py"):
        if "config" in path.parts or path.name == "cli.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and EVENT.fullmatch(node.value):
                yield node.value


def test_every_event_stands_in_the_table() -> None:
    rows = re.findall(r"^\| (`.*?) \|", README.partition("## Events")[2].partition("\n## ")[0], re.MULTILINE)
    table = set(re.findall(r"`([a-z_.]+)`", " ".join(rows)))
    names = set(emitted()) - {"dashboard.css", "dashboard.js", "supervisor.lock", "control.sock"}
    assert len(names) > 50
    assert names == table


@pytest.mark.parametrize("marker", ["demo", "tests"])
def test_the_two_commands_are_one_line_each(marker: str) -> None:
    block = re.search(rf"<!-- {marker} -->\n```\n(.*?)\n```", README, re.DOTALL)
    assert block is not None
    assert block[1].startswith("python3 -m venv .venv && ")
    assert "\n" not in block[1]


def test_every_command_and_exit_status_is_described() -> None:
    for name in cli.commands:
        assert re.search(rf"`{name}[ `]", README), name
    assert isinstance(cli, click.Group)
    for status in (0, 1, 2, 3, 70, 75, 78, 130):
        assert f"| {status} |" in README


def test_the_version_is_the_same_everywhere() -> None:
    from collections_supervisor import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
