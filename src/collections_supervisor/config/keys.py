"""Every key of `supervisor.toml`: how its value is checked, and how the checked value is written down again.

A key is named by its path in the file: `heartbeats.timeout`, `restart.backoff.initial`; an agent's, by its path in `[[agents]]`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec

from collections_supervisor.config import schema
from collections_supervisor.config.checks import YEAR, Check, Places, boolean, choice, duration, exit_codes, integer, number
from collections_supervisor.config.durations import format_duration
from collections_supervisor.config.hours import active_hours, format_hours
from collections_supervisor.config.texts import (
    agent_name,
    argv,
    currency,
    environment,
    path,
    pattern,
    program,
    secret_name,
    text,
    url,
)

_DAY = 86_400.0
_HOUR = 3600.0
_MOST = 1_000_000


def plain(value: Any) -> Any:
    """A checked value as it would be written in the file."""
    match value:
        case None:
            return ""
        case Path():
            return str(value)
        case tuple():
            return list(value)
        case _:
            return value


class Key(msgspec.Struct, frozen=True):
    """One key: its checker, and how a checked value is written."""

    check: Check
    plain: Callable[[Any], Any] = plain


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


def _seconds(*, zero: bool = False, most: float = YEAR, optional: bool = False) -> Key:
    return Key(duration(zero=zero, most=most, optional=optional), lambda value: "" if value is None else format_duration(value))


def _choice(annotation: object) -> Key:
    return Key(choice(*get_args(annotation)))


def _tables(value: object, _: Places) -> object:
    """Left to the module that knows the kinds these tables can have."""
    return value


def _field(struct: type[msgspec.Struct], name: str) -> object:
    return next(field.type for field in msgspec.structs.fields(struct) if field.name == name)


_BACKOFF = {
    "initial": _seconds(most=7 * _DAY),
    "factor": Key(number(1, 100)),
    "max": _seconds(most=30 * _DAY),
    "jitter": Key(number(0, 10)),
}
_RESTART = {
    "kind": _choice(schema.RestartKind),
    "message": Key(text(most=10_000, placeholders=True)),
    "openclaw": Key(program),
    "abort_first": Key(boolean),
    "busy_within": _seconds(zero=True),
    "busy_limit": _seconds(zero=True),
    "fresh": _choice(schema.Fresh),
    "command": Key(argv(empty=True)),
    "timeout": _seconds(most=_DAY),
    "verify_within": _seconds(most=7 * _DAY),
    **{f"backoff.{name}": key for name, key in _BACKOFF.items()},
    "attempts_per_incident": Key(integer(0, _MOST)),
    "trial_every": _seconds(optional=True),
    "per_hour": Key(integer(0, _MOST)),
    "per_day": Key(integer(0, _MOST)),
    "no_restart_exit_codes": Key(exit_codes),
    "env": Key(environment, sorted),
    "cwd": Key(path(optional=True)),
    "ok_exit_codes": Key(exit_codes),
    "stop_signal": Key(choice("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "KILL")),
    "stop_grace": _seconds(most=_HOUR),
    "output": _choice(_field(schema.RestartPolicy, "output")),
    "max_rss": Key(text(empty=True)),
}
_HEARTBEATS = {
    "dir": Key(path()),
    "timeout": _seconds(),
    "miss_threshold": Key(integer(1, 1000)),
    "miss_interval": _seconds(),
    "startup_grace": _seconds(),
    "future_tolerance": _seconds(zero=True, most=_DAY),
    "adaptive": Key(boolean),
    "active_hours": Key(active_hours, format_hours),
}
SECTIONS: Mapping[str, Mapping[str, Key]] = {
    "supervisor": {
        "state_dir": Key(path()),
        "check_interval": _seconds(most=7 * _DAY),
        "shutdown_grace": _seconds(most=_HOUR),
    },
    "logging": {
        "level": _choice(_field(schema.LoggingConfig, "level")),
        "format": _choice(_field(schema.LoggingConfig, "format")),
        "file": Key(path(optional=True)),
        "max_event_bytes": Key(integer(1000, 1_048_576)),
    },
    "heartbeats": _HEARTBEATS,
    "restart": {**_RESTART, "max_concurrent": Key(integer(1, 1000))},
    "escalation": {
        "recipient": Key(text()),
        "group_wait": _seconds(zero=True, most=_HOUR),
        "repeat_after": _seconds(),
        "ack_for": _seconds(),
        "give_up_after": _seconds(),
        "channels": Key(_tables, _plain_channels),
    },
    "books": {
        "enabled": Key(boolean),
        "state_dir": Key(path()),
        "ledger": Key(path()),
        "queue_dir": Key(path()),
        "cache_dir": Key(path()),
        "queue_limit": Key(integer(1, _MOST)),
        "queue_max_age": _seconds(),
        "degraded_mode": Key(boolean),
        "verify_checksums": Key(boolean),
        "currency": Key(currency),
    },
    "dashboard": {
        "path": Key(path(optional=True)),
        "interval": _seconds(most=_DAY),
        "title": Key(text()),
    },
    "metrics": {"path": Key(path(optional=True)), "window": _seconds()},
    "deadman": {"url": Key(url, plain_url), "command": Key(argv(empty=True))},
}
KEYS: Mapping[str, Key] = {f"{section}.{name}": key for section, keys in SECTIONS.items() for name, key in keys.items()}

AGENT_KEYS: Mapping[str, Key] = {
    "name": Key(agent_name),
    "role": _choice(schema.Role),
    "period": _seconds(),
    "heartbeat": Key(_tables, _plain_sources),
    **_HEARTBEATS,
    **{f"restart.{name}": key for name, key in _RESTART.items()},
}

_CHANNEL = {"kind": Key(choice("openclaw", "command", "webhook")), "timeout": _seconds(most=_HOUR), "after": _seconds(zero=True)}
CHANNEL_KEYS: Mapping[str, Mapping[str, Key]] = {
    "openclaw": {
        **_CHANNEL,
        "via": _choice(_field(schema.OpenClawChannel, "via")),
        "url": Key(url, plain_url),
        "token_env": Key(secret_name),
        "agent": Key(text()),
        "openclaw": Key(program),
    },
    "command": {**_CHANNEL, "command": Key(argv())},
    "webhook": {**_CHANNEL, "url": Key(url, plain_url), "token_env": Key(secret_name)},
}

_SOURCE = {"kind": Key(choice("log", "touch", "none"))}
SOURCE_KEYS: Mapping[str, Mapping[str, Key]] = {
    "log": {**_SOURCE, "path": Key(path())},
    "touch": {**_SOURCE, "path": Key(pattern)},
    "none": _SOURCE,
}
