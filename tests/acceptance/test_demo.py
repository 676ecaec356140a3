"""The demonstration that the documentation invites people to run."""

import signal
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[2] / "config" / "demo.toml"


@pytest.mark.skipif(not DEMO.exists(), reason="the demonstration's configuration is not part of this tree")
def test_the_demonstration_shows_a_recovery_and_an_escalation(site: Any) -> None:
    daemon = site.run("--config", str(DEMO))
    started = daemon.wait_for("supervisor.started")
    escalation = daemon.wait_for("agent.escalated")
    assert escalation["agent"] == "ledger-sync"
    assert daemon.seconds(started, escalation) < 20
    daemon.wait_for("escalation.delivered", agent="ledger-sync")
    folder = site.home / ".cache" / "collections-supervisor-demo"
    assert "ledger-sync needs you" in (folder / "notices.txt").read_text()
    daemon.wait_for("agent.heartbeat.missed", agent="payment-watcher")
    recovery = daemon.wait_for("agent.recovered", agent="payment-watcher")
    assert recovery["by_itself"] is False
    assert daemon.stop(signal.SIGINT) == 0
    statuses = {agent["name"]: agent["status"] for agent in site.embedded(folder / "dashboard.html")["agents"]}
    assert statuses == {"invoice-mailer": "healthy", "payment-watcher": "healthy", "ledger-sync": "escalated"}
    # Everything lies where the file says that it does.
    assert [path.name for path in site.home.iterdir()] == [".cache"]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
