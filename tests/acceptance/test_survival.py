"""What is known outlives the program: stopped in good order, killed, and left with files that make no sense."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HOUR = 3600.0
SILENT_FOR_LONG = {"heartbeats": {"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"}}
TELL_ONLY = {"restart": {"kind": "none"}}

DEAF = '[ "$1" = unheard ] && [ ! -e "$2" ] && echo "nobody answers" >&2 && exit 1; cat >> "$0"'
"""A channel that takes no notice of one of the agents until a file is there."""


@pytest.fixture(scope="module")
def life(open_site: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two runs, the second an hour after the first."""
    with open_site(tmp_path_factory.mktemp("life")) as site:
        heard = site.root / "heard"
        for name in ("poor", "used-up", "unheard", "told"):
            site.beat(name, ago=3 * HOUR)
        site.rules({"kind": "restart", "exit": 1, "answer": "", "stderr": "the disk is full\n"})
        site.configure(
            [
                {"name": "poor", "restart": {"per_day": 1}},
                {"name": "used-up", "restart": {"attempts_per_incident": 1}},
                {"name": "unheard", **TELL_ONLY},
                {"name": "told", **TELL_ONLY},
                {"name": "never-seen", **TELL_ONLY},
            ],
            **SILENT_FOR_LONG,
            restart={"max_concurrent": 9},
            escalation={
                "repeat_after": "50m",
                "channels": [{"kind": "command", "command": ["sh", "-c", DEAF, "{notices}", "{agent}", str(heard)]}],
            },
        )
        site.before = site.run()
        for name in ("poor", "used-up"):
            site.before.wait_for("agent.restart.skipped", agent=name)
            site.before.wait_for("escalation.delivered", agent=name)
        site.before.wait_for("escalation.failed", agent="unheard")
        site.before.wait_for("escalation.delivered", agent="told")
        assert site.before.stop() == 0
        site.then = {agent["name"]: agent for agent in site.embedded(site.page_path)["agents"]}
        site.heard_before = site.notices()
        site.let_pass(HOUR + 60)
        heard.touch()
        site.after = site.run()
        site.after.wait_for("supervisor.ready")
        yield site


def test_what_was_spent_stays_spent(life: Any) -> None:
    for name, kind in {"poor": "budget", "used-up": "attempt"}.items():
        agent = life.shown(name, status="escalated")
        assert (agent["restarts"], agent["restarts_24h"]) == (1, 1)
        assert kind in agent["held"]["reason"]
        assert "the disk is full" in agent["errors"][0]["reason"]
        assert [error["reason"] for error in agent["errors"]] == [error["reason"] for error in life.then[name]["errors"]]
        assert len(life.calls(name, "restart")) == 1
        assert life.after.of("agent.restart.started", agent=name) == []
    assert life.shown("poor")["budget_left_24h"] == 0
    assert life.shown("used-up")["held"]["until"] is None


def test_an_open_incident_goes_on_as_it_was(life: Any) -> None:
    reminder = life.after.wait_for("escalation.delivered", agent="told")
    assert (reminder["notice"], reminder["sequence"]) == ("reminder", 2)
    assert reminder["incident"] == life.then["told"]["incident"] == life.shown("told")["incident"]
    assert life.after.of("agent.escalated", agent="told") == []
    assert [notice["notice"] for notice in life.notices("told")] == ["opened", "reminder"]


def test_what_nobody_could_be_told_is_told_after_the_start(life: Any) -> None:
    assert "unheard" not in {notice["agent"] for notice in life.heard_before}
    refused = life.before.of("escalation.failed", agent="unheard")
    opened = life.after.wait_for("escalation.delivered", agent="unheard", notice="opened")
    assert (opened["sequence"], opened["attempt"]) == (1, len(refused) + 1)
    # The same incident as before, which happened an hour earlier by now.
    assert opened["incident"] == refused[0]["incident"]
    assert life.after.of("agent.escalated", agent="unheard") == []
    assert life.notices("unheard")[0]["attempt"] == opened["attempt"]


def test_an_agent_never_seen_is_known_since_the_first_start(life: Any) -> None:
    assert life.then["never-seen"]["status"] == "unknown"
    missed = life.after.wait_for("agent.heartbeat.missed", agent="never-seen")
    assert missed["missed"] == 1
    assert life.shown("never-seen", status="unhealthy")["last_heartbeat"] is None


# --- Killed ---


def test_a_restart_that_outlives_its_supervisor_is_watched_again_and_not_made_twice(site: Any) -> None:
    site.beat("slow", ago=61 * 60)
    site.rules({"kind": "restart", "sleep": 300})
    site.configure(
        [{"name": "slow"}],
        **SILENT_FOR_LONG,
        restart={"timeout": "120s", "verify_within": "5m", "backoff": {"initial": "1h"}, "attempts_per_incident": 2},
    )
    first = site.run()
    [call] = site.until(lambda: site.calls("slow", "restart"))
    record = site.state / "actions" / "slow.json"
    site.until(lambda: json.loads(record.read_bytes())["pid"] == call["pid"])
    first.kill()
    assert site.is_running(call["pid"])

    # Once more, as if it had died between the start of the restart and the moment when that was written down.
    for unknown in (False, True):
        if unknown:
            record.write_text(json.dumps(json.loads(record.read_bytes()) | {"pid": 0, "start_time": 0}))
        again = site.run()
        again.wait_for("agent.restart.adopted", agent="slow", attempt=1)
        assert site.shown("slow", restarts=1)["status"] == "restarting"
        if not unknown:
            again.kill()
    site.beat("slow")
    again.wait_for("agent.recovered", agent="slow")
    site.terminate(call["pid"])
    site.shown("slow", status="healthy")
    assert again.of("agent.restart.started") == site.notices() == []
    assert len(site.calls("slow", "restart")) == 1


KILLS_ITS_SENDER = 'cat >> "$0"; mkdir "$1" && kill -9 "$PPID"; true'


def test_a_notice_that_was_sent_but_not_noted_is_sent_again_under_the_same_key(site: Any) -> None:
    site.beat("dead", ago=3 * HOUR)
    command = ["sh", "-c", KILLS_ITS_SENDER, "{notices}", str(site.root / "killed")]
    site.configure(
        [{"name": "dead", **TELL_ONLY}], **SILENT_FOR_LONG, escalation={"channels": [{"kind": "command", "command": command}]}
    )
    first = site.run()
    first.killed = True
    first.wait()
    again = site.run()
    again.wait_for("escalation.delivered", agent="dead")
    once, twice = site.notices()
    assert once["attempt"] < twice["attempt"]
    assert {**once, "attempt": 0} == {**twice, "attempt": 0}
    assert again.stop() == 0
    assert len(site.notices()) == 2


# --- Files that make no sense ---


def test_what_cannot_be_read_is_kept_apart_and_told_from_what_is_known_otherwise(site: Any) -> None:
    site.beat("dead", ago=3 * HOUR)
    site.configure([{"name": "dead"}], **SILENT_FOR_LONG, restart={"attempts_per_incident": 1, "verify_within": "5m"})
    told = site.check()
    assert [notice["notice"] for notice in site.notices()] == ["opened"]

    # Of a newer version, as far as that can be foreseen: nothing is lost, nothing is said.
    snapshot, outbox = site.state / "snapshot.json", site.state / "outbox.jsonl"
    report = json.loads(snapshot.read_bytes())
    report["schema"], report["state"]["version"], report["novelty"] = 2, 2, {"deep": [1]}
    report["state"]["fleet"]["novelty"] = report["state"]["agents"]["dead"]["novelty"] = "?"
    snapshot.write_text(json.dumps(report))
    newer = site.check()
    assert newer.of("supervisor.state_set_aside") == []
    assert newer.agent("dead")["incident"] == told.agent("dead")["incident"]

    snapshot.write_bytes(b"\x00" * 100)
    with outbox.open("ab") as file:
        file.write(b'garbage\n{"kind": "intent"}\n\xff\xfe\n{"torn": ')
    rebuilt = site.check()
    aside = {Path(event["path"]).name.partition(".unreadable-")[0]: event for event in rebuilt.of("supervisor.state_set_aside")}
    assert set(aside) == {"snapshot.json", "outbox.jsonl"}
    [kept] = site.state.glob("snapshot.json.unreadable-*")
    assert kept.read_bytes() == b"\x00" * 100
    [kept] = site.state.glob("outbox.jsonl.unreadable-*")
    assert b"garbage\n" in kept.read_bytes()
    assert rebuilt.agent("dead")["incident"] == told.agent("dead")["incident"]
    assert (rebuilt.agent("dead")["status"], rebuilt.agent("dead")["restarts"]) == ("escalated", 1)
    assert rebuilt.incident("dead")["delivered"] is True
    assert [notice["notice"] for notice in site.notices()] == ["opened"]

    # Whoever heard that it was down hears that it is over.
    site.beat("dead")
    over = site.check()
    assert (over.status, over.of("supervisor.state_set_aside")) == (0, [])
    down, up = site.notices()
    assert (up["notice"], up["dedup_key"], up["sequence"] > down["sequence"]) == ("resolved", down["dedup_key"], True)
    assert len(site.calls("dead", "restart")) == 1
