"""Agents that stay dead whatever is tried, and one that lives: one run, an agent for each way of failing."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

LAG = 2.0
"""Seconds that a slow, shared machine may add to what is measured."""

DELAYS = [0.2, 1.0, 2.5, 2.5]
"""The wait before the second attempt, the third, and so on: five times the one before, up to the cap."""


@pytest.fixture(scope="module")
def graveyard(open_site: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The run; its only channel refuses the first notice of two of the agents."""
    with open_site(tmp_path_factory.mktemp("dead")) as site:
        site.beat("steady")
        for name in ("failing", "hanging", "limited", "poor", "brief"):
            site.beat(name, ago=4)
        site.rules(
            {"kind": "restart", "agent": "failing", "exit": 1, "answer": "", "stderr": "the disk is full\n"},
            {"kind": "restart", "agent": "hanging", "sleep": 60, "ignore_term": 1, "grandchild": 300},
            {"kind": "restart", "agent": "limited", "sleep": 1, "exit": 1},
        )
        refuse_once = 'case "$2" in missing|brief) mkdir "$1-$2" && echo "line busy" >&2 && exit 1;; esac; cat >> "$0"'
        site.configure(
            [
                {"name": "steady", "timeout": "1h"},
                {"name": "unseen"},
                {
                    "name": "failing",
                    "restart": {
                        "abort_first": False,
                        "backoff": {"initial": DELAYS[0], "factor": 5.0, "max": DELAYS[-1], "jitter": 0.0},
                    },
                },
                {
                    "name": "missing",
                    "startup_grace": "200ms",
                    "miss_interval": "3s",
                    "restart": {"openclaw": "openclaw-that-is-not-there"},
                },
                {"name": "hanging", "restart": {"timeout": "1s"}},
                {"name": "limited", "restart": {"attempts_per_incident": 1}},
                {"name": "poor", "restart": {"per_hour": 1}},
                {"name": "brief", "restart": {"kind": "none"}},
            ],
            supervisor={"shutdown_grace": "1s"},
            restart={"max_concurrent": 9},
            escalation={
                "channels": [
                    {"kind": "command", "command": ["sh", "-c", refuse_once, "{notices}", str(site.root / "refused"), "{agent}"]}
                ]
            },
        )
        site.daemon = site.run()
        yield site


def test_what_was_over_before_anybody_heard_of_it_is_told_in_one_notice(graveyard: Any) -> None:
    refusal = graveyard.daemon.wait_for("escalation.failed", agent="brief")
    graveyard.beat("brief")
    recovery = graveyard.daemon.wait_for("agent.recovered", agent="brief")
    graveyard.beat("brief")
    graveyard.daemon.wait_for("incident.resolved", agent="brief", after=recovery["seq"])
    graveyard.daemon.wait_for("escalation.delivered", agent="brief", dedup_key=refusal["dedup_key"])
    first = graveyard.notices("brief")[0]
    assert (first["notice"], first["merged"], first["dedup_key"]) == ("resolved", True, refusal["dedup_key"])


def test_an_agent_without_a_file_is_restarted_and_told_of_once(graveyard: Any) -> None:
    restart = graveyard.daemon.wait_for("agent.restart.started", agent="unseen")
    escalation = graveyard.daemon.wait_for("agent.escalated", agent="unseen")
    graveyard.daemon.wait_for("agent.heartbeat.missed", agent="unseen", missed=4)
    assert restart["seq"] < escalation["seq"]
    assert escalation["missed"] == 2
    assert graveyard.daemon.of("agent.escalated", agent="unseen") == [escalation]


def test_a_missing_program_is_told_of_at_once_and_never_tried_again(graveyard: Any) -> None:
    escalation = graveyard.daemon.wait_for("agent.escalated", agent="missing")
    assert escalation["missed"] == 1
    assert "openclaw-that-is-not-there" in escalation["reason"]
    assert graveyard.daemon.wait_for("agent.restart.failed", agent="missing")["classified"] == "configuration"
    assert graveyard.daemon.wait_for("agent.restart.skipped", agent="missing")["reason"] == "held"
    graveyard.daemon.wait_for("agent.heartbeat.missed", agent="missing", missed=2)
    assert len(graveyard.daemon.of("agent.restart.started", agent="missing")) == 1
    agent = graveyard.shown("missing", status="escalated")
    assert "was not found" in agent["held"]["reason"]


def test_what_hangs_is_ended_with_all_that_it_started(graveyard: Any) -> None:
    timed_out = graveyard.daemon.wait_for("agent.restart.timed_out", agent="hanging")
    began = graveyard.daemon.wait_for("agent.restart.started", agent="hanging")
    [call, *_] = graveyard.calls("hanging", "restart")
    assert not graveyard.is_running(call["pid"])
    assert not graveyard.is_running(call["grandchild"])
    # One second of its own, five between TERM and KILL, one to look around; the abort before it is quick.
    assert graveyard.daemon.seconds(began, timed_out) < 1 + 6 + LAG
    assert "1 s" in timed_out["reason"]


def test_failed_attempts_come_ever_more_slowly_up_to_the_cap(graveyard: Any) -> None:
    graveyard.until(lambda: len(graveyard.ended_calls("failing", "restart")) > len(DELAYS))
    calls = graveyard.ended_calls("failing", "restart")[: len(DELAYS) + 1]
    pauses = [after["start"] - before["end"] for before, after in pairwise(calls)]
    # Without the cap the last one would be 25 s.
    assert all(delay <= pause < delay + 5 * LAG for delay, pause in zip(DELAYS, pauses, strict=True)), pauses
    assert all(after >= 1.5 * before for before, after in pairwise(pauses[:3])), pauses
    assert len(graveyard.daemon.of("agent.escalated", agent="failing")) == 1
    failure = graveyard.daemon.wait_for("agent.restart.failed", agent="failing")
    assert (failure["exit_code"], failure["attempt"]) == (1, 1)
    assert "the disk is full" in failure["reason"]


def test_a_held_agent_is_told_of_again_at_once(graveyard: Any) -> None:
    """The first notice is out when the attempts are used up."""
    graveyard.daemon.wait_for("agent.escalated", agent="limited")
    reminder = graveyard.daemon.wait_for("escalation.delivered", agent="limited", notice="reminder")
    opened, reminded = graveyard.notices("limited")[:2]
    assert (opened["notice"], reminded["notice"]) == ("opened", "reminder")
    assert (opened["sequence"], reminded["sequence"]) == (1, 2)
    assert reminded["dedup_key"] == opened["dedup_key"] == reminder["dedup_key"]
    assert "1 restart attempt in a row did not bring it back" in reminded["reason"]
    assert graveyard.shown("limited", status="escalated")["held"]["until"] is None
    missed = graveyard.daemon.of("agent.heartbeat.missed", agent="limited")[-1]["missed"]
    graveyard.daemon.wait_for("agent.heartbeat.missed", agent="limited", missed=missed + 1)
    assert len(graveyard.calls("limited", "restart")) == 1
    assert len(graveyard.notices("limited")) == 2


def test_a_budget_that_is_used_up_says_when_it_opens_again(graveyard: Any) -> None:
    held = graveyard.daemon.wait_for("agent.restart.skipped", agent="poor")
    assert held["reason"] == "budget"
    agent = graveyard.shown("poor", status="escalated", restarts=1)
    assert "1 an hour" in agent["held"]["reason"]
    assert agent["held"]["until"] > agent["errors"][-1]["timestamp"]
    assert len(graveyard.calls("poor", "restart")) == 1


def test_every_dead_agent_has_a_notice_and_the_living_one_none(graveyard: Any) -> None:
    for name in ("unseen", "failing", "missing", "hanging", "limited", "poor"):
        graveyard.daemon.wait_for("escalation.delivered", agent=name, notice="opened")
        assert [notice["notice"] for notice in graveyard.notices(name)].count("opened") == 1
    assert graveyard.shown("steady", status="healthy")["restarts"] == 0
    assert graveyard.notices("steady") == graveyard.calls("steady") == []


def test_a_refused_notice_is_tried_again(graveyard: Any) -> None:
    refusal = graveyard.daemon.wait_for("escalation.failed", agent="missing")
    delivery = graveyard.daemon.wait_for("escalation.delivered", agent="missing")
    assert "line busy" in refusal["error"]["message"]
    assert (refusal["attempt"], delivery["attempt"]) == (1, 2)
    assert (refusal["dedup_key"], refusal["sequence"]) == (delivery["dedup_key"], delivery["sequence"])
    [notice] = graveyard.notices("missing")
    assert notice["attempt"] == 2
    assert notice["dedup_key"] == delivery["dedup_key"]
