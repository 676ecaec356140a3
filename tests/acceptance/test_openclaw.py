"""What `openclaw` answers, and what is done about it: one run, an agent for each answer."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LAG = 2.0
"""Seconds that a slow, shared machine may add to what is measured."""

OVERFLOW = {"payloads": [], "meta": {"error": {"kind": "context_overflow", "message": "the conversation is too long"}}}
UNPAID = {"payloads": [{"text": "Billing error: top up; retry after about 2 seconds.", "isError": True}], "meta": {}}
TOMBSTONE = "This session ended during restart recovery and takes no more messages."
BURIED = {"ok": False, "error": {"type": "gateway", "message": TOMBSTONE}}

RULES: list[dict[str, Any]] = [
    {"agent": "aborted", "kind": "restart", "answer": {"payloads": [{"text": "as before"}], "meta": {"aborted": True}}},
    {"agent": "refused", "kind": "restart", "answer": {"payloads": [{"text": "the model said no", "isError": True}], "meta": {}}},
    {"agent": "prose", "kind": "restart", "answer": "I am back at work!"},
    {"agent": "overflowing", "kind": "restart", "nth": 1, "answer": OVERFLOW},
    {"agent": "overflowing", "kind": "restart", "sleep": 0.2, "beat_after": 0.1},
    {"agent": "keeping", "kind": "restart", "answer": OVERFLOW},
    {"agent": "unpaid", "kind": "restart", "nth": 1, "answer": UNPAID},
    {"agent": "unpaid", "kind": "restart", "sleep": 0.2, "beat_after": 0.1},
    {"agent": "lingering", "kind": "restart", "linger": 300},
    {
        "agent": "terminal",
        "kind": "restart",
        "exit": 1,
        "answer": {"ok": False, "error": {"type": "gateway", "message": TOMBSTONE}},
    },
    {"agent": "stubborn", "kind": "abort", "exit": 1, "stderr": "no such session\n"},
    {"agent": "reviving", "kind": "restart", "sleep": 1.2, "beat_after": 1.0},
]
AT_WORK = {"agent": "busy", "kind": "tasks", "active": 10, "age": 20}
TOO_LONG = {"agent": "busy", "kind": "tasks", "active": 10, "age": 2000}


@pytest.fixture(scope="module")
def office(open_site: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The run; every agent has missed one heartbeat when it starts."""
    with open_site(tmp_path_factory.mktemp("openclaw")) as site:
        site.rules(*RULES, AT_WORK)
        quick = {"backoff": {"initial": "200ms"}}
        agents: list[dict[str, Any]] = [
            {"name": "reviving", "timeout": "60s", "miss_interval": "20s", "restart": {"verify_within": "20s"}},
            *({"name": name} for name in ("aborted", "refused", "prose", "stubborn", "lingering", "unpaid")),
            {"name": "overflowing", "restart": quick},
            {"name": "keeping", "restart": {**quick, "fresh": "never"}},
            {"name": "terminal", "restart": quick, "startup_grace": "200ms", "miss_interval": "3s"},
            # With a second left of its veto it is looked at again every second.
            {"name": "busy", "restart": {"busy_within": "11s", "busy_limit": "25m"}},
        ]
        for agent in agents:
            if agent["name"] != "terminal":
                site.beat(agent["name"], ago=61 if agent["name"] == "reviving" else 2.5)
        site.configure(
            agents,
            heartbeats={"dir": "heartbeats", "timeout": "2s", "miss_interval": "1h"},
            restart={"backoff": {"initial": "1h"}, "max_concurrent": 20},
            escalation={"channels": [{"kind": "openclaw"}]},
        )
        site.daemon = site.run()
        yield site


@pytest.mark.parametrize(
    ("agent", "cause"),
    [("aborted", "meta.aborted"), ("refused", "the model said no"), ("prose", "not one JSON document")],
)
def test_exit_zero_with_an_answer_that_says_otherwise_is_a_failure(office: Any, agent: str, cause: str) -> None:
    failure = office.daemon.wait_for("agent.restart.failed", agent=agent)
    assert failure["exit_code"] == 0
    assert cause in failure["reason"]
    assert cause in office.shown(agent, status="unhealthy")["errors"][-1]["reason"]


def test_a_restart_that_brings_a_beat_is_a_recovery(office: Any) -> None:
    recovery = office.daemon.wait_for("agent.recovered", agent="reviving")
    agent = office.shown("reviving", status="healthy")
    beaten = office.daemon.wait_for("agent.recovered", agent="reviving") | {"timestamp": agent["last_heartbeat"]}
    assert 0 <= office.daemon.seconds(beaten, recovery) < 2 + LAG
    assert recovery["by_itself"] is False
    assert office.daemon.wait_for("agent.restart.succeeded", agent="reviving")["attempt"] == 1
    assert (agent["restarts"], agent["missed"], agent["incident"]) == (1, 0, None)
    assert office.daemon.of("agent.escalated", agent="reviving") == []
    # Looked for work first, emptied the lane, then the one paid turn.
    assert [call["kind"] for call in office.calls("reviving")] == ["tasks", "abort", "restart"]


def test_the_paid_turn_is_asked_for_as_documented(office: Any) -> None:
    office.daemon.wait_for("agent.restart.succeeded", agent="reviving")
    [call] = office.calls("reviving", "restart")
    assert call["argv"] == ["agent", "--agent", "reviving", "--message", "restart", "--json", "--timeout", "75"]


def test_a_busy_agent_is_left_alone_until_it_has_been_at_it_for_too_long(office: Any) -> None:
    skipped = office.daemon.wait_for("agent.restart.skipped", agent="busy", count=2)
    assert skipped["reason"] == "busy"
    assert office.calls("busy", "abort", "new", "restart") == []
    assert office.daemon.of("agent.restart.started", agent="busy") == []
    office.rules(*RULES, TOO_LONG)
    office.daemon.wait_for("agent.restart.started", agent="busy")
    office.until(lambda: office.calls("busy", "restart"))
    assert len(office.calls("busy", "abort")) == 1


def test_an_overflowing_session_is_begun_anew_before_the_next_restart(office: Any) -> None:
    office.daemon.wait_for("agent.restart.succeeded", agent="overflowing")
    assert [call["kind"] for call in office.calls("overflowing", "new", "restart")][:3] == ["restart", "new", "restart"]
    first, second = office.daemon.of("agent.restart.started", agent="overflowing")[:2]
    assert (first["fresh"], second["fresh"]) == (False, True)


def test_an_overflowing_session_that_must_be_kept_needs_a_human(office: Any) -> None:
    escalation = office.daemon.wait_for("agent.escalated", agent="keeping")
    assert "context_overflow" in escalation["reason"]
    assert "restart.fresh is never" in escalation["reason"]
    office.shown("keeping", status="escalated", restarts=1)
    assert office.calls("keeping", "new") == []


def test_a_session_beyond_repair_is_told_of_at_once_and_left_alone(office: Any) -> None:
    escalation = office.daemon.wait_for("agent.escalated", agent="terminal")
    assert escalation["missed"] == 1
    assert TOMBSTONE.rstrip(".") in escalation["reason"]
    office.daemon.wait_for("agent.heartbeat.missed", agent="terminal", missed=2)
    assert len(office.calls("terminal", "restart")) == 1
    assert len(office.daemon.of("agent.escalated", agent="terminal")) == 1


def test_a_bill_costs_no_attempt_and_is_waited_for(office: Any) -> None:
    held = office.daemon.wait_for("agent.restart.skipped", agent="unpaid")
    assert "top up" in held["message"]
    office.daemon.wait_for("agent.restart.succeeded", agent="unpaid")
    assert [event["attempt"] for event in office.daemon.of("agent.restart.started", agent="unpaid")] == [1, 1]
    refused, paid = office.calls("unpaid", "restart")[:2]
    assert paid["start"] - refused["start"] >= 2
    # Whom the provider refuses is no trouble of the agent's own, however few there are.
    assert [event["names"] for event in office.daemon.of("host.escalated")] == ["unpaid"]
    assert office.daemon.of("agent.escalated", agent="unpaid") == []


def test_a_human_is_told_by_a_turn_of_his_own_agent(office: Any) -> None:
    delivery = office.daemon.wait_for("escalation.delivered", agent="keeping", channel="openclaw")
    turns = [json.loads(call["argv"][4]) for call in office.calls("caine", "notice")]
    [turn] = [turn for turn in turns if turn["idempotencyKey"] == f"{delivery['dedup_key']}/1"]
    assert turn["agentId"] == "caine"
    assert turn["message"].startswith("keeping needs you: ")
    assert "restart.fresh is never" in turn["message"]


def test_a_program_that_has_answered_and_stays_is_ended_and_not_failed(office: Any) -> None:
    failure = office.daemon.wait_for("agent.restart.failed", agent="lingering")
    assert failure["exit_code"] is None
    # The answer was good; it is the heartbeat that did not come.
    assert "no heartbeat within" in failure["reason"]
    [call] = office.calls("lingering", "restart")
    assert not office.is_running(call["pid"])


def test_a_failed_abort_does_not_keep_the_restart_from_being_tried(office: Any) -> None:
    failed = office.daemon.wait_for("agent.restart.prepare_failed", agent="stubborn", step="abort")
    assert "no such session" in failed["output"]
    office.daemon.wait_for("agent.restart.failed", agent="stubborn")
    assert len(office.calls("stubborn", "restart")) == 1
