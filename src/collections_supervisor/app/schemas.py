"""The shapes of what goes in and what comes out, as JSON Schema of draft 2020-12."""

from collections.abc import Mapping
from functools import reduce
from operator import or_

import msgspec

from collections_supervisor.config.checks import Places, Refused
from collections_supervisor.config.defaults import default
from collections_supervisor.config.keys import AGENT_KEYS, CHANNEL_KEYS, KEYS, SOURCE_KEYS
from collections_supervisor.config.kinds import Key, Shape
from collections_supervisor.escalation.notice_json import NoticeJson
from collections_supervisor.events.catalogue import EVENTS
from collections_supervisor.events.line import Line
from collections_supervisor.messages import Report

DRAFT = "https://json-schema.org/draft/2020-12/schema"
NAMES = ("config", "report", "events", "notice")


def schema(name: str) -> bytes:
    """One of `NAMES` as indented JSON."""
    shape = {"config": config, "report": report, "events": events, "notice": notice}[name]()
    return msgspec.json.format(msgspec.json.encode({"$schema": DRAFT, **shape}), indent=2)


# --- What comes out ----------------------------------------------------------------------------------------


def report() -> Shape:
    """What `--health-check --json` prints, and the page carries."""
    return _written(Report, "The report of collections-supervisor")


def notice() -> Shape:
    """What a channel of kind command or webhook is given."""
    return _written(NoticeJson, "A notice of collections-supervisor", frozenset({"attempt", "test", "incidents"}))


def events() -> Shape:
    """A line of the log in the preset `json`."""
    [_], parts = msgspec.json.schema_components([reduce(or_, EVENTS.values())], ref_template="#/$defs/{name}")
    names = [event.__name__ for event in EVENTS.values()]
    for name in names:
        parts[name] = _may_be_cut(parts[name])
    return {
        "title": "A line of the log of collections-supervisor",
        "type": "object",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in names],
        "$defs": parts,
    }


def _may_be_cut(event: Shape) -> Shape:
    """A line that was too long may lack the largest of its own fields."""
    always = [name for name in event["required"] if name in {"event", "level", *Line.__struct_fields__}]
    whole = [name for name in event["required"] if name not in always]
    shape = event | {"required": always}
    return shape | {"if": {"not": {"required": ["truncated"]}}, "then": {"required": whole}} if whole else shape


def _written(struct: type[msgspec.Struct], title: str, optional: frozenset[str] = frozenset()) -> Shape:
    """A struct as it is written: every member is there but the optional ones, and no other."""
    [top], parts = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    for part in parts.values():
        if "properties" in part:
            part["required"] = [name for name in part["properties"] if name not in optional]
            part["additionalProperties"] = False
    return {**top, "title": title, "$defs": parts}


# --- What goes in ------------------------------------------------------------------------------------------


def config() -> Shape:
    """`supervisor.toml`, as its sections and keys look once it is read."""
    shape = _table(KEYS, defaults=True)
    channel = _kinds(CHANNEL_KEYS, {"command": ["command"], "webhook": ["url"]})
    gateway = {"properties": {"via": {"enum": ["hooks", "tools"]}}, "required": ["via"]}
    [openclaw] = [each for each in channel["oneOf"] if each["properties"]["kind"]["const"] == "openclaw"]
    openclaw |= {"if": gateway, "then": {"required": ["url"]}}
    shape["properties"]["escalation"]["properties"]["channels"] = {"type": "array", "items": channel, "maxItems": 16}
    source = _kinds(SOURCE_KEYS, {"touch": ["path"]})
    agent = _table(AGENT_KEYS) | {"required": ["name"]}
    agent["properties"]["heartbeat"] = {"anyOf": [source, {"type": "array", "items": source, "minItems": 1, "maxItems": 16}]}
    shape["properties"]["agents"] = {"type": "array", "items": agent, "minItems": 1}
    return {"title": "supervisor.toml of collections-supervisor", **shape}


def _table(keys: Mapping[str, Key], *, defaults: bool = False) -> Shape:
    """A table with these keys, and sub-tables where there are dots in their names."""
    table = _empty()
    for name, key in keys.items():
        *above, last = name.split(".")
        place = table
        for part in above:
            place = place["properties"].setdefault(part, _empty())
        place["properties"][last] = {**key.shape, **(_default(name, key) if defaults else {})}
    return table


def _empty() -> Shape:
    return {"type": "object", "properties": {}, "additionalProperties": False}


def _default(name: str, key: Key) -> Shape:
    try:
        written = key.plain(default(name, Places(None, None)))
    except Refused:  # it lies below somebody's home
        return {}
    return {"default": written} if isinstance(written, str | int | float) else {}


def _kinds(variants: Mapping[str, Mapping[str, Key]], required: Mapping[str, list[str]]) -> Shape:
    """A table whose `kind` says which keys it can have."""
    tables = []
    for kind, keys in variants.items():
        table = _table(keys) | {"required": ["kind", *required.get(kind, [])]}
        table["properties"]["kind"] = {"const": kind}
        tables.append(table)
    return {"oneOf": tables}
