"""What a person types, and the exit status that comes of it."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

TELL_ONLY = {"restart": {"kind": "none"}}


def nothing_happened(site: Any, before: Sequence[Path]) -> bool:
    """Whether no file was written, no folder made and nothing called since."""
    return sorted(site.root.rglob("*")) == sorted(before)


@pytest.mark.parametrize("command", [[], ["check"]])
def test_every_fault_of_a_configuration_is_named_at_once(site: Any, command: list[str]) -> None:
    names = ["../evil", "a b", "<img>", "twice", "twice", "A", "a"]
    config = site.configure(
        [{"name": name} for name in names],
        heartbeats={"timeout": "soon", "timeot": "2s"},
        books={"queue_limit": 0},
        oddities={"x": 1},
    )
    before = list(site.root.rglob("*"))
    done = site.call("--config", str(config), *command)
    assert done.returncode == 78
    assert done.stdout == ""
    told = done.stderr.splitlines()
    assert all(line.startswith(f"{config}: ") for line in told), told
    for key, value in {
        "agents[0].name": '"../evil"',
        "agents[1].name": '"a b"',
        "agents[2].name": '"<img>"',
        "agents[4].name": '"twice" is listed twice',
        "agents[6].name": 'differs from "A" only by case',
        "heartbeats.timeout": '"soon"',
        "heartbeats.timeot": 'did you mean "timeout"',
        "books.queue_limit": "0",
        "oddities": "",
    }.items():
        assert any(f"{config}: {key}" in line and value in line for line in told), (key, value, told)
    assert nothing_happened(site, before)


def test_no_agents_at_all_is_a_fault(site: Any) -> None:
    config = site.configure()
    config.write_text("agents = []\n" + config.read_text())
    before = list(site.root.rglob("*"))
    done = site.call("--config", str(config))
    assert (done.returncode, done.stdout) == (78, "")
    assert f"{config}: agents: must name at least one agent" in done.stderr
    done = site.call("--config", str(site.configure()), "--agents", " , ")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("--agents")
    assert nothing_happened(site, before)


def test_what_is_not_a_file_of_ours_is_a_fault_without_a_traceback(site: Any) -> None:
    for path in (site.root / "missing.toml", site.root):
        done = site.call("--config", str(path))
        assert (done.returncode, done.stdout) == (78, "")
        assert str(path) in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--frobnicate"],
        ["--json"],
        ["--health-check", "check"],
        ["dance"],
        ["beat"],
        ["beat", "--status", "merry", "a"],
        ["beat", "nobody"],
        ["simulate", "--outage", "soon"],
        ["simulate", "--agent", "nobody"],
        ["tune"],
        ["tune", "nobody"],
        ["tune", "a", "--false-alarms", "seldom"],
    ],
)
def test_what_is_typed_wrongly_is_a_matter_of_usage(site: Any, arguments: list[str]) -> None:
    done = site.call("--config", str(site.configure([{"name": "a"}])), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage:" in done.stderr
    assert not site.state.exists()


def test_check_says_what_is_in_force_and_where_it_came_from(site: Any) -> None:
    config = site.configure([{"name": "mailer", "period": "30m"}])
    before = list(site.root.rglob("*"))
    done = site.call("--config", str(config), "check")
    assert done.returncode == 0
    assert f"{config}: sound" in done.stdout
    assert "warning:" in done.stderr, "a backoff of 200 ms for paid turns is worth a warning"
    done = site.call("--config", str(config), "--agents", "mailer,other", "check", "--show-effective")
    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert f'dashboard.path = "{site.page_path}" # file' in lines
    assert 'supervisor.check_interval = "15m" # default' in lines
    assert lines.count("[[agents]]") == 2
    assert 'name = "other" # --agents' in lines
    assert nothing_happened(site, before)


def test_a_beat_from_the_command_line_is_seen_by_the_daemon(site: Any) -> None:
    config = site.configure([{"name": "cron", "timeout": "4s", "startup_grace": "1h", **TELL_ONLY}])
    daemon = site.run()
    daemon.wait_for("supervisor.ready", verdict="unknown")
    done = site.call("--config", str(config), "beat", "cron", "--message", "all invoices sent")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    daemon.wait_for("agent.state_changed", agent="cron", state="healthy", previous="unknown")
    [line] = site.read_lines(site.log_of("cron"))
    assert (line["stale"], line["status"], line["message"]) == (False, "ok", "all invoices sent")
    assert site.log_of("cron").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("command", "status", "said"), [(["false"], 1, "fail"), (["true"], 0, "ok"), (["sh", "-c", "kill -9 $$"], 137, "fail")]
)
def test_a_command_is_run_between_two_beats_and_its_status_passed_on(
    site: Any, command: list[str], status: int, said: str
) -> None:
    config = site.configure([{"name": "cron"}])
    done = site.call("--config", str(config), "beat", "cron", "--", *command)
    assert (done.returncode, done.stderr) == (status, "")
    assert [line["status"] for line in site.read_lines(site.log_of("cron"))] == ["start", said]


def test_a_second_daemon_on_the_same_state_gives_way(site: Any) -> None:
    site.beat("idle")
    config = site.configure([{"name": "idle", "timeout": "1h", **TELL_ONLY}])
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    done = site.call("--config", str(config))
    assert (done.returncode, done.stdout) == (75, "")
    assert f"held by process {daemon.process.pid}:" in done.stderr
    assert str(site.state) in done.stderr
    # The first still works, and the lock goes with it.
    daemon.send(signal.SIGUSR1)
    daemon.wait_for("supervisor.stack")
    daemon.send(signal.SIGHUP)
    daemon.wait_for("supervisor.reloaded")
    assert daemon.stop() == 0
    after = site.run()
    after.wait_for("supervisor.ready")


def test_what_is_kept_is_nobody_elses_to_read(site: Any) -> None:
    site.beat("dead", ago=60)
    site.configure([{"name": "dead"}], supervisor={"state_dir": "deep/state"})
    daemon = site.run()
    daemon.wait_for("agent.restart.failed", agent="dead")
    state = site.root / "deep" / "state"
    kept = [state, *state.rglob("*")]
    assert {path.name for path in kept} >= {"state", "actions", "supervisor.lock", "dead.out", "dead.err"}
    modes = {str(path): oct(path.stat().st_mode & 0o777) for path in kept}
    assert modes == {str(path): "0o700" if path.is_dir() else "0o600" for path in kept}


def test_a_state_folder_that_cannot_be_is_a_fault_of_the_configuration(site: Any) -> None:
    (site.root / "file").write_text("")
    config = site.configure([{"name": "a"}], supervisor={"state_dir": "file/state"})
    done = site.call("--config", str(config))
    assert (done.returncode, done.stdout) == (78, "")
    assert "supervisor.state_dir" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "make", "cause"),
    [("actions", Path.touch, "file exists"), ("supervisor.lock", Path.mkdir, "is a directory")],
)
def test_what_stands_in_the_way_in_the_state_folder_is_named(
    site: Any, name: str, make: Callable[[Path], None], cause: str
) -> None:
    config = site.configure([{"name": "a"}])
    site.state.mkdir()
    make(site.state / name)
    done = site.call("--config", str(config), "--health-check")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == f"supervisor.state_dir: {site.state / name} cannot be used: {cause}\n"
