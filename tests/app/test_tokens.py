"""Tokens of channels that are not in the environment: each variable once, with the channels that need it, and no value."""

from typing import Any

from collections_supervisor.app.tokens import missing_tokens, tell_missing_tokens
from collections_supervisor.config.schema import CommandChannel, OpenClawChannel, WebhookChannel

CHANNELS = (
    OpenClawChannel(token_env="UNUSED"),
    WebhookChannel(url="https://example.org", token_env="ALERT"),
    OpenClawChannel(via="hooks", url="http://127.0.0.1:1", token_env="HOOKS"),
    CommandChannel(command=("true",)),
    WebhookChannel(url="https://example.com", token_env="ALERT", after=3600.0),
    WebhookChannel(url="https://example.net"),
)


def test_each_variable_is_named_once_with_the_channels_that_need_it() -> None:
    alert, hooks = missing_tokens(CHANNELS, {"UNUSED": ""})
    assert (alert.variable, alert.channels) == ("ALERT", ("escalation.channels[1]", "escalation.channels[4]"))
    assert (hooks.variable, hooks.channels) == ("HOOKS", ("escalation.channels[2]",))
    assert str(hooks) == "escalation.channels[2]: the variable HOOKS, which is to hold the token, is not set"


def test_what_is_set_is_not_missing_and_what_is_blank_is() -> None:
    assert missing_tokens(CHANNELS, {"ALERT": "x", "HOOKS": "y"}) == ()
    assert [each.variable for each in missing_tokens(CHANNELS, {"ALERT": "x", "HOOKS": " "})] == ["HOOKS"]


def test_each_is_a_warning_of_its_own(log: Any) -> None:
    tell_missing_tokens(CHANNELS, {"HOOKS": "secret"}, log)
    [event] = log.of("config.token_missing")
    assert event["level"] == 30
    assert (event["variable"], event["channels"]) == ("ALERT", ["escalation.channels[1]", "escalation.channels[4]"])
    assert event["message"].endswith("ALERT, which is to hold the token, is not set: nobody is told this way")
