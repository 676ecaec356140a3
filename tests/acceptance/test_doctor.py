"""`doctor`: a good set-up, and one that is bad in every way it knows."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

# Other tests, which run at the same time, have agents of the usual names.
MAILER, WATCHER = f"mailer-{secrets.token_hex(4)}", f"watcher-{secrets.token_hex(4)}"
TELL_ONLY = {"restart": {"kind": "none"}}
DELIVERING = {"kind": "command", "command": ["sh", "-c", 'cat >> "$0"', "{notices}"]}

Check = dict[str, str]


class Gateway(ThreadingHTTPServer):
    """Answers as OpenClaw's gateway does when it is asked for its health, or as anything else that speaks HTTP."""

    daemon_threads = True
    answer = 200


class Healthy(BaseHTTPRequestHandler):
    server: Gateway

    def do_GET(self) -> None:
        self.send_response(self.server.answer if self.path == "/healthz" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """What answers in the place of OpenClaw's."""
    with Gateway(("127.0.0.1", 0), Healthy) as server:
        thread = Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def port(gateway: Gateway) -> int:
    """Where a gateway answers."""
    return gateway.server_port


def examine(site: Any, *arguments: str, status: int, through: tuple[str, ...] = ()) -> Callable[..., list[Check]]:
    """Run the doctor; what it gives finds the checks of a name, or with a result."""
    done = site.call("--config", str(site.root / "supervisor.toml"), "doctor", "--json", *arguments, through=through)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert done.returncode == status, report
    assert report["ok"] == (status == 0)

    def checks(name: str = "", result: str = "") -> list[Check]:
        return [one for one in report["checks"] if name in ("", one["name"]) and result in ("", one["result"])]

    return checks


def good(site: Any, port: int | None = None) -> tuple[str, ...]:
    """A fresh set-up in which nothing is wrong; the command before the program that tells it where the gateway is."""
    site.beat(MAILER)
    site.beat(WATCHER)
    site.configure(
        [{"name": MAILER, "timeout": "1h"}, {"name": WATCHER, **TELL_ONLY}],
        escalation={"channels": [{"kind": "openclaw"}, DELIVERING]},
    )
    return ("env", f"OPENCLAW_GATEWAY_PORT={port}") if port is not None else ()


def test_a_good_fresh_set_up_has_nothing_to_be_mended_or_looked_at(site: Any, port: int) -> None:
    before = site.tree() if good(site, port) else {}
    checks = examine(site, status=0, through=good(site, port))
    assert checks(result="fail") == checks(result="warn") == []
    assert {one["name"] for one in checks()} >= {
        "commands", "gateway", "agents", "heartbeat files", "state", "socket", "modes", "clock", "other watchdogs", "service",
        "channels", "delivery",
    }  # fmt: skip
    assert set(site.tree()) == set(before), "it leaves nothing behind"


@pytest.mark.parametrize("answer", [404, 401, 204, 503])
def test_whatever_else_speaks_http_is_no_gateway(site: Any, gateway: Gateway, answer: int) -> None:
    gateway.answer = answer
    [check] = examine(site, status=1, through=good(site, gateway.server_port))("gateway")
    assert (check["result"], check["found"].partition(f"{gateway.server_port}: ")[2][:8]) == ("fail", f"HTTP {answer}")
    assert "OPENCLAW_GATEWAY_PORT" in check["fix"]


def test_people_get_what_to_do_below_what_is_wrong(site: Any) -> None:
    site.configure([{"name": MAILER, **TELL_ONLY}])
    done = site.call("--config", str(site.root / "supervisor.toml"), "doctor")
    assert done.returncode == 1
    assert f"fail  agents: {MAILER} has never beaten" in done.stdout
    assert f"-> have its work run: collections-supervisor --config {site.root}" in " ".join(done.stdout.split())
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 to be mended")


def test_what_has_to_be_mended(site: Any) -> None:
    site.beat(MAILER.upper())  # a name that is spelt otherwise
    site.state = site.root / ("d" * 90)
    site.configure(
        [{"name": MAILER, "restart": {"kind": "command", "command": ["no-such-program"]}}],
        supervisor={"state_dir": site.state.name},
        escalation={"channels": [{"kind": "openclaw", "openclaw": "/nowhere/openclaw"}]},
    )
    # The site's own port is nobody's.
    checks = examine(site, status=1, through=("env", "OPENCLAW_GATEWAY_PORT=1"))
    missing, absent = checks("commands", "fail")
    assert missing["found"].startswith("no-such-program is not on PATH")
    assert absent["found"].startswith("/nowhere/openclaw does not exist")
    assert "http://127.0.0.1:1" in checks("gateway", "fail")[0]["found"]
    assert f"{MAILER} has never beaten" in checks("agents", "fail")[0]["found"]
    assert f"did you mean {MAILER}?" in checks("heartbeat files", "fail")[0]["fix"]
    assert len(checks("socket", "fail")) == 1
    assert all(one["fix"] for one in checks(result="fail"))
    assert not site.state.exists(), "it makes no folder to see whether it can"


def test_what_has_to_be_looked_at(site: Any) -> None:
    good(site)
    site.configure([{"name": MAILER, **TELL_ONLY}, {"name": WATCHER, **TELL_ONLY}])
    site.state.mkdir(mode=0o755)
    (site.state / "snapshot.json").touch(mode=0o644)
    log = site.log_of(MAILER)
    log.chmod(0o666)
    os.utime(log, (4_000_000_000, 4_000_000_000))
    unit = site.home / ".config" / "systemd" / "user" / "guard.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(f"[Service]\nExecStart=/usr/bin/guard --watchdog {WATCHER}\n", encoding="utf-8")
    command = [sys.executable, "-c", "print(flush=True); input()", "monitor", MAILER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        checks = examine(site, status=0)
        process.kill()
    assert {one["found"].split(" has mode")[0] for one in checks("modes", "warn")} == {
        str(site.state), str(site.state / "snapshot.json"), str(log)
    }  # fmt: skip
    assert "was changed at 2096" in checks("clock", "warn")[0]["found"]
    assert {one["found"].partition(":")[0] for one in checks("other watchdogs", "warn")} == {
        f"{unit} looks after {WATCHER}",
        f"process {process.pid} looks after {MAILER}",
    }
    assert [one["found"] for one in checks("channels", "warn")] == ["there is one only: command"]
    assert all(one["fix"] for one in checks(result="warn"))


def test_books_that_are_configured_and_not_there_are_told(site: Any) -> None:
    site.configure_books()
    # Another test's agent of this name, should one run, is no concern here.
    checks = examine(site, status=0)
    assert [one["result"] for one in checks("books")] == ["warn", "warn"]
    site.invoice("a.json", {})
    site.ledger()
    assert [one["result"] for one in examine(site, status=0)("books")] == ["ok", "ok"]


def test_a_state_folder_that_cannot_be_written_has_to_be_mended(site: Any) -> None:
    good(site)
    site.configure(
        [{"name": MAILER, **TELL_ONLY}, {"name": WATCHER, **TELL_ONLY}], supervisor={"state_dir": "/proc/nothing/here"}
    )
    [check] = examine(site, status=1)("state", "fail")
    assert "/proc/nothing/here cannot be made" in check["found"]


def test_a_supervisor_that_runs_with_another_state_folder_is_told(site: Any) -> None:
    good(site)
    site.configure([{"name": MAILER, **TELL_ONLY}, {"name": WATCHER, **TELL_ONLY}])
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    pid = daemon.process.pid
    assert f"process {pid} runs" in examine(site, status=0)("service", "ok")[0]["found"]
    (site.root / "supervisor.toml").rename(site.root / "first.toml")
    # The one that runs was started with this name, and is asked by it.
    text = (site.root / "first.toml").read_text(encoding="utf-8")
    (site.root / "supervisor.toml").write_text(text, encoding="utf-8")
    other = site.root / "other.toml"
    other.write_text(text.replace('"state"', '"elsewhere"'), encoding="utf-8")
    done = site.call("--config", str(other), "doctor", "--json")
    [warning] = [one for one in json.loads(done.stdout)["checks"] if one["name"] == "service" and one["result"] == "warn"]
    assert f"process {pid}" in warning["found"]
    assert str(site.state) in warning["found"]
    assert done.returncode == 0
    assert daemon.stop() == 0


def test_a_supervisor_of_others_says_nothing_about_a_process_that_ours_is_to_start(site: Any) -> None:
    site.beat(WATCHER)
    site.configure([{"name": WATCHER, **TELL_ONLY}], supervisor={"state_dir": "elsewhere"})
    (site.root / "supervisor.toml").rename(site.root / "others.toml")
    daemon = site.run("--config", str(site.root / "others.toml"))
    daemon.wait_for("supervisor.ready")
    owned = {"name": MAILER, "restart": {"kind": "process", "command": ["sleep", "1"]}}
    site.configure([owned, {"name": WATCHER, **TELL_ONLY}])
    checks = examine(site, status=0)
    assert [one["result"] for one in checks("agents")] == ["note", "ok"]
    assert daemon.stop() == 0
    # With our own one it has had its chance.
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    assert [one["result"] for one in examine(site, status=1)("agents")] == ["fail", "ok"]
    assert daemon.stop() == 0


# --- The test notice ---


def test_a_test_notice_goes_through_every_channel_and_is_remembered(site: Any) -> None:
    good(site)
    channels = [DELIVERING, {"kind": "command", "command": ["sh", "-c", "exit 7"]}]
    site.configure([{"name": MAILER, **TELL_ONLY}, {"name": WATCHER, **TELL_ONLY}], escalation={"channels": channels})
    checks = examine(site, "--notify-test", status=1)
    assert [one["result"] for one in checks("test notice")] == ["ok", "fail"]
    assert "exit code 7" in checks("test notice", "fail")[0]["found"]
    [notice] = site.notices()
    assert notice["test"] is True
    assert [one["result"] for one in checks("delivery")] == ["ok", "note"]
    # A sweep, and whoever reads what it keeps, knows of it.
    assert set(site.check().report["proven"]) == {"command"}


def test_a_daemon_that_runs_hears_of_the_proof_and_keeps_its_lock(site: Any) -> None:
    good(site)
    # Nothing else is to be told meanwhile, which would prove the channel too.
    agents = [{"name": name, "timeout": "1h", **TELL_ONLY} for name in (MAILER, WATCHER)]
    site.configure(agents, supervisor={"check_interval": "1s"})
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    assert site.embedded(site.page_path)["proven"] == {} if site.page_path.exists() else True
    examine(site, "--notify-test", status=0)
    site.until(lambda: set(site.embedded(site.page_path)["proven"]) == {"command"})
    assert daemon.stop() == 0
    assert daemon.of("supervisor.replaced") == daemon.of("supervisor.store_failed") == []


def test_a_daemon_that_was_given_another_channel_hears_of_its_proof(site: Any) -> None:
    good(site)
    watched = [{"name": name, "timeout": "1h", **TELL_ONLY} for name in (MAILER, WATCHER)]
    often = {"check_interval": "1s"}
    site.configure(watched, supervisor=often)
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    site.configure(watched, supervisor=often, escalation={"channels": [DELIVERING, DELIVERING]})
    daemon.send(signal.SIGHUP)
    daemon.wait_for("supervisor.reloaded")
    examine(site, "--notify-test", status=0)
    site.until(lambda: set(site.embedded(site.page_path)["proven"]) == {"command", "command-2"})
    assert daemon.stop() == 0


# --- Whatever the surroundings ---


def test_without_anything_around_it_the_doctor_says_so(tmp_path: Path, site: Any) -> None:
    bare = ("env", "-i", f"HOME={tmp_path / 'no-such-home'}")
    done = site.call("doctor", through=bare)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "has never beaten" in done.stdout
    assert "can be made" in done.stdout


def test_files_that_are_not_what_they_should_be_are_no_trouble(site: Any) -> None:
    folder = site.log_of(MAILER).parent
    folder.mkdir()
    os.mkfifo(site.log_of(MAILER))
    (folder / "folder.log").mkdir()
    (folder / os.fsdecode(b"\xff\xfe.log")).touch()
    site.state.write_text("a file")
    (site.home / ".openclaw").mkdir()
    (site.home / ".openclaw" / "openclaw.json").write_bytes(b"\xff\xfe{")
    (site.home / ".config" / "systemd" / "user").mkdir(parents=True)
    os.mkfifo(site.home / ".config" / "systemd" / "user" / "x.service")
    site.configure([{"name": MAILER}])
    checks = examine(site, status=1)
    assert "it is not a folder" in checks("state", "fail")[0]["found"]
    assert "not a regular file" in checks("agents", "fail")[0]["found"]
    assert len(checks("heartbeat files", "fail")) == 1
    done = site.call("--config", str(site.root / "supervisor.toml"), "doctor")
    assert done.stderr == ""
