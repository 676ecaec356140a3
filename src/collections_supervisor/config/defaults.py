"""What a key is when nobody sets it: the defaults of the structs in `schema`, and the few that lie below the user's home."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from collections_supervisor.config import schema
from collections_supervisor.config.checks import Places
from collections_supervisor.config.keys import KEYS

BUILT_IN_AGENTS: Mapping[str, schema.Role] = {"collections-emailer": "mailer", "payment-watcher": "watcher"}
"""The agents that are watched where none is configured, and what an outage of each costs."""

PROCESS_DEFAULTS: Mapping[str, Any] = {
    "attempts_per_incident": 0,
    "per_hour": 0,
    "per_day": 0,
    "backoff.initial": 1.0,
    "backoff.max": 300.0,
}
"""`[restart]` for a child of our own: starting it costs nothing, so it is never given up."""

_STATE = "~/.local/share/novotechno-collections/state"
_CACHE = "~/.cache/novotechno-collections"
_BELOW_HOME: Mapping[str, str] = {
    "supervisor.state_dir": "~/.local/state/collections-supervisor",
    "heartbeats.dir": f"{_CACHE}/heartbeats",
    "books.state_dir": _STATE,
    "books.ledger": f"{_STATE}/collections_ledger.md",
    "books.queue_dir": f"{_CACHE}/queues",
    "books.cache_dir": _CACHE,
    "dashboard.path": f"{_CACHE}/dashboard.html",
}
_STRUCTS: Mapping[str, type[msgspec.Struct]] = {
    "supervisor": schema.SupervisorConfig,
    "logging": schema.LoggingConfig,
    "heartbeats": schema.AgentConfig,
    "restart": schema.RestartPolicy,
    "restart.backoff": schema.Backoff,
    "escalation": schema.EscalationConfig,
    "books": schema.BooksConfig,
    "dashboard": schema.DashboardConfig,
    "metrics": schema.MetricsConfig,
    "deadman": schema.DeadmanConfig,
}


def default(key: str, places: Places) -> Any:
    """What a key is when nobody sets it; raises Refused if that lies below a home that does not exist."""
    if key in _BELOW_HOME:
        return KEYS[key].check(_BELOW_HOME[key], places)
    section, _, name = key.rpartition(".")
    field = _fields(schema.Config if name == "max_concurrent" else _STRUCTS[section])[name]
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


@cache
def _fields(struct: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    # Looking at a struct takes milliseconds.
    return {field.name: field for field in msgspec.structs.fields(struct)}
