"""Sweeps an hour apart, as a cron job makes them: together they do what the daemon does."""

from typing import Any

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
    "dashboard": {"path": ""},
}


def told(site: Any, agent: str) -> list[str]:
    """What a human heard of an agent so far."""
    return [notice["notice"] for notice in site.notices(agent)]


def test_an_hourly_job_restarts_tells_reminds_and_says_when_it_is_over(site: Any) -> None:
    site.configure([{"name": "gone"}, {"name": "back"}], **PRODUCTION)
    site.beat("gone")
    site.beat("back")
    assert site.check().status == 0

    site.let_pass(HOUR + MINUTE)
    first = site.check()
    assert [first.agent(name)["status"] for name in ("gone", "back")] == ["restarting"] * 2
    assert first.report["incidents"] == site.notices() == []

    # The first restart has proven nothing, the second follows, and a human hears of it beside that.
    site.let_pass(HOUR)
    second = site.check()
    assert [second.agent(name)["status"] for name in ("gone", "back")] == ["escalated"] * 2
    assert [len(second.of("agent.restart.failed", agent=name)) for name in ("gone", "back")] == [1, 1]
    assert told(site, "gone") == told(site, "back") == ["opened"]
    assert [second.agent(name)["restarts"] for name in ("gone", "back")] == [2, 2]

    # One of the two is back. The other has used up its attempts, which is news.
    site.let_pass(HOUR)
    site.beat("back", ago=MINUTE)
    third = site.check()
    assert (third.status, third.agent("back")["status"], third.agent("back")["incident"]) == (1, "healthy", None)
    assert told(site, "back") == ["opened", "resolved"]
    assert told(site, "gone") == ["opened", "reminder"]
    assert "2 restart attempts in a row did not bring it back" in site.notices("gone")[1]["reason"]

    # From the opening on: two reminders 4 h apart, of which one was missed and is not made up, the third, then one a day.
    for pause, reminders in [(8.5 * HOUR, 2), (HOUR, 2), (2 * HOUR, 3), (13 * HOUR, 4)]:
        site.let_pass(pause)
        site.beat("back")
        later = site.check()
        assert (later.status, later.agent("gone")["status"]) == (1, "escalated")
        assert told(site, "gone") == ["opened", *["reminder"] * reminders]

    site.beat("gone")
    last = site.check()
    assert (last.status, last.report["verdict"], last.report["incidents"]) == (0, "healthy", [])
    assert told(site, "gone")[-1] == "resolved"
    assert len({notice["sequence"] for notice in site.notices("gone")}) == len(site.notices("gone")) == 6
    # A fresh beat does not give back what was spent: it has to last.
    assert [last.agent(name)["restarts"] for name in ("gone", "back")] == [2, 2]
    assert [len(site.calls(name, "restart")) for name in ("gone", "back")] == [2, 2]
    assert site.check().status == 0
    assert told(site, "gone")[-1] == "resolved"
    assert told(site, "back") == ["opened", "resolved"]
