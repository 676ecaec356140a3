"""The ways to tell a human: `channels` of `[escalation]`."""

from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

import msgspec

from collections_supervisor.config.keys import CHANNEL_KEYS
from collections_supervisor.config.layers import DEFAULT, Inspector, Setting, Settings
from collections_supervisor.config.problems import Where, kind_of
from collections_supervisor.config.schema import Channel, CommandChannel, OpenClawChannel, WebhookChannel

KEY = "escalation.channels"
_MOST = 16


def read_channels(written: Setting | None, recipient: str, openclaw: str, inspector: Inspector) -> Setting:
    """The channels, in order; unless the file says otherwise, OpenClaw's own command line tells the recipient."""
    if written is None or written.where is None:
        return Setting((OpenClawChannel(agent=recipient, openclaw=openclaw),), DEFAULT)
    if not isinstance(written.value, list) or len(written.value) > _MOST:
        what = f"not of {len(written.value)}" if isinstance(written.value, list) else f"not {kind_of(written.value)}"
        inspector.problems.add(written.where, KEY, f"must be a list of at most {_MOST} tables, {what}")
        return Setting((), written.origin)
    inspector = msgspec.structs.replace(inspector, discreet=True)
    found: list[Channel] = []
    for index, table in enumerate(written.value):
        where = msgspec.structs.replace(written.where, prefix=f"{KEY}[{index}].")
        settings = inspector.variant(table, CHANNEL_KEYS, where)
        if settings is not None and _complete(settings, table, where, inspector):
            found.append(_channel(settings, recipient, openclaw))
    if found and len(found) == len(written.value) and all(channel.after for channel in found):
        inspector.problems.add(written.where, KEY, "must hold at least one channel without after, which is used at once")
    return Setting(tuple(found), written.origin, written.where)


def _complete(settings: Settings, table: dict[str, object], where: Where, inspector: Inspector) -> bool:
    faults = list(_faults(settings, table))
    for key, message in faults:
        inspector.problems.add(where, key, message)
    return not faults and all(key in settings for key in _required(settings) if key in table)


def _required(settings: Settings) -> tuple[str, ...]:
    match settings["kind"].value:
        case "command":
            return ("command",)
        case "webhook":
            return ("url",)
        case _:
            return ("url",) if _via(settings) != "cli" else ()


def _via(settings: Settings) -> str:
    return str(settings["via"].value) if "via" in settings else "cli"


def _faults(settings: Settings, table: dict[str, object]) -> Iterator[tuple[str, str]]:
    for key in _required(settings):
        if key not in table:
            yield (
                key,
                "is missing" if settings["kind"].value != "openclaw" else f'is missing, which via = "{_via(settings)}" needs',
            )
        elif key in settings and not settings[key].value:
            yield key, "must not be empty"
    if settings.get("url") and settings["url"].value:
        parts = urlsplit(settings["url"].value)
        if "@" in parts.netloc:
            yield (
                "url",
                "must not hold a user or password: name the variable that holds the token with token_env (not repeated here)",
            )
        if not _has_port(parts):
            yield "url", "must have a port from 1 to 65535, or none (not repeated here)"
        if settings["kind"].value == "openclaw" and (parts.query or parts.fragment):
            yield "url", "must be the address of the gateway alone, without ? and # (not repeated here)"


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _channel(settings: Settings, recipient: str, openclaw: str) -> Channel:
    values = {key: setting.value for key, setting in settings.items() if key != "kind"}
    match settings["kind"].value:
        case "command":
            return CommandChannel(**values)
        case "webhook":
            return WebhookChannel(**values)
        case _:
            return OpenClawChannel(**{"agent": recipient, "openclaw": openclaw, **values})
