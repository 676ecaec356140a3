"""The test notice, through channels that work and channels that do not."""

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from collections_supervisor.app.notify_test import notice_of_test, try_channels
from collections_supervisor.config.loader import build
from collections_supervisor.config.schema import Channel, CommandChannel, Config, WebhookChannel
from collections_supervisor.system.clock import SystemClock

ENVIRON = {"PATH": "/usr/bin:/bin", "HOME": "/home/ann"}


def config(*channels: Channel) -> Config:
    made = build({}, path=None, environ=ENVIRON).config
    return msgspec.structs.replace(made, escalation=msgspec.structs.replace(made.escalation, channels=channels))


async def test_every_channel_gets_it_later_rungs_too_and_says_how_it_fared(tmp_path: Path) -> None:
    got = tmp_path / "got"
    channels = (
        CommandChannel(command=("sh", "-c", 'cat >> "$0"', str(got))),
        CommandChannel(command=("sh", "-c", "echo no route >&2; exit 1"), after=1800.0),
        WebhookChannel(url="http://127.0.0.1:1/secret-path", timeout=5.0, token_env="NOT_SET"),
    )
    taken, refused, silent = await try_channels(config(*channels), ENVIRON, SystemClock())
    assert (taken.name, taken.problem) == ("command", "")
    assert (refused.name, refused.problem) == ("command-2", "exit code 1: no route")
    assert silent.name == "webhook"
    assert "NOT_SET" in silent.problem
    [line] = got.read_text(encoding="utf-8").splitlines()
    notice = json.loads(line)
    assert notice["test"] is True
    assert notice["text"].startswith("TEST: ")
    assert notice["action_required"] == "None, this is a test"
    assert notice["dedup_key"].startswith("supervisor/notify-test/")


async def test_a_channel_that_hangs_is_given_up_at_its_own_deadline() -> None:
    [tested] = await try_channels(config(CommandChannel(command=("sleep", "300"), timeout=0.2)), ENVIRON, SystemClock())
    assert tested.problem == "it did not end within 0.2 s"


def test_no_two_tests_are_taken_for_one() -> None:
    first, second = (notice_of_test(datetime(2026, 11, 22, 11, 0, 0, micro, tzinfo=UTC)) for micro in (1, 2))
    assert first.dedup_key != second.dedup_key
    assert first.incident_id != second.incident_id
