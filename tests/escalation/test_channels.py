"""The configured channels."""

from collections.abc import Callable
from typing import Any

import pytest

from collections_supervisor.config import schema
from collections_supervisor.escalation.channels import dry_channels, open_channels
from collections_supervisor.escalation.commands import Command, OpenClawCli
from collections_supervisor.escalation.http_channels import OpenClawHooks, OpenClawTools, Webhook
from collections_supervisor.messages import Notice

Make = Callable[..., Notice]

COMMAND = schema.CommandChannel(command=("true",))
OPENCLAW = schema.OpenClawChannel()


def settings(*channels: schema.Channel) -> schema.EscalationConfig:
    return schema.EscalationConfig(recipient="caine", channels=channels)


def test_no_two_channels_are_called_the_same() -> None:
    channels = open_channels(settings(OPENCLAW, COMMAND, COMMAND, OPENCLAW, COMMAND), {})
    assert [channel.name for channel in channels] == ["openclaw", "command", "command-2", "openclaw-2", "command-3"]


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        (schema.OpenClawChannel(after=5, timeout=7), OpenClawCli),
        (schema.OpenClawChannel(via="hooks", url="http://x", after=5, timeout=7), OpenClawHooks),
        (schema.OpenClawChannel(via="tools", url="http://x", after=5, timeout=7), OpenClawTools),
        (schema.CommandChannel(command=("true",), after=5, timeout=7), Command),
        (schema.WebhookChannel(url="http://x", after=5, timeout=7), Webhook),
    ],
)
def test_every_kind_can_be_used(channel: schema.Channel, kind: type) -> None:
    (found,) = open_channels(settings(channel), {})
    assert isinstance(found, kind)
    assert (found.after, found.timeout) == (5, 7)


async def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(make_notice: Make, log: Any) -> None:
    later = schema.CommandChannel(command=("touch", "/nonexistent/x"), after=60)
    first, second = dry_channels(settings(OPENCLAW, later), log)
    assert [(first.name, first.after), (second.name, second.after)] == [("openclaw", 0), ("command", 60)]
    for channel in (first, second):
        made = make_notice(text="In trouble since 2026-11-22T09:00:00.000000Z.")
        assert (await channel.send(made, 1)).result == "skipped"
    one, two = log.of("escalation.skipped")
    assert (one["reason"], one["channel"], one["severity"], one["text"]) == (
        "dry_run",
        "openclaw",
        "warning",
        "In trouble since 2026-11-22 09:00:00 UTC.",
    )
    assert (two["channel"], two["severity"]) == ("command", "error")
