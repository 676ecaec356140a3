"""Stopping: at any moment, soon, cleanly, and with nothing left behind (which every run here is checked for)."""

import signal
from typing import Any

import pytest

LAG = 2.0
"""Seconds that a slow, shared machine may add to what is measured."""

TELL_ONLY = {"restart": {"kind": "none"}}
STUBBORN = ["sh", "-c", "trap '' TERM; setsid sleep 300 & echo ready; while :; do sleep 300; done"]


def owned(name: str, command: list[str], **restart: Any) -> dict[str, Any]:
    """An agent that is a process of the supervisor's, with no heartbeat but being alive."""
    return {"name": name, "heartbeat": {"kind": "none"}, "restart": {"kind": "process", "command": command, **restart}}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_sleeping_daemon_at_once(site: Any, number: signal.Signals) -> None:
    site.beat("idle")
    site.configure([{"name": "idle", "timeout": "1h", **TELL_ONLY}])
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    assert daemon.stop(number) == 0
    stopping = daemon.wait_for("supervisor.stopping")
    assert stopping["signal"] == number.name
    assert daemon.seconds(stopping, daemon.wait_for("supervisor.stopped")) < 1 + LAG
    report = site.embedded(site.page_path)
    assert report["stopped_at"] is not None
    assert [agent["status"] for agent in report["agents"]] == ["healthy"]
    assert "nothing is being watched" in site.page_path.read_text()


def test_a_signal_in_the_middle_of_starting_stops_it_too(site: Any) -> None:
    site.beat("dead", ago=60)
    site.configure([{"name": "dead"}])
    daemon = site.run()
    daemon.wait_for("supervisor.started")
    assert daemon.stop() == 0
    assert daemon.events[-1]["event"] == "supervisor.stopped"


def test_nobody_waits_for_a_paid_turn(site: Any) -> None:
    grace = 2.0
    site.beat("hanging", ago=60)
    site.rules({"kind": "restart", "sleep": 60, "ignore_term": 1, "grandchild": 300})
    site.configure([{"name": "hanging"}], supervisor={"shutdown_grace": grace})
    daemon = site.run()
    [call] = site.until(lambda: site.calls("hanging", "restart"))
    assert site.is_running(call["grandchild"])
    assert daemon.stop() == 0
    assert not site.is_running(call["pid"])
    assert not site.is_running(call["grandchild"])
    [interrupted] = daemon.of("agent.restart.interrupted")
    assert interrupted["attempt"] == 1
    took = daemon.seconds(daemon.wait_for("supervisor.stopping"), daemon.wait_for("supervisor.stopped"))
    assert took < grace + 1 + LAG


def test_a_call_that_can_be_interrupted_is_not_waited_for_until_the_grace_is_over(site: Any) -> None:
    site.beat("slow", ago=60)
    site.rules({"kind": "tasks", "sleep": 60})
    site.configure([{"name": "slow"}], supervisor={"shutdown_grace": "20s"})
    daemon = site.run()
    site.until(lambda: site.calls("slow", "tasks"))
    assert daemon.stop() == 0
    took = daemon.seconds(daemon.wait_for("supervisor.stopping"), daemon.wait_for("supervisor.stopped"))
    assert took < 1 + LAG


@pytest.mark.parametrize("kind", ["tasks", "abort"])
def test_a_call_that_cannot_be_interrupted_is_killed_when_the_grace_is_over(site: Any, kind: str) -> None:
    grace = 1.0
    site.beat("stuck", ago=60)
    site.rules({"kind": kind, "sleep": 60, "ignore_term": 1})
    site.configure([{"name": "stuck"}], supervisor={"shutdown_grace": grace})
    daemon = site.run()
    site.until(lambda: site.calls("stuck", kind))
    assert daemon.stop() == 0
    took = daemon.seconds(daemon.wait_for("supervisor.stopping"), daemon.wait_for("supervisor.stopped"))
    assert took < grace + 1 + LAG
    # What counts as an attempt is said to have been interrupted: an abort belongs to one, a look at the tasks does not.
    counted = daemon.of("agent.restart.started")
    assert len(counted) == len(daemon.of("agent.restart.interrupted")) == (1 if kind == "abort" else 0)


def test_a_channel_that_hangs_does_not_hold_up_the_end(site: Any) -> None:
    grace = 1.0
    called = site.root / "called"
    hang = "trap '' TERM; touch \"$0\"; while :; do sleep 300; done"
    site.beat("dead", ago=60)
    site.configure(
        [{"name": "dead", **TELL_ONLY}],
        supervisor={"shutdown_grace": grace},
        escalation={"channels": [{"kind": "command", "command": ["sh", "-c", hang, str(called)]}]},
    )
    daemon = site.run()
    site.until(called.exists)
    assert daemon.stop() == 0
    took = daemon.seconds(daemon.wait_for("supervisor.stopping"), daemon.wait_for("supervisor.stopped"))
    assert took < grace + 1 + LAG
    assert daemon.of("escalation.undelivered")[0]["notices"] == 1


def test_a_process_that_is_being_replaced_does_not_hold_up_the_end(site: Any) -> None:
    grace = 1.0
    beat = """printf '{"timestamp": %s, "stale": false}\\n' "$(date +%s.%N)" >> "$COLLECTIONS_SUPERVISOR_HEARTBEAT" """
    command = ["sh", "-c", f"trap '' TERM; {beat}; while :; do sleep 300; done"]
    restart = {"kind": "process", "command": command, "stop_grace": "10s"}
    site.log_of("silent").parent.mkdir()
    site.configure(
        [{"name": "silent", "timeout": "1s", "restart": restart}],
        supervisor={"shutdown_grace": grace},
    )
    daemon = site.run()
    # Its old process is being ended, for which it has ten seconds; the restart begins after that.
    daemon.wait_for("agent.state_changed", agent="silent", state="restarting", previous="healthy")
    assert daemon.stop() == 0
    took = daemon.seconds(daemon.wait_for("supervisor.stopping"), daemon.wait_for("supervisor.stopped"))
    assert took < grace + 1 + LAG


def test_the_second_signal_kills_what_will_not_end(site: Any) -> None:
    site.beat("hanging", ago=60)
    site.rules({"kind": "restart", "sleep": 60, "ignore_term": 1})
    agents = [owned("stubborn", STUBBORN, stop_grace="60s"), {"name": "hanging"}]
    site.configure(agents, supervisor={"shutdown_grace": "60s"})
    daemon = site.run()
    daemon.wait_for("agent.output", message="ready")
    site.until(lambda: site.calls("hanging", "restart"))
    daemon.send(signal.SIGTERM)
    daemon.wait_for("supervisor.stopping")
    assert daemon.stop() == 0
    took = daemon.seconds(daemon.wait_for("supervisor.stopping"), daemon.wait_for("supervisor.stopped"))
    assert took < 1 + LAG


def test_sixty_agents_start_together_and_stop_together(site: Any) -> None:
    names = [f"agent-{number}" for number in range(60)]
    site.configure([owned(name, ["sleep", "300"]) for name in names])
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    daemon.wait_for("agent.started", count=60)
    assert daemon.stop() == 0
    took = daemon.seconds(daemon.wait_for("supervisor.stopping"), daemon.wait_for("supervisor.stopped"))
    assert took < 1 + LAG
    assert sorted(event["agent"] for event in daemon.of("agent.started")) == sorted(names)
    assert daemon.of("agent.exited") == []
