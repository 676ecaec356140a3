"""Agents that are processes of the supervisor's, kept running, listened to, ended with all that they started: one run for all."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LAG = 2.0
"""Seconds that a slow, shared machine may add to what is measured."""

# Tells its own pid and that of a child in a session of its own, whole or not at all.
FAMILY = (
    'setsid sleep 300 & echo $$ $! > pids.new; mv pids.new "$0"; echo "hello from $COLLECTIONS_SUPERVISOR_AGENT"; exec sleep 300'
)

BEAT = """printf '{"timestamp": %s, "stale": false}\\n' "$(date +%s.%N)" >> "$COLLECTIONS_SUPERVISOR_HEARTBEAT" """


def pids(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def owned(name: str, command: list[str], restart: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return {"name": name, **members, "restart": {"kind": "process", "command": command, **(restart or {})}}


@pytest.fixture(scope="module")
def workshop(open_site: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The run, with a process for each way of living and of dying."""
    with open_site(tmp_path_factory.mktemp("workshop")) as site:
        site.beat("unrelated")
        site.told = site.root / "pids"
        alive = {"heartbeat": {"kind": "none"}}
        site.configure(
            [
                owned("worker", ["sh", "-c", FAMILY, str(site.told)], {"cwd": str(site.root)}, **alive),
                {"name": "unrelated", "timeout": "1h", "restart": {"kind": "none"}},
                owned("broken", ["sh", "-c", "echo no password >&2; exit 3"], {"backoff": {"initial": "100ms"}}, **alive),
                owned("silent", ["sh", "-c", f"echo $$; {BEAT}; exec sleep 300"]),
                owned("mute", ["sleep", "300"], {"backoff": {"initial": "500ms"}}, startup_grace="300ms"),
            ]
        )
        site.daemon = site.run()
        yield site


def test_a_process_that_dies_young_again_and_again_needs_a_human(workshop: Any) -> None:
    daemon = workshop.daemon
    daemon.wait_for("agent.output", agent="broken", message="no password")
    escalation = daemon.wait_for("agent.escalated", agent="broken")
    assert "ended 2 times in a row" in escalation["reason"]
    daemon.wait_for("agent.exited", agent="broken", count=4, exit_code=3)
    assert len(daemon.of("agent.escalated", agent="broken")) == 1
    assert workshop.shown("broken", status="escalated")["last_exit"].startswith("exit code 3")


def test_a_process_that_falls_silent_is_replaced(workshop: Any) -> None:
    daemon = workshop.daemon
    daemon.wait_for("agent.state_changed", agent="silent", state="healthy")
    daemon.wait_for("agent.heartbeat.missed", agent="silent")
    daemon.wait_for("agent.restart.started", agent="silent")
    daemon.wait_for("agent.restart.succeeded", agent="silent")
    before = int(daemon.of("agent.output", agent="silent")[0]["message"])
    assert not workshop.is_running(before)


def test_a_process_that_lives_and_never_beats_is_replaced_ever_more_slowly(workshop: Any) -> None:
    daemon = workshop.daemon
    first = daemon.wait_for("agent.restart.failed", agent="mute", timeout=10)
    assert "no heartbeat within" in first["reason"]
    replaced = daemon.wait_for("agent.restart.started", agent="mute", attempt=1, timeout=10)
    failed = daemon.wait_for("agent.restart.failed", agent="mute", attempt=1, timeout=10)
    again = daemon.wait_for("agent.restart.started", agent="mute", attempt=2, timeout=10)
    assert replaced["seq"] < failed["seq"]
    assert daemon.seconds(failed, again) >= 0.5
    daemon.wait_for("agent.escalated", agent="mute")
    assert len(daemon.of("agent.started", agent="mute")) == 1
    assert workshop.shown("mute", status="escalated")["restarts"] >= 2


def test_a_killed_process_is_running_again_at_once_and_ends_with_us(workshop: Any) -> None:
    daemon, told = workshop.daemon, workshop.told
    daemon.wait_for("agent.output", agent="worker", message="hello from worker")
    first, grandchild = pids(told)
    told.unlink()
    workshop.kill(first)
    exited = daemon.wait_for("agent.exited", agent="worker")
    assert (exited["signal"], exited["exit_code"]) == ("SIGKILL", None)
    again = daemon.wait_for("agent.restart.started", agent="worker")
    second, second_grandchild = workshop.until(lambda: pids(told))
    assert workshop.is_running(second)
    # What the dead one had started elsewhere is looked for when the new one runs: the looking takes longer than a start may.
    workshop.until(lambda: not workshop.is_running(grandchild))
    # One that had not lived for long waits a moment before it is started again.
    assert daemon.seconds(exited, again) < 1 + LAG
    assert workshop.shown("worker", restarts=1)["last_exit"].startswith("killed by SIGKILL")
    assert daemon.stop() == 0
    assert not workshop.is_running(second)
    assert not workshop.is_running(second_grandchild)
    assert len(daemon.of("agent.restart.started", agent="worker")) == 1
    assert workshop.notices("worker") == workshop.notices("unrelated") == []


TALK = """setsid sleep 300 & echo $$ $! > "$0.new"; mv "$0.new" "$0"; n=0; while :; do n=$((n+1)); echo "line $n"; sleep 0.05
done"""


def test_a_process_outlives_our_violent_end_and_is_taken_over_with_all_that_it_said(site: Any) -> None:
    told = site.root / "pids"
    script = ["sh", "-c", TALK, str(told)]
    alive = {"heartbeat": {"kind": "none"}}
    site.configure([owned("talker", script, {"stop_grace": "3s"}, **alive)])
    first = site.run()
    first.wait_for("agent.output", agent="talker", message="line 5")
    first.kill()
    talker, grandchild = pids(told)
    second = site.run()
    adopted = second.wait_for("agent.restart.adopted", agent="talker")
    assert adopted["pid"] == talker
    second.wait_for("agent.output", agent="talker", count=20)
    heard = [event["message"] for daemon in (first, second) for event in daemon.of("agent.output", agent="talker")]
    assert heard == [f"line {number + 1}" for number in range(len(heard))]
    assert pids(told) == [talker, grandchild], "no second one was started"
    assert second.of("agent.started", agent="talker") == []
    site.kill(talker)
    exited = second.wait_for("agent.exited", agent="talker")
    assert (exited["exit_code"], exited["signal"], exited["adopted"]) == (None, None, True)
    second.wait_for("agent.restart.started", agent="talker")
    site.until(lambda: pids(told) not in ([], [talker, grandchild]))
    site.until(lambda: not site.is_running(grandchild))
    assert second.stop() == 0
    assert [pid for pid in pids(told) if site.is_running(pid)] == []


def test_a_process_that_would_be_started_in_another_way_now_is_replaced_when_we_are(site: Any) -> None:
    told = site.root / "pids"
    alive = {"heartbeat": {"kind": "none"}}
    site.configure([owned("talker", ["sh", "-c", TALK, str(told)], **alive)])
    first = site.run()
    first.wait_for("agent.output", agent="talker")
    first.kill()
    before = pids(told)
    site.configure([owned("talker", ["sh", "-c", TALK, str(told)], {"env": {"COLOUR": "blue"}}, **alive)])
    second = site.run()
    second.wait_for("agent.outdated", agent="talker", pid=before[0])
    second.wait_for("agent.output", agent="talker")
    assert pids(told) != before
    assert [pid for pid in before if site.is_running(pid)] == []


def test_a_process_whose_agent_was_taken_out_while_we_were_dead_is_ended(site: Any) -> None:
    told = site.root / "pids"
    alive = {"heartbeat": {"kind": "none"}}
    kept = owned("kept", ["sh", "-c", "echo up; exec sleep 300"], **alive)
    gone = owned("gone", ["sh", "-c", FAMILY, str(told)], {"cwd": str(site.root)}, **alive)
    site.beat("mailer", ago=60)
    site.rules({"kind": "restart", "agent": "mailer", "sleep": 60})
    site.configure([kept, gone, {"name": "mailer"}])
    first = site.run()
    first.wait_for("agent.output", agent="gone")
    first.wait_for("agent.output", agent="kept")
    before = site.until(lambda: pids(told))
    [turn] = site.until(lambda: site.calls("mailer", "restart"))
    site.until(lambda: json.loads((site.state / "actions" / "mailer.json").read_text())["pid"])
    first.kill()

    site.configure([kept])
    second = site.run()
    ready = second.wait_for("supervisor.ready")
    assert second.wait_for("agent.left_behind", agent="gone", ended=True)["pid"] == before[0]
    assert second.wait_for("agent.left_behind", agent="mailer", ended=False)["pid"] == turn["pid"]
    second.wait_for("agent.restart.adopted", agent="kept")
    assert second.seconds(second.of("supervisor.started")[0], ready) < 2 + LAG
    site.until(lambda: not any(site.is_running(pid) for pid in before))
    assert site.is_running(turn["pid"]), "it is paid for"
    site.terminate(turn["pid"])

    told.unlink()
    site.configure([kept, gone])
    second.send(signal.SIGHUP)
    second.wait_for("agent.output", agent="gone")
    again = site.until(lambda: pids(told))
    assert again != before
    second.kill()
    third = site.run()
    third.wait_for("supervisor.ready")
    third.wait_for("agent.restart.adopted", agent="gone")
    assert third.of("agent.left_behind") == []
    assert all(site.is_running(pid) for pid in again)
    assert third.stop() == 0


def test_a_flag_that_chooses_ends_nobody_who_was_not_chosen(site: Any) -> None:
    alive = {"heartbeat": {"kind": "none"}}
    agents = [owned(name, ["sh", "-c", "echo up; exec sleep 300"], **alive) for name in ("chosen", "other")]
    path = site.configure(agents)
    first = site.run()
    for name in ("chosen", "other"):
        first.wait_for("agent.output", agent=name)
    pid = site.until(lambda: json.loads((site.state / "actions" / "other.json").read_text())["pid"])
    first.kill()
    second = site.run("--config", str(path), "--agents", "chosen")
    second.wait_for("agent.restart.adopted", agent="chosen")
    assert second.stop() == 0
    assert second.of("agent.left_behind") == []
    assert site.is_running(pid), "it is configured, and the next one that watches it takes it over"
    third = site.run()
    assert third.wait_for("agent.restart.adopted", agent="other")["pid"] == pid
    assert third.stop() == 0


def test_one_that_was_given_another_name_while_we_were_dead_does_not_run_twice(site: Any) -> None:
    alive = {"heartbeat": {"kind": "none"}}
    mark = site.root / "ended"
    script = f"[ -e {mark} ] && echo alone || echo first; trap 'sleep 0.3; touch {mark}; exit' TERM; while :; do sleep 0.05; done"
    site.configure([owned("old", ["sh", "-c", script], **alive)])
    first = site.run()
    first.wait_for("agent.output", message="first")
    first.kill()
    site.configure([owned("new", ["sh", "-c", script], **alive)])
    second = site.run()
    assert second.wait_for("agent.output", agent="new")["message"] == "alone"
    assert second.stop() == 0


def test_one_that_was_taken_out_and_does_not_end_keeps_nobody_waiting_for_long(site: Any) -> None:
    alive = {"heartbeat": {"kind": "none"}}
    deaf = owned("deaf", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"], **alive)
    site.configure([deaf])
    first = site.run()
    first.wait_for("agent.output", agent="deaf")
    pid = json.loads((site.state / "actions" / "deaf.json").read_text())["pid"]
    first.kill()
    site.configure([owned("other", ["sleep", "300"], **alive)])
    second = site.run()
    ready = second.wait_for("supervisor.ready")
    assert second.seconds(second.of("supervisor.started")[0], ready) < 2 + LAG
    assert site.is_running(pid)
    assert second.stop() == 0
    assert not site.is_running(pid), "the end of it is not left to another life"
