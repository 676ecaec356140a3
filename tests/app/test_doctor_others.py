"""What the doctor makes of others: watchdogs, supervisors that run, and channels."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collections_supervisor.app import doctor_others as others
from collections_supervisor.app.doctor_checks import NAMED
from collections_supervisor.app.doctor_others import Service, Sighting
from collections_supervisor.config.schema import (
    AgentConfig,
    Channel,
    CommandChannel,
    LogSource,
    OpenClawChannel,
    RestartPolicy,
    TouchSource,
    WebhookChannel,
)

NOW = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
HERE, THERE = Path("/here"), Path("/there")
BEATS = frozenset({"/beats/mailer.log"})


def test_other_watchdogs_are_named_with_place_and_line() -> None:
    assert [check.result for check in others.watchdogs([])] == ["ok"]
    [check] = others.watchdogs([Sighting(where="/etc/crontab", what="looks after mailer", text="*  *  monitor mailer")])
    assert (check.result, check.found) == ("warn", "/etc/crontab looks after mailer: * * monitor mailer")
    assert 'kind = "none"' in check.fix
    many = [Sighting(where=f"process {pid}", what="w", text="x" * 999) for pid in range(NAMED + 1)]
    found = list(others.watchdogs(many))
    assert len(found) == NAMED + 1
    assert all(len(check.found) < 200 for check in found)


def test_a_supervisor_with_another_state_folder_over_the_same_agents_is_told() -> None:
    running = Service(pid=7, config="/etc/x.toml", state_dir=THERE, watches=BEATS)
    [check] = others.services(HERE, BEATS, [running])
    assert check.result == "warn"
    assert "process 7 runs with /etc/x.toml and keeps its state in /there" in check.found
    assert "/beats/mailer.log" in check.found
    assert check.fix.startswith('set supervisor.state_dir = "/there"')


def test_a_supervisor_of_other_agents_is_no_concern() -> None:
    running = Service(pid=7, config="/etc/x.toml", state_dir=THERE, watches=frozenset({"/beats/other.log"}))
    [check] = others.services(HERE, BEATS, [running])
    assert (check.result, check.found) == ("note", "no supervisor of these agents runs at this moment")


def test_the_supervisor_of_this_configuration_is_sound() -> None:
    running = Service(pid=7, config="/etc/x.toml", state_dir=HERE, watches=BEATS)
    assert [check.result for check in others.services(HERE, BEATS, [running, running])] == ["ok"]


def test_what_cannot_be_told_and_what_does_not_run_are_notes() -> None:
    hidden = Service(pid=7, config="x", why="permission denied")
    [check] = others.services(HERE, BEATS, [hidden])
    assert check.result == "note"
    assert "permission denied" in check.found
    assert [check.result for check in others.services(HERE, BEATS, [])] == ["note"]


def test_two_supervisors_have_files_or_an_agent_of_openclaw_in_common() -> None:
    agents = (
        AgentConfig(name="a", sources=(LogSource(path=Path("/b/a.log")), TouchSource(path="/b/*.x"))),
        AgentConfig(name="b", sources=(), restart=RestartPolicy(kind="process")),
    )
    assert others.watched(agents) == {"/b/a.log", "/b/*.x", "OpenClaw's a"}


COMMAND, WEBHOOK = CommandChannel(command=("x",)), WebhookChannel(url="https://example.org")


@pytest.mark.parametrize(
    ("channels", "result"),
    [
        ((), "warn"),
        ((OpenClawChannel(),), "warn"),
        ((WEBHOOK,), "warn"),
        ((OpenClawChannel(), OpenClawChannel(via="hooks", url="http://127.0.0.1:1")), "warn"),
        ((OpenClawChannel(), COMMAND), "ok"),
        ((COMMAND, WEBHOOK), "ok"),
    ],
)
def test_one_channel_only_is_told(channels: tuple[Channel, ...], result: str) -> None:
    [check] = others.channels(channels)
    assert check.result == result
    assert bool(check.fix) == (result == "warn")


HOOKED = (COMMAND, WebhookChannel(url="https://example.org", token_env="HOOK_TOKEN"))


@pytest.mark.parametrize(
    ("has", "running", "places", "result"),
    [
        ({}, None, [], "fail"),
        ({}, None, ["/etc/x/environment"], "note"),
        ({"HOOK_TOKEN": "x"}, None, [], "ok"),
        # What the supervisor that runs has counts, and not what whoever asks has.
        ({"HOOK_TOKEN": "x"}, {"variables": frozenset({"PATH"})}, ["/etc/x/environment"], "fail"),
        ({}, {"variables": frozenset({"HOOK_TOKEN"})}, [], "ok"),
        # One whose environment is hidden says nothing.
        ({}, {"variables": None}, ["/etc/x/environment"], "note"),
    ],
)
def test_a_token_is_looked_for_where_the_supervisor_has_it(
    has: dict[str, str], running: dict[str, object] | None, places: list[str], result: str
) -> None:
    services = [Service(**{"pid": 7, "config": "x", **running})] if running is not None else []  # type: ignore[arg-type]
    [check] = others.tokens(HOOKED, has, services, places)
    assert check.result == result
    assert "HOOK_TOKEN" in check.found
    if result != "ok":
        assert "escalation.channels[1]" in check.found
        assert (places[0] if places else "/etc/collections-supervisor/environment") in check.fix


def test_channels_without_tokens_need_none() -> None:
    assert list(others.tokens((COMMAND, WEBHOOK), {}, [], [])) == []


def test_a_channel_that_never_delivered_is_noted_with_how_to_prove_it() -> None:
    proven, hope = others.proofs(["command", "webhook"], {"command": NOW - timedelta(hours=2)}, NOW, "supervise")
    assert (proven.result, proven.found) == ("ok", "command last delivered 2 h 00 min ago")
    assert (hope.result, hope.fix) == ("note", "supervise doctor --notify-test")


def test_a_test_notice_was_taken_or_not() -> None:
    assert others.notified("command", "", 0.23).found == "command took it, after 0.2 s"
    check = others.notified("webhook", "HTTP 500", 0.2)
    assert check.result == "fail"
    assert "HTTP 500" in check.found
