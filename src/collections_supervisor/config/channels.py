"""The ways to tell a human: `channels` of `[escalation]`."""

import msgspec

from collections_supervisor.config.keys import CHANNEL_KEYS
from collections_supervisor.config.layers import DEFAULT, Inspector, Setting, Settings
from collections_supervisor.config.not_yet import CHANNEL_NOT_YET
from collections_supervisor.config.problems import Where, shown
from collections_supervisor.config.schema import Channel, CommandChannel, OpenClawChannel, WebhookChannel

KEY = "escalation.channels"
_MOST = 16


def read_channels(written: Setting | None, recipient: str, openclaw: str, inspector: Inspector) -> Setting:
    """The channels, in order; unless the file says otherwise, OpenClaw's own command line tells the recipient."""
    if written is None or written.where is None:
        return Setting((OpenClawChannel(agent=recipient, openclaw=openclaw),), DEFAULT)
    if not isinstance(written.value, list) or len(written.value) > _MOST:
        what = f"not of {len(written.value)}" if isinstance(written.value, list) else f"not {shown(written.value)}"
        inspector.problems.add(written.where, KEY, f"must be a list of at most {_MOST} tables, {what}")
        return Setting((), written.origin)
    found = []
    for index, table in enumerate(written.value):
        where = msgspec.structs.replace(written.where, prefix=f"{KEY}[{index}].")
        settings = inspector.variant(table, CHANNEL_KEYS, where, CHANNEL_NOT_YET)
        if settings is not None and _complete(settings, table, where, inspector):
            found.append(_channel(settings, recipient, openclaw))
    return Setting(tuple(found), written.origin, written.where)


def _complete(settings: Settings, table: dict[str, object], where: Where, inspector: Inspector) -> bool:
    required = {"command": "command", "webhook": "url"}.get(settings["kind"].value)
    if required is None or required in settings:
        return True
    if required not in table:
        inspector.problems.add(where, required, "is missing")
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
