"""A dry run decides and says so, and changes nothing at all."""

from typing import Any

import pytest

SILENT_FOR_LONG = {"heartbeats": {"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"}}
KNOWN = ("dead", "missed")


def prepare(site: Any) -> None:
    site.beat("dead", ago=3 * 3600)
    site.beat("missed", ago=61 * 60)
    site.configure([{"name": name} for name in KNOWN], **SILENT_FOR_LONG)


def expect_intentions(events: Any) -> None:
    skipped = {event["agent"]: event["reason"] for event in events.of("agent.restart.skipped")}
    assert skipped == dict.fromkeys(KNOWN, "dry_run")
    assert [event["agent"] for event in events.of("escalation.skipped")] == ["dead"]
    assert events.of("agent.restart.started") == events.of("escalation.delivered") == []


def test_the_first_sweep_of_all_changes_nothing(site: Any) -> None:
    prepare(site)
    before = site.tree()
    dry = site.check("--dry-run")
    assert dry.status == 1
    assert {agent["name"]: (agent["missed"], agent["restarts"]) for agent in dry.report["agents"]} == {
        "dead": (9, 0),
        "missed": (1, 0),
    }
    assert dry.agent("dead")["status"] == "escalated"
    expect_intentions(dry)
    assert site.calls("dead") == site.calls("missed") == site.notices() == []
    # The lock has to lie somewhere.
    new = {path: look for path, look in site.tree().items() if path not in before}
    assert list(new) == ["state"]
    assert {path: look for path, look in site.tree().items() if path in before} == before


@pytest.fixture
def spoiled(site: Any) -> Any:
    """A site in which a real sweep was made, and much of what it kept makes no sense any more."""
    prepare(site)
    assert site.check("--agents", "missed").status == 1
    with (site.state / "outbox.jsonl").open("ab") as outbox:
        outbox.write(b"garbage\n")
    (site.state / "actions" / "missed.json").write_bytes(b"garbage")
    (site.state / "snapshot.json").write_bytes(b"garbage")
    return site


def test_a_daemon_changes_nothing_either(spoiled: Any) -> None:
    site = spoiled
    before, called = site.tree(), len(site.calls("dead")) + len(site.calls("missed"))
    daemon = site.run("--config", str(site.root / "supervisor.toml"), "--dry-run")
    daemon.wait_for("supervisor.ready")
    for name in KNOWN:
        daemon.wait_for("agent.restart.skipped", agent=name)
    daemon.wait_for("escalation.skipped", agent="dead")
    assert daemon.of("supervisor.started")[0]["dry_run"] is True
    assert daemon.stop() == 0
    expect_intentions(daemon)
    assert site.tree() == before
    assert len(site.calls("dead")) + len(site.calls("missed")) == called
