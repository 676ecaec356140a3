"""Where OpenClaw's gateway is sought."""

from pathlib import Path

import msgspec
import pytest

from collections_supervisor.app.doctor_openclaw import gateway_url, needs_gateway, settings_path
from collections_supervisor.config.loader import build
from collections_supervisor.config.schema import CommandChannel, Config, OpenClawChannel, RestartPolicy

HOME = Path("/home/ann")
CONFIG = build({}, path=None, environ={"HOME": str(HOME)}).config
COMMAND = CommandChannel(command=("x",))


def with_channels(*channels: OpenClawChannel | CommandChannel, kind: str = "none") -> Config:
    agents = tuple(msgspec.structs.replace(agent, restart=RestartPolicy(kind=kind)) for agent in CONFIG.agents)  # type: ignore[arg-type]
    escalation = msgspec.structs.replace(CONFIG.escalation, channels=channels)
    return msgspec.structs.replace(CONFIG, agents=agents, escalation=escalation)


def test_it_is_needed_for_restarts_or_notices_through_it() -> None:
    assert needs_gateway(CONFIG)
    assert needs_gateway(with_channels(OpenClawChannel()))
    assert needs_gateway(with_channels(COMMAND, kind="openclaw"))
    assert not needs_gateway(with_channels(COMMAND))


@pytest.mark.parametrize(
    ("environ", "settings", "url"),
    [
        ({}, b"", "http://127.0.0.1:18789"),
        ({"OPENCLAW_GATEWAY_PORT": "4000"}, b'{"gateway":{"port":5000}}', "http://127.0.0.1:4000"),
        ({"OPENCLAW_GATEWAY_PORT": "x"}, b'{"gateway":{"port":5000}}', "http://127.0.0.1:5000"),
        ({}, b"{ // comment\n gateway: { mode: 'local', port: 6000, } }", "http://127.0.0.1:6000"),
        ({}, b'{"gateway":{"mode":"remote","remote":{"url":"wss://claw.example:443"}}}', "https://claw.example:443"),
        ({}, b'{"gateway":{"mode":"remote","remote":{"url":"ws://10.0.0.2:1"}}}', "http://10.0.0.2:1"),
        ({}, b"\xff\x00", "http://127.0.0.1:18789"),
        ({}, b'{"gateway":7}', "http://127.0.0.1:18789"),
    ],
)
def test_its_address_comes_from_the_environment_or_its_own_settings(environ: dict[str, str], settings: bytes, url: str) -> None:
    assert gateway_url(CONFIG, environ, settings) == url


def test_an_address_of_a_channel_comes_first() -> None:
    config = with_channels(COMMAND, OpenClawChannel(via="hooks", url="http://127.0.0.1:7000/"))
    assert gateway_url(config, {"OPENCLAW_GATEWAY_PORT": "4000"}, b"") == "http://127.0.0.1:7000"


def test_its_settings_lie_where_it_is_told() -> None:
    assert settings_path({}, HOME) == HOME / ".openclaw" / "openclaw.json"
    assert settings_path({"OPENCLAW_STATE_DIR": "/s"}, HOME) == Path("/s/openclaw.json")
    assert settings_path({"OPENCLAW_CONFIG_PATH": "/c", "OPENCLAW_STATE_DIR": "/s"}, HOME) == Path("/c")
    assert settings_path({}, None) is None
