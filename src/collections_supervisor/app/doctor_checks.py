"""What the doctor says of what was found: sound or not, and the exact thing to do. Pure."""

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from collections_supervisor.config.problems import closest
from collections_supervisor.config.schema import AgentConfig, LogSource
from collections_supervisor.messages import Reading
from collections_supervisor.system.clock import span

Result = Literal["ok", "note", "warn", "fail"]
"""`note`: nothing is wrong, and something is worth knowing. Only `fail` makes the exit status 1."""

EARLIEST, LATEST = 2026, 2100
"""Years outside of which a clock is wrong: nobody had this program before."""

HEALTHY = 200
"""The HTTP status by which a gateway says that it is well."""

AHEAD = timedelta(minutes=1)
"""How far a file's time may lie in the future: network file systems go by the server's clock."""

NAMED = 5
"""Files that are named one by one."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    result: Result
    found: str
    fix: str = ""
    """What to do, as exactly as it can be said; empty where there is nothing."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program that the configuration names."""

    program: str
    key: str
    """Where the configuration names it."""
    path: str
    """The PATH on which it was sought."""
    found: str | None
    executable: bool = True


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder and who may do what with it."""

    path: str
    mode: int
    private: bool = False
    """Nobody else is to see it; otherwise only not everybody is to write it."""

    @property
    def is_wide(self) -> bool:
        """Whether more people may use it than should."""
        return bool(self.mode & (0o077 if self.private else 0o002))


# --- Programs and OpenClaw ---


def programs(found: Sequence[Program]) -> Iterator[Check]:
    """Whether every program that would be started is there."""
    for each in found:
        if each.found is None:
            where = "does not exist" if "/" in each.program else f"is not on PATH {each.path}"
            fix = f"install it, or write its full path: {each.key}; a service has another PATH than your shell"
            yield Check(name="commands", result="fail", found=f"{each.program} {where} ({each.key})", fix=fix)
        elif not each.executable:
            fix = f"chmod +x {shlex.quote(each.found)}"
            yield Check(name="commands", result="fail", found=f"{each.found} cannot be executed ({each.key})", fix=fix)
    sound = list(dict.fromkeys(each.found for each in found if each.found is not None and each.executable))
    if sound:
        yield Check(name="commands", result="ok", found=f"found: {listed(sound)}")
    elif not found:
        yield Check(name="commands", result="ok", found="the configuration names none")


def gateway(url: str, answer: int | str) -> Check:
    """Whether OpenClaw's gateway answers: the HTTP status of its health, or why there is none."""
    if answer == HEALTHY:
        return Check(name="gateway", result="ok", found=f"OpenClaw's gateway answers at {url}")
    fix = (
        "start it (openclaw gateway start), or name its port: OPENCLAW_GATEWAY_PORT, or gateway.port of ~/.openclaw/openclaw.json"
    )
    # Anything at all may listen there: what is no gateway knows nothing of its health.
    problem = answer if isinstance(answer, str) else f"HTTP {answer}, and a gateway that is well says {HEALTHY}"
    return Check(name="gateway", result="fail", found=f"OpenClaw's gateway does not answer at {url}: {problem}", fix=fix)


# --- Heartbeats ---


def beaten(policy: AgentConfig, reading: Reading, now: datetime, command: str, *, running: bool) -> Check:
    """Whether this agent has ever beaten; `command` calls this program with this configuration, `running`: its supervisor."""
    name, where = policy.name, _sources(policy)
    if not policy.sources:
        return Check(name="agents", result="ok", found=f"{name} is judged by being alive")
    if reading.status == "unreadable":
        fix = "make it readable for the user that the supervisor runs as"
        return Check(name="agents", result="fail", found=f"{name} cannot be judged: {reading.error}", fix=fix)
    last = reading.beat.stamp if reading.beat is not None else reading.recorded_last_heartbeat
    if last is not None:
        age = max(0.0, (now - last).total_seconds())
        return Check(name="agents", result="ok", found=f"{name} beat {span(age)} ago")
    if reading.future is not None:
        found = f"{name} has beaten in the future only ({reading.future.stamp:%Y-%m-%d %H:%M:%S} UTC): {where}"
        return Check(name="agents", result="fail", found=found, fix="set the clock of whoever writes it, or of this machine")
    fix = f"have its work run: {command} beat {name}"
    if not any(isinstance(source, LogSource) for source in policy.sources):
        fix = f"have its work touch {where}"
    if policy.restart.kind == "process" and not running:
        found = f"{name} has never beaten: the supervisor, which is to start it, does not run yet"
        return Check(name="agents", result="note", found=found)
    return Check(name="agents", result="fail", found=f"{name} has never beaten: {where}", fix=fix)


def _sources(policy: AgentConfig) -> str:
    return listed([str(source.path) for source in policy.sources])


def strangers(folder: Path, names: Sequence[str], known: Collection[str]) -> Iterator[Check]:
    """Heartbeat logs of nobody who is watched: a name that is spelt otherwise, or an agent that was forgotten."""
    if not names:
        yield Check(name="heartbeat files", result="ok", found=f"{folder} holds logs of watched agents only")
    for name in names[:NAMED]:
        agent = name.removesuffix(".log")
        meant = closest(agent, known)
        hint = f"did you mean {meant}? Then have that agent write {meant}.log; else " if meant else ""
        fix = f'{hint}add [[agents]] with name = "{agent}", or remove it: rm {shlex.quote(str(folder / name))}'
        yield Check(name="heartbeat files", result="fail", found=f"nobody watches {folder / name}", fix=fix)
    if len(names) > NAMED:
        more = f"{len(names) - NAMED} more files in {folder} belong to no watched agent"
        yield Check(name="heartbeat files", result="fail", found=more, fix="configure these agents, or remove their files")


# --- Files ---


def books(paths: Mapping[str, tuple[Path, bool]], *, configured: bool) -> Iterator[Check]:
    """Whether invoices and ledger are there: path and existence by the key that names them."""
    for key, (path, exists) in paths.items():
        if exists:
            yield Check(name="books", result="ok", found=f"{path} ({key})")
            continue
        fix = f"name the right place in {key}; without books: [books] enabled = false"
        yield Check(name="books", result="warn" if configured else "note", found=f"{path} does not exist ({key})", fix=fix)


def state(folder: Path, problem: str, *, exists: bool) -> Check:
    """Whether the state folder can be written."""
    if not problem:
        return Check(name="state", result="ok", found=f"{folder} {'can be written' if exists else 'can be made'}")
    quoted = shlex.quote(str(folder))
    fix = f"as root: install -d -m 700 -o USER {quoted}, with the user that the supervisor runs as; or set supervisor.state_dir"
    return Check(name="state", result="fail", found=f"{folder} cannot be {'written' if exists else 'made'}: {problem}", fix=fix)


def others_state(fact: str, advice: str) -> Check:
    """Root looks at the state of another user's supervisor, and must not write there."""
    return Check(name="state", result="fail", found=fact, fix=advice)


def socket_path(path: bytes, longest: int) -> Check:
    """Whether the control socket's path fits into a socket's address."""
    if len(path) <= longest:
        return Check(name="socket", result="ok", found=f"its path has {len(path)} bytes of {longest}")
    shown = path.decode("utf-8", "replace")
    fix = f"choose a supervisor.state_dir that is {len(path) - longest} bytes shorter"
    return Check(name="socket", result="fail", found=f"{shown} has {len(path)} bytes, more than {longest}", fix=fix)


def modes(places: Sequence[Place]) -> Iterator[Check]:
    """Files and folders that more people may use than should."""
    places = [place for place in places if place.is_wide]
    if not places:
        yield Check(name="modes", result="ok", found="nobody else may read our state or write what we believe")
    for place in places[:NAMED]:
        fix = f"chmod go-{'rwx' if place.private else 'w'} {shlex.quote(place.path)}"
        yield Check(name="modes", result="warn", found=f"{place.path} has mode {place.mode & 0o7777:04o}", fix=fix)
    if len(places) > NAMED:
        yield Check(name="modes", result="warn", found=f"and {len(places) - NAMED} more files", fix="chmod them likewise")


def clock(now: datetime, newest: tuple[str, datetime] | None) -> Check:
    """Whether the wall clock can be right; `newest` is the file that was changed last."""
    fix = "set it (timedatectl set-ntp true), and keep it right: deadlines and stamps go by it"
    if not EARLIEST <= now.year < LATEST:
        return Check(name="clock", result="warn", found=f"it says {now:%Y-%m-%d %H:%M} UTC", fix=fix)
    if newest is not None and newest[1] > now + AHEAD:
        found = f"it says {now:%Y-%m-%d %H:%M} UTC, but {newest[0]} was changed at {newest[1]:%Y-%m-%d %H:%M} UTC"
        return Check(name="clock", result="warn", found=found, fix=fix)
    return Check(name="clock", result="ok", found=f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")


def unknown(name: str, why: str) -> Check:
    """What could not be looked at."""
    return Check(name=name, result="warn", found=f"could not be looked at: {why}")


def listed(texts: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return f"{', '.join(texts[:NAMED])}{more}"
