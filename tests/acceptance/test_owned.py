"""Agents that are processes of the supervisor's: kept running, listened to, ended with everything they started."""

from pathlib import Path
from typing import Any

LAG = 2.0
"""Seconds that a slow, shared machine may add to what is measured."""

# Tells its own pid and that of a child in a session of its own, whole or not at all.
FAMILY = (
    'setsid sleep 300 & echo $$ $! > pids.new; mv pids.new "$0"; echo "hello from $COLLECTIONS_SUPERVISOR_AGENT"; exec sleep 300'
)

BEAT = """printf '{"timestamp": %s, "stale": false}\\n' "$(date +%s.%N)" >> "$COLLECTIONS_SUPERVISOR_HEARTBEAT" """


def pids(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def test_a_killed_process_is_running_again_at_once_and_ends_with_us(site: Any) -> None:
    site.beat("unrelated")
    told = site.root / "pids"
    restart = {"kind": "process", "command": ["sh", "-c", FAMILY, str(told)], "cwd": str(site.root)}
    site.configure(
        [
            {"name": "worker", "heartbeat": {"kind": "none"}, "restart": restart},
            {"name": "unrelated", "timeout": "1h", "restart": {"kind": "none"}},
        ]
    )
    daemon = site.run()
    daemon.wait_for("agent.output", agent="worker", message="hello from worker")
    first, grandchild = pids(told)
    told.unlink()
    site.kill(first)
    exited = daemon.wait_for("agent.exited", agent="worker")
    assert (exited["signal"], exited["exit_code"]) == ("SIGKILL", None)
    again = daemon.wait_for("agent.restart.started", agent="worker")
    assert daemon.seconds(exited, again) < LAG
    second, second_grandchild = site.until(lambda: pids(told))
    assert site.is_running(second)
    assert not site.is_running(grandchild), "what the dead one had started must not run beside the new one"
    assert site.shown("worker", restarts=1)["last_exit"].startswith("killed by SIGKILL")
    assert daemon.stop() == 0
    assert not site.is_running(second)
    assert not site.is_running(second_grandchild)
    assert len(daemon.of("agent.restart.started")) == 1
    assert site.notices() == []


def test_a_process_that_dies_young_again_and_again_needs_a_human(site: Any) -> None:
    command = ["sh", "-c", "echo no password >&2; exit 3"]
    restart = {"kind": "process", "command": command, "backoff": {"initial": "100ms"}}
    site.configure([{"name": "broken", "heartbeat": {"kind": "none"}, "restart": restart}])
    daemon = site.run()
    daemon.wait_for("agent.output", agent="broken", message="no password")
    escalation = daemon.wait_for("agent.escalated", agent="broken")
    assert "ended 2 times in a row" in escalation["reason"]
    daemon.wait_for("agent.exited", agent="broken", count=4, exit_code=3)
    assert len(daemon.of("agent.escalated")) == 1
    assert site.shown("broken", status="escalated")["last_exit"].startswith("exit code 3")


def test_a_process_that_falls_silent_is_replaced(site: Any) -> None:
    restart = {"kind": "process", "command": ["sh", "-c", f"echo $$; {BEAT}; exec sleep 300"]}
    site.log_of("silent").parent.mkdir()
    site.configure([{"name": "silent", "restart": restart}])
    daemon = site.run()
    daemon.wait_for("agent.state_changed", agent="silent", state="healthy")
    daemon.wait_for("agent.heartbeat.missed", agent="silent")
    daemon.wait_for("agent.restart.started", agent="silent")
    daemon.wait_for("agent.restart.succeeded", agent="silent")
    before, after = (int(event["message"]) for event in daemon.of("agent.output", agent="silent")[:2])
    assert not site.is_running(before)
    assert site.is_running(after)


def test_a_process_that_lives_and_never_beats_is_replaced_ever_more_slowly(site: Any) -> None:
    restart = {"kind": "process", "command": ["sleep", "300"], "backoff": {"initial": "500ms"}}
    site.configure([{"name": "mute", "startup_grace": "300ms", "restart": restart}])
    daemon = site.run()
    first = daemon.wait_for("agent.restart.failed", agent="mute", timeout=10)
    assert "no heartbeat within" in first["reason"]
    replaced = daemon.wait_for("agent.restart.started", agent="mute", attempt=1, timeout=10)
    failed = daemon.wait_for("agent.restart.failed", agent="mute", attempt=1, timeout=10)
    again = daemon.wait_for("agent.restart.started", agent="mute", attempt=2, timeout=10)
    assert replaced["seq"] < failed["seq"]
    assert daemon.seconds(failed, again) >= 0.5
    daemon.wait_for("agent.escalated", agent="mute")
    assert len(daemon.of("agent.started", agent="mute")) == 1
    assert site.shown("mute", status="escalated")["restarts"] >= 2
