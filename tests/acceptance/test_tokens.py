"""A token that is not in the environment is said before the first alarm needs it: in the log, by `check` and by the doctor."""

import json
import secrets
import signal
from typing import Any

import pytest

AGENT = f"mailer-{secrets.token_hex(4)}"
FIRST, SECOND = "FIRST_ALERT_TOKEN", "SECOND_ALERT_TOKEN"
DELIVERING = {"kind": "command", "command": ["sh", "-c", 'cat >> "$0"', "{notices}"]}
SECRET = "not-to-be-repeated"


def configure(site: Any, *variables: str) -> None:
    # Nobody listens there, and nobody is told anything: all is well.
    hooks = [{"kind": "webhook", "url": "http://127.0.0.1:9", "token_env": variable} for variable in variables]
    agents = [{"name": AGENT, "restart": {"kind": "none"}}]
    site.configure(agents, heartbeats={"dir": "heartbeats", "timeout": "1h"}, escalation={"channels": [DELIVERING, *hooks]})


@pytest.fixture
def house(site: Any) -> Any:
    site.beat(AGENT)
    configure(site, FIRST)
    return site


def having(*variables: str) -> tuple[str, ...]:
    return ("env", *(f"{variable}={SECRET}" for variable in variables))


def call(site: Any, *words: str, through: tuple[str, ...] = ()) -> Any:
    done = site.call("--config", str(site.root / "supervisor.toml"), *words, through=through)
    assert SECRET not in done.stdout + done.stderr
    return done


def tokens_of(site: Any, status: int, through: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """What the doctor says of tokens."""
    done = call(site, "doctor", "--json", through=through)
    assert done.returncode == status, done.stdout
    found: list[dict[str, str]] = json.loads(done.stdout)["checks"]
    return [check for check in found if check["name"] == "tokens"]


def test_the_log_says_so_at_the_start_and_after_a_reload(house: Any) -> None:
    daemon = house.run(through=having("THIRD"))
    daemon.wait_for("supervisor.ready")
    [event] = daemon.of("config.token_missing")
    assert (event["level"], event["variable"], event["channels"]) == ("warning", FIRST, ["escalation.channels[1]"])
    configure(house, "THIRD", SECOND, SECOND)
    daemon.send(signal.SIGHUP)
    reloaded = daemon.wait_for("supervisor.reloaded")
    [_, event] = daemon.of("config.token_missing")
    assert event["seq"] < reloaded["seq"]
    assert (event["variable"], event["channels"]) == (SECOND, ["escalation.channels[2]", "escalation.channels[3]"])
    assert daemon.stop() == 0


def test_a_sweep_says_so_too(house: Any) -> None:
    assert [event["variable"] for event in house.check().of("config.token_missing")] == [FIRST]
    assert house.check(through=having(FIRST)).of("config.token_missing") == []


def test_check_warns_of_it_and_knows_that_the_service_may_have_it(house: Any) -> None:
    done = call(house, "check")
    assert (done.returncode, done.stdout[-12:]) == (0, "warnings: 1\n")
    assert f"warning: escalation.channels[1]: the variable {FIRST}, which is to hold the token, is not set here" in done.stderr
    assert "service" in done.stderr
    assert (call(house, "check", through=having(FIRST)).stderr) == ""


def test_the_doctor_fails_where_nothing_says_that_a_service_has_it(house: Any) -> None:
    [check] = tokens_of(house, 1)
    assert check["result"] == "fail"
    assert f"escalation.channels[1]: the variable {FIRST}" in check["found"]
    assert "/etc/collections-supervisor/environment" in check["fix"]
    assert [check["result"] for check in tokens_of(house, 0, through=having(FIRST))] == ["ok"]


def test_the_doctor_notes_where_an_installed_service_reads_it(house: Any) -> None:
    unit = house.home / ".config" / "systemd" / "user" / "ours.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(
        "[Service]\nExecStart=/opt/bin/collections-supervisor --config /etc/x.toml\nEnvironmentFile=-/etc/x/variables\n"
    )
    [check] = tokens_of(house, 0)
    assert check["result"] == "note"
    assert f"{FIRST}" in check["found"]
    assert "/etc/x/variables" in check["fix"]


@pytest.mark.parametrize(("has", "result", "status"), [((FIRST,), "ok", 0), ((), "fail", 1)])
def test_the_doctor_looks_at_the_supervisor_that_runs(house: Any, has: tuple[str, ...], result: str, status: int) -> None:
    daemon = house.run(through=having(*has))
    daemon.wait_for("supervisor.ready")
    [check] = tokens_of(house, status)
    assert check["result"] == result
    assert f"process {daemon.process.pid}" in check["found"]
    # It is the supervisor who needs it, and not this shell.
    assert [check["result"] for check in tokens_of(house, status, through=having(FIRST))] == [result]
    assert daemon.stop() == 0


def test_where_no_channel_needs_a_token_the_doctor_says_nothing_of_tokens(house: Any) -> None:
    configure(house)
    assert tokens_of(house, 0) == []
