"""The table of keys, the structs and the defaults belong together."""

from pathlib import Path

import msgspec
import pytest

from collections_supervisor.config import schema
from collections_supervisor.config.checks import Places
from collections_supervisor.config.defaults import PROCESS_DEFAULTS, default
from collections_supervisor.config.keys import AGENT_KEYS, CHANNEL_KEYS, KEYS, SECTIONS

PLACES = Places(Path("/etc"), Path("/home/ann"))


def fields(struct: type[msgspec.Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(struct)}


@pytest.mark.parametrize("key", [key for key in KEYS if key != "escalation.channels"])
def test_a_default_passes_its_own_check(key: str) -> None:
    value = default(key, PLACES)
    written = KEYS[key].plain(value)
    assert KEYS[key].check(written if key != "restart.env" else value, PLACES) == value


@pytest.mark.parametrize("name", sorted(PROCESS_DEFAULTS))
def test_a_default_of_a_process_passes_too(name: str) -> None:
    key = KEYS[f"restart.{name}"]
    assert key.check(key.plain(PROCESS_DEFAULTS[name]), PLACES) == PROCESS_DEFAULTS[name]


@pytest.mark.parametrize(
    ("section", "struct"),
    [
        ("supervisor", schema.SupervisorConfig),
        ("logging", schema.LoggingConfig),
        ("escalation", schema.EscalationConfig),
        ("books", schema.BooksConfig),
        ("dashboard", schema.DashboardConfig),
        ("metrics", schema.MetricsConfig),
        ("deadman", schema.DeadmanConfig),
    ],
)
def test_every_setting_has_a_key(section: str, struct: type[msgspec.Struct]) -> None:
    assert set(SECTIONS[section]) == fields(struct) - {"configured"}


def test_every_setting_of_an_agent_has_a_key() -> None:
    tops = {key for key in AGENT_KEYS if "." not in key}
    assert tops == fields(schema.AgentConfig) - {"restart", "sources", "cycle", "settles"} | {"dir", "heartbeat"}
    restart = {key.removeprefix("restart.") for key in AGENT_KEYS if key.startswith("restart.")}
    backoff = {f"backoff.{name}" for name in fields(schema.Backoff)}
    assert restart == fields(schema.RestartPolicy) - {"backoff"} | backoff


@pytest.mark.parametrize("struct", [schema.OpenClawChannel, schema.CommandChannel, schema.WebhookChannel])
def test_every_setting_of_a_channel_has_a_key(struct: type[msgspec.Struct]) -> None:
    kind = struct.__struct_config__.tag
    assert set(CHANNEL_KEYS[str(kind)]) == fields(struct) | {"kind"}
