"""An operator steers the running program, and it takes another configuration, without anything else being touched."""

import json
import re
import signal
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

TELL_ONLY = {"restart": {"kind": "none"}}
ENDLESS = ["sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done"]


def command(site: Any, *words: str) -> Any:
    return site.call("--config", str(site.root / "supervisor.toml"), *words)


def done(site: Any, *words: str) -> str:
    """What the command says, which it must say with success."""
    result = command(site, *words)
    assert (result.returncode, result.stderr) == (0, ""), result
    return str(result.stdout)


def owned(name: str, argv: list[str]) -> dict[str, Any]:
    return {"name": name, "heartbeat": {"kind": "none"}, "restart": {"kind": "process", "command": argv}}


def pid_of(site: Any, name: str) -> int:
    return int(json.loads((site.state / "actions" / f"{name}.json").read_text())["pid"])


# --- Another configuration ---


def test_a_good_file_is_applied_without_a_restart_of_anything_and_a_bad_one_is_refused(site: Any) -> None:
    site.beat("kept", ago=61 * 60)
    site.beat("changed", ago=61 * 60)
    site.beat("removed", ago=60 * 60 * 3)
    site.rules({"kind": "restart", "agent": "changed", "sleep": 3})
    hours = {"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"}
    held = {"verify_within": "5m", "per_hour": 1}
    agents = [{"name": "kept", **TELL_ONLY}, {"name": "changed"}, {"name": "removed", **TELL_ONLY}, owned("child", ENDLESS)]
    site.configure(agents, heartbeats=hours, restart=held)
    daemon = site.run()
    daemon.wait_for("agent.output", message="ready")
    daemon.wait_for("escalation.delivered", agent="removed", notice="opened")
    [call] = site.until(lambda: site.calls("changed", "restart"))
    child = pid_of(site, "child")

    site.beat("added")
    agents = [
        {"name": "kept", **TELL_ONLY},
        {"name": "changed", "miss_threshold": 1},
        {"name": "added", **TELL_ONLY},
        owned("child", ENDLESS),
    ]
    site.configure(agents, heartbeats=hours, restart=held)
    daemon.send(signal.SIGHUP)
    reloaded = daemon.wait_for("supervisor.reloaded")
    assert (reloaded["added"], reloaded["removed"], reloaded["changed"]) == (["added"], ["removed"], ["changed"])
    assert (reloaded["keys"], reloaded["restart_needed"]) == (["miss_threshold"], [])
    daemon.wait_for("agent.escalated", agent="changed", after=reloaded["seq"])
    ended = daemon.wait_for("incident.resolved", agent="removed")
    assert "is no longer watched" in ended["message"]
    daemon.wait_for("escalation.delivered", agent="removed", notice="resolved")
    assert site.shown("added", status="healthy")
    assert [agent["name"] for agent in site.embedded(site.page_path)["agents"]] == ["kept", "changed", "added", "child"]
    assert site.is_running(call["pid"]), "the restart that ran goes on"
    assert site.until(lambda: site.ended_calls("changed", "restart"))[0]["exit"] == 0

    before = len(daemon.events)
    site.configure([*agents, {"name": "worse", "timeout": "-1s", "miss_threshold": 0}], heartbeats=hours, restart=held)
    daemon.send(signal.SIGHUP)
    rejected = daemon.wait_for("config.rejected")
    assert len(rejected["faults"]) == 2
    assert all("worse" in fault for fault in rejected["faults"])
    assert [agent["name"] for agent in site.embedded(site.page_path)["agents"]] == ["kept", "changed", "added", "child"]
    assert not daemon.of("supervisor.reloaded")[1:]
    assert len(daemon.events) - before <= 2, "nothing else happened"

    assert (pid_of(site, "child"), site.is_running(child)) == (child, True)
    assert len(site.calls("changed", "restart")) == 1
    assert not daemon.of("agent.exited")
    assert len(daemon.of("agent.started")) == 1


def test_another_command_replaces_the_process_and_its_removal_ends_it(site: Any) -> None:
    site.configure([owned("child", ENDLESS), owned("other", ENDLESS)])
    daemon = site.run()
    daemon.wait_for("agent.output", count=2, message="ready")
    child, other = pid_of(site, "child"), pid_of(site, "other")
    site.configure([owned("child", [*ENDLESS[:2], ENDLESS[2].replace("ready", "new")]), owned("other", ENDLESS)])
    assert "~ child: restart.command:" in done(site, "check", "--diff")
    assert "agents: 1 changed" in done(site, "reload")
    daemon.wait_for("agent.output", agent="child", message="new")
    assert not site.is_running(child)
    site.configure([owned("other", ENDLESS)])
    second = pid_of(site, "child")
    done(site, "reload")
    site.until(lambda: not site.is_running(second))
    assert (pid_of(site, "other"), site.is_running(other)) == (other, True)
    assert daemon.of("agent.exited") == []


@pytest.mark.parametrize("to_file", [True, False], ids=["to a file", "to the log"])
def test_a_process_writes_where_a_reload_says_also_beyond_our_violent_end(site: Any, to_file: bool) -> None:
    path = site.root / "talker.txt"
    loud = ["sh", "-c", "n=0; while :; do n=$((n+1)); printf '%05000d\\n' $n; sleep 0.01; done"]

    def configure(output: str) -> None:
        alive = {"heartbeat": {"kind": "none"}}
        site.configure([{"name": "talker", **alive, "restart": {"kind": "process", "command": loud, "output": output}}])

    before, after = ("log", str(path)) if to_file else (str(path), "log")
    configure(before)
    first = site.run()
    heard(site, first, path, to_file=not to_file)
    child = pid_of(site, "talker")
    configure(after)
    done(site, "reload")
    site.until(lambda: pid_of(site, "talker") not in (0, child))
    child = pid_of(site, "talker")
    heard(site, first, path, to_file=to_file)
    first.kill()
    second = site.run()
    assert second.wait_for("agent.restart.adopted", agent="talker")["pid"] == child
    # More than a pipe holds: with nobody at its other end it would come to a stand.
    heard(site, second, path, to_file=to_file)
    assert (pid_of(site, "talker"), site.is_running(child)) == (child, True)
    assert second.stop() == 0


def heard(site: Any, daemon: Any, path: Path, *, to_file: bool) -> None:
    """Wait until thirty more lines came where they are to come."""
    if to_file:
        size = path.stat().st_size if path.exists() else 0
        site.until(lambda: path.exists() and path.stat().st_size > size + 30 * 5000)
    else:
        daemon.wait_for(
            "agent.output", agent="talker", after=max([0, *(each["seq"] for each in daemon.of("agent.output"))]), count=30
        )


def test_a_token_that_a_reload_names_is_hidden_from_all_that_is_started_from_then_on(site: Any) -> None:
    site.beat("mailer")
    seen = {name: site.root / f"{name}.txt" for name in ("agent", "restart", "notice", "monitor")}
    tell = {name: ["sh", "-c", f'echo "${{HOOK_TOKEN-nothing}}" >> {path}'] for name, path in seen.items()}
    agents = [
        owned("child", ["sh", "-c", f"{tell['agent'][2]}; exec sleep 300"]),
        {"name": "mailer", "timeout": "1h", "restart": {"kind": "command", "command": tell["restart"]}},
    ]
    notice = {"kind": "command", "command": tell["notice"]}
    webhook = {"kind": "webhook", "url": "http://127.0.0.1:9/", "token_env": "HOOK_TOKEN", "after": "1h"}

    def use_all(child: int, told: str) -> None:
        site.kill(child)
        done(site, "restart", "mailer")
        for path in seen.values():
            site.until(lambda path=path: path.exists() and path.read_text().splitlines()[-1:] == [told])

    def configure(*channels: Any, **agent: Any) -> None:
        site.configure(
            [*agents, {"name": "late", **TELL_ONLY, **agent}],
            escalation={"channels": channels},
            deadman={"command": tell["monitor"]},
        )

    site.beat("late", ago=60)
    configure(notice)
    daemon = site.run(through=("env", "HOOK_TOKEN=secret"))
    daemon.wait_for("escalation.delivered", agent="late")
    use_all(pid_of(site, "child"), "secret")
    daemon.wait_for("agent.exited", agent="child")
    child = site.until(lambda: len(seen["agent"].read_text().split()) == 2 and pid_of(site, "child"))
    configure(notice, webhook)
    done(site, "reload")
    site.beat("late")
    use_all(child, "nothing")
    site.until(lambda: len(daemon.of("agent.exited", agent="child")) == 2)


def test_what_needs_a_restart_is_named_and_the_rest_is_applied(site: Any) -> None:
    site.beat("mailer")
    watched = [{"name": "mailer", "timeout": "1h", **TELL_ONLY}]
    site.configure(watched)
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    site.configure(
        watched,
        supervisor={"state_dir": "elsewhere", "shutdown_grace": "4s"},
        logging={"level": "debug", "file": "x.log"},
        dashboard={"path": "moved.html", "interval": "1s"},
    )
    daemon.send(signal.SIGHUP)
    reloaded = daemon.wait_for("supervisor.reloaded")
    assert reloaded["restart_needed"] == ["supervisor.state_dir", "logging.file"]
    daemon.wait_for("dashboard.written", level="debug", path=str(site.root / "moved.html"))
    assert not (site.root / "elsewhere").exists()
    assert not (site.root / "x.log").exists()
    site.until((site.root / "moved.html").exists)
    site.until(lambda: "Stopped at" in site.page_path.read_text())
    daemon.send(signal.SIGTERM)
    assert daemon.wait_for("supervisor.stopping")["grace_s"] == 4.0


def test_hang_ups_without_end_are_one_reload_after_the_other(site: Any) -> None:
    site.beat("mailer")
    site.configure([{"name": "mailer", "timeout": "1h", **TELL_ONLY}])
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    for _ in range(200):
        daemon.send(signal.SIGHUP)
    first = daemon.wait_for("supervisor.reloaded")
    assert "nothing has changed" in first["message"]
    done(site, "reload")
    assert daemon.stop() == 0
    assert 2 <= len(daemon.of("supervisor.reloaded")) <= 201


def test_a_folder_that_waits_for_a_restart_is_not_taken_for_that_of_a_supervisor_that_is_down(site: Any) -> None:
    site.beat("mailer")
    site.configure([{"name": "mailer", **TELL_ONLY}], heartbeats={"dir": "heartbeats", "timeout": "1h"})
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    text = (site.root / "supervisor.toml").read_text()
    (site.root / "supervisor.toml").write_text(text.replace('"state"', '"elsewhere"'))
    daemon.send(signal.SIGHUP)
    assert daemon.wait_for("supervisor.reloaded")["restart_needed"] == ["supervisor.state_dir"]
    for words in (["pause", "mailer"], ["pause", "--all"], ["resume", "mailer"], ["ack", "mailer"]):
        refused = command(site, *words)
        assert (refused.returncode, refused.stdout) == (75, ""), words
        assert f"process {daemon.process.pid} " in refused.stderr
        assert f"keeps its state in {site.state}" in refused.stderr
        assert str(site.root / "elsewhere") in refused.stderr
    assert not (site.root / "elsewhere").exists()
    checks = json.loads(command(site, "doctor", "--json").stdout)["checks"]
    [warning] = [check for check in checks if check["name"] == "service" and check["result"] == "warn"]
    assert f"process {daemon.process.pid} runs" in warning["found"]
    assert f"keeps its state in {site.state}" in warning["found"]
    # As soon as both agree again it is the running one that hears it.
    (site.root / "supervisor.toml").write_text(text)
    assert "mailer is paused" in done(site, "pause", "mailer")
    site.shown("mailer", status="paused")
    assert daemon.stop() == 0
    (site.root / "supervisor.toml").write_text(text.replace('"state"', '"elsewhere"'))
    assert "the next one finds it" in command(site, "pause", "mailer").stdout


# --- Commands ---


def test_all_paused_while_one_restart_runs_and_three_wait(site: Any) -> None:
    names = [f"agent-{number}" for number in range(4)]
    for name in names:
        site.beat(name, ago=61 * 60)
    site.rules({"kind": "restart", "sleep": 3})
    site.configure(
        [{"name": name} for name in names],
        heartbeats={"dir": "heartbeats", "timeout": "60m", "miss_interval": "1s"},
        restart={"verify_within": "5s", "max_concurrent": 1},
    )
    daemon = site.run()
    [call] = site.until(lambda: site.calls("agent-0", "restart") or [c for name in names for c in site.calls(name, "restart")])
    said = done(site, "pause", "--all", "--reason", "moving house")
    assert f"restarts that run are given their time to end: {call['agent']}" in said
    assert len(daemon.of("agent.restart.skipped", reason="paused")) == 3
    notices = len(site.notices())
    daemon.kill()
    assert site.is_running(call["pid"])

    site.beat("late", ago=61 * 60)
    again = site.run()
    again.wait_for("agent.restart.adopted", agent=call["agent"])
    site.until(lambda: site.ended_calls(call["agent"], "restart"))
    site.configure(
        [{"name": name} for name in [*names, "late"]],
        heartbeats={"dir": "heartbeats", "timeout": "60m", "miss_interval": "1s"},
        restart={"verify_within": "5s", "max_concurrent": 1},
    )
    assert "agents: 1 added" in done(site, "reload")
    assert site.shown("late", status="paused"), "those added later are paused too"
    assert {agent["status"] for agent in site.embedded(site.page_path)["agents"]} == {"paused"}
    assert (again.of("agent.restart.started"), again.of("agent.escalated")) == ([], [])
    assert len(site.notices()) == notices, "nothing is told"

    resumed = done(site, "resume", "--all")
    assert "the pause of all agents (5) is over" in resumed
    for name in [*names, "late"]:
        agent = site.shown(name, paused=False)
        assert agent["missed"] == 0, "judged afresh"
    assert sum(len(site.calls(name, "restart")) for name in [*names, "late"]) == 1


def test_a_restart_by_hand_and_its_end(site: Any) -> None:
    site.beat("mailer")
    site.beat("dead", ago=60)
    site.rules({"kind": "restart", "agent": "mailer", "sleep": 0.5, "beat_after": 0.2}, {"kind": "restart", "exit": 1})
    site.configure([{"name": "mailer", "timeout": "1h"}, {"name": "dead", "restart": {"attempts_per_incident": 1}}])
    daemon = site.run()
    daemon.wait_for("agent.restart.skipped", agent="dead", reason="held")
    assert "mailer is back" in done(site, "restart", "mailer", "--wait", "--reason", "it looks odd")
    [request] = daemon.of("control.request", op="restart")
    assert (request["agent"], request["reason"]) == ("mailer", "it looks odd")
    assert isinstance(request["uid"], int)
    assert daemon.of("agent.restart.started", agent="mailer")[0]["by_hand"]
    failed = command(site, "restart", "dead", "--wait")
    assert failed.returncode == 1
    assert "restarting dead failed" in failed.stderr
    assert len(site.calls("dead", "restart")) == 2


def test_while_a_restart_runs_there_is_no_second_one(site: Any) -> None:
    site.beat("mailer")
    site.rules({"kind": "restart", "sleep": 2, "beat_after": 1})
    site.configure([{"name": "mailer", "timeout": "1h"}, {"name": "only-told", "timeout": "1h", **TELL_ONLY}])
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    done(site, "restart", "mailer")
    site.until(lambda: site.calls("mailer", "restart"))
    refused = command(site, "restart", "mailer")
    assert refused.returncode == 1
    assert "a restart of mailer runs already since" in refused.stderr
    assert command(site, "restart", "only-told").returncode == 1
    nobody = command(site, "restart", "nobody")
    assert (nobody.returncode, nobody.stderr) == (2, "no agent is called 'nobody'; there are: mailer, only-told\n")
    assert command(site, "pause", "nobody").returncode == 2
    assert len(site.calls("mailer", "restart")) == 1


def test_taken_out_and_in_again_while_its_restart_runs_it_says_what_it_waits_for(site: Any) -> None:
    site.beat("mailer")
    site.rules({"kind": "restart", "sleep": 3})
    agents = [{"name": "mailer", "timeout": "1h"}, {"name": "only-told", "timeout": "1h", **TELL_ONLY}]
    site.configure(agents)
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    done(site, "restart", "mailer")
    site.until(lambda: site.calls("mailer", "restart"))
    site.configure(agents[1:])
    done(site, "reload")
    site.configure(agents)
    done(site, "reload")
    refused = command(site, "pause", "mailer")
    assert refused.returncode == 1
    assert "it waits for the end of what was begun before it was taken out" in refused.stderr
    site.until(lambda: site.ended_calls("mailer", "restart"))
    site.until(lambda: command(site, "pause", "mailer").returncode == 0)


def test_a_known_incident_is_not_reminded_of(site: Any) -> None:
    site.beat("dead", ago=60)
    site.configure([{"name": "dead", **TELL_ONLY}])
    daemon = site.run()
    daemon.wait_for("escalation.delivered", agent="dead")
    said = done(site, "ack", "dead", "--for", "8h", "--reason", "on it")
    assert re.fullmatch(r"no reminders of dead until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; its end is told all the same\n?", said)
    [known] = daemon.of("agent.acknowledged")
    assert (known["agent"], known["reason"]) == ("dead", "on it")
    [incident] = json.loads((site.state / "snapshot.json").read_text())["incidents"]
    assert incident["acknowledged_until"] is not None
    nothing = command(site, "ack", "mailer")
    assert (nothing.returncode, nothing.stderr) == (1, "no incident of mailer is open; open are: dead\n")
    assert command(site, "ack", incident["id"]).returncode == 0


def test_the_books_are_looked_at_now(site: Any) -> None:
    site.configure_books()
    site.invoice("a/INV-1.json", {"invoice_number": "INV-1"})
    daemon = site.run()
    before = daemon.wait_for("books.audited")
    done(site, "audit")
    daemon.wait_for("books.audited", after=before["seq"])


@pytest.mark.parametrize(
    ("broken", "folder"), [("[heartbeats]\ntimeot = 1\n", "{root}/state"), ("[[agents]\n", "{home}/{usual}")]
)
def test_with_a_broken_file_the_running_supervisor_is_steered_all_the_same(site: Any, broken: str, folder: str) -> None:
    with TemporaryDirectory(dir="/tmp") as home:  # the path of a socket has little room
        folder = folder.format(root=site.root, home=home, usual=".local/state/collections-supervisor")
        site.beat("mailer")
        site.beat("dead", ago=60)
        agents = [{"name": "mailer", "timeout": "1h", **TELL_ONLY}, {"name": "dead", **TELL_ONLY}, owned("child", ENDLESS)]
        path = site.configure(agents, supervisor={"state_dir": folder})
        daemon = site.run()
        daemon.wait_for("escalation.delivered", agent="dead")
        daemon.wait_for("agent.output", message="ready")
        path.write_text(path.read_text().replace("[heartbeats]\n", broken))

        def said(*words: str) -> Any:
            return site.call("--config", str(path), *words, through=("env", f"HOME={home}"))

        for words, status, told in (
            (("status",), 1, "mailer"),
            (("status", "--json"), 1, '"name":"mailer"'),
            (("pause", "--all"), 0, "all agents (3) are paused"),
            (("resume", "--all"), 0, "the pause of all agents (3) is over"),
            (("ack", "dead"), 0, "no reminders of dead until"),
            (("stop", "child"), 0, "child"),
            (("start", "child"), 0, "child"),
            (("restart", "child"), 0, "child"),
        ):
            result = said(*words)
            assert (result.returncode, told in result.stdout) == (status, True), (words, result)
            warning, fault = result.stderr.splitlines()
            assert warning == f"warning: the configuration cannot be used; the supervisor of {folder} is asked all the same:"
            assert fault.startswith(str(path))
        refused = said("reload")
        assert refused.returncode == 78
        assert f"the configuration cannot be used, and the one in force stays:\n{fault}\n" in refused.stderr
        assert daemon.of("config.rejected")
        for words in (("check",), ("check", "--diff"), ("simulate",)):
            refused = said(*words)
            assert (refused.returncode, refused.stdout, refused.stderr) == (78, "", f"{fault}\n"), "these are about the file"
        assert daemon.stop() == 0
        for words in (("status",), ("pause", "--all"), ("ack", "dead"), ("reload",), ("restart", "child")):
            refused = said(*words)
            assert (refused.returncode, refused.stdout) == (78, ""), words
            assert fault in refused.stderr
            assert f"no supervisor answers at {folder}/control.sock" in refused.stderr


def test_a_file_that_is_not_there_leads_to_no_supervisor(site: Any) -> None:
    path = site.root / "mistyped.toml"
    for words in (("status",), ("pause", "--all"), ("reload",)):
        refused = site.call("--config", str(path), *words)
        assert (refused.returncode, refused.stdout) == (78, "")
        assert refused.stderr == f"{path}: cannot be read: no such file or directory\n"


# --- Nobody runs ---


def test_without_a_daemon_a_word_is_written_down_for_the_next_one(site: Any) -> None:
    site.beat("mailer", ago=60)
    site.beat("watcher", ago=60)
    site.configure([{"name": "mailer", **TELL_ONLY}, {"name": "watcher", **TELL_ONLY}])
    for words in (("restart", "mailer"), ("reload",), ("audit",), ("check", "--diff")):
        refused = command(site, *words)
        assert refused.returncode == 3, words
        assert "no supervisor answers" in refused.stderr
    assert command(site, "ack", "mailer").returncode == 1
    paused = command(site, "pause", "mailer", "--reason", "holiday")
    assert paused.returncode == 0
    assert "the next one finds it" in paused.stdout
    assert [json.loads(line)["event"] for line in paused.stderr.splitlines()] == ["control.request", "agent.paused"]
    assert command(site, "pause", "nobody").returncode == 2
    daemon = site.run()
    daemon.wait_for("agent.escalated", agent="watcher")
    assert site.shown("mailer", status="paused")["detail"] == "paused until it is resumed: holiday"
    daemon.kill()
    assert command(site, "ack", "watcher").returncode == 0
    assert command(site, "resume", "mailer").returncode == 0
    again = site.run()
    again.wait_for("supervisor.ready")
    assert site.shown("mailer", paused=False)
    assert [incident["acknowledged_until"] is not None for incident in site.embedded(site.page_path)["incidents"]] == [True]


def test_a_word_waits_for_a_sweep_and_a_pause_of_all_holds_for_it(site: Any) -> None:
    site.beat("mailer", ago=61 * 60)
    site.rules({"kind": "restart", "sleep": 2})
    site.configure([{"name": "mailer"}], heartbeats={"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"})
    sweep = site.begin_check()
    site.until(lambda: site.calls("mailer", "restart"))
    assert command(site, "pause", "--all").returncode == 0
    sweep.finish()
    assert sweep.agent("mailer")["status"] == "restarting"
    after = site.check()
    assert (after.agent("mailer")["status"], after.status) == ("paused", 0)
    assert len(site.calls("mailer", "restart")) == 1


# --- The socket ---


def test_abuse_of_the_socket_leaves_supervision_as_it_is(site: Any) -> None:
    site.beat("mailer", ago=60)
    site.rules({"kind": "restart", "sleep": 0.1, "beat_after": 0.05})
    site.configure([{"name": "mailer", "timeout": "1h"}])
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    path = site.state / "control.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    never = b'{"op": "status", "until": "9999-12-31T23:59:59-14:00"}\n'
    abuse = [b"", b"\0", b"\xff" * 5000, b'{"op": "pau', b"x" * 70_000, b"{}\n", never]
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(100)]
    for number, one in enumerate(waiting):
        one.connect(str(path))
        one.sendall(abuse[number % len(abuse)])
    assert "is being restarted" in done(site, "restart", "mailer")
    for one in waiting:
        one.close()
    daemon.wait_for("agent.restart.succeeded")
    assert "was not paused" in done(site, "resume", "mailer")
    assert daemon.stop() == 0
    assert not path.exists()


def test_a_path_too_long_for_a_socket_is_told_and_nothing_else_suffers(site: Any) -> None:
    site.beat("mailer")
    deep = "d" * 120
    site.configure([{"name": "mailer", "timeout": "1h", **TELL_ONLY}], supervisor={"state_dir": deep})
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    assert "the path of a socket has room for" in daemon.wait_for("control.failed")["message"]
    refused = command(site, "restart", "mailer")
    assert refused.returncode == 3
    assert "choose a shorter supervisor.state_dir" in refused.stderr
    assert command(site, "pause", "mailer").returncode == 75


def test_the_shell_completes_the_names_of_agents(site: Any) -> None:
    site.configure([{"name": "mailer"}, {"name": "main"}, {"name": "watcher"}])
    config = str(site.root / "supervisor.toml")
    words = f"collections-supervisor --config {config} pause ma"
    variables = {"_COLLECTIONS_SUPERVISOR_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "4"}
    through = ["env", *(f"{name}={value}" for name, value in variables.items())]
    assert site.call(through=through).stdout.split() == ["plain,mailer", "plain,main"]


def test_channels_books_metrics_and_the_level_of_the_log_change_on_the_spot(site: Any) -> None:
    site.beat("dead", ago=60)
    other = site.root / "other.jsonl"
    broken = {"channels": [{"kind": "command", "command": ["false"]}]}
    site.configure([{"name": "dead", **TELL_ONLY}], escalation=broken)
    daemon = site.run()
    daemon.wait_for("escalation.failed", agent="dead")
    child = daemon.process.pid
    site.ledger()
    site.invoice("a/INV-1.json", {"invoice_number": "INV-1", "amount": "5.00", "currency": "USD", "status": "unpaid"})
    places = {"state_dir": "invoices", "ledger": "ledger.md", "queue_dir": "cache/queues", "cache_dir": "cache"}
    site.configure(
        [{"name": "dead", **TELL_ONLY}],
        escalation={"channels": [{"kind": "command", "command": ["sh", "-c", 'cat >> "$0"', str(other)]}]},
        books={"enabled": True, **places},
        metrics={"path": "m.prom"},
        logging={"level": "warning"},
    )
    said = done(site, "reload")
    assert "escalation.channels" in said
    [notice] = site.until(lambda: site.read_lines(other))
    assert (notice["agent"], notice["notice"]) == ("dead", "opened")
    site.until(lambda: "config_reloads_total" in ((site.root / "m.prom").read_text() if (site.root / "m.prom").exists() else ""))
    daemon.wait_for("books.finding", level="error")
    assert daemon.of("supervisor.reloaded") == [], "that is worth an info only"
    assert daemon.process.pid == child
    site.configure([{"name": "dead", **TELL_ONLY}], logging={"level": "info"})
    assert "books.enabled: true -> false" in done(site, "reload")
    daemon.wait_for("supervisor.reloaded")
    site.until(lambda: site.embedded(site.page_path)["books"] is None)
