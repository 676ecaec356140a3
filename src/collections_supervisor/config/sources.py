"""Where an agent's signs of life are: `heartbeat = …` of an agent."""

from pathlib import Path

import msgspec

from collections_supervisor.config.keys import SOURCE_KEYS
from collections_supervisor.config.layers import Inspector, Setting, Settings
from collections_supervisor.config.problems import Where
from collections_supervisor.config.schema import LogSource, RestartKind, Source, TouchSource

_MOST = 16


def read_sources(written: Setting | None, where: Where, own_log: Path, kind: RestartKind, inspector: Inspector) -> Setting:
    """The sources of an agent whose own log is `own_log`; none only for a child of ours that is judged by being alive."""
    if written is None:
        return Setting((LogSource(path=own_log),), "derived from dir and name")
    listed = isinstance(written.value, list)
    tables = written.value if listed else [written.value]
    if not 1 <= len(tables) <= _MOST:
        inspector.problems.add(where, "heartbeat", f"must be a table, or a list of 1 to {_MOST} of them and not of {len(tables)}")
    found: list[Source] = []
    for index, table in enumerate(tables[:_MOST]):
        place = f"heartbeat[{index}]." if listed else "heartbeat."
        inside = msgspec.structs.replace(where, prefix=where.prefix + place)
        settings = inspector.variant(table, SOURCE_KEYS, inside)
        if settings is None:
            continue
        if settings["kind"].value == "none":
            _judge_none(len(tables), kind, inside, where, inspector)
        else:
            found += _source(settings, "path" in table, own_log, inside, inspector)
    return Setting(tuple(found), written.origin, written.where)


def _source(settings: Settings, has_path: bool, own_log: Path, where: Where, inspector: Inspector) -> list[Source]:
    path = settings.get("path")
    if settings["kind"].value == "log":
        return [LogSource(path=path.value if path else own_log)]
    if not has_path:
        inspector.problems.add(where, "path", "is missing; it names a file or a glob")
    return [TouchSource(path=path.value)] if path else []


def _judge_none(sources: int, kind: RestartKind, where: Where, agent: Where, inspector: Inspector) -> None:
    if sources > 1:
        inspector.problems.add(where, "kind", '"none" cannot stand beside other sources')
    section = Where(source=agent.source)
    if kind != "process" and not inspector.problems.reported("restart.kind", (agent, section)):
        inspector.problems.add(where, "kind", f'"none" needs restart.kind = "process", not "{kind}": nothing would be watched')
