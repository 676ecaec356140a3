"""Agents that come back: by a beat, by a touched file, while their restart still waits."""

from typing import Any

TELL_ONLY = {"restart": {"kind": "none"}}


def test_a_human_hears_once_that_it_is_down_and_once_that_it_is_over(site: Any) -> None:
    site.beat("returning", ago=5)
    site.configure([{"name": "returning", **TELL_ONLY}])
    daemon = site.run()
    opened = daemon.wait_for("escalation.delivered", agent="returning", notice="opened")
    site.beat("returning")
    recovery = daemon.wait_for("agent.recovered", agent="returning")
    assert recovery["by_itself"] is True
    site.shown("returning", status="healthy", incident=opened["incident"])
    site.beat("returning")
    daemon.wait_for("incident.resolved", agent="returning")
    resolved = daemon.wait_for("escalation.delivered", agent="returning", notice="resolved")
    assert resolved["dedup_key"] == opened["dedup_key"]
    assert [notice["notice"] for notice in site.notices()] == ["opened", "resolved"]
    down, over = site.notices()
    assert (down["type"], down["agent"], down["sequence"], over["sequence"]) == ("AGENT_ESCALATION", "returning", 1, 2)
    assert (over["dedup_key"], over["merged"]) == (down["dedup_key"], False)
    # The next silence is another incident.
    again = daemon.wait_for("agent.escalated", agent="returning", after=resolved["seq"])
    assert again["incident"] != opened["incident"]


def test_our_own_lines_in_the_log_do_not_outweigh_a_touched_file(site: Any) -> None:
    touched = site.root / "touched"
    sources = [{"kind": "log"}, {"kind": "touch", "path": str(touched)}]
    site.configure([{"name": "both", "heartbeat": sources, "timeout": "30s", "startup_grace": "200ms", **TELL_ONLY}])
    daemon = site.run()
    daemon.wait_for("agent.heartbeat.missed", agent="both", missed=2)
    assert b'"stale":true' in site.log_of("both").read_bytes()
    touched.touch()
    daemon.wait_for("agent.recovered", agent="both")
    agent = site.shown("both", status="healthy")
    assert agent["missed"] == 0
    assert agent["last_heartbeat"] is not None


def test_no_turn_is_paid_for_an_agent_that_beats_while_it_waits_for_its_turn(site: Any) -> None:
    site.rules({"agent": "slow", "kind": "restart", "sleep": 60})
    site.beat("slow", ago=3)
    # The second misses its first heartbeat when the first has long had the only slot.
    site.configure(
        [{"name": "slow"}, {"name": "waiting", "timeout": "60s", "startup_grace": "1500ms"}], restart={"max_concurrent": 1}
    )
    daemon = site.run()
    daemon.wait_for("agent.heartbeat.missed", agent="waiting")
    [call] = site.until(lambda: site.calls("slow", "restart"))
    site.beat("waiting")
    daemon.wait_for("agent.state_changed", agent="waiting", state="healthy")
    site.terminate(call["pid"])
    assert daemon.wait_for("agent.restart.skipped", agent="waiting")["reason"] == "fresh_beat"
    assert "143" in daemon.wait_for("agent.restart.failed", agent="slow")["reason"]
    # The slot went on to the next who wanted it.
    daemon.wait_for("agent.restart.started", agent="slow", attempt=2)
    assert site.calls("waiting") == []
    assert site.shown("waiting", status="healthy")["restarts"] == 0
