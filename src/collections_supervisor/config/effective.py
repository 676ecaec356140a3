"""Every value in force and where it came from, as data and as text."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from collections_supervisor.config.agents import Agent
from collections_supervisor.config.keys import AGENT_KEYS, KEYS
from collections_supervisor.config.layers import Settings
from collections_supervisor.config.problems import quoted
from collections_supervisor.config.schema import Config

_WIDEST = 60


class Effective(msgspec.Struct, frozen=True):
    """One value: its key path (within its `[[agents]]` entry if `agent` says whose it is), as the file would have it, its origin.

    Of `restart.env` the value is the list of names, since what the variables hold may be secret. None: not set at all.
    """

    key: str
    value: Any
    origin: str
    agent: str | None = None


class Values(msgspec.Struct, frozen=True):
    """All rows. What several agents have alike is kept once: of many agents these would be a large part of all our memory."""

    sections: tuple[Effective, ...]
    agents: tuple[tuple[str, tuple[Effective, ...]], ...]
    """By name, and within the rows without it."""

    def __iter__(self) -> Iterator[Effective]:
        """The rows of all sections in the order of the file, then those of each agent."""
        yield from self.sections
        for name, rows in self.agents:
            for row in rows:
                yield Effective(row.key, row.value, row.origin, name)


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that can be used, what is questionable about it, and every value with its origin."""

    config: Config
    warnings: tuple[str, ...]
    effective: Values
    named: tuple[str, ...] = ()
    """The agents of the file, whichever are watched."""
    chosen: bool = False
    """A flag chose which agents are watched."""


def effective(sections: Settings, agents: Iterable[Agent]) -> Values:
    """Every value of the sections and of each agent."""
    alike: dict[tuple[str, str, str], Effective] = {}

    def row(key: str, value: Any, origin: str) -> Effective:
        return alike.setdefault((key, repr(value), origin), Effective(key, value, origin))

    def plain(agent: Agent, key: str) -> Any:
        value = agent.settings[key].value
        return None if value is None and key == "period" else AGENT_KEYS[key].plain(value)

    return Values(
        tuple(Effective(key, KEYS[key].plain(setting.value), setting.origin) for key, setting in sections.items()),
        tuple(
            (agent.config.name, tuple(row(key, plain(agent, key), agent.settings[key].origin) for key in AGENT_KEYS))
            for agent in agents
        ),
    )


def format_effective(loaded: Loaded) -> str:
    """All values as TOML that gives the same settings again, apart from what `env` holds; each with its origin as a comment."""
    rows = tuple(loaded.effective)
    lines = [_line(row) for row in rows]
    width = min(max((len(line) for line in lines), default=0), _WIDEST)
    text: list[str] = []
    agent: str | None = None
    for row, line in zip(rows, lines, strict=True):
        if row.agent != agent:
            text += ["", "[[agents]]"]
            agent = row.agent
        text.append(f"{line:<{width}}  # {row.origin}")
    return "\n".join(text)


def _line(row: Effective) -> str:
    if row.key == "restart.env" and row.value:
        return f"# {row.key}: {', '.join(row.value)} (values not shown)"
    if row.value is None:
        return f"# {row.key} is not set"
    value = {} if row.key == "restart.env" else row.value
    return f"{row.key} = {toml(value)}"


def toml(value: Any) -> str:
    """A value as it stands in the file."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case list() | tuple():
            return f"[{', '.join(toml(each) for each in value)}]"
        case dict():
            return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }" if value else "{}"
        case _:
            return repr(value)
