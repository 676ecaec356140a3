"""Single sweeps over heartbeat logs as they are found, with the times of production, an agent for each case."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MINUTE = 60.0
HOUR = 3600.0

PRODUCTION: dict[str, Any] = {
    "heartbeats": {"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"},
    "restart": {
        "verify_within": "5m",
        "backoff": {"initial": "30s"},
        "attempts_per_incident": 2,
        "per_hour": 4,
        "per_day": 12,
        "max_concurrent": 9,
    },
}

REFUSE_ONCE = 'case "$2" in noisy) mkdir "$1" && echo "line busy" >&2 && exit 1;; esac; cat >> "$0"'
"""A channel that does not take the first notice of one of the agents."""


@pytest.fixture(scope="module")
def clinic(open_site: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The sweeps: the first ever with one agent that nobody knows, one with a healthy one, then five with all."""
    with open_site(tmp_path_factory.mktemp("health")) as site:
        site.beat("torn", ago=5 * MINUTE)
        site.write("torn", b'{"timestamp": "2026-')
        for name in ("missed", "glued", "failing", "absent"):
            site.beat(name, ago=61 * MINUTE)
        site.write("glued", b'{"timestamp": "2026-')
        site.beat("dead", ago=3 * HOUR)
        site.write("noisy", b"7\n")
        site.beat("noisy", ago=3 * HOUR)
        site.write("noisy", b"{\n\n\xff\n")
        for name in ("once", "twice"):
            site.beat(name, ago=10 * MINUTE)
            site.stale(name, ago=6 * MINUTE)
        site.stale("twice", ago=3 * MINUTE)
        site.stale("between", ago=10 * MINUTE)
        site.beat("between", ago=6 * MINUTE)
        site.stale("between", ago=3 * MINUTE)
        site.beat("ahead", ago=-2 * HOUR)
        site.rules({"kind": "restart", "agent": "failing", "exit": 1, "answer": "", "stderr": "the disk is full\n"})
        names = ["unseen", "torn", "missed", "dead", "noisy", "once", "twice", "between", "ahead", "glued", "failing"]
        site.configure(
            [{"name": name} for name in names] + [{"name": "absent", "restart": {"openclaw": "openclaw-that-is-not-there"}}],
            **PRODUCTION,
            escalation={
                "group_wait": "30s",
                "channels": [
                    {"kind": "command", "command": ["sh", "-c", REFUSE_ONCE, "{notices}", str(site.root / "refused"), "{agent}"]}
                ],
            },
        )
        site.first = site.check("--agents", "unseen")
        site.healthy = site.check("--agents", "torn")
        site.sweeps = [site.check() for _ in range(5)]
        yield site


def test_an_agent_never_seen_is_unknown_at_first(clinic: Any) -> None:
    assert (clinic.first.status, clinic.first.report["verdict"]) == (1, "unknown")
    agent = clinic.first.agent("unseen")
    assert (agent["status"], agent["missed"], agent["last_heartbeat"], agent["incident"]) == ("unknown", 0, None, None)
    assert clinic.calls("unseen") == clinic.notices("unseen") == []


def test_a_torn_last_line_is_no_bad_line_and_all_is_well(clinic: Any) -> None:
    assert (clinic.healthy.status, clinic.healthy.report["verdict"]) == (0, "healthy")
    assert clinic.healthy.report["stale"] is False
    assert (clinic.healthy.agent("torn")["status"], clinic.healthy.agent("torn")["missed"]) == ("healthy", 0)
    assert clinic.healthy.of("agent.heartbeat.invalid") == []


def test_the_first_miss_is_a_restart_and_no_more(clinic: Any) -> None:
    agent = clinic.sweeps[0].agent("missed")
    assert (agent["status"], agent["missed"], agent["restarts"], agent["incident"]) == ("restarting", 1, 1, None)
    [call] = clinic.calls("missed", "restart")
    assert call["argv"][:5] == ["agent", "--agent", "missed", "--message", "restart"]
    assert clinic.notices("missed") == []
    assert [sweep.status for sweep in clinic.sweeps] == [1] * 5


def test_a_dead_agent_is_told_of_with_its_count(clinic: Any) -> None:
    # Nine deadlines: after one hour, and every quarter of an hour from there.
    agent = clinic.sweeps[0].agent("dead")
    assert (agent["status"], agent["missed"], agent["restarts"]) == ("escalated", 9, 1)
    [notice] = clinic.notices("dead")
    assert (notice["type"], notice["notice"], notice["missed_heartbeats"]) == ("AGENT_ESCALATION", "opened", 9)
    assert "dead needs you" in notice["text"]
    assert "9 misses" in notice["text"]
    assert clinic.sweeps[0].incident("dead")["delivered"] is True
    seen = json.loads((clinic.state / "incidents" / f"{agent['incident']}.json").read_bytes())
    assert seen["agents"][0]["report"]["name"] == "dead"


@pytest.mark.parametrize(("agent", "status", "missed"), [("twice", "escalated", 2), ("once", "restarting", 1)])
def test_lines_of_other_tools_count(clinic: Any, agent: str, status: str, missed: int) -> None:
    found = clinic.sweeps[0].agent(agent)
    assert (found["status"], found["missed"]) == (status, missed)


def test_a_beat_between_two_misses_ends_the_count(clinic: Any) -> None:
    assert clinic.sweeps[0].agent("between")["missed"] == 1


def test_bad_lines_change_no_verdict_and_are_counted_once(clinic: Any) -> None:
    found = clinic.sweeps[0].agent("noisy")
    assert (found["status"], found["missed"]) == ("escalated", 9)
    assert [event["invalid"] for event in clinic.sweeps[0].of("agent.heartbeat.invalid", agent="noisy")] == [3]


def test_a_beat_from_the_future_makes_nobody_healthy(clinic: Any) -> None:
    agent = clinic.sweeps[0].agent("ahead")
    assert agent["status"] == "unknown"
    assert "clock" in agent["detail"]
    assert clinic.calls("ahead") == []


def test_a_miss_after_a_torn_line_is_a_line_of_its_own(clinic: Any) -> None:
    *_, torn, miss, rest = clinic.log_of("glued").read_bytes().split(b"\n")
    assert (torn, rest) == (b'{"timestamp": "2026-', b"")
    assert json.loads(miss).items() >= {"stale": True, "by": "supervisor", "missed": 1}.items()


def test_a_restart_that_fails_at_once_is_to_be_seen(clinic: Any) -> None:
    agent = clinic.sweeps[0].agent("failing")
    assert (agent["status"], agent["incident"]) == ("unhealthy", None)
    assert "the disk is full" in agent["errors"][-1]["reason"]
    assert agent["next_attempt_at"] > clinic.sweeps[0].report["generated_at"]
    assert len(clinic.calls("failing", "restart")) == 1


def test_a_missing_program_is_told_of_below_the_threshold(clinic: Any) -> None:
    agent = clinic.sweeps[0].agent("absent")
    assert (agent["status"], agent["missed"]) == ("escalated", 1)
    assert "openclaw-that-is-not-there" in agent["held"]["reason"]
    [notice] = clinic.notices("absent")
    assert "openclaw-that-is-not-there" in notice["reason"]


def test_further_sweeps_call_nobody_and_tell_nothing_again(clinic: Any) -> None:
    assert [notice["notice"] for notice in clinic.notices()] == ["opened"] * 4
    assert {notice["agent"] for notice in clinic.notices()} == {"dead", "twice", "noisy", "absent"}
    restarted = ["missed", "dead", "noisy", "once", "twice", "between", "glued", "failing"]
    assert {name: len(clinic.calls(name, "restart")) for name in restarted} == dict.fromkeys(restarted, 1)
    assert len(clinic.read_lines(clinic.log_of("dead"))) == 10
    for name in restarted:
        assert [sweep.agent(name)["restarts"] for sweep in clinic.sweeps] == [1] * 5
    assert len({sweep.agent("dead")["incident"] for sweep in clinic.sweeps}) == 1


def test_a_notice_that_was_refused_belongs_to_the_next_sweep(clinic: Any) -> None:
    first, second = (sweep.incident("noisy") for sweep in clinic.sweeps[:2])
    assert (first["delivered"], first["attempts"], second["delivered"], second["attempts"]) == (False, 1, True, 2)
    assert "line busy" in first["error"]
    [failed] = [event for sweep in clinic.sweeps for event in sweep.of("escalation.failed")]
    [notice] = clinic.notices("noisy")
    assert (notice["dedup_key"], notice["sequence"], notice["attempt"]) == (failed["dedup_key"], 1, 2)


def test_every_sweep_logs_and_reports_apart(clinic: Any) -> None:
    assert len({sweep.report["run_id"] for sweep in clinic.sweeps}) == 5
    for sweep in clinic.sweeps:
        assert {event["run_id"] for event in sweep.events} == {sweep.report["run_id"]}
        assert sweep.report["stopped_at"] is None
