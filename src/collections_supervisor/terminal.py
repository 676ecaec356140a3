"""What all commands share: the exit status, the configuration, and the names that a shell completes."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

import click

from collections_supervisor.config.problems import ConfigError

if TYPE_CHECKING:
    from collections_supervisor.config.loader import Loaded

OK = 0
UNHEALTHY = 1
USAGE = 2
CANNOT_TELL = 3
INTERNAL = 70
LOCKED = 75
CONFIGURATION = 78
INTERRUPTED = 130
"""What a shell expects of a program that SIGINT ended: in the moment before signals are listened to, or in a sweep."""

_NO_FLAGS: Mapping[str, object] = MappingProxyType({})


def load(config_path: Path | None, agents: str | None, flags: Mapping[str, object] = _NO_FLAGS) -> "Loaded":
    """The settings in force; ends the program if there are none that can be used."""
    from collections_supervisor.config.loader import find_config
    from collections_supervisor.config.loader import load as read

    try:
        return read(config_path or find_config(os.environ), environ=os.environ, agents_flag=agents, flags=flags)
    except ConfigError as error:
        fail(CONFIGURATION, str(error))


def fail(status: int, message: str) -> NoReturn:
    """End the program with a word to a person."""
    click.echo(message, err=True)
    sys.exit(status)


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
