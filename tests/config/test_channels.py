from collections.abc import Callable

import pytest

from collections_supervisor.config.loader import Loaded
from collections_supervisor.config.schema import Channel, CommandChannel, OpenClawChannel

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
          { kind = "command", command = ["x"] },
        ]
        """
    assert channels(load_text, text) == (
        CommandChannel(command=("/home/ann/notify", "{agent}"), timeout=5),
        OpenClawChannel(agent="eve", openclaw="oc", timeout=9),
        CommandChannel(command=("x",), timeout=30),
    )


def test_a_variable_may_set_them(load_text: Load) -> None:
    found = load_text("", {"COLLECTIONS_SUPERVISOR__ESCALATION__CHANNELS": '[{ kind = "command", command = ["x"] }]'})
    assert found.config.escalation.channels == (CommandChannel(command=("x",)),)


@pytest.mark.parametrize(
    ("channel", "fault"),
    [
        ("3", ": must be a table with a kind, not 3"),
        ("{}", '.kind: is missing; it is one of "openclaw", "command", "webhook"'),
        ("{ kind = 'comand' }", '.kind: must be one of "openclaw", "command", "webhook", not "comand"; did you mean "command"?'),
        ("{ kind = 'command' }", ".command: is missing"),
        ("{ kind = 'command', command = [] }", ".command: must name a program"),
        ("{ kind = 'command', command = ['x'], via = 'cli' }", ".via: unknown key"),
        ("{ kind = 'command', command = ['x'], timeout = 0 }", ".timeout: must be more than zero, not 0"),
        ("{ kind = 'command', command = ['x', '{agnet}'] }", None),
        ("{ kind = 'openclaw', command = ['x'] }", ".command: unknown key"),
        ("{ kind = 'openclaw', token_env = 's3cret' }", None),
    ],
)
def test_faults_are_named(faults: Faults, channel: str, fault: str | None) -> None:
    (found,) = faults(f"escalation.channels = [{{ kind = 'openclaw' }}, {channel}]")
    assert found.startswith("escalation.channels[1]")
    assert fault is None or found == f"escalation.channels[1]{fault}"
    assert "s3cret" not in found


def test_there_are_at_most_sixteen(faults: Faults) -> None:
    channels = ", ".join(["{ kind = 'openclaw' }"] * 17)
    assert faults(f"escalation.channels = [{channels}]") == [
        "escalation.channels: must be a list of at most 16 tables, not of 17"
    ]
