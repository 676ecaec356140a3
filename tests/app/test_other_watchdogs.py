"""Who else looks after the same agents, by the words of a command line."""

import pytest

from collections_supervisor.app.other_watchdogs import (
    Quarry,
    commands_in_crontab,
    commands_in_unit,
    of_line,
    of_process,
    of_script,
    option,
    own_run,
)

BEATS = "/home/ann/.cache/novotechno-collections/heartbeats"
QUARRY = Quarry(agents=frozenset({"payment-watcher", "health-monitor"}), folders=frozenset({BEATS}))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("openclaw agent --agent payment-watcher --message restart", "restarts payment-watcher through OpenClaw"),
        ("openclaw gateway restart", "restarts OpenClaw"),
        ("*/5 * * * * /opt/watchdog.sh payment-watcher", "looks after payment-watcher"),
        ("* * * * * pgrep -f payment-watcher || systemctl --user restart payment-watcher", "looks after payment-watcher"),
        ("pkill -f health-monitor", "looks after health-monitor"),
        ("pm2 start payment-watcher", "looks after payment-watcher"),
        (f"find {BEATS} -mmin +60 -exec notify {{}} ;", "reads the heartbeats"),
        ("monit -c /etc/payment-watcher.monitrc", "looks after payment-watcher"),
    ],
)
def test_who_restarts_or_watches_is_found(line: str, what: str) -> None:
    assert of_line(line, QUARRY) == what


@pytest.mark.parametrize(
    "line",
    [
        "python3 /opt/agents/payment-watcher.py",
        "*/5 * * * * /opt/agents/health-monitor --once",  # its own name sounds like one
        f"echo '{{}}' >> {BEATS}/payment-watcher.log",
        "collections-supervisor --config x beat payment-watcher -- ./monitor",
        "python -m collections_supervisor --health-check",
        "openclaw agent --agent caine --message hello",
        "openclaw agent --agent somebody-else --message restart",
        "my-payment-watcher-2 restart",
        "logrotate /etc/logrotate.conf",
        "",
    ],
)
def test_agents_jobs_and_ourselves_are_none(line: str) -> None:
    assert of_line(line, QUARRY) == ""


def test_a_script_is_judged_as_a_whole() -> None:
    script = "#!/bin/sh\nfor agent in payment-watcher; do\n  openclaw agent --agent $agent --message restart\ndone\n"
    assert of_script(script, QUARRY) == "restarts payment-watcher through OpenClaw"
    assert of_script(f"cd {BEATS}\nkill $(cat x)\n", QUARRY) == "looks after the agents"
    assert of_script("# restarts payment-watcher with kill\necho payment-watcher\n", QUARRY) == ""
    assert of_script("kill 1\n", QUARRY) == ""
    assert of_script("openclaw gateway restart\n", QUARRY) == "restarts OpenClaw"


def test_who_shows_a_file_does_nothing_about_it() -> None:
    assert of_process(["/usr/bin/tail", "-f", f"{BEATS}/payment-watcher.log"], QUARRY) == ""
    assert of_process(["inotifywait", "-m", BEATS], QUARRY) == "reads the heartbeats"
    assert of_process([], QUARRY) == ""


def test_without_agents_nothing_is_named() -> None:
    assert of_line("watchdog everything", Quarry(agents=frozenset())) == ""


def test_comments_and_variables_of_a_crontab_run_nothing() -> None:
    text = "# comment\nPATH=/bin\nMAILTO = ann\n\n  5 * * * * one\n@reboot two\n"
    assert list(commands_in_crontab(text)) == ["5 * * * * one", "@reboot two"]


def test_a_unit_runs_what_its_exec_lines_say() -> None:
    text = "[Service]\nDescription=ExecStart\nExecStartPre=-/bin/one\nExecStart=/bin/two \\\n  three\nRestart=always\n"
    assert list(commands_in_unit(text)) == ["-/bin/one", "/bin/two    three"]


@pytest.mark.parametrize(
    ("argv", "arguments"),
    [
        (["/opt/bin/collections-supervisor", "--config", "x.toml"], ["--config", "x.toml"]),
        (["/usr/bin/python3", "/opt/bin/collections-supervisor", "--config=x.toml"], ["--config=x.toml"]),
        (["python", "-m", "collections_supervisor", "--agents", "check", "--dry-run"], ["--agents", "check", "--dry-run"]),
        (["python", "-I", "-m", "collections_supervisor"], []),
        (["collections-supervisor", "--config", "x", "doctor"], None),
        (["collections-supervisor", "--health-check"], None),
        (["vim", "/opt/collections-supervisor/x", "collections-supervisor"], None),
        (["python", "other.py"], None),
        ([], None),
    ],
)
def test_a_supervisor_is_known_by_its_arguments(argv: list[str], arguments: list[str] | None) -> None:
    assert own_run(argv) == arguments


def test_an_option_has_its_value_in_either_way_of_writing_it() -> None:
    assert option(["--config", "x"], "--config") == option(["--config=x"], "--config") == "x"
    assert option(["--config"], "--config") is None
