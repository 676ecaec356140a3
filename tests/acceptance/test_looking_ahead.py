"""What the settings would do, and what the settings might better be."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any


def nothing_written(site: Any) -> bool:
    return not site.state.exists() and not site.page_path.exists() and site.notices() == []


def test_an_outage_is_foreseen_without_doing_anything(site: Any) -> None:
    config = site.configure(
        [{"name": "mailer"}, {"name": "payments"}],
        heartbeats={"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"},
        restart={"verify_within": "5m", "backoff": {"initial": "30s"}, "attempts_per_incident": 2, "per_hour": 4, "per_day": 12},
    )
    told = site.call("--config", str(config), "simulate", "--outage", "60h")
    assert (told.returncode, told.stderr) == (0, "")
    assert "\x1b" not in told.stdout
    assert "mailer" in told.stdout
    assert "payments" in told.stdout
    data = site.call("--config", str(config), "simulate", "--outage", "60h", "--agent", "mailer", "--json")
    assert (data.returncode, data.stderr) == (0, "")
    found = json.loads(data.stdout)
    assert (found["agent"], found["outage_s"]) == ("mailer", 60 * 3600)
    assert found["totals"]["restarts"] == 2
    assert found["totals"]["notices"]["opened"] == found["totals"]["notices"]["resolved"] == 1
    assert found["totals"]["first_restart_s"] == 3600
    assert nothing_written(site)
    assert site.calls("mailer") == []


def test_settings_are_proposed_from_an_agents_own_history(site: Any) -> None:
    now = datetime.now(UTC)
    lines = [
        json.dumps({"timestamp": (now - timedelta(minutes=10 * number)).isoformat(), "stale": False})
        for number in range(300, 0, -1)
    ]
    site.write("mailer", "\n".join(lines).encode() + b"\n")
    config = site.configure([{"name": "mailer"}, {"name": "young"}])
    told = site.call("--config", str(config), "tune", "mailer")
    assert (told.returncode, told.stderr) == (0, "")
    assert 'period = "10m"' in told.stdout.splitlines()
    assert "\x1b" not in told.stdout
    data = site.call("--config", str(config), "tune", "mailer", "--false-alarms", "1/30d", "--json")
    assert (data.returncode, data.stderr) == (0, "")
    found = json.loads(data.stdout)
    assert (found["agent"], found["beats"], found["period_s"]) == ("mailer", 300, 600)
    assert found["toml"] == [line for line in told.stdout.splitlines() if " = " in line]
    unknown = site.call("--config", str(config), "tune", "young", "--json")
    assert unknown.returncode == 1
    assert str(site.log_of("young")) in json.loads(unknown.stdout)["error"]
    assert nothing_written(site)
