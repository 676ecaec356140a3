"""What the README promises, held against the program."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import msgspec
import pytest

from collections_supervisor.agents.heartbeat import HeartbeatReader
from collections_supervisor.cli import cli
from collections_supervisor.config.schema import AgentConfig, LogSource
from collections_supervisor.events.catalogue import ROWS, name_of
from collections_supervisor.events.line import Line
from collections_supervisor.system.clock import SystemClock

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def table() -> str:
    """The table of events as the catalogue has it."""
    rows = ["| event | when |", "|---|---|"]
    for row in ROWS:
        names = " ".join(f"`{name_of(event)}`{' (debug)' if levels(event) == {'debug'} else ''}" for event in row)
        rows.append(f"| {names} | {'; '.join(meaning(event) for event in row)} |")
    return "\n".join(rows)


def levels(event: type[Line]) -> set[str]:
    [field] = [field for field in msgspec.structs.fields(event) if field.name == "level"]
    return set(field.type.__args__)


def meaning(event: type[Line]) -> str:
    """The docstring as part of a sentence."""
    text = " ".join((event.__doc__ or "").split()).removesuffix(".")
    assert ";" not in text, f"it ends what is said of one event: {text}"
    return text[:1].lower() + text[1:]


def test_the_table_of_events_is_what_the_catalogue_says() -> None:
    part = README.partition("## Events")[2].partition("\n## ")[0]
    assert part[part.index("| event |") :].strip() == table()


def ways_to_beat() -> tuple[str, str]:
    """The lines of the shell and those of Python."""
    block = re.search(r"```\n# shell\n(.*?)\n\n# Python\n(.*?)\n\n# any command", README, re.DOTALL)
    assert block is not None
    return block[1], f"import json, os, time\n{block[2]}"


@pytest.mark.parametrize("way", [0, 1], ids=["shell", "Python"])
async def test_an_agent_beats_as_it_is_told(tmp_path: Path, way: int) -> None:
    log = tmp_path / ".cache/novotechno-collections/heartbeats/NAME.log"
    log.parent.mkdir(parents=True)
    program = ["sh", "-c"] if way == 0 else [sys.executable, "-c"]
    subprocess.run([*program, ways_to_beat()[way]], env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=True)
    now = SystemClock().now()
    reading = await HeartbeatReader(AgentConfig(name="NAME", sources=(LogSource(path=log),))).read(now)
    assert reading.beat is not None
    assert abs((reading.beat.stamp - now.wall).total_seconds()) < 5
    assert reading.invalid == 0


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
