"""Every key of `supervisor.toml`: how its value is checked, and how the checked value is written down again.

A key is named by its path in the file: `heartbeats.timeout`, `restart.backoff.initial`; an agent's, by its path in `[[agents]]`.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from collections_supervisor.config import kinds, schema
from collections_supervisor.config.checks import Places
from collections_supervisor.config.kinds import Key

_DAY = 86_400.0
_HOUR = 3600.0
_MOST = 1_000_000


def plain_url(value: str) -> str:
    """The server of an address; the rest of it often is the secret that lets one in."""
    parts = urlsplit(value)
    return f"{parts.scheme}://{parts.hostname}/…" if value else ""


def _plain_channels(channels: tuple[schema.Channel, ...]) -> list[dict[str, Any]]:
    return [_plain_struct(channel, CHANNEL_KEYS) for channel in channels]


def _plain_sources(sources: tuple[schema.Source, ...]) -> list[dict[str, Any]] | dict[str, Any]:
    return [_plain_struct(source, SOURCE_KEYS) for source in sources] or {"kind": "none"}


def _plain_struct(struct: msgspec.Struct, keys: Mapping[str, Mapping[str, Key]]) -> dict[str, Any]:
    kind = str(struct.__struct_config__.tag)
    return {"kind": kind} | {name: keys[kind][name].plain(getattr(struct, name)) for name in struct.__struct_fields__}


def _tables(value: object, _: Places) -> object:
    """Left to the module that knows the kinds these tables can have."""
    return value


def _field(struct: type[msgspec.Struct], name: str) -> object:
    return next(field.type for field in msgspec.structs.fields(struct) if field.name == name)


_BACKOFF = {
    "initial": kinds.seconds(most=7 * _DAY),
    "factor": kinds.number(1, 100),
    "max": kinds.seconds(most=30 * _DAY),
    "jitter": kinds.number(0, 10),
}
_RESTART = {
    "kind": kinds.choice(schema.RestartKind),
    "message": kinds.text(most=10_000, placeholders=True),
    "openclaw": kinds.PROGRAM,
    "abort_first": kinds.BOOLEAN,
    "busy_within": kinds.seconds(zero=True),
    "busy_limit": kinds.seconds(zero=True),
    "fresh": kinds.choice(schema.Fresh),
    "command": kinds.argv(empty=True),
    "timeout": kinds.seconds(most=_DAY),
    "verify_within": kinds.seconds(most=7 * _DAY),
    **{f"backoff.{name}": key for name, key in _BACKOFF.items()},
    "attempts_per_incident": kinds.integer(0, _MOST),
    "trial_every": kinds.seconds(optional=True),
    "per_hour": kinds.integer(0, _MOST),
    "per_day": kinds.integer(0, _MOST),
    "no_restart_exit_codes": kinds.EXIT_CODES,
    "env": kinds.ENVIRONMENT,
    "cwd": kinds.path(optional=True),
    "ok_exit_codes": kinds.EXIT_CODES,
    "stop_signal": kinds.word("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "KILL"),
    "stop_grace": kinds.seconds(most=_HOUR),
    "output": kinds.choice(_field(schema.RestartPolicy, "output")),
    "max_rss": kinds.text(empty=True),
}
_HEARTBEATS = {
    "dir": kinds.path(),
    "timeout": kinds.seconds(),
    "miss_threshold": kinds.integer(1, 1000),
    "miss_interval": kinds.seconds(),
    "startup_grace": kinds.seconds(),
    "future_tolerance": kinds.seconds(zero=True, most=_DAY),
    "adaptive": kinds.BOOLEAN,
    "active_hours": kinds.active_hours(),
}
SECTIONS: Mapping[str, Mapping[str, Key]] = {
    "supervisor": {
        "state_dir": kinds.path(),
        "check_interval": kinds.seconds(most=7 * _DAY),
        "shutdown_grace": kinds.seconds(most=_HOUR),
    },
    "logging": {
        "level": kinds.choice(_field(schema.LoggingConfig, "level")),
        "format": kinds.choice(_field(schema.LoggingConfig, "format")),
        "file": kinds.path(optional=True),
        "max_event_bytes": kinds.integer(1000, 1_048_576),
    },
    "heartbeats": _HEARTBEATS,
    "restart": {**_RESTART, "max_concurrent": kinds.integer(1, 1000)},
    "escalation": {
        "recipient": kinds.text(),
        "group_wait": kinds.seconds(zero=True, most=_HOUR),
        "repeat_after": kinds.seconds(),
        "ack_for": kinds.seconds(),
        "give_up_after": kinds.seconds(),
        "channels": Key(_tables, {}, _plain_channels),
    },
    "books": {
        "enabled": kinds.BOOLEAN,
        "state_dir": kinds.path(),
        "ledger": kinds.path(),
        "queue_dir": kinds.path(),
        "cache_dir": kinds.path(),
        "queue_limit": kinds.integer(1, _MOST),
        "queue_max_age": kinds.seconds(),
        "degraded_mode": kinds.BOOLEAN,
        "verify_checksums": kinds.BOOLEAN,
        "currency": kinds.CURRENCY,
    },
    "dashboard": {
        "path": kinds.path(optional=True),
        "interval": kinds.seconds(most=_DAY),
        "title": kinds.text(),
        "template": kinds.path(optional=True),
    },
    "metrics": {"path": kinds.path(optional=True), "window": kinds.seconds()},
    "deadman": {"url": kinds.url(plain_url), "command": kinds.argv(empty=True)},
}
KEYS: Mapping[str, Key] = {f"{section}.{name}": key for section, keys in SECTIONS.items() for name, key in keys.items()}

AGENT_KEYS: Mapping[str, Key] = {
    "name": kinds.AGENT_NAME,
    "role": kinds.choice(schema.Role),
    "period": kinds.seconds(),
    "heartbeat": Key(_tables, {}, _plain_sources),
    **_HEARTBEATS,
    **{f"restart.{name}": key for name, key in _RESTART.items()},
}

_CHANNEL = {
    "kind": kinds.word("openclaw", "command", "webhook"),
    "timeout": kinds.seconds(most=_HOUR),
    "after": kinds.seconds(zero=True),
}
CHANNEL_KEYS: Mapping[str, Mapping[str, Key]] = {
    "openclaw": {
        **_CHANNEL,
        "via": kinds.choice(_field(schema.OpenClawChannel, "via")),
        "url": kinds.url(plain_url),
        "token_env": kinds.SECRET_NAME,
        "agent": kinds.text(),
        "openclaw": kinds.PROGRAM,
    },
    "command": {**_CHANNEL, "command": kinds.argv()},
    "webhook": {**_CHANNEL, "url": kinds.url(plain_url), "token_env": kinds.SECRET_NAME},
}

_SOURCE = {"kind": kinds.word("log", "touch", "none")}
SOURCE_KEYS: Mapping[str, Mapping[str, Key]] = {
    "log": {**_SOURCE, "path": kinds.path()},
    "touch": {**_SOURCE, "path": kinds.PATTERN},
    "none": _SOURCE,
}
