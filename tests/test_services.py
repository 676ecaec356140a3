"""The files by which an operating system runs the program: they hold what it needs, and are what they should be."""

import plistlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.config.loader import load
from collections_supervisor.config.schema import SupervisorConfig

CONFIG = Path(__file__).parent.parent / "config"
UNIT = CONFIG / "systemd" / "collections-supervisor.service"
SETTINGS = CONFIG / "systemd" / "supervisor.toml"
PLIST = CONFIG / "launchd" / "com.novotechno.collections-supervisor.plist"
GRACE = SupervisorConfig(state_dir=Path("/")).shutdown_grace
LEAST_SPARE = 10.0
"""Seconds beyond our grace before we are killed: the last page, the last lines, a slow disk."""

SECONDS = {"s": 1, "min": 60}
HIGHEST_EXPOSURE = 2.0

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed: the unit is not verified here"
)


def assignments() -> dict[str, list[str]]:
    """The settings of the unit; each may be given more than once."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^([A-Za-z]+)=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def one(name: str) -> str:
    [value] = assignments()[name]
    return value


def seconds(name: str) -> float:
    found = re.fullmatch(r"(\d+)(s|min)", one(name))
    assert found, name
    return int(found[1]) * SECONDS[found[2]]


# --- systemd ---


def test_the_unit_waits_for_our_word_and_restarts_us_unless_the_configuration_is_wrong() -> None:
    assert (one("Type"), one("Restart"), one("RestartPreventExitStatus")) == ("notify", "always", "78")
    assert one("ExecReload") == "/bin/kill -HUP $MAINPID"
    # A round is over at least once a minute, and a disk that does not answer is given up within ten seconds.
    assert seconds("WatchdogSec") / 2 > 60 + 10


def test_the_unit_leaves_to_us_what_is_ours_to_end() -> None:
    assert (one("KillMode"), one("OOMPolicy")) == ("process", "continue")
    assert seconds("TimeoutStopSec") >= GRACE + LEAST_SPARE


def test_the_walls_leave_out_what_would_break_us() -> None:
    assert {"MemoryDenyWriteExecute", "ProcSubset", "PrivateUsers"}.isdisjoint(assignments())


def test_the_service_and_a_shell_use_the_same_state_folder() -> None:
    config = load(SETTINGS, environ={"HOME": "/var/lib/collections", "STATE_DIRECTORY": "/elsewhere"}).config
    assert config.supervisor.state_dir == Path("/var/lib") / one("StateDirectory")
    assert config.supervisor.shutdown_grace == GRACE


def test_the_settings_of_the_service_raise_no_eyebrows() -> None:
    assert load(SETTINGS, environ={"HOME": "/var/lib/collections"}).warnings == ()
    assert one("ExecStart").endswith(f"--config /etc/{UNIT.stem}/{SETTINGS.name}")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit with a program that exists here; that of an installation does not."""
    path = tmp_path / UNIT.name
    program = one("ExecStart").split()[0]
    path.write_text(UNIT.read_text(encoding="utf-8").replace(program, sys.executable), encoding="utf-8")
    return path


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(installed: Path) -> None:
    done = analyze("verify", "--man=no", installed)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_little_exposed(installed: Path) -> None:
    done = analyze("security", "--offline=true", "--no-pager", installed)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= HIGHEST_EXPOSURE


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=50, check=False)


# --- launchd ---


@pytest.fixture
def plist() -> Mapping[str, Any]:
    found: Mapping[str, Any] = plistlib.loads(PLIST.read_bytes())
    return found


def texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for member in value.values():
                yield from texts(member)
        case Sequence():
            for member in value:
                yield from texts(member)
        case _:
            return


def test_the_agent_leaves_to_us_what_is_ours_to_end(plist: Mapping[str, Any]) -> None:
    assert plist["AbandonProcessGroup"] is True
    assert plist["ExitTimeOut"] >= GRACE + LEAST_SPARE
    assert plist["KeepAlive"] == {"SuccessfulExit": False}


def test_the_agent_names_a_path_and_nothing_that_launchd_would_not_expand(plist: Mapping[str, Any]) -> None:
    assert "/usr/bin" in plist["EnvironmentVariables"]["PATH"].split(":")
    found = list(texts(plist))
    assert len(found) > 6
    assert not [text for text in found if "~" in text or "$" in text]
    assert plist["Label"] == PLIST.stem
    assert plist["ProgramArguments"][1] == "--config"
    for path in (
        plist["ProgramArguments"][0],
        plist["ProgramArguments"][2],
        plist["StandardOutPath"],
        plist["StandardErrorPath"],
    ):
        assert path.startswith("/Users/NAME/")


def test_the_limits_of_launchd_are_named_beside_it() -> None:
    comment = PLIST.read_text(encoding="utf-8").partition("<!--")[2].partition("-->")[0]
    for word in ("PATH", '"~"', "StandardOutPath", "logging.file", "deadman", "78"):
        assert word in comment
