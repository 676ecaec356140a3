"""Looking for others in the files and among the processes of a machine."""

import os
import plistlib
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collections_supervisor.app.doctor_others import Service
from collections_supervisor.app.doctor_search import (
    among_processes,
    environments,
    in_crontab,
    in_files,
    running_services,
)
from collections_supervisor.app.other_watchdogs import Quarry
from collections_supervisor.system.process_arguments import read_arguments
from collections_supervisor.system.process_table import HERE

AGENT = f"agent-{secrets.token_hex(4)}"
QUARRY = Quarry(agents=frozenset({AGENT}))

needs_proc = pytest.mark.skipif(not HERE.procfs, reason="the surroundings of processes are seen through /proc")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def found(root: Path, home: Path | None = None) -> list[tuple[str, str]]:
    return [(sighting.where, sighting.what) for sighting in in_files(root, home, QUARRY)]


@pytest.mark.parametrize("place", ["etc/crontab", "etc/cron.d/agents", "var/spool/cron/crontabs/ann", "var/spool/cron/ann"])
def test_crontabs_are_read(tmp_path: Path, place: str) -> None:
    path = write(tmp_path / place, f"# {AGENT} watchdog\n* * * * * root watchdog {AGENT}\n1 * * * * echo {AGENT}\n")
    assert found(tmp_path) == [(str(path), f"looks after {AGENT}")]


def test_the_script_that_a_crontab_runs_is_read(tmp_path: Path) -> None:
    script = write(tmp_path / "opt" / "check.sh", f'pgrep {AGENT} || openclaw agent --agent {AGENT} --message "restart"\n')
    crontab = write(tmp_path / "etc" / "crontab", f"*/5 * * * * root {script} >/dev/null 2>&1\n")
    assert found(tmp_path) == [(str(crontab), f"restarts {AGENT} through OpenClaw")]


def test_what_openclaw_says_of_itself_is_no_watchdog(tmp_path: Path) -> None:
    own = write(tmp_path / "node_modules" / "openclaw" / "index.js", 'console.log("run: openclaw gateway restart")\n')
    write(tmp_path / "etc/systemd/user/openclaw.service", f"[Service]\nExecStart=/usr/bin/node {own} gateway\n")
    assert found(tmp_path) == []


def test_scripts_that_run_hourly_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "etc" / "cron.hourly" / "agents", f"#!/bin/sh\npkill {AGENT}\n")
    assert found(tmp_path) == [(str(path), f"looks after {AGENT}")]


def test_units_of_the_system_and_of_the_user_are_read(tmp_path: Path) -> None:
    home = tmp_path / "home"
    system = write(tmp_path / "etc/systemd/system/guard.service", f"[Service]\nExecStart=/bin/guard --watchdog {AGENT}\n")
    drop_in = write(tmp_path / "etc/systemd/system/x.service.d/y.conf", f"[Service]\nExecStartPost=/bin/pkill {AGENT}\n")
    user = write(home / ".config/systemd/user/guard.service", f"[Service]\nExecStart=/bin/monitor {AGENT}\n")
    write(home / ".config/systemd/user/agent.service", f"[Service]\nExecStart=/bin/run {AGENT}\nRestart=always\n")
    assert {where for where, _ in found(tmp_path, home)} == {str(system), str(drop_in), str(user)}


def test_launch_agents_are_read(tmp_path: Path) -> None:
    path = tmp_path / "home" / "Library" / "LaunchAgents" / "guard.plist"
    path.parent.mkdir(parents=True)
    path.write_bytes(plistlib.dumps({"Label": "guard", "ProgramArguments": ["/bin/watchdog", AGENT]}))
    write(path.with_name("broken.plist"), "<plist")
    write(path.with_name("list.plist"), plistlib.dumps([AGENT]).decode())
    assert found(tmp_path, tmp_path / "home") == [(str(path), f"looks after {AGENT}")]


def test_services_of_ours_tell_from_where_they_have_their_variables(tmp_path: Path) -> None:
    home, start = tmp_path / "home", "ExecStart=/opt/bin/collections-supervisor --config /etc/x.toml"
    write(tmp_path / "etc/systemd/system/a.service", f"[Service]\nEnvironmentFile=-/etc/a\n{start}\nEnvironmentFile=/etc/b\n")
    bare = write(home / ".config/systemd/user/b.service", f"[Service]\n{start}\n")
    write(tmp_path / "etc/systemd/system/sweep.service", f"[Service]\nEnvironmentFile=/etc/c\n{start} --health-check\n")
    write(tmp_path / "etc/systemd/system/odd.service", "[Service]\nEnvironmentFile=/etc/d\nExecStart=/bin/sh -c 'it\n")
    plist = home / "Library" / "LaunchAgents" / "ours.plist"
    plist.parent.mkdir(parents=True)
    plist.write_bytes(plistlib.dumps({"ProgramArguments": ["/opt/bin/collections-supervisor", "--config", "/x.toml"]}))
    found = ["/etc/a", "/etc/b", f"Environment= of {bare}", f"EnvironmentVariables of {plist}"]
    assert list(environments(tmp_path, home)) == found
    assert list(environments(tmp_path, None)) == found[:2]


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "etc/cron.d/huge", f"* * * * * watchdog {AGENT}\n" * 10_000)
    (tmp_path / "etc/cron.d/binary").write_bytes(b"\0" + f"* * * * * watchdog {AGENT}\n".encode())
    (tmp_path / "etc/cron.d/folder").mkdir()
    os.mkfifo(tmp_path / "etc/cron.d/fifo")
    (tmp_path / "etc/cron.d/gone").symlink_to("nowhere")
    assert found(tmp_path) == []


def test_the_users_own_crontab_is_named_as_such() -> None:
    [sighting] = in_crontab(f"* * * * * watchdog {AGENT}\n", QUARRY)
    assert sighting.where == "the crontab of this user"


# --- Processes ---


@pytest.fixture
def watchdog() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose arguments say that it watches the agent."""
    command = [sys.executable, "-c", "print(flush=True); input()", "--watchdog", AGENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # before it is up the kernel may show no arguments yet
        yield process
        process.kill()


def test_a_running_watchdog_is_found_and_what_a_supervisor_started_is_none(watchdog: subprocess.Popen[bytes]) -> None:
    arguments = read_arguments()
    assert arguments[watchdog.pid][-2:] == ["--watchdog", AGENT]
    # It is a child of ours, as it would be one of the doctor's.
    assert list(among_processes(QUARRY, arguments, [])) == []
    elsewhere = {pid: argv for pid, argv in arguments.items() if pid != watchdog.pid}
    [sighting] = among_processes(QUARRY, {**elsewhere, 999_999_999: arguments[watchdog.pid]}, [])
    assert sighting.where == "process 999999999"


@needs_proc
def test_a_supervisor_that_runs_is_read_by_its_own_configuration_and_surroundings(tmp_path: Path) -> None:
    write(tmp_path / "x.toml", f'[supervisor]\nstate_dir = "own"\n[[agents]]\nname = "{AGENT}"\n')
    command = ["collections-supervisor", "--config", "x.toml"]
    # A stand-in: what is looked at are its folder and its environment.
    environ = {"HOME": "/home/ann", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        ["sh", "-c", "echo; read line"], cwd=tmp_path, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        [service] = running_services({process.pid: command})
        process.kill()
    assert (service.pid, service.config, service.state_dir) == (process.pid, str(tmp_path / "x.toml"), tmp_path / "own")
    assert f"/home/ann/.cache/novotechno-collections/heartbeats/{AGENT}.log" in service.watches


@needs_proc
@pytest.mark.parametrize("removed", [False, True])
def test_a_supervisor_keeps_its_state_where_its_lock_lies_whatever_its_configuration_says_by_now(
    tmp_path: Path, removed: bool
) -> None:
    write(tmp_path / "x.toml", f'[supervisor]\nstate_dir = "new"\n[[agents]]\nname = "{AGENT}"\n')
    lock = write(tmp_path / "old" / "supervisor.lock", "7\n")
    (tmp_path / "alias").symlink_to("old")
    with subprocess.Popen(
        ["sh", "-c", "exec 9<alias/supervisor.lock; echo; read line"],
        cwd=tmp_path,
        env={"HOME": "/home/ann", "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        if removed:
            lock.unlink()
        arguments = {process.pid: ["collections-supervisor", "--config", "x.toml"]}
        [moved] = running_services(arguments)
        write(tmp_path / "x.toml", f'[supervisor]\nstate_dir = "alias"\n[[agents]]\nname = "{AGENT}"\n')
        [spelt] = running_services(arguments)
        process.kill()
    assert (moved.path, moved.state_dir, moved.known) == (tmp_path / "x.toml", tmp_path / "old", True)
    assert spelt.state_dir == tmp_path / "alias", "by the name that the configuration has for it"


def hidden(*arguments: str) -> Service:
    """A supervisor whose surroundings cannot be seen, as those of another user's process."""
    [service] = running_services({999_999_999: ["collections-supervisor", *arguments]})
    return service


def test_a_supervisor_whose_configuration_is_wrong_or_hidden_is_one_all_the_same(tmp_path: Path) -> None:
    broken = hidden("--config", str(write(tmp_path / "x.toml", "[supervisor]\nstate = 1\n")))
    assert broken.state_dir is None
    assert "state" in broken.why
    assert "its surroundings cannot be seen" in hidden().why


def test_of_a_hidden_supervisor_is_believed_what_its_configuration_spells_out(tmp_path: Path) -> None:
    spelt = hidden("--config", str(write(tmp_path / "x.toml", '[supervisor]\nstate_dir = "/var/lib/x"\n')))
    assert spelt.state_dir == Path("/var/lib/x")
    at_home = hidden("--config", str(write(tmp_path / "y.toml", '[supervisor]\nstate_dir = "~/x"\n')))
    assert at_home.state_dir is None
    assert "below its user's home" in at_home.why


def test_commands_of_ours_are_no_supervisors() -> None:
    assert list(running_services({1: ["collections-supervisor", "doctor"], os.getpid(): ["collections-supervisor"]})) == []
