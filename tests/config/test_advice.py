from collections.abc import Callable

import pytest

from collections_supervisor.config.loader import Loaded

Load = Callable[..., Loaded]
SECOND = "escalation.channels = [{ kind = 'openclaw' }, { kind = 'command', command = ['x'] }]\n"


def test_a_quiet_configuration_gives_no_warnings(load_text: Load) -> None:
    assert load_text(SECOND + "agents = [{ name = 'a', period = '60s' }, { name = 'b' }]").warnings == ()


def test_openclaw_alone_cannot_tell_of_its_own_failure(load_text: Load) -> None:
    for text in ("", "escalation.channels = [{ kind = 'openclaw' }, { kind = 'openclaw', agent = 'eve' }]"):
        (warning,) = load_text(text).warnings
        assert "if OpenClaw itself is down nobody is told" in warning
        assert "add a second channel" in warning


def test_another_channel_alone_is_enough(load_text: Load) -> None:
    assert load_text("escalation.channels = [{ kind = 'command', command = ['x'] }]").warnings == ()


def test_an_address_without_encryption_is_named_by_its_server_alone(load_text: Load) -> None:
    webhook = "{ kind = 'webhook', url = 'http://hooks.example:8080/services/s3cret?key=s3cret' }"
    (warning,) = load_text(f"escalation.channels = [{webhook}]").warnings
    assert warning.startswith("escalation.channels: http://hooks.example/… is not encrypted")
    assert "s3cret" not in warning
    assert load_text(f"escalation.channels = [{webhook.replace('hooks.example', '127.0.0.1')}]").warnings == ()


def test_no_channel_tells_nobody(load_text: Load) -> None:
    assert load_text("escalation.channels = []").warnings == ("escalation.channels is empty: no human is ever told",)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("agents = [{ name = 'a', restart.backoff.initial = '29s' }]", "restart.backoff.initial 29s is shorter than 30s"),
        ("agents = [{ name = 'a', miss_interval = '6m59s' }]", "miss_interval 6m59s is shorter than 7m"),
        ("agents = [{ name = 'a', period = '1h', miss_interval = '59m' }]", "miss_interval 59m is shorter than 1h"),
        ("heartbeats.miss_interval = '1m'\nagents = [{ name = 'a' }]", "miss_interval 1m is shorter than 7m"),
        ("agents = [{ name = 'a', period = '2h', timeout = '1h' }]", "period 2h is longer than timeout 1h"),
        ("agents = [{ name = 'a', restart.cwd = '/x' }]", 'restart.cwd has no effect with restart.kind = "openclaw"'),
    ],
)
def test_questionable_values_are_named_with_the_agent(load_text: Load, text: str, part: str) -> None:
    (warning,) = load_text(SECOND + text).warnings
    assert warning.startswith(part)
    assert warning.endswith('(agent "a")')


@pytest.mark.parametrize(
    "text",
    [
        "agents = [{ name = 'a', miss_interval = '7m' }]",
        "agents = [{ name = 'a', restart = { kind = 'none' }, miss_interval = '1m' }]",
        "agents = [{ name = 'a', restart = { kind = 'process', command = ['x'], cwd = '/' }, miss_interval = '1m' }]",
        "restart = { timeout = '1h' }\nagents = [{ name = 'a' }]",
        "agents = [{ name = 'a', restart = { kind = 'command', command = ['x'], backoff.initial = '1s' } }]",
        "restart.cwd = '/x'\nagents = [{ name = 'a' }]",
    ],
    ids=range(6),
)
def test_sound_values_are_not(load_text: Load, text: str) -> None:
    assert load_text(SECOND + text).warnings == ()


def test_agents_with_one_fault_share_a_sentence(load_text: Load) -> None:
    agents = ", ".join(f"{{ name = 'a{number}' }}" for number in range(8))
    (warning,) = load_text(f"{SECOND}restart.backoff.initial = '1s'\nagents = [{agents}]").warnings
    assert warning.endswith('(agents "a0", "a1", "a2", "a3", "a4" and 3 more)')
