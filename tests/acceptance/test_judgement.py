"""Heartbeat logs as they are found at the start, with the hour's timeout of production: one run, an agent for each case."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HOUR = 3600.0


@pytest.fixture(scope="module")
def found(open_site: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A run over seven logs, watched until the dead among them were told of and their first restart has failed."""
    with open_site(tmp_path_factory.mktemp("judgement")) as site:
        site.stamp = site.beat("fresh", ago=300)
        site.write("noisy", b"7\n")
        site.beat("noisy", ago=3 * HOUR)
        site.write("noisy", b"{\n\n\xff\n")
        site.beat("torn", ago=300)
        site.write("torn", b'{"timestamp": "2026-')
        site.beat("ahead", ago=-2 * HOUR)
        site.beat("glued", ago=HOUR + 60)
        site.write("glued", b'{"timestamp": "2026-')
        site.beat("hostile", ago=60, status="fail", message="<script>alert(1)</script><img src=x onerror=alert(2)>")
        names = ["fresh", "unseen", "noisy", "torn", "ahead", "glued", "hostile"]
        site.configure(
            [{"name": name} for name in names],
            heartbeats={"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"},
            # One restart is enough to see here.
            restart={"backoff": {"initial": "1h"}, "max_concurrent": 9},
        )
        site.daemon = site.run()
        for name in ("noisy", "glued"):
            site.daemon.wait_for("agent.restart.failed", agent=name)
        for name in ("noisy", "hostile"):
            site.daemon.wait_for("escalation.delivered", agent=name)
        yield site


def test_a_beat_five_minutes_old_is_healthy(found: Any) -> None:
    agent = found.shown("fresh", status="healthy")
    assert (agent["missed"], agent["last_heartbeat"], agent["restarts"]) == (0, found.stamp, 0)
    assert found.calls("fresh") == []


def test_an_agent_never_seen_is_unknown_until_its_time_is_up(found: Any) -> None:
    agent = found.shown("unseen", status="unknown")
    assert (agent["missed"], agent["last_heartbeat"], agent["incident"]) == (0, None, None)
    assert found.daemon.of("agent.escalated", agent="unseen") == []
    assert found.calls("unseen") == []


def test_bad_lines_change_no_verdict_and_are_told_once(found: Any) -> None:
    # Nine deadlines: after one hour, and every quarter of an hour from there.
    assert found.shown("noisy", status="escalated")["missed"] == 9
    assert [warning["invalid"] for warning in found.daemon.of("agent.heartbeat.invalid", agent="noisy")] == [3]
    [notice] = found.notices("noisy")
    assert (notice["notice"], notice["missed_heartbeats"]) == ("opened", 9)
    assert "noisy" in notice["text"]
    assert "9 misses" in notice["text"]


def test_catching_up_writes_every_miss_and_logs_one_event(found: Any) -> None:
    lines = found.log_of("noisy").read_bytes().split(b"\n")[5:-1]
    assert [json.loads(line)["missed"] for line in lines] == list(range(1, 10))
    assert [event["missed"] for event in found.daemon.of("agent.heartbeat.missed", agent="noisy")] == [9]


def test_a_torn_last_line_is_no_bad_line(found: Any) -> None:
    assert found.shown("torn", status="healthy")["missed"] == 0
    assert found.daemon.of("agent.heartbeat.invalid", agent="torn") == []


def test_a_beat_from_the_future_makes_nobody_healthy(found: Any) -> None:
    agent = found.shown("ahead", status="unknown")
    assert "clock" in agent["detail"]
    assert found.calls("ahead") == []


def test_a_miss_after_a_torn_line_is_a_line_of_its_own(found: Any) -> None:
    *_, torn, miss, rest = found.log_of("glued").read_bytes().split(b"\n")
    assert (torn, rest) == (b'{"timestamp": "2026-', b"")
    assert json.loads(miss).items() >= {"stale": True, "by": "supervisor", "missed": 1}.items()
    assert found.shown("glued")["missed"] == 1


def test_what_an_agent_says_of_itself_is_told_but_never_becomes_markup(found: Any) -> None:
    agent = found.shown("hostile", status="escalated")
    assert "<script>alert(1)</script>" in agent["detail"]
    assert "<script>alert(1)</script>" in found.notices("hostile")[0]["reason"]
    page = found.page_path.read_text()
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_counts_restarts_and_says_when_the_next_is_due(found: Any) -> None:
    agent = found.shown("glued", restarts=1, status="unhealthy")
    assert agent["next_attempt_at"] > agent["last_heartbeat"]
    assert agent["budget_left_24h"] is None


def test_what_cannot_be_read_is_not_taken_for_dead_but_a_human_hears_of_it(site: Any) -> None:
    site.log_of("odd").mkdir(parents=True)
    site.configure([{"name": "odd"}], supervisor={"check_interval": "1s"})
    daemon = site.run()
    unreadable = daemon.wait_for("agent.heartbeat.unreadable", agent="odd")
    assert f"cannot read {site.log_of('odd')}" in unreadable["reason"]
    # After two rounds, which are a second each here.
    escalation = daemon.wait_for("agent.escalated", agent="odd", timeout=10)
    assert str(site.log_of("odd")) in escalation["reason"]
    assert site.calls("odd") == daemon.of("agent.heartbeat.missed") == []
