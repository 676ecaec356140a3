"""The ways to a human, as they are configured."""

import socket
from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.config import schema
from collections_supervisor.escalation.commands import Command, OpenClawCli, Runner, Workshop
from collections_supervisor.escalation.delivery import Delivery
from collections_supervisor.escalation.notice_json import Envelope, severity, text_of
from collections_supervisor.messages import Notice
from collections_supervisor.system.process_command import run_command


class Channel(Protocol):
    """One way to tell a human."""

    @property
    def name(self) -> str:
        """What it is called in the log; no two are called the same."""
        ...

    @property
    def timeout(self) -> float:
        """Seconds after which a try ends by itself."""
        ...

    @property
    def after(self) -> float:
        """Seconds that an incident lasts before it is used; 0: at once."""
        ...

    async def send(self, notice: Notice, attempt: int) -> Delivery:
        """Make one try, the `attempt`th for this notice. Never raises for what the other side does."""
        ...


def open_channels(
    settings: schema.EscalationConfig,
    environ: Mapping[str, str],
    *,
    secrets: Collection[str] = (),
    host: str = "",
    run: Runner = run_command,
) -> tuple[Channel, ...]:
    """The configured channels.

    Tokens are looked up in `environ` whenever one is needed; `secrets` names the variables that no command may see, and is asked
    at each start of one.
    """
    shop = Workshop(environ=environ, secrets=secrets, run=run)
    envelopes = _envelopes(settings, host or socket.gethostname())
    named = zip(names_of(settings), settings.channels, envelopes, strict=True)
    return tuple(_open(name, channel, envelope, shop, environ) for name, channel, envelope in named)


def dry_channels(settings: schema.EscalationConfig, log: FilteringBoundLogger) -> "tuple[DryChannel, ...]":
    """What says what the configured channels would be sent, and sends nothing."""
    named = zip(names_of(settings), settings.channels, _envelopes(settings, ""), strict=True)
    return tuple(DryChannel(name, channel.after, envelope, log) for name, channel, envelope in named)


class DryChannel:
    """Stands in for a channel and sends nothing."""

    def __init__(self, name: str, after: float, envelope: Envelope, log: FilteringBoundLogger) -> None:
        self.name = name
        self.after = after
        self.timeout = 1.0
        self._envelope = envelope
        self._log = log

    async def send(self, notice: Notice, attempt: int) -> Delivery:
        """Say what would be sent."""
        self._log.info(
            "escalation.skipped",
            message=f"{self.name} would be sent the notice of {notice.agent or notice.dedup_key} ({notice.notice})",
            reason="dry_run",
            channel=self.name,
            attempt=attempt,
            agent=notice.agent,
            notice=notice.notice,
            incident=notice.incident_id,
            severity=severity(notice, self._envelope.rung),
            text=text_of(notice),
        )
        return Delivery("skipped")


def names_of(settings: schema.EscalationConfig) -> list[str]:
    """What the channels are called in the log, in their order."""
    kinds = [str(channel.__struct_config__.tag) for channel in settings.channels]
    earlier = [kinds[:position].count(kind) for position, kind in enumerate(kinds)]
    return [f"{kind}-{before + 1}" if before else kind for kind, before in zip(kinds, earlier, strict=True)]


def _envelopes(settings: schema.EscalationConfig, host: str) -> list[Envelope]:
    ages = sorted({channel.after for channel in settings.channels})
    # A machine can be called by bytes that are no text.
    plain = Envelope(recipient=settings.recipient, host=host.encode("utf-8", "replace").decode())
    return [msgspec.structs.replace(plain, rung=ages.index(channel.after)) for channel in settings.channels]


def _open(name: str, settings: schema.Channel, envelope: Envelope, shop: Workshop, environ: Mapping[str, str]) -> Channel:
    match settings:
        case schema.OpenClawChannel(via="cli"):
            return OpenClawCli(name, settings, envelope, shop)
        case schema.CommandChannel():
            return Command(name, settings, envelope, shop)
        case schema.OpenClawChannel() | schema.WebhookChannel():
            return _open_http(name, settings, envelope, environ)


def _open_http(
    name: str, settings: schema.OpenClawChannel | schema.WebhookChannel, envelope: Envelope, environ: Mapping[str, str]
) -> Channel:
    # Nobody else needs these.
    from collections_supervisor.escalation.http_channels import OpenClawHooks, OpenClawTools, Webhook

    match settings:
        case schema.OpenClawChannel(via="hooks"):
            return OpenClawHooks(name, settings, envelope, environ)
        case schema.OpenClawChannel():
            return OpenClawTools(name, settings, envelope, environ)
        case schema.WebhookChannel():
            return Webhook(name, settings, envelope, environ)
