"""From `supervisor.toml`, environment and flags to the settings in force: everything is checked, all faults are told at once."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from collections_supervisor.config import agents, schema
from collections_supervisor.config.advice import advice
from collections_supervisor.config.channels import KEY as CHANNELS
from collections_supervisor.config.channels import read_channels
from collections_supervisor.config.checks import Places, Refused
from collections_supervisor.config.defaults import default
from collections_supervisor.config.effective import Loaded, effective
from collections_supervisor.config.files import find_config, home_directory, read_document, salvaged, source_name
from collections_supervisor.config.keys import KEYS
from collections_supervisor.config.layers import (
    Entry,
    Inspector,
    Settings,
    from_environment,
    from_flags,
    from_table,
)
from collections_supervisor.config.problems import ConfigError, Problems, Where
from collections_supervisor.config.sections import Sections, heartbeats, judge_backoff, restart

__all__ = ["Loaded", "build", "find_config", "load", "readable_state_dir"]

_STATE_DIR = "supervisor.state_dir"
_NO_FLAGS: Mapping[str, object] = MappingProxyType({})


def load(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    agents_flag: str | None = None,
    flags: Mapping[str, object] = _NO_FLAGS,
) -> Loaded:
    """The settings in force: built-in, overridden by the file, by the environment, by flags (values by key path).

    Reads the file, and nothing else; without a path there is none. Raises ConfigError with everything that is wrong.
    """
    document = read_document(path) if path is not None else {}
    return build(document, path=path, environ=environ, agents_flag=agents_flag, flags=flags)


def build(
    document: Mapping[str, object],
    *,
    path: Path | None,
    environ: Mapping[str, str],
    agents_flag: str | None = None,
    flags: Mapping[str, object] = _NO_FLAGS,
) -> Loaded:
    """`load` for a file that is read already; `path` says where it lies."""
    problems = Problems()
    inspector = Inspector(_places(path, environ), problems)
    file = Where(source=source_name(path))
    written, explicit = _written(document, file, inspector, environ, flags)
    sections = Sections(explicit, inspector, file)
    named, chosen = _agents(written, agents_flag, sections, file)
    settings = _section_settings(sections)
    problems.raise_if_any()
    config = _config(path, settings, chosen, inspector.places)
    channels = config.escalation.channels
    return Loaded(
        config=config,
        warnings=advice(chosen, channels),
        effective=effective(settings, chosen),
        named=named,
        chosen=agents_flag is not None,
    )


def readable_state_dir(path: Path | None, *, environ: Mapping[str, str]) -> Path | None:
    """The state folder that a configuration with faults names all the same, or the usual one where it surely names none.

    None where that cannot be told: somebody else's supervisor may work in the usual one.
    """
    document: dict[str, object] | None
    try:
        document = read_document(path) if path is not None else {}
    except ConfigError:
        document = salvaged(path, _STATE_DIR) if path is not None else {}
    inspector, file = Inspector(_places(path, environ), Problems()), Where(source=source_name(path))
    _, explicit = _written(document or {}, file, inspector, environ, _NO_FLAGS)
    section = (document or {}).get("supervisor", {})
    may_be_named = document is None or not isinstance(section, dict) or "state_dir" in section
    if _STATE_DIR not in explicit and may_be_named:
        return None
    found: Path = Sections(explicit, inspector, file).get(_STATE_DIR).value
    return found


def _written(
    document: Mapping[str, object],
    file: Where,
    inspector: Inspector,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
) -> tuple[Entry | None, Settings]:
    """The agents as the file has them, and the settings that somebody wrote anywhere."""
    problems = inspector.problems
    entries = from_table(document, {**KEYS, agents.KEY: None}, file, problems)
    agents_written = entries.pop(agents.KEY, None)
    layers = (_systemd_state(environ), entries, from_environment(environ, problems), from_flags(flags, problems))
    explicit: Settings = {}
    for layer in layers:
        # One after the other, so that a fault is told even where another layer hides it.
        explicit |= inspector.settings(layer, KEYS)
    return agents_written, explicit


def _places(path: Path | None, environ: Mapping[str, str]) -> Places:
    try:
        base = Path.cwd() if path is None else path.absolute().parent
    except FileNotFoundError:  # the working directory was removed
        base = None
    return Places(base, home_directory(environ))


def _systemd_state(environ: Mapping[str, str]) -> dict[str, Entry]:
    """systemd's StateDirectory= is the weakest layer: a service and a shell must end up with the same lock."""
    where = Where(source="environment STATE_DIRECTORY")
    folder = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return {"supervisor.state_dir": Entry(folder, where.source, where)} if folder else {}


def _agents(
    written: Entry | None, flag: str | None, sections: Sections, file: Where
) -> tuple[tuple[str, ...], list[agents.Agent]]:
    """The names that the file has, and the agents to watch."""
    inspector = sections.inspector
    configured = agents.read_agents(written.value if written else msgspec.UNSET, file, inspector)
    wanted = agents.choose(configured, flag, inspector)
    # All of the file is judged, also what the flag leaves out.
    everyone = {id(own): own for own in [*(configured or []), *wanted]}
    resolved = {key: agents.resolve(own, sections) for key, own in everyone.items()}
    chosen = [resolved[id(own)] for own in wanted]
    agents.refuse_shared_logs(chosen, file, inspector)
    agents.refuse_shared_outputs(chosen, file, inspector)
    return tuple(own.name for own in configured or []), chosen


def _section_settings(sections: Sections) -> Settings:
    """Every section's settings in the order of the file, those that depend on others included."""
    restarts = restart({}, sections)
    where = restarts["restart.backoff.initial"].where or restarts["restart.backoff.max"].where or sections.nowhere
    judge_backoff(restarts, where, sections.inspector.problems)
    beats = heartbeats({}, sections, restarts)
    recipient, openclaw = sections.get("escalation.recipient").value, restarts["restart.openclaw"].value
    special = restarts | {f"heartbeats.{name}": setting for name, setting in beats.items()}
    special[CHANNELS] = read_channels(sections.explicit.get(CHANNELS), recipient, openclaw, sections.inspector)
    return {key: special.get(key) or sections.get(key) for key in KEYS}


def _has_own_books(settings: Settings, places: Places) -> bool:
    try:
        return any(settings[key].value != default(key, places) for key in ("books.state_dir", "books.ledger"))
    except Refused:  # without a home there is no usual place
        return True


def _config(path: Path | None, settings: Settings, chosen: list[agents.Agent], places: Places) -> schema.Config:
    def section(name: str) -> dict[str, Any]:
        return {key.removeprefix(f"{name}."): setting.value for key, setting in settings.items() if key.startswith(f"{name}.")}

    return schema.Config(
        path=path.absolute() if path is not None else None,
        supervisor=schema.SupervisorConfig(**section("supervisor")),
        logging=schema.LoggingConfig(**section("logging")),
        escalation=schema.EscalationConfig(**section("escalation")),
        books=schema.BooksConfig(**section("books"), configured=_has_own_books(settings, places)),
        dashboard=schema.DashboardConfig(**section("dashboard")),
        metrics=schema.MetricsConfig(**section("metrics")),
        deadman=schema.DeadmanConfig(**section("deadman")),
        agents=tuple(agent.config for agent in chosen),
        max_concurrent=settings["restart.max_concurrent"].value,
    )
