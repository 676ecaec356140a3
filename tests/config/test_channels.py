from collections.abc import Callable

import pytest

from collections_supervisor.config.loader import Loaded
from collections_supervisor.config.schema import Channel, CommandChannel, OpenClawChannel, WebhookChannel

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]


def channels(load_text: Load, text: str) -> tuple[Channel, ...]:
    return load_text(text).config.escalation.channels


def test_unless_told_otherwise_openclaw_tells_the_recipient(load_text: Load) -> None:
    text = "escalation.recipient = 'dana'\nrestart.openclaw = '/opt/openclaw'\n"
    expected = (OpenClawChannel(agent="dana", openclaw="/opt/openclaw", timeout=60),)
    assert channels(load_text, text) == expected
    assert channels(load_text, f"{text}escalation.channels = [{{ kind = 'openclaw' }}]") == expected


def test_channels_are_kept_in_order_with_what_they_set(load_text: Load) -> None:
    text = """
        [escalation]
        channels = [
          { kind = "command", command = ["~/notify", "{agent}"], timeout = "5s", after = 0 },
          { kind = "openclaw", via = "cli", agent = "eve", openclaw = "oc", timeout = 9 },
          { kind = "command", command = ["x"], after = "30m" },
          { kind = "openclaw", via = "hooks", url = "http://127.0.0.1:18789", token_env = "HOOKS_TOKEN" },
          { kind = "openclaw", via = "tools", url = "https://gateway.example/" },
          { kind = "webhook", url = "https://example.org/x?y=z", token_env = "T", after = 3600, timeout = 3 },
        ]
        """
    assert channels(load_text, text) == (
        CommandChannel(command=("/home/ann/notify", "{agent}"), timeout=5),
        OpenClawChannel(agent="eve", openclaw="oc", timeout=9),
        CommandChannel(command=("x",), timeout=30, after=1800),
        OpenClawChannel(via="hooks", url="http://127.0.0.1:18789", token_env="HOOKS_TOKEN"),
        OpenClawChannel(via="tools", url="https://gateway.example/"),
        WebhookChannel(url="https://example.org/x?y=z", token_env="T", after=3600, timeout=3),
    )


def test_a_variable_may_set_them(load_text: Load) -> None:
    found = load_text("", {"COLLECTIONS_SUPERVISOR__ESCALATION__CHANNELS": '[{ kind = "command", command = ["x"] }]'})
    assert found.config.escalation.channels == (CommandChannel(command=("x",)),)


@pytest.mark.parametrize(
    ("channel", "fault"),
    [
        ("3", ": must be a table with a kind, not 3"),
        ("{}", '.kind: is missing; it is one of "openclaw", "command", "webhook"'),
        (
            "{ kind = 'comand' }",
            '.kind: must be one of "openclaw", "command", "webhook", not a text (not repeated here); did you mean "command"?',
        ),
        ("{ kind = 'command' }", ".command: is missing"),
        ("{ kind = 'command', command = [] }", ".command: must name a program"),
        ("{ kind = 'command', command = ['x'], via = 'cli' }", ".via: unknown key"),
        ("{ kind = 'command', command = ['x'], timeout = 0 }", ".timeout: must be more than zero, not 0"),
        ("{ kind = 'command', command = ['x', '{agnet}'] }", None),
        ("{ kind = 'openclaw', command = ['x'] }", ".command: unknown key"),
        ("{ kind = 'openclaw', token_env = 's3cret' }", None),
        ("{ kind = 'openclaw', via = 'x' }", '.via: must be one of "cli", "hooks", "tools", not a text (not repeated here)'),
        ("{ kind = 'openclaw', via = 'hooks' }", '.url: is missing, which via = "hooks" needs'),
        ("{ kind = 'openclaw', via = 'tools', url = '' }", ".url: must not be empty"),
        ("{ kind = 'openclaw', via = 'tools', url = 'gateway' }", ".url: must be an http:// or https:// address"),
        ("{ kind = 'openclaw', via = 'hooks', url = 'http://x/?a=s3cret' }", None),
        ("{ kind = 'openclaw', via = 'hooks', url = 'http://x/#s3cret' }", None),
        ("{ kind = 'webhook' }", ".url: is missing"),
        ("{ kind = 'webhook', url = '' }", ".url: must not be empty"),
        ("{ kind = 'webhook', url = 'ftp://x/s3cret' }", None),
        ("{ kind = 'webhook', url = 'https://me:s3cret@x/' }", None),
        ("{ kind = 'webhook', url = 'https://x:70000/s3cret' }", None),
        ("{ kind = 'webhook', url = 'https://x:0/s3cret' }", None),
        ("{ kind = 'command', command = ['x'], after = '-1s' }", None),
        ("'https://h/s3cret'", ": must be a table with a kind, not a text (not repeated here)"),
        ("['https://h/s3cret']", ": must be a table with a kind, not a list"),
        ("{ kind = 'https://h/s3cret' }", None),
        ("{ kind = 'openclaw', agent = ['https://h/s3cret'] }", ".agent: must be text, not a list"),
        ("{ kind = 'openclaw', via = 'https://h/s3cret' }", None),
        ("{ kind = 'openclaw', openclaw = '~s3cret/openclaw' }", None),
        ("{ kind = 'command', command = 'curl https://h/s3cret' }", None),
        ("{ kind = 'command', command = ['~s3cret/curl'] }", None),
        ("{ kind = 'command', command = ['x', \"s3cret\\u0000\"] }", None),
        ("{ kind = 'command', command = ['x'], timeout = 'https://h/s3cret' }", None),
    ],
)
def test_faults_are_named(faults: Faults, channel: str, fault: str | None) -> None:
    (found,) = faults(f"escalation.channels = [{{ kind = 'openclaw' }}, {channel}]")
    assert found.startswith("escalation.channels[1]")
    assert fault is None or found == f"escalation.channels[1]{fault}"
    assert "s3cret" not in found


@pytest.mark.parametrize("written", ["https://h/s3cret", '"https://h/s3cret"', '["https://h/s3cret"]', '["https://h/s3cret"'])
def test_an_address_alone_is_not_repeated(faults: Faults, written: str) -> None:
    variable = "COLLECTIONS_SUPERVISOR__ESCALATION__CHANNELS"
    (found,) = faults("", {variable: written})
    assert found.startswith(f"environment {variable}: escalation.channels")
    assert found.endswith("not a text (not repeated here)")
    assert "s3cret" not in found


def test_there_are_at_most_sixteen(faults: Faults) -> None:
    channels = ", ".join(["{ kind = 'openclaw' }"] * 17)
    assert faults(f"escalation.channels = [{channels}]") == [
        "escalation.channels: must be a list of at most 16 tables, not of 17"
    ]


@pytest.mark.parametrize(("written", "shown"), [("{ url = 'https://h/s3cret' }", "a table"), ("3", "3")])
def test_what_is_no_list_is_named_by_its_kind(faults: Faults, written: str, shown: str) -> None:
    (found,) = faults(f"escalation.channels = {written}")
    assert found == f"escalation.channels: must be a list of at most 16 tables, not {shown}"


def test_credentials_belong_into_a_variable(faults: Faults) -> None:
    (found,) = faults("escalation.channels = [{ kind = 'webhook', url = 'https://me:s3cret@x/' }]")
    assert found.endswith("name the variable that holds the token with token_env (not repeated here)")


def test_one_channel_is_used_at_once(faults: Faults) -> None:
    later = "{ kind = 'command', command = ['x'], after = '1m' }"
    assert faults(f"escalation.channels = [{later}, {later}]") == [
        "escalation.channels: must hold at least one channel without after, which is used at once"
    ]


def test_without_any_channel_none_is_missed(load_text: Load) -> None:
    assert channels(load_text, "escalation.channels = []") == ()
