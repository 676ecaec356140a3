"""What differs between the configuration that is in force and another one, and what of that needs a restart. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from collections_supervisor.config.effective import Effective, Loaded, toml
from collections_supervisor.config.keys import AGENT_KEYS
from collections_supervisor.config.schema import AgentConfig, Config

FIXED = ("supervisor.state_dir", "logging.file", "logging.format")
"""What holds from the start to the end of a run."""

AGENTS_FLAG = "--agents"

HIDDEN = "(not shown)"
NAMED = 5


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One value that is different; of a section if `agent` is None."""

    key: str
    before: str
    after: str
    agent: str | None = None


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """All that is different."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    values: tuple[Change, ...] = ()
    """Of sections, and of agents that are in both."""
    restart_needed: tuple[str, ...] = ()
    """Keys whose change is not taken up before the next start."""

    @property
    def changed(self) -> tuple[str, ...]:
        """Agents that are in both and differ."""
        return tuple(dict.fromkeys(change.agent for change in self.values if change.agent is not None))

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that differ, each once, without those that need a restart."""
        return tuple(key for key in dict.fromkeys(change.key for change in self.values) if key not in self.restart_needed)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.values or self.restart_needed)


def compare(before: Loaded, after: Loaded) -> Changes:
    """What has to happen for the one to become the other."""
    old, new = _by_name(before.config), _by_name(after.config)
    values = [*_sections(before, after), *_agents(before, after, [name for name in new if name in old])]
    needed = [key for key in FIXED if any(change.key == key for change in values)]
    if before.chosen and before.named != after.named:
        needed.append(AGENTS_FLAG)
    return Changes(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        values=tuple(values),
        restart_needed=tuple(needed),
    )


def in_force(before: Loaded, after: Loaded) -> Loaded:
    """What is in force once the change is made as far as it can be while the program runs."""
    fixed = {row.key: row for row in before.effective.sections if row.key in FIXED}
    old, new = before.config, after.config
    replace = msgspec.structs.replace
    config = replace(
        new,
        supervisor=replace(new.supervisor, state_dir=old.supervisor.state_dir),
        logging=replace(new.logging, file=old.logging.file, format=old.logging.format),
    )
    rows = replace(after.effective, sections=tuple(fixed.get(row.key, row) for row in after.effective.sections))
    return replace(after, config=config, effective=rows, named=before.named if before.chosen else after.named)


def _by_name(config: Config) -> dict[str, AgentConfig]:
    return {agent.name: agent for agent in config.agents}


def _rows(loaded: Loaded) -> dict[tuple[str | None, str], Effective]:
    return {(row.agent, row.key): row for row in loaded.effective}


def _differing(before: Loaded, after: Loaded, places: Iterable[tuple[str | None, str]]) -> list[Change]:
    old, new = _rows(before), _rows(after)
    return [
        Change(key=key, agent=agent, before=_shown(old[agent, key]), after=_shown(new[agent, key]))
        for agent, key in places
        if old[agent, key].value != new[agent, key].value
    ]


def _shown(row: Effective) -> str:
    return "not set" if row.value is None else toml(row.value)


def _sections(before: Loaded, after: Loaded) -> list[Change]:
    """The values of sections; a default for agents shows in those agents that have it."""
    keys = [row.key for row in after.effective.sections if not _is_default_for_agents(row.key)]
    found = _differing(before, after, [(None, key) for key in keys])
    for section in ("escalation", "deadman"):
        # Addresses are shown in part only, since they may hold a secret.
        is_told = any(change.key.startswith(f"{section}.") for change in found)
        if not is_told and getattr(before.config, section) != getattr(after.config, section):
            key = "escalation.channels" if section == "escalation" else "deadman.url"
            found.append(Change(key=key, before=HIDDEN, after=HIDDEN))
    return found


def _is_default_for_agents(key: str) -> bool:
    return key.removeprefix("heartbeats.") in AGENT_KEYS and key.startswith(("heartbeats.", "restart."))


def _agents(before: Loaded, after: Loaded, names: Iterable[str]) -> list[Change]:
    old, new = _by_name(before.config), _by_name(after.config)
    names = [name for name in names if old[name] != new[name]]
    found = _differing(before, after, [(name, key) for name in names for key in AGENT_KEYS])
    told = {change.agent for change in found}
    found += [
        Change(key="restart.env", agent=name, before=HIDDEN, after=HIDDEN)
        for name in names
        if name not in told or old[name].restart.env.keys() == new[name].restart.env.keys()
        if old[name].restart.env != new[name].restart.env
    ]
    return found


# --- For people ---


def format_changes(changes: Changes) -> str:
    """One line for each difference; agents that differ in the same way share one."""
    lines = [f"+ agent {name}" for name in changes.added] + [f"- agent {name}" for name in changes.removed]
    shared: dict[tuple[str, str, str], list[str]] = {}
    for change in changes.values:
        if change.agent is None:
            late = "  (needs a restart)" if change.key in changes.restart_needed else ""
            lines.append(f"~ {change.key}: {change.before} -> {change.after}{late}")
        else:
            shared.setdefault((change.key, change.before, change.after), []).append(change.agent)
    lines += _of_agents(shared)
    if AGENTS_FLAG in changes.restart_needed:
        lines.append("~ the agents of the file  (needs a restart: --agents chose others)")
    return "\n".join(lines) if lines else "nothing would change"


def _of_agents(shared: Mapping[tuple[str, str, str], list[str]]) -> list[str]:
    return [f"~ {_some(names)}: {key}: {before} -> {after}" for (key, before, after), names in shared.items()]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
