"""Agents that come back, by a beat, by a touched file, while their restart still waits: one run, an agent for each way."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TELL_ONLY = {"restart": {"kind": "none"}}


@pytest.fixture(scope="module")
def returns(open_site: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The run; there is one slot for restarts, and whoever has it keeps it for long."""
    with open_site(tmp_path_factory.mktemp("returns")) as site:
        site.touched = site.root / "touched"
        site.rules({"agent": "slow", "kind": "restart", "sleep": 60})
        site.beat("slow", ago=3)
        site.beat("returning", ago=5)
        sources = [{"kind": "log"}, {"kind": "touch", "path": str(site.touched)}]
        site.configure(
            [
                {"name": "slow"},
                # It misses its first heartbeat when the other has long had the only slot.
                {"name": "waiting", "timeout": "60s", "startup_grace": "1500ms", "miss_interval": "30s"},
                {"name": "returning", **TELL_ONLY},
                {"name": "both", "heartbeat": sources, "timeout": "30s", "startup_grace": "200ms", **TELL_ONLY},
            ],
            restart={"max_concurrent": 1},
        )
        site.daemon = site.run()
        yield site


def test_no_turn_is_paid_for_an_agent_that_beats_while_it_waits_for_its_turn(returns: Any) -> None:
    daemon = returns.daemon
    daemon.wait_for("agent.heartbeat.missed", agent="waiting")
    [call] = returns.until(lambda: returns.calls("slow", "restart"))
    returns.beat("waiting")
    daemon.wait_for("agent.state_changed", agent="waiting", state="healthy")
    returns.terminate(call["pid"])
    assert daemon.wait_for("agent.restart.skipped", agent="waiting")["reason"] == "fresh_beat"
    assert "143" in daemon.wait_for("agent.restart.failed", agent="slow")["reason"]
    # The slot went on to the next who wanted it.
    daemon.wait_for("agent.restart.started", agent="slow", attempt=2)
    assert returns.calls("waiting") == []
    assert returns.shown("waiting", status="healthy")["restarts"] == 0


def test_a_human_hears_once_that_it_is_down_and_once_that_it_is_over(returns: Any) -> None:
    daemon = returns.daemon
    opened = daemon.wait_for("escalation.delivered", agent="returning", notice="opened")
    returns.beat("returning")
    recovery = daemon.wait_for("agent.recovered", agent="returning")
    assert recovery["by_itself"] is True
    returns.shown("returning", status="healthy", incident=opened["incident"])
    returns.beat("returning")
    daemon.wait_for("incident.resolved", agent="returning")
    resolved = daemon.wait_for("escalation.delivered", agent="returning", notice="resolved")
    assert resolved["dedup_key"] == opened["dedup_key"]
    down, over = returns.notices("returning")
    assert (down["notice"], over["notice"]) == ("opened", "resolved")
    assert (down["type"], down["agent"], down["sequence"], over["sequence"]) == ("AGENT_ESCALATION", "returning", 1, 2)
    assert (over["dedup_key"], over["merged"]) == (down["dedup_key"], False)
    # The next silence is another incident.
    again = daemon.wait_for("agent.escalated", agent="returning", after=resolved["seq"])
    assert again["incident"] != opened["incident"]


def test_our_own_lines_in_the_log_do_not_outweigh_a_touched_file(returns: Any) -> None:
    returns.daemon.wait_for("agent.heartbeat.missed", agent="both", missed=2)
    assert b'"stale":true' in returns.log_of("both").read_bytes()
    returns.touched.touch()
    returns.daemon.wait_for("agent.recovered", agent="both")
    agent = returns.shown("both", status="healthy")
    assert agent["missed"] == 0
    assert agent["last_heartbeat"] is not None
