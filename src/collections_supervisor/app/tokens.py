"""The tokens that channels send, found in the environment: which are missing is to be known before the first alarm."""

from collections.abc import Mapping, Sequence

import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.config.schema import Channel, OpenClawChannel, WebhookChannel


def token_variable(channel: Channel) -> str:
    """The variable that a channel names for its token, needed or not; empty if it names none."""
    return channel.token_env if isinstance(channel, OpenClawChannel | WebhookChannel) else ""


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A variable that is to hold a token and holds none."""

    variable: str
    channels: tuple[str, ...]
    """The keys of those that name it."""

    def __str__(self) -> str:
        return f"{', '.join(self.channels)}: the variable {self.variable}, which is to hold the token, is not set"


def missing_tokens(channels: Sequence[Channel], environ: Mapping[str, str]) -> tuple[Missing, ...]:
    """Each variable once, in the order of the channels."""
    found: dict[str, list[str]] = {}
    for index, channel in enumerate(channels):
        # OpenClaw's own program has a token of its own.
        variable = token_variable(channel) if not (isinstance(channel, OpenClawChannel) and channel.via == "cli") else ""
        # Blank is as good as not there: nothing would be sent.
        if variable and not environ.get(variable, "").strip():
            found.setdefault(variable, []).append(f"escalation.channels[{index}]")
    return tuple(Missing(variable=variable, channels=tuple(keys)) for variable, keys in found.items())


def tell_missing_tokens(channels: Sequence[Channel], environ: Mapping[str, str], log: FilteringBoundLogger) -> None:
    """Say of each that nobody is told that way."""
    for each in missing_tokens(channels, environ):
        log.warning(
            "config.token_missing",
            message=f"{each}: nobody is told this way",
            variable=each.variable,
            channels=list(each.channels),
        )
