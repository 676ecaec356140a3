"""A single sweep beside a daemon, beside another sweep, for people, and interrupted."""

import json
import signal
from typing import Any

import pytest

TELL_ONLY = {"restart": {"kind": "none"}}
SILENT_FOR_LONG = {"heartbeats": {"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"}}
PATIENT: dict[str, Any] = {
    **SILENT_FOR_LONG,
    "restart": {"timeout": "120s", "verify_within": "5m", "attempts_per_incident": 2, "backoff": {"initial": "1h"}},
}


def test_beside_a_daemon_nothing_is_done_and_its_knowledge_is_reported(site: Any) -> None:
    site.beat("calm")
    config = site.configure([{"name": "calm"}], **SILENT_FOR_LONG)
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    site.shown("calm", status="healthy")
    beside = site.check()
    assert (beside.status, beside.report["verdict"], beside.events) == (0, "healthy", [])
    assert beside.report["run_id"] == daemon.events[0]["run_id"]

    # The agent dies, and so does the daemon, as far as anybody can see: what was saved says nothing about now.
    daemon.send(signal.SIGSTOP)
    for _ in range(2):
        site.stale("calm")
    before = site.tree()
    stale = site.until(lambda: next((sweep for sweep in [site.check()] if sweep.status == 1), None))
    assert (stale.report["verdict"], stale.report["stale"], stale.events) == ("unknown", True, [])
    people = site.call("--config", str(config), "--health-check")
    assert (people.returncode, people.stderr) == (1, "")
    assert "calm" in people.stdout
    assert "\x1b" not in people.stdout
    assert site.tree() == before
    assert site.calls("calm") == site.notices() == []
    daemon.send(signal.SIGCONT)


def test_whoever_finds_a_sweep_at_work_waits_for_it(site: Any) -> None:
    site.beat("slow", ago=61 * 60)
    site.rules({"kind": "restart", "nth": 1, "sleep": 60, "exit": 0})
    site.configure([{"name": "slow"}], **PATIENT)
    first = site.begin_check()
    [call] = site.until(lambda: site.calls("slow", "restart"))
    second, daemon = site.begin_check(), site.run()
    try:
        site.until(lambda: site.sleeps(call["pid"]), timeout=5)
    except AssertionError:
        pytest.skip("the kernel does not tell what a process waits for")
    # Between two looks for the lock, which is all that they sleep for.
    site.until(lambda: site.sleeps(second.process.pid) and site.sleeps(daemon.process.pid))
    site.terminate(call["pid"])
    assert first.finish().status == second.finish().status == 1
    daemon.wait_for("supervisor.ready")
    assert "143" in first.agent("slow")["errors"][-1]["reason"]
    assert second.agent("slow")["restarts"] == 1
    assert site.shown("slow")["restarts"] == 1
    assert len(site.calls("slow", "restart")) == 1


def test_an_interrupted_sweep_ends_its_restart_which_counts(site: Any) -> None:
    site.beat("slow", ago=61 * 60)
    site.rules({"kind": "restart", "nth": 1, "sleep": 60, "ignore_term": 1, "grandchild": 300})
    site.configure([{"name": "slow"}], **PATIENT, supervisor={"state_dir": "state", "shutdown_grace": "1s"})
    sweep = site.begin_check()
    [call] = site.until(lambda: site.calls("slow", "restart"))
    sweep.process.send_signal(signal.SIGTERM)
    assert (sweep.finish().status, sweep.output) == (130, "")
    assert not site.is_running(call["pid"])
    assert not site.is_running(call["grandchild"])
    [interrupted] = sweep.of("agent.restart.interrupted")
    assert interrupted["attempt"] == 1
    again = site.check()
    agent = again.agent("slow")
    # It was paid for, and may have worked: the heartbeat will tell.
    assert (agent["status"], agent["restarts"], agent["restarts_24h"]) == ("restarting", 1, 1)
    assert again.of("agent.restart.started") == []
    assert len(site.calls("slow", "restart")) == 1


def test_people_get_a_table_without_control_characters(site: Any) -> None:
    site.beat("well")
    site.beat("dead", ago=3 * 3600)
    config = site.configure([{"name": "well"}, {"name": "dead", **TELL_ONLY}], **SILENT_FOR_LONG)
    done = site.call("--config", str(config), "--health-check")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    rows = [line.split()[:2] for line in done.stdout.splitlines()]
    assert ["healthy", "well"] in rows
    assert ["escalated", "dead"] in rows
    assert all(json.loads(line)["event"] for line in done.stderr.splitlines())


def test_a_sweep_leaves_processes_to_the_daemon_which_starts_them_at_once(site: Any) -> None:
    restart = {"kind": "process", "command": ["sleep", "300"]}
    site.configure([{"name": "worker", "heartbeat": {"kind": "none"}, "restart": restart}])
    sweep = site.check()
    assert (sweep.status, sweep.agent("worker")["status"]) == (1, "unhealthy")
    [skipped] = sweep.of("agent.restart.skipped")
    assert skipped["reason"] == "daemon_only"
    daemon = site.run()
    daemon.wait_for("agent.started", agent="worker")
    site.shown("worker", status="healthy", restarts=0)


def test_a_sweep_that_is_telling_can_be_stopped(site: Any) -> None:
    site.beat("dead", ago=3 * 3600)
    hanging = {"kind": "command", "command": ["sleep", "300"], "timeout": "200s"}
    site.configure(
        [{"name": "dead", **TELL_ONLY}],
        **SILENT_FOR_LONG,
        supervisor={"state_dir": "state", "shutdown_grace": "1s"},
        escalation={"channels": [hanging]},
    )
    sweep = site.begin_check()
    outbox = site.state / "outbox.jsonl"
    site.until(lambda: outbox.exists() and b'"attempt"' in outbox.read_bytes())
    sweep.process.send_signal(signal.SIGTERM)
    assert sweep.finish().status == 130


def test_a_sweep_after_a_silent_host_restrains_nobody(site: Any) -> None:
    names = [f"agent-{number}" for number in range(4)]
    for name in names:
        site.beat(name, ago=4)
    site.rules({"kind": "restart", "sleep": 300})
    config = site.configure(
        [{"name": name} for name in names],
        restart={"timeout": "1h", "verify_within": "5m", "abort_first": False},
        escalation={"group_wait": "2s"},
    )
    daemon = site.run()
    daemon.wait_for("host.escalated")
    [canary] = site.until(lambda: [call for name in names for call in site.calls(name, "restart")])
    daemon.kill()
    site.terminate(canary["pid"])
    site.rules({"kind": "restart"})
    sweep = site.check()
    assert sweep.status == 1
    assert config.exists()
    restarted = [name for name in names if site.calls(name, "restart")]
    assert restarted == names


def test_a_removed_state_folder_is_made_again_with_its_lock(site: Any) -> None:
    site.beat("calm")
    site.configure([{"name": "calm"}], **SILENT_FOR_LONG)
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    site.until((site.state / "snapshot.json").exists)
    site.remove_state()
    daemon.wait_for("supervisor.state_removed")
    site.until((site.state / "snapshot.json").exists)
    second = site.call("--config", str(site.root / "supervisor.toml"))
    assert second.returncode == 75
    assert str(daemon.process.pid) in second.stderr


def test_a_home_whose_name_is_no_text_stops_nothing(site: Any) -> None:
    home = site.root / "home-\udcff"
    (home / "beats" / "odd.log").mkdir(parents=True)
    site.configure([{"name": "odd"}], heartbeats={"dir": "~/beats"}, supervisor={"check_interval": "1s"})
    through = ["env", f"HOME={home}"]
    sweep = site.check(through=through)
    assert (sweep.status, sweep.agent("odd")["status"]) == (1, "unknown")
    assert f"cannot read {site.root}/home-?/beats/odd.log" in sweep.agent("odd")["detail"]
    daemon = site.run(through=through)
    daemon.wait_for("escalation.delivered", agent="odd")
    [notice] = site.notices("odd")
    assert "/beats/odd.log" in notice["reason"]
    assert daemon.stop() == 0
    assert daemon.of("supervisor.store_failed") == []
    assert b"home-?/beats/odd.log" in (site.state / "snapshot.json").read_bytes()
