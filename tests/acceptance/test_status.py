"""What the daemon knows now, and what is known when there is none; and the day that both remember."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MINUTE = 60.0
HOUR = 3600.0
QUIET = {"timeout": "1h", "restart": {"kind": "none"}}


def status(site: Any, *arguments: str, through: tuple[str, ...] = ()) -> Any:
    return site.call("--config", str(site.root / "supervisor.toml"), "status", *arguments, through=through)


def history(site: Any) -> dict[str, Any]:
    known: dict[str, Any] = json.loads((site.state / "history.json").read_bytes())
    return known


def kill(site: Any) -> None:
    """Kill the daemon, and remove what it was writing at that moment."""
    site.daemon.kill()
    for path in [*site.state.rglob(".collections-supervisor-*"), *site.root.glob(".collections-supervisor-*")]:
        path.unlink()


@pytest.fixture
def watched(site: Any) -> Any:
    """A daemon over two agents that are well."""
    for name in ("mailer", "watcher"):
        site.beat(name)
    agents = [{"name": name, **QUIET} for name in ("mailer", "watcher")]
    # Looked at once a second; saved and drawn often enough that a slow machine does not make it stale.
    site.configure(agents, supervisor={"check_interval": "1s"}, dashboard={"interval": "4s"})
    site.daemon = site.run()
    site.daemon.wait_for("supervisor.ready")
    site.until((site.state / "snapshot.json").exists)
    site.until(lambda: status(site).returncode == 0)
    return site


# --- One look ------------------------------------------------------------------------------------------------------------


def test_nothing_is_known_of_what_never_ran(site: Any) -> None:
    site.configure([{"name": "mailer"}])
    for arguments in ((), ("--json",)):
        done = status(site, *arguments)
        assert (done.returncode, done.stdout) == (3, "")
        assert "no daemon is running" in done.stderr
        assert "snapshot.json" in done.stderr
    assert not site.state.exists()


def test_beside_a_daemon_it_is_what_that_one_knows(watched: Any) -> None:
    before = watched.read_lines(watched.root / "calls.jsonl")
    done = status(watched)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("HEALTHY, as of ")
    assert f"Told by the running supervisor (process {watched.daemon.process.pid}), as it was " in done.stdout
    report = json.loads(status(watched, "--json").stdout)
    assert (report["verdict"], report["stale"], report["run_id"]) == ("healthy", False, watched.daemon.events[0]["run_id"])
    assert [source["path"] for source in report["sources"]] == [str(watched.log_of(name)) for name in ("mailer", "watcher")]
    assert watched.read_lines(watched.root / "calls.jsonl") == before


def test_a_change_is_known_within_seconds_and_so_is_the_end(watched: Any) -> None:
    watched.beat("watcher", status="fail", message="no such account")
    told = watched.daemon.wait_for("agent.escalated", agent="watcher")
    done = watched.until(lambda: (found := status(watched)).returncode == 1 and found)
    assert "watcher is escalated" in done.stdout
    late = json.loads(status(watched, "--json").stdout)["generated_at"]
    assert late >= told["timestamp"][:19]
    assert watched.daemon.stop() == 0
    done = status(watched)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("STOPPED, STALE, as of ")
    assert "No supervisor runs; this was saved " in done.stdout


def test_after_a_kill_what_was_known_is_stale(watched: Any) -> None:
    kill(watched)
    watched.let_pass(2 * HOUR)
    before = watched.tree()
    done = status(watched)
    assert done.returncode == 3
    assert done.stdout.startswith("UNKNOWN, STALE, as of ")
    assert "No supervisor runs; this was saved 2 h 00 min ago." in done.stdout
    report = json.loads(status(watched, "--json").stdout)
    assert (report["verdict"], report["stale"]) == ("unknown", True)
    assert watched.tree() == before


def test_a_daemon_that_hangs_is_not_believed(watched: Any) -> None:
    watched.daemon.send(signal.SIGSTOP)
    try:
        done = watched.until(lambda: (found := status(watched)).returncode == 1 and found)
        assert "runs, and has saved nothing for " in done.stdout
        assert "STALE" in done.stdout
    finally:
        watched.daemon.send(signal.SIGCONT)


def test_a_sweep_is_no_daemon(site: Any) -> None:
    site.beat("mailer")
    site.configure([{"name": "mailer", **QUIET}])
    assert site.check().status == 0
    done = status(site)
    assert (done.returncode, "No supervisor runs" in done.stdout) == (3, True)


# --- Again and again -------------------------------------------------------------------------------------------------------


def test_piped_it_is_one_line_for_each_change(watched: Any) -> None:
    watching = Reading(watched, ["status", "--watch", "--interval", "100ms"])
    try:
        watching.until(lambda text: "healthy: All 2 agents are healthy" in text)
        watched.beat("watcher", status="fail", message="no such account")
        watching.until(lambda text: "watcher needs a human" in text)
        kill(watched)
        watching.until(lambda text: "(no supervisor runs)" in text)
        assert watching.end(signal.SIGINT) == 3
    finally:
        watching.close()
    lines = watching.text.splitlines()
    assert len(lines) == len(set(lines))
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \S", line) for line in lines), lines
    assert "\x1b" not in watching.text


def test_for_a_program_it_is_a_line_of_json_for_each_change(watched: Any) -> None:
    watching = Reading(watched, ["status", "--watch", "--json", "--interval", "100ms"])
    try:
        watching.until(lambda text: text.count("\n") >= 2)
        assert watching.end(signal.SIGTERM) == 0
    finally:
        watching.close()
    reports = [json.loads(line) for line in watching.text.splitlines()]
    assert len({report["generated_at"] for report in reports}) == len(reports)


def test_whoever_stops_reading_ends_it_without_a_word(watched: Any) -> None:
    command = 'exec 3>&1; { "$@" 2>&3; echo "status $?" >&3; } | head -n 1 >/dev/null; exec 3>&-'
    done = status(watched, "--watch", "--json", "--interval", "100ms", through=("sh", "-c", command, "sh"))
    assert (done.stdout, done.stderr) == ("status 0\n", "")


def test_a_terminal_is_drawn_in_place_and_given_back(watched: Any) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (12, 60))
    watching = Reading(watched, ["status", "--watch", "--interval", "100ms"], terminal=(master, slave))
    try:
        watching.until(lambda text: "HEALTHY" in text)
        watched.beat("watcher", status="fail", message="no such account")
        watching.until(lambda text: "DEGRADED" in text)
        assert watching.end(signal.SIGINT) == 1
    finally:
        watching.close()
    assert watching.text.startswith("\x1b[?1049h\x1b[?25l")
    assert watching.text.endswith("\x1b[?25h\x1b[?1049l")
    assert "\x1b[31m" in watching.text or "\x1b[1;31m" in watching.text
    for screen in watching.text.split("\x1b[H")[1:]:
        lines = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", screen).split("\r\n")
        assert len(lines) <= 12
        assert all(len(line) <= 60 for line in lines)


@pytest.mark.parametrize("interval", ["0", "soon", "1ms", "400d"])
def test_an_interval_that_is_none_is_refused(site: Any, interval: str) -> None:
    site.configure([{"name": "mailer"}])
    done = status(site, "--watch", "--interval", interval)
    assert (done.returncode, done.stdout) == (2, "")


def test_an_interval_for_a_single_look_is_refused(site: Any) -> None:
    site.configure([{"name": "mailer"}])
    done = status(site, "--interval", "5s")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--watch" in done.stderr


class Reading:
    """A `status --watch`, and what it writes."""

    def __init__(self, site: Any, arguments: list[str], terminal: tuple[int, int] | None = None) -> None:
        ours, theirs = terminal or os.pipe()
        command = [sys.executable, "-m", "collections_supervisor", "--config", str(site.root / "supervisor.toml"), *arguments]
        environment = {**site.environment(), "TERM": "xterm"}
        self._process = subprocess.Popen(command, cwd=site.root, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self._ours = ours
        self._site = site
        self._written = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        return self._written.decode()

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._ours, 1 << 16)
            except OSError:  # how a terminal says that nobody writes any more
                return
            if not piece:
                return
            self._written += piece

    def until(self, condition: Callable[[str], bool]) -> None:
        try:
            self._site.until(lambda: condition(self._written.decode(errors="replace")))
        except AssertionError:
            pytest.fail(f"only this was written: {self._written[-2000:]!r}")

    def end(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        result = self._process.wait(10)
        self._reader.join(10)
        return result

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(10)
        os.close(self._ours)


# --- The day -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lived(watched: Any) -> Any:
    """A daemon that was killed, half an hour ago."""
    watched.until((watched.state / "history.json").exists)
    watched.until(lambda: all(runs[-1]["since"] < runs[-1]["until"] for runs in history(watched)["agents"].values()))
    kill(watched)
    watched.let_pass(30 * MINUTE)
    for name in ("mailer", "watcher"):
        watched.beat(name)
    return watched


def test_the_day_survives_a_kill_with_the_time_in_between(lived: Any) -> None:
    again = lived.run()
    again.wait_for("supervisor.ready")
    found = lived.until(lambda: len((seen := history(lived))["agents"]["mailer"]) == 3 and seen)
    for runs in found["agents"].values():
        assert [run["status"] for run in runs] == ["healthy", "not_watched", "healthy"]
        assert [run["until"] for run in runs[:-1]] == [run["since"] for run in runs[1:]]
    assert [change["what"].partition(";")[0] for change in found["changes"] if change["subject"] == "the supervisor"] == [
        "started",
        "started",
    ]
    assert "nothing was watched for 30 min" in found["changes"][0]["what"]
    assert (lived.state / "history.json").stat().st_mode & 0o777 == 0o600
    assert again.stop() == 0
    assert history(lived)["changes"][0]["what"] == "stopped"


def test_a_sweep_goes_on_with_it(lived: Any) -> None:
    before = len(history(lived)["changes"])
    assert lived.check().status == 0
    found = history(lived)
    assert [run["status"] for run in found["agents"]["mailer"]] == ["healthy"], "the beats prove that it was well all the time"
    assert len(found["changes"]) == before
    lived.let_pass(2 * HOUR)
    assert lived.check().status == 1
    assert [run["status"] for run in history(lived)["agents"]["mailer"]][1:] == ["not_watched", "escalated"]


def test_a_day_that_cannot_be_read_is_set_aside_and_begun_anew(lived: Any) -> None:
    path: Path = lived.state / "history.json"
    path.write_bytes(b'{"agents": 7')
    again = lived.run()
    again.wait_for("supervisor.ready")
    [said] = again.of("supervisor.state_set_aside")
    assert said["path"] == str(path)
    assert Path(said["kept_as"]).read_bytes() == b'{"agents": 7'
    found = lived.until(lambda: path.exists() and history(lived))
    assert [run["status"] for run in found["agents"]["mailer"]] == ["healthy"]


def test_a_dry_run_writes_no_day(lived: Any) -> None:
    before = lived.tree()
    daemon = lived.run("--config", str(lived.root / "supervisor.toml"), "--dry-run")
    daemon.wait_for("supervisor.ready")
    assert daemon.stop() == 0
    assert lived.tree() == before
