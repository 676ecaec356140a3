"""Looking for others who look after the same agents: in crontabs, units and launch agents, and among what runs."""

import os
import plistlib
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from collections_supervisor.app.doctor_others import Service, Sighting, watched
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
from collections_supervisor.config.loader import find_config, load
from collections_supervisor.config.problems import ConfigError
from collections_supervisor.system.files import cause_of
from collections_supervisor.system.lock import LOCK
from collections_supervisor.system.process_arguments import read_open_files, read_surroundings
from collections_supervisor.system.process_table import Process, read_markers, read_table

_CRONTABS = ("etc/crontab", "etc/cron.d/*", "var/spool/cron/crontabs/*", "var/spool/cron/*", "usr/lib/cron/tabs/*")
_CRON_SCRIPTS = ("etc/cron.hourly/*", "etc/cron.daily/*")
_UNITS = ("etc/systemd/system", "etc/systemd/user", "run/systemd/system", "usr/local/lib/systemd/system")
_AGENTS = ("Library/LaunchAgents", "Library/LaunchDaemons")
_HOME_UNITS = ".config/systemd/user"
_HOME_AGENTS = "Library/LaunchAgents"

_LARGEST = 64 << 10
"""Bytes of a file that somebody wrote by hand."""

_MOST_FILES = 2000
_ENVIRONMENT_FILE = re.compile(r"^\s*EnvironmentFile\s*=\s*(\S+)\s*$", re.MULTILINE)
_SCRIPT = re.compile(r"(?<![\w.])/[^\s'\";|&<>()]+")
_PROGRAM = re.compile(r"/node_modules/|/site-packages/|\.[cm]?js$")
"""Programs of others that are text: OpenClaw's own says how to restart it."""

_NOBODYS_HOME = "/home of whoever runs it"


def in_files(root: Path, home: Path | None, quarry: Quarry) -> Iterator[Sighting]:
    """What is run regularly, or kept running, and does something to these agents. `root` is where the machine's files lie."""
    for path in _matching(root, _CRONTABS):
        yield from _in_text(str(path), commands_in_crontab(_read(path)), quarry)
    for path in _matching(root, _CRON_SCRIPTS):
        yield from _sighting(str(path), of_script(_read(path), quarry), str(path))
    for path in _units([*(root / folder for folder in _UNITS), *([home / _HOME_UNITS] if home else [])]):
        yield from _in_text(str(path), commands_in_unit(_read(path)), quarry)
    launch_agents = [*(root / folder for folder in _AGENTS), *([home / _HOME_AGENTS] if home else [])]
    for path in (path for folder in launch_agents for path in _matching(folder, ("*.plist",))):
        yield from _in_text(str(path), _commands_in_plist(path), quarry)


def in_crontab(text: str, quarry: Quarry) -> Iterator[Sighting]:
    """The same for the user's own crontab, which only a program of the system's may read."""
    yield from _in_text("the crontab of this user", commands_in_crontab(text), quarry)


def among_processes(quarry: Quarry, arguments: Mapping[int, list[str]], supervisors: Iterable[int]) -> Iterator[Sighting]:
    """What runs at this moment and does something to these agents.

    Not we ourselves nor whoever started us: a shell may name agents in its command. And nothing that a supervisor of ours, or an
    earlier life of it, has started.
    """
    table = read_table()
    us, theirs = set(_ancestry(os.getpid(), table)), {os.getpid(), *supervisors}
    found = {pid: what for pid, argv in arguments.items() if pid not in us and (what := of_process(argv, quarry))}
    marked = read_markers(found)
    for pid, what in found.items():
        if pid not in marked and theirs.isdisjoint(_ancestry(pid, table)):
            yield Sighting(where=f"process {pid}", what=what, text=" ".join(arguments[pid]))


def _ancestry(pid: int, table: Mapping[int, Process]) -> list[int]:
    line = [pid]
    while pid in table and (pid := table[pid].parent) > 0 and pid not in line:
        line.append(pid)
    return line


def _in_text(where: str, commands: Iterable[str], quarry: Quarry) -> Iterator[Sighting]:
    for command in commands:
        what = of_line(command, quarry)
        if not what:
            # What is run mostly is a script, and the names stand in there.
            scripts = (found for found in _SCRIPT.findall(command) if not _PROGRAM.search(found))
            what = next((said for path in scripts if (said := of_script(_read(Path(path)), quarry))), "")
        yield from _sighting(where, what, command)


def _sighting(where: str, what: str, text: str) -> Iterator[Sighting]:
    if what:
        yield Sighting(where=where, what=what, text=text)


def _matching(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for pattern in patterns:
        with suppress(OSError):
            yield from islice(sorted(folder.glob(pattern)), _MOST_FILES)


def _units(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from _matching(folder, ("*.service", "*.service.d/*.conf"))


def _read(path: Path) -> str:
    """A small text that somebody wrote; empty if it is anything else, or not for us."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError):
        return ""
    return "" if len(data) > _LARGEST or b"\0" in data else data.decode("utf-8", "replace")


def _commands_in_plist(path: Path) -> Iterator[str]:
    try:
        found = plistlib.loads(_read(path).encode())
    except Exception:  # noqa: BLE001 - its parser raises anything at all for what is none
        return
    arguments = found.get("ProgramArguments") if isinstance(found, dict) else None
    if isinstance(arguments, list):
        yield " ".join(str(argument) for argument in arguments)


def environments(root: Path, home: Path | None) -> Iterator[str]:
    """From where the services that run a supervisor of ours have their variables, as far as units and launch agents tell."""
    for path in _units([*(root / folder for folder in _UNITS), *([home / _HOME_UNITS] if home else [])]):
        text = _read(path)
        if any(_supervises(command) for command in commands_in_unit(text)):
            files = [found.lstrip("-") for found in _ENVIRONMENT_FILE.findall(text)]
            yield from files or [f"Environment= of {path}"]
    launch_agents = [*(root / folder for folder in _AGENTS), *([home / _HOME_AGENTS] if home else [])]
    for path in (path for folder in launch_agents for path in _matching(folder, ("*.plist",))):
        if any(_supervises(command) for command in _commands_in_plist(path)):
            yield f"EnvironmentVariables of {path}"


def _supervises(command: str) -> bool:
    try:
        return own_run(shlex.split(command.lstrip("@-:+!"))) is not None
    except ValueError:  # an odd quotation mark
        return False


def running_services(arguments: Mapping[int, list[str]]) -> Iterator[Service]:
    """The supervisors that run, and where each keeps its state by its own configuration and surroundings."""
    for pid, argv in arguments.items():
        own = own_run(argv)
        if own is not None and pid != os.getpid():
            yield _service(pid, own)


def _service(pid: int, arguments: Sequence[str]) -> Service:
    named = option(arguments, "--config")
    spoken, hidden = named or "no --config", ""
    try:
        folder, theirs = read_surroundings(pid)
    except OSError as error:
        hidden = f"its surroundings cannot be seen ({cause_of(error)})"
        if named is None or not Path(named).is_absolute():
            return Service(pid=pid, config=spoken, why=hidden)
        folder, theirs = Path("/"), {"HOME": _NOBODYS_HOME}
    path = folder / named if named is not None else find_config(theirs, folder)
    try:
        config = load(path, environ=theirs, agents_flag=option(arguments, "--agents")).config
    except ConfigError as error:
        return Service(pid=pid, config=str(path), path=path, why=str(error).splitlines()[0])
    state_dir, known = _kept_in(pid, config.supervisor.state_dir)
    if state_dir.is_relative_to(_NOBODYS_HOME):
        return Service(pid=pid, config=str(path), path=path, why=f"it lies below its user's home, and {hidden}")
    return Service(
        pid=pid,
        config=str(path) if path is not None else "built-in values",
        path=path,
        state_dir=state_dir,
        known=known,
        variables=None if hidden else frozenset(name for name, value in theirs.items() if value.strip()),
        watches=watched(config.agents),
    )


def _kept_in(pid: int, configured: Path) -> tuple[Path, bool]:
    """Where a supervisor keeps its state, and whether that is more than what its file says by now, heeded only at a start."""
    try:
        locks = [path for path in read_open_files(pid) if path.name == LOCK]
    except OSError:
        return configured, False
    if not locks or os.path.realpath(configured / LOCK) == str(locks[0]):
        return configured, True
    return locks[0].parent, True
