"""What all commands share: the exit status, the configuration, what is printed, and the names that a shell completes."""

import os
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import click

from collections_supervisor.config.problems import ConfigError

if TYPE_CHECKING:
    from collections_supervisor.config.loader import Loaded
    from collections_supervisor.config.schema import Config

OK = 0
UNHEALTHY = 1
USAGE = 2
CANNOT_TELL = 3
INTERNAL = 70
LOCKED = 75
CONFIGURATION = 78
INTERRUPTED = 130
"""What a shell expects of a program that SIGINT ended: any command, and a daemon until it listens to signals."""

PLAIN_WIDTH = 100
"""Columns of a report that does not go to a terminal."""

Options = tuple[Path | None, str | None]
"""What is given before a command: the configuration file, and the agents to watch instead of its own."""

_NO_FLAGS: Mapping[str, object] = MappingProxyType({})


def load(config_path: Path | None, agents: str | None, flags: Mapping[str, object] = _NO_FLAGS) -> "Loaded":
    """The settings in force; ends the program if there are none that can be used."""
    from collections_supervisor.config.loader import find_config
    from collections_supervisor.config.loader import load as read

    try:
        return read(config_path or find_config(os.environ), environ=os.environ, agents_flag=agents, flags=flags)
    except ConfigError as error:
        fail(CONFIGURATION, str(error))


class Target(NamedTuple):
    """The supervisor that a command is about."""

    state_dir: Path
    config: "Config | None"
    """None if it has faults, which a person was told: only a supervisor that runs can be asked then."""

    @property
    def unanswered(self) -> int:
        """The exit status if none answers."""
        return CANNOT_TELL if self.config is not None else CONFIGURATION


def target(config_path: Path | None, agents: str | None) -> Target:
    """Where the supervisor works that is to be asked: it runs on by what it has, whatever became of the file since."""
    from collections_supervisor.config.loader import find_config, readable_state_dir
    from collections_supervisor.config.loader import load as read

    path = config_path or find_config(os.environ)
    try:
        config = read(path, environ=os.environ, agents_flag=agents).config
    except ConfigError as error:
        if path is not None and not os.path.lexists(path):
            # The name is mistyped, most likely, and whoever is asked instead may be another one than was meant.
            fail(CONFIGURATION, str(error))
        folder = readable_state_dir(path, environ=os.environ)
        if folder is None:
            fail(CONFIGURATION, f"{error}\nsupervisor.state_dir cannot be read either: no supervisor is asked")
        warning = f"warning: the configuration cannot be used; the supervisor of {folder} is asked all the same:"
        click.echo(f"{warning}\n{error}", err=True)
        return Target(folder, None)
    return Target(config.supervisor.state_dir, config)


def fail(status: int, message: str) -> NoReturn:
    """End the program with a word to a person."""
    click.echo(message, err=True)
    sys.exit(status)


def show(text: str, *, nl: bool = True) -> None:
    """Print for people; a terminal that knows fewer characters gets what it can show."""
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(text.encode(encoding, "replace").decode(encoding), nl=nl)


def screen() -> tuple[int, bool]:
    """The columns to print in, and whether in colour."""
    terminal = sys.stdout.isatty()
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return (shutil.get_terminal_size().columns if terminal else PLAIN_WIDTH), colour


def now() -> datetime:
    """The instant at which this is typed."""
    return datetime.now(UTC)  # noqa: TID251 - ages and ends are told in the clock of whoever types


def complete_agent(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The agents whose names begin like this; none where the configuration cannot be used, since nobody reads complaints here."""
    from collections_supervisor.config.loader import find_config
    from collections_supervisor.config.loader import load as read

    given = context.find_root().params
    path = given.get("config_path") or find_config(os.environ)
    try:
        agents = read(path, environ=os.environ, agents_flag=given.get("agents")).config.agents
    except ConfigError:
        return []
    return [agent.name for agent in agents if agent.name.startswith(incomplete)]
