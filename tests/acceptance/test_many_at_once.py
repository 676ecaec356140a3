"""What concerns many agents is told once, and dealt with one after the other."""

from itertools import pairwise
from typing import Any

UNPAID = {"payloads": [{"text": "Billing error: top up; retry after about 3 seconds.", "isError": True}], "meta": {}}


def test_whom_the_provider_refuses_waits_and_a_human_hears_of_it_once(site: Any) -> None:
    names = ["mailer", "payments"]
    for name in names:
        site.beat(name, ago=61 * 60)
    site.rules(
        *({"kind": "restart", "agent": name, "nth": 1, "answer": UNPAID} for name in names),
        {"kind": "restart", "sleep": 0.2, "beat_after": 0.1},
    )
    site.configure(
        [{"name": name} for name in names],
        heartbeats={"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"},
        restart={"verify_within": "5s", "attempts_per_incident": 2, "per_hour": 4, "max_concurrent": 1},
    )
    daemon = site.run()
    for name in names:
        held = daemon.wait_for("agent.restart.skipped", agent=name)
        assert "top up" in held["message"]
        daemon.wait_for("agent.restart.succeeded", agent=name)
        assert [event["attempt"] for event in daemon.of("agent.restart.started", agent=name)] == [1, 1]
        refused, paid = site.calls(name, "restart")
        assert paid["start"] - refused["start"] >= 3
        site.beat(name)
        assert site.shown(name, status="healthy")["held"] is None
    daemon.wait_for("incident.resolved")
    daemon.wait_for("escalation.delivered", notice="resolved")
    opened, resolved = site.notices()
    assert (opened["notice"], resolved["notice"], resolved["dedup_key"]) == ("opened", "resolved", opened["dedup_key"])
    assert "top up" in opened["text"]
    assert daemon.of("agent.escalated") == []


def test_a_silent_host_has_one_trial_and_one_notice(site: Any) -> None:
    names = [f"agent-{number}" for number in range(5)]
    for number, name in enumerate(names):
        site.beat(name, ago=61 * 60 + number / 10)
    # Each call takes long enough to be seen beside another one, if there is any.
    site.rules({"kind": "restart", "sleep": 0.4, "beat_after": 0.3})
    site.configure(
        [{"name": name} for name in names],
        heartbeats={"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"},
        restart={"verify_within": "5m", "attempts_per_incident": 2, "per_hour": 4, "max_concurrent": 9},
        escalation={"group_wait": "2s"},
    )
    daemon = site.run()
    alarm = daemon.wait_for("host.escalated")
    assert alarm["names"] == ", ".join(names)
    for name in names:
        daemon.wait_for("agent.restart.succeeded", agent=name)
    [canary, *others] = sorted(
        (call for name in names for call in site.ended_calls(name, "restart")), key=lambda call: call["start"]
    )
    recovery = daemon.wait_for("agent.recovered", agent=canary["agent"])
    began = [
        event["agent"] for event in daemon.events if event["event"] == "agent.restart.started" and event["seq"] > recovery["seq"]
    ]
    assert sorted(began) == sorted(call["agent"] for call in others)
    assert len(others) == len(names) - 1
    assert all(before["end"] <= after["start"] for before, after in pairwise([canary, *others]))
    for name in names:
        site.beat(name)
    daemon.wait_for("escalation.delivered", notice="resolved")
    assert [notice["notice"] for notice in site.notices()] == ["opened", "resolved"]
    assert all(name in site.notices()[0]["text"] for name in names)
    assert daemon.of("agent.escalated") == []
