"""Channels and heartbeat folders as they misbehave in life: one run, in which nothing of that reaches the others."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TELL_ONLY = {"restart": {"kind": "none"}}

FLOOD = 'yes "$(printf %1000s x)" | head -c 50000000; yes | head -c 5000000 >&2; cat >> "$0"'
OLD = 'echo "$PPID" > "$0.asked"; until [ -e "$0.replaced" ]; do sleep 0.05; done; echo "not this way" >&2; exit 1'
NEW = 'cat > "$0.taken"'


def script(path: Path, text: str) -> None:
    """Replace a program as installers do: the old one goes on to be what it is for whoever runs it."""
    new = path.with_suffix(".new")
    new.write_text(f"#!/bin/sh\n{text}\n")
    new.chmod(0o755)
    new.replace(path)


@pytest.fixture(scope="module")
def exchange(open_site: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A dead agent, a living one, and four channels, three of which are not what they should be."""
    with open_site(tmp_path_factory.mktemp("exchange")) as site:
        site.beat("dead", ago=3 * 3600)
        site.beat("living")
        site.program = site.root / "program"
        script(site.program, OLD)
        site.configure(
            [{"name": "dead", **TELL_ONLY}, {"name": "living"}],
            heartbeats={"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"},
            supervisor={"state_dir": "state", "check_interval": "1s", "shutdown_grace": "2s"},
            escalation={
                "channels": [
                    {"kind": "command", "command": ["sleep", "300"], "timeout": "1s"},
                    {"kind": "command", "command": [str(site.program)]},
                    {"kind": "command", "command": ["sh", "-c", FLOOD, "{notices}"]},
                    {"kind": "command", "command": ["openclaw-that-is-not-there"]},
                ]
            },
        )
        site.daemon = site.run()
        yield site


def test_a_program_that_is_replaced_while_it_runs_is_the_new_one_at_the_next_try(exchange: Any) -> None:
    exchange.until(Path(f"{exchange.program}.asked").exists)
    script(exchange.program, NEW)
    Path(f"{exchange.program}.replaced").touch()
    failed = exchange.daemon.wait_for("escalation.failed", channel="command-2")
    assert "not this way" in failed["error"]["message"]
    delivered = exchange.daemon.wait_for("escalation.delivered", channel="command-2")
    assert (delivered["attempt"], delivered["dedup_key"]) == (2, failed["dedup_key"])
    assert b'"AGENT_ESCALATION"' in Path(f"{exchange.program}.taken").read_bytes()


def test_a_channel_that_floods_its_output_is_read_to_its_end(exchange: Any) -> None:
    assert exchange.daemon.wait_for("escalation.delivered", channel="command-3")["attempt"] == 1
    [notice] = exchange.notices()
    assert (notice["agent"], notice["notice"]) == ("dead", "opened")


def test_a_channel_that_hangs_is_ended_and_tried_again(exchange: Any) -> None:
    first, second = (exchange.daemon.wait_for("escalation.failed", channel="command", attempt=number) for number in (1, 2))
    assert "1 s" in first["error"]["message"]
    assert first["seq"] < second["seq"]


def test_a_channel_that_is_not_there_is_given_up_and_the_notice_is_not(exchange: Any) -> None:
    exchange.daemon.wait_for("escalation.delivered", channel="command-2")
    [failed] = exchange.daemon.of("escalation.failed", channel="command-4")
    assert "openclaw-that-is-not-there" in failed["error"]["message"]
    assert exchange.daemon.of("escalation.expired") == []


def test_a_heartbeat_folder_that_vanishes_and_returns_costs_nothing(exchange: Any) -> None:
    folder = exchange.log_of("living").parent
    away = folder.rename(exchange.root / "away")
    exchange.daemon.wait_for("agent.state_changed", agent="living", state="unknown")
    assert "is gone" in exchange.shown("living", status="unknown")["detail"]
    away.rename(folder)
    stamp = exchange.beat("living")
    exchange.shown("living", last_heartbeat=stamp, status="healthy", missed=0)
    assert exchange.calls("living") == exchange.notices("living") == []
    assert exchange.daemon.of("agent.heartbeat.missed", agent="living") == []
