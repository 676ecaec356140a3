"""Where OpenClaw's gateway is to be found: by our own configuration, its variables, or its settings. Pure."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from collections_supervisor.config.schema import Config, OpenClawChannel

PORT = 18789
"""Where it listens unless told otherwise."""

# Its settings are JSON with comments and bare keys, which no parser of ours reads.
_PORT = re.compile(r"""["']?gateway["']?\s*:\s*\{[^{}]*?["']?\bport["']?\s*:\s*(\d{1,5})""")


class _Remote(msgspec.Struct, frozen=True):
    url: str = ""


class _Gateway(msgspec.Struct, frozen=True):
    mode: str = "local"
    port: int = PORT
    remote: _Remote = _Remote()


class _Settings(msgspec.Struct, frozen=True):
    gateway: _Gateway = _Gateway()


def needs_gateway(config: Config) -> bool:
    """Whether anything goes through OpenClaw: a restart, or a notice."""
    restarts = any(agent.restart.kind == "openclaw" for agent in config.agents)
    return restarts or any(isinstance(channel, OpenClawChannel) for channel in config.escalation.channels)


def settings_path(environ: Mapping[str, str], home: Path | None) -> Path | None:
    """The file of OpenClaw's own settings, which is only ever read."""
    if named := environ.get("OPENCLAW_CONFIG_PATH"):
        return Path(named)
    if folder := environ.get("OPENCLAW_STATE_DIR"):
        return Path(folder) / "openclaw.json"
    return home / ".openclaw" / "openclaw.json" if home is not None else None


def gateway_url(config: Config, environ: Mapping[str, str], settings: bytes) -> str:
    """Its address without a path; `settings` is the content of its file, empty where there is none."""
    for channel in config.escalation.channels:
        if isinstance(channel, OpenClawChannel) and channel.url:
            return channel.url.rstrip("/")
    port = environ.get("OPENCLAW_GATEWAY_PORT", "")
    if port.isascii() and port.isdigit():
        return f"http://127.0.0.1:{int(port)}"
    try:
        gateway = msgspec.json.decode(settings, type=_Settings).gateway
    except (ValueError, RecursionError):
        found = _PORT.search(settings.decode("utf-8", "replace"))
        return f"http://127.0.0.1:{found[1] if found else PORT}"
    remote = urlsplit(gateway.remote.url) if gateway.mode == "remote" else None
    if remote is not None and remote.netloc:
        return f"{'https' if remote.scheme in ('wss', 'https') else 'http'}://{remote.netloc}"
    return f"http://127.0.0.1:{gateway.port}"
