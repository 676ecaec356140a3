"""Which agents are watched, and each one's settings with every default filled in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from collections_supervisor.config import schema, sections
from collections_supervisor.config.defaults import BUILT_IN_AGENTS
from collections_supervisor.config.keys import AGENT_KEYS
from collections_supervisor.config.layers import DEFAULT, Inspector, Setting, Settings, from_table
from collections_supervisor.config.problems import Where, shown
from collections_supervisor.config.sections import Sections
from collections_supervisor.config.sources import read_sources

KEY = "agents"
FLAG = "--agents"


class Agent(msgspec.Struct, frozen=True):
    """One agent: its settings as the program uses them, and by key path with their origins."""

    config: schema.AgentConfig
    settings: Settings


class Own(msgspec.Struct, frozen=True):
    """What is set for one agent alone."""

    name: str
    where: Where
    settings: Settings


def read_agents(document: object, file: Where, inspector: Inspector) -> list[Own] | None:
    """The agents of the file; None if it has none, so that the built-in ones are watched."""
    if document is msgspec.UNSET:
        return None
    if not isinstance(document, list):
        inspector.problems.add(file, "agents", f"must be a list, written as [[agents]], not {shown(document)}")
        return None
    if not document:
        inspector.problems.add(file, "agents", "must name at least one agent; without the key the two built-in ones are watched")
    agents = [_read_agent(table, f"agents[{index}]", file, inspector) for index, table in enumerate(document)]
    _unique(agents, "name", inspector)
    return agents


def _read_agent(table: object, key: str, file: Where, inspector: Inspector) -> Own:
    if not isinstance(table, dict):
        inspector.problems.add(file, key, f"must be a table, not {shown(table)}")
        return Own("", file, {})
    name = table.get("name")
    where = Where(source=file.source, prefix=f"{key}.", agent=name if isinstance(name, str) else None)
    if "name" not in table:
        inspector.problems.add(where, "name", "is missing")
    settings = inspector.settings(from_table(table, AGENT_KEYS, where, inspector.problems), AGENT_KEYS)
    return Own(where.agent or "", where, settings)


def choose(configured: list[Own] | None, flag: str | None, inspector: Inspector) -> list[Own]:
    """The agents to watch: those of the flag, else those of the file, else the built-in ones."""
    if flag is not None:
        return _from_flag(flag, configured or [], inspector)
    if configured is not None:
        return configured
    return [_named(name, DEFAULT, Where(source="built-in defaults", agent=name)) for name in BUILT_IN_AGENTS]


def _from_flag(flag: str, configured: list[Own], inspector: Inspector) -> list[Own]:
    names = [name.strip() for name in flag.split(",") if name.strip()]
    where = Where(source=FLAG)
    if not names:
        inspector.problems.add(where, "", f"must name at least one agent, which {shown(flag)} does not")
    known = {own.name.casefold(): own for own in configured}
    wanted = [_named(name, FLAG, Where(source=FLAG, agent=name)) for name in names]
    for own in wanted:
        inspector.value(AGENT_KEYS["name"].check, own.name, where, "")
        other = known.get(own.name.casefold(), own).name
        if other != own.name:
            inspector.problems.add(where, "", f"{shown(own.name)} is configured in another case", other)
    _unique(wanted, "", inspector)
    return [known.get(own.name.casefold(), own) for own in wanted]


def _named(name: str, origin: str, where: Where) -> Own:
    return Own(name, where, {"name": Setting(name, origin, where)})


def _unique(agents: Sequence[Own], key: str, inspector: Inspector) -> None:
    seen: dict[str, str] = {}
    for own in agents:
        folded = own.name.casefold()
        if own.name and folded in seen:
            same = "is listed twice" if seen[folded] == own.name else f"differs from {shown(seen[folded])} only by case"
            inspector.problems.add(own.where, key, f"{shown(own.name)} {same}")
        seen.setdefault(folded, own.name)


def resolve(own: Own, base: Sections) -> Agent:
    """An agent's settings, each its own, else its section's, else by default; contradictions among them are problems."""
    restart = sections.restart(own.settings, base)
    heartbeats = sections.heartbeats(own.settings, base, restart)
    log = heartbeats["dir"].value / f"{own.name}.log"
    found: Settings = {
        "name": own.settings.get("name", Setting(own.name, DEFAULT)),
        "role": own.settings.get("role") or _role(own.name),
        "period": own.settings.get("period", Setting(None, DEFAULT)),
        "heartbeat": read_sources(own.settings.get("heartbeat"), own.where, log, restart["restart.kind"].value, base.inspector),
        **heartbeats,
        **{key: setting for key, setting in restart.items() if key in AGENT_KEYS},
    }
    found["restart.output"] = _named_output(found["restart.output"], own.name)
    _judge_restart(own, restart, base)
    _judge_adaptive(own, heartbeats["adaptive"], found["period"], base)
    return Agent(_config(found), {key: _labelled(key, setting, own.settings) for key, setting in found.items()})


def _named_output(output: Setting, agent: str) -> Setting:
    if output.value is None:
        return output
    return msgspec.structs.replace(output, value=Path(str(output.value).replace("{agent}", agent)))


def _role(name: str) -> Setting:
    role = BUILT_IN_AGENTS.get(name, "")
    return Setting(role, "derived from name" if role else DEFAULT)


def _labelled(key: str, setting: Setting, own: Settings) -> Setting:
    """What an agent takes from a section says so."""
    if key in own or setting.where is None:
        return setting
    section = "restart" if key.startswith("restart.") else "heartbeats"
    return msgspec.structs.replace(setting, origin=f"{setting.origin}, [{section}]")


def _config(found: Settings) -> schema.AgentConfig:
    return schema.AgentConfig(
        restart=_restart_policy(found),
        sources=found["heartbeat"].value,
        **{key: found[key].value for key in AGENT_KEYS if "." not in key and key not in {"dir", "heartbeat"}},
    )


def _restart_policy(found: Settings) -> schema.RestartPolicy:
    """The struct of the settings that lie below `restart.`."""
    values: dict[str, Any] = {}
    backoff: dict[str, Any] = {}
    for key, setting in found.items():
        _, _, name = key.partition("restart.")
        if name.startswith("backoff."):
            backoff[name.removeprefix("backoff.")] = setting.value
        elif name:
            values[name] = setting.value
    return schema.RestartPolicy(**values, backoff=schema.Backoff(**backoff))


def _judge_restart(own: Own, restart: Settings, base: Sections) -> None:
    kind = restart["restart.kind"].value
    problems = base.inspector.problems
    if kind in {"command", "process"} and not restart["restart.command"].value:
        chosen = restart["restart.kind"].where or own.where
        if not problems.reported("restart.command", (own.where, base.nowhere)):
            where = msgspec.structs.replace(chosen, agent=own.where.agent)
            problems.add(where, "restart.command", f"must name a program, since the kind is {shown(kind)}")
    if not own.settings.keys().isdisjoint({"restart.backoff.initial", "restart.backoff.max"}):
        sections.judge_backoff(restart, own.where, problems)


def _judge_adaptive(own: Own, adaptive: Setting, period: Setting, base: Sections) -> None:
    """A rhythm is learned within bounds that are periods."""
    problems = base.inspector.problems
    if not adaptive.value or period.value is not None or problems.reported("period", (own.where,)):
        return
    key = "adaptive" if "adaptive" in own.settings else "heartbeats.adaptive"
    where = msgspec.structs.replace(adaptive.where or own.where, agent=own.where.agent)
    problems.add(where, key, "true needs a period, which this agent has none of; set its period, or adaptive = false for it")


def refuse_shared_logs(agents: Sequence[Agent], file: Where, inspector: Inspector) -> None:
    """Two agents must not beat into one log: the misses noted in it would count for both."""
    owners: dict[object, str] = {}
    for agent in agents:
        where = msgspec.structs.replace(agent.settings["heartbeat"].where or file, agent=agent.config.name)
        for path in {source.path for source in agent.config.sources if isinstance(source, schema.LogSource)}:
            owner = owners.setdefault(path, agent.config.name)
            if owner.casefold() != agent.config.name.casefold():
                inspector.problems.add(where, "heartbeat", f"{shown(str(path))} is the log of agent {shown(owner)} already")


def refuse_shared_outputs(agents: Sequence[Agent], file: Where, inspector: Inspector) -> None:
    """Two children must not write into one file: rotating it for one of them would cut off the other."""
    owners: dict[Path, str] = {}
    for agent in agents:
        output = agent.config.restart.output if agent.config.restart.kind == "process" else None
        if output is None:
            continue
        owner = owners.setdefault(output, agent.config.name)
        if owner.casefold() != agent.config.name.casefold():
            where = msgspec.structs.replace(agent.settings["restart.output"].where or file, agent=agent.config.name)
            message = f"agent {shown(owner)} writes into {shown(str(output))} already; {{agent}} in the path keeps them apart"
            inspector.problems.add(where, "restart.output", message)
