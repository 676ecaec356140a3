"""The installed program as a process of its own, in a world of its own: folders, configuration, a stand-in `openclaw`."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from tests.events.strict import fault

from collections_supervisor.agents import saved
from collections_supervisor.coordination import state as fleet

if not sys.platform.startswith("linux"):
    # What a run has left behind is found through /proc, and its commands are those of Linux.
    collect_ignore_glob = ["test_*.py"]

T = TypeVar("T")
Event = dict[str, Any]

DEADLINE = 30.0
"""Seconds that anything awaited may take on a slow machine; nothing waits that long when all is well."""

PROGRAM = (sys.executable, "-m", "collections_supervisor")
STANDIN = Path(__file__).parents[1] / "standin"
INTERPRETER = Path(sys.executable).resolve().parent
ALWAYS = ["timestamp", "level", "event", "message", "schema", "service", "version", "run_id", "seq"]
FAULTS = {"python.log", "supervisor.actor_crashed", "supervisor.crashed", "agent.restart.survivors"}
"""Events that tell of a bug of the program itself."""

CONFIGURATION: dict[str, Any] = {
    "supervisor": {"state_dir": "state", "shutdown_grace": "5s"},
    "heartbeats": {"dir": "heartbeats", "timeout": "2s", "miss_interval": "1s"},
    "restart": {
        "verify_within": "1s",
        "backoff": {"initial": "200ms"},
        "attempts_per_incident": 0,
        "per_hour": 0,
        "per_day": 0,
    },
    "escalation": {"group_wait": 0, "channels": [{"kind": "command", "command": ["sh", "-c", 'cat >> "$0"', "{notices}"]}]},
    "books": {"enabled": False},
    "dashboard": {"path": "page.html", "interval": "1s"},
}
"""What every test has unless it says otherwise. `{notices}` stands for the file that notices are appended to."""


def until(condition: Callable[[], T], timeout: float = DEADLINE) -> T:
    """What `condition` gives as soon as that is true; for what shows only in files and processes."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, f"still not so after {timeout:g} s"
        time.sleep(0.02)
    return found


def at(text: str) -> datetime:
    """An instant as the program writes it."""
    return datetime.fromisoformat(text)


def read_lines(path: Path) -> list[Event]:
    """The whole lines of a file of JSON lines; none while it does not exist."""
    try:
        return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    except FileNotFoundError:
        return []


def embedded(page: Path) -> Event:
    """The report that a page carries."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"{page} carries no report"
    report: Event = json.loads(found[1])
    return report


STAMP = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


def set_back(path: Path, seconds: float) -> None:
    """Move every instant that stands in a file, alone or in a text, so far into the past."""

    def earlier(found: re.Match[str]) -> str:
        return (at(found[0]) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    path.write_text(STAMP.sub(earlier, path.read_text(encoding="utf-8")), encoding="utf-8")


def set_back_clocks(snapshot: Path, seconds: float) -> None:
    """The same for the monotonic instants of a snapshot; only its writer knows which numbers are instants."""
    report = json.loads(snapshot.read_bytes())
    state = report["state"]
    state["saved"]["mono"] -= seconds
    known = msgspec.json.decode(json.dumps(state["fleet"]), type=fleet.FleetState)
    state["fleet"] = json.loads(msgspec.json.encode(fleet.shifted(known, -seconds)))
    for name, kept in state["agents"].items():
        state["agents"][name] = json.loads(saved.encode(saved.decode(json.dumps(kept).encode(), -seconds)))
    snapshot.write_text(json.dumps(report), encoding="utf-8")


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def matches(event: Event, name: str, fields: Mapping[str, Any]) -> bool:
    return event["event"] == name and all(event.get(key, ...) == value for key, value in fields.items())


def brief(event: Event) -> str:
    """An event on one line that a person wants to read."""
    hidden = {"level", "event", "message", "timestamp", *ALWAYS[4:-1]}
    fields = {key: value for key, value in event.items() if key not in hidden}
    return f"{event['timestamp'][11:23]} {event['event']}: {event['message']} {fields}"[:300]


class Sweep:
    """One `--health-check` of the program: a process, and when it has ended its report and what it logged."""

    def __init__(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdout: Path) -> None:
        self._stdout = stdout
        self._stderr = stdout.with_suffix(".log")
        with stdout.open("wb") as out, self._stderr.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=log)

    def finish(self, timeout: float = DEADLINE) -> "Sweep":
        """Wait for its end; fails if it misbehaved."""
        self.process.wait(timeout)
        print(f"exit status {self.process.returncode}", *map(brief, self.events), sep="\n")
        wrong = [f"a bug: {event}" for event in self.events if event["event"] in FAULTS]
        assert not [*wrong, *_ill_formed(self.events)]
        return self

    def close(self) -> None:
        """End it if it still runs."""
        self.process.kill()
        self.process.wait()

    @property
    def status(self) -> int:
        """Its exit status."""
        return self.process.returncode

    @property
    def events(self) -> list[Event]:
        """What it logged, on standard error."""
        return [json.loads(line) for line in self._stderr.read_bytes().splitlines()]

    @property
    def output(self) -> str:
        """What it printed."""
        return self._stdout.read_text(encoding="utf-8")

    @property
    def report(self) -> Event:
        """What it printed, which must be one JSON object and nothing else."""
        report: Event = json.loads(self.output)
        return report

    def agent(self, name: str) -> Event:
        """An agent in its report."""
        [found] = [agent for agent in self.report["agents"] if agent["name"] == name]
        return dict(found)

    def incident(self, name: str) -> Event:
        """The open incident of an agent in its report."""
        [found] = [incident for incident in self.report["incidents"] if incident["agent"] == name]
        return dict(found)

    def of(self, name: str, **fields: Any) -> list[Event]:
        """The events of this name and with these fields."""
        return [event for event in self.events if matches(event, name, fields)]


class Daemon:
    """One run of the program, and everything that it has logged."""

    def __init__(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], stderr: Path) -> None:
        self.killed = False
        """It was not allowed to end by itself."""
        self.events: list[Event] = []
        self.logs: list[Path] = []
        """Files in which the log goes on after standard output."""
        self._stderr = stderr
        self._garbage: list[bytes] = []
        self._longest = 0
        self._news = threading.Condition()
        self._listening = threading.Event()
        self._listening.set()
        self._ended = False
        with stderr.open("wb") as file:
            self.process = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file
            )
        assert self.process.stdout is not None
        self._pipe = self.process.stdout.fileno()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    # --- Reading its log ---

    def _read(self) -> None:
        rest = b""
        while self._listening.wait() and (piece := os.read(self._pipe, 1 << 16)):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self._take(line)
        if rest:
            self._take(rest)
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _take(self, line: bytes) -> None:
        with self._news:
            try:
                self.events.append(json.loads(line))
                print(brief(self.events[-1]))  # pytest shows it beside a failure
            except ValueError:
                self._garbage.append(line)
            self._longest = max(self._longest, len(line) + 1)
            self._news.notify_all()

    def deafen(self) -> None:
        """Read no further, as a reader does that hangs."""
        self._listening.clear()

    def listen(self) -> None:
        """Read on."""
        self._listening.set()

    def hang_up(self) -> None:
        """Close the reading end, as a reader does that dies; some line must come, or the reader never notices."""
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, self._pipe)
        os.close(null)

    @staticmethod
    def seconds(earlier: Event, later: Event) -> float:
        """The time between two events, by their own stamps."""
        return (at(later["timestamp"]) - at(earlier["timestamp"])).total_seconds()

    def of(self, name: str, **fields: Any) -> list[Event]:
        """The events of this name and with these fields, so far."""
        with self._news:
            return [event for event in self.events if matches(event, name, fields)]

    def wait_for(self, name: str, *, count: int = 1, after: int = 0, timeout: float = DEADLINE, **fields: Any) -> Event:
        """The `count`th event of this name, with these fields, behind sequence number `after`."""
        wanted = f"{name} {fields} ({count}, after {after})"
        end = time.monotonic() + timeout
        with self._news:
            while True:
                found = [event for event in self.events if event["seq"] > after and matches(event, name, fields)]
                if len(found) >= count:
                    return found[count - 1]
                left = end - time.monotonic()
                assert not self._ended, f"the program ended without {wanted}\n{self._stderr.read_text()}\n{self.tail()}"
                assert left > 0, f"no {wanted} within {timeout:g} s\n{self.tail()}"
                self._news.wait(left)

    def tail(self) -> str:
        """The last lines of the log, short enough to be read."""
        return "\n".join(brief(event) for event in self.events[-25:])

    # --- Its end ---

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, timeout: float = DEADLINE) -> int:
        """Its exit status, when all that it wrote has been read."""
        status = self.process.wait(timeout)
        self.listen()
        self._reader.join(timeout)
        assert not self._reader.is_alive(), "something still holds its standard output open"
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and wait for that."""
        if self.process.poll() is None:
            self.send(number)
        return self.wait()

    def kill(self) -> None:
        """Have it end without a chance to do anything, and wait for that."""
        self.killed = True
        self.send(signal.SIGKILL)
        self.wait()

    def close(self) -> list[str]:
        """Stop it if it still runs, and say what is wrong with how it ran and ended."""
        try:
            status: int | str = self.stop()
        except (subprocess.TimeoutExpired, AssertionError) as error:
            status = repr(error)
        finally:
            self.process.kill()
            self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()
        logged = self.events + [event for path in self.logs for event in read_lines(path)]
        wrong = [f"it ended with {status}"] if status != 0 and not self.killed else []
        wrong += [f"this line is not JSON: {line!r}" for line in self._garbage]
        wrong += [f"on standard error: {text}"] if (text := self._stderr.read_text()) else []
        wrong += [f"a line of {self._longest} bytes"] if self._longest > 8000 else []
        wrong += [f"a bug: {event}" for event in logged if event["event"] in FAULTS and event["level"] != "debug"]
        return [*wrong, *_ill_formed(logged), *([] if self.killed else _badly_ended(logged))]


def _badly_ended(logged: Sequence[Event]) -> Iterator[str]:
    if not logged or logged[-1]["event"] != "supervisor.stopped":
        yield f"the last event is not supervisor.stopped but {logged[-1:]}"
    yield from _page_not_stopped(logged)


def _ill_formed(logged: Sequence[Event]) -> Iterator[str]:
    if len({event["run_id"] for event in logged}) > 1:
        yield "more than one run_id"
    last = 0
    for event in logged:
        if list(event)[: len(ALWAYS)] != ALWAYS or not re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{6}Z", event["timestamp"]):
            yield f"not the fields of every event: {event}"
        missing = event["dropped"] if event["event"] == "log.dropped" else 0
        if event["seq"] != last + missing + 1:
            yield f"seq goes from {last} to {event['seq']} unexplained"
        last = event["seq"]
        if wrong := fault(event):
            yield wrong


def _page_not_stopped(logged: Sequence[Event]) -> Iterator[str]:
    page = next((event["dashboard"] for event in logged if event["event"] == "supervisor.started"), None)
    if page is None:
        return
    if not Path(page).exists():
        yield "there is no page"
    elif embedded(Path(page))["run_id"] != logged[0]["run_id"]:
        return  # a sweep has drawn it since
    elif embedded(Path(page))["stopped_at"] is None or "Stopped at" not in Path(page).read_text():
        yield f"the last page does not say that nothing is watched any more: {page}"


class Site:
    """A folder in which programs under test run: nothing outside it is written, and everything started here is known by it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.state = root / "state"
        self.page_path = root / "page.html"
        self.notices_path = root / "notices.jsonl"
        self._rules = root / "rules.json"
        self._daemons: list[Daemon] = []
        self._sweeps: list[Sweep] = []
        self.home.mkdir()
        self.rules()

    # --- What the program finds ---

    def environment(self) -> dict[str, str]:
        """All that the program is to see; the tester's own variables could configure it."""
        passed = {name: value for name, value in os.environ.items() if name.startswith(("COVERAGE_", "PYTHONPATH"))}
        return passed | {
            "PATH": f"{STANDIN}:{INTERPRETER}:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "STANDIN_CALLS": str(self.root / "calls.jsonl"),
            "STANDIN_SCRIPT": str(self._rules),
        }

    def configure(self, agents: Sequence[Mapping[str, Any]] | None = None, **sections: Mapping[str, Any]) -> Path:
        """Write `supervisor.toml`; what a section does not say is as in CONFIGURATION."""
        names = {*CONFIGURATION, *sections}
        config: dict[str, Any] = {name: {**CONFIGURATION.get(name, {}), **sections.get(name, {})} for name in names}
        lines = [line for name, members in config.items() for line in ("", f"[{name}]", *_assignments(members))]
        for agent in agents or ():
            lines += ["", "[[agents]]", *_assignments(agent)]
        path = self.root / "supervisor.toml"
        path.write_text("\n".join(lines).replace("{notices}", str(self.notices_path)) + "\n", encoding="utf-8")
        return path

    def rules(self, *rules: Mapping[str, Any]) -> None:
        """Have the stand-in follow these rules from its next call on."""
        new = self._rules.with_suffix(".new")
        new.write_text(json.dumps(rules), encoding="utf-8")
        new.replace(self._rules)

    def log_of(self, agent: str) -> Path:
        """The heartbeat log of an agent."""
        return self.root / "heartbeats" / f"{agent}.log"

    def write(self, agent: str, data: bytes) -> None:
        """Append to a heartbeat log as it stands."""
        path = self.log_of(agent)
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as file:
            file.write(data)

    def beat(self, agent: str, ago: float = 0.0, **members: Any) -> str:
        """Append one beat, stamped `ago` seconds in the past; its stamp."""
        stamp = (datetime.now(UTC) - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.write(agent, json.dumps({"timestamp": stamp, "stale": False, **members}).encode() + b"\n")
        return stamp

    def stale(self, agent: str, ago: float = 0.0) -> None:
        """Append a miss that another tool recorded `ago` seconds in the past."""
        self.beat(agent, ago, stale=True)

    def configure_books(self, check_interval: str = "15m", **books: Any) -> None:
        """Have books below this site and one agent that is well; `books` are further members of their section."""
        self.beat("mailer")
        watched = {"name": "mailer", "timeout": "1h", "restart": {"kind": "none"}}
        places = {"state_dir": "invoices", "ledger": "ledger.md", "queue_dir": "cache/queues", "cache_dir": "cache"}
        self.configure([watched], books={"enabled": True, **places, **books}, supervisor={"check_interval": check_interval})

    def invoice(self, path: str, content: Any) -> Path:
        """Write an invoice below the folder of invoices; bytes as they are, anything else as JSON."""
        target = self.root / "invoices" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else json.dumps(content, indent=2).encode())
        return target

    def ledger(self, *entries: str, **sections: Sequence[str]) -> Path:
        """Write a ledger: entries that are unpaid, or those of each section; without a Summary."""
        path = self.root / "ledger.md"
        lines = ["# Collections Ledger"]
        for name, content in {"unpaid": entries, "paid": (), "escalated": (), **sections}.items():
            lines += ["", f"## {name.capitalize()}", "", *content]
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")
        return path

    def let_pass(self, seconds: float) -> None:
        """Have everything that is kept be so much older; nothing may run meanwhile."""
        for path in [*self.root.glob("heartbeats/*.log"), *self.state.glob("**/*.json*")]:
            set_back(path, seconds)
        set_back_clocks(self.state / "snapshot.json", seconds)

    def tree(self) -> dict[str, tuple[int, int, bytes]]:
        """All that lies here, with modes, times and contents; but not what the tests write, nor what says who has the lock."""
        ours = {*self._outputs(), self.state / "supervisor.lock"}
        return {str(path.relative_to(self.root)): _look(path) for path in self.root.rglob("*") if path not in ours}

    def remove_state(self) -> None:
        """Remove the state folder, whoever works in it."""
        shutil.rmtree(self.state)

    def _outputs(self) -> Iterator[Path]:
        return (path for pattern in ("stderr-*", "sweep-*") for path in self.root.glob(pattern))

    # --- Running it ---

    def check(self, *arguments: str, through: Sequence[str] = ()) -> Sweep:
        """One sweep, to its end."""
        return self.begin_check(*arguments, through=through).finish()

    def begin_check(self, *arguments: str, through: Sequence[str] = ()) -> Sweep:
        """One sweep that prints JSON; `arguments` come before those that ask for it, `through` is a command that becomes it."""
        command = (*through, *PROGRAM, "--config", str(self.root / "supervisor.toml"), *arguments, "--health-check", "--json")
        stdout = self.root / f"sweep-{len(self._sweeps)}"
        sweep = Sweep(command, cwd=self.root, env=self.environment(), stdout=stdout)
        self._sweeps.append(sweep)
        return sweep

    def run(self, *arguments: str, closed_stdout: bool = False, through: Sequence[str] = ()) -> Daemon:
        """Start the program, by default with the configuration that was written last; `through` a command that becomes it."""
        command = (*through, *PROGRAM, *(arguments or ("--config", str(self.root / "supervisor.toml"))))
        if closed_stdout:
            command = ("sh", "-c", 'exec "$@" >&-', "sh", *command)
        stderr = self.root / f"stderr-{len(self._daemons)}"
        daemon = Daemon(command, cwd=self.root, env=self.environment(), stderr=stderr)
        self._daemons.append(daemon)
        return daemon

    def call(self, *arguments: str, through: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run the program to its end."""
        return subprocess.run(
            [*through, *PROGRAM, *arguments],
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    # --- What came of it ---

    until = staticmethod(until)
    is_running = staticmethod(is_running)
    read_lines = staticmethod(read_lines)
    embedded = staticmethod(embedded)

    def calls(self, agent: str, *kinds: str) -> list[Event]:
        """The calls of the stand-in about an agent, begun so far, in order; an abort and the like with the restart it serves."""
        # A list of tasks is asked for by the canonical id.
        begun = read_lines(self.root / "calls.started.jsonl")
        return [call for call in begun if call["agent"].lower() == agent.lower() and (not kinds or call["kind"] in kinds)]

    def ended_calls(self, agent: str, *kinds: str) -> list[Event]:
        """The calls that have ended and could say so, with `end` and `exit`."""
        ended = read_lines(self.root / "calls.jsonl")
        return [call for call in ended if call["agent"].lower() == agent.lower() and (not kinds or call["kind"] in kinds)]

    def notices(self, agent: str | None = None) -> list[Event]:
        """The notices that a human has."""
        return [notice for notice in read_lines(self.notices_path) if agent in (None, notice["agent"])]

    def shown(self, agent: str, **members: Any) -> Event:
        """The agent as the page has it, once it is like this there."""

        def look() -> Event | None:
            with contextlib.suppress(FileNotFoundError):
                found: list[Event] = [entry for entry in embedded(self.page_path)["agents"] if entry["name"] == agent]
                if found and all(found[0][key] == value for key, value in members.items()):
                    return found[0]
            return None

        try:
            found = until(look)
        except AssertionError:
            pytest.fail(f"the page never shows {agent} with {members}, at last: {embedded(self.page_path)['agents']}")
        assert found is not None
        return found

    @staticmethod
    def sleeps(pid: int) -> bool:
        """Whether a process does nothing but wait for a moment to pass; never so where the kernel keeps that to itself."""
        return "nanosleep" in Path(f"/proc/{pid}/wchan").read_text()

    @staticmethod
    def terminate(pid: int) -> None:
        """End a call of the stand-in before its time."""
        os.kill(pid, signal.SIGTERM)

    @staticmethod
    def kill(pid: int) -> None:
        """Kill a process that belongs to this site."""
        os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End what runs, and fail if a program misbehaved or left something behind."""
        for sweep in self._sweeps:
            sweep.close()
        wrong = [f"{sentence}\n{daemon.tail()}" for daemon in reversed(self._daemons) for sentence in daemon.close()]
        with contextlib.suppress(AssertionError):
            until(lambda: not self._left_behind(), timeout=2.0)  # the killed need a moment to be gone
        for pid, command in self._left_behind().items():
            wrong.append(f"left behind: {pid} {command}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # What the killed were writing stays until it is old: a later start cannot know that nobody writes it any more.
        if not any(daemon.killed for daemon in self._daemons):
            wrong += [f"left behind: {path}" for path in self.root.rglob(".collections-supervisor-*")]
        assert not wrong, "\n".join(wrong)

    def _left_behind(self) -> dict[int, str]:
        """Whatever has this site in its environment, which children inherit, whichever session they are in."""
        mark = f"{self.root}/".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if mark in (entry / "environ").read_bytes():
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return found


def _look(path: Path) -> tuple[int, int, bytes]:
    found = path.lstat()
    # A folder's time says that something in it was replaced, which its content tells already.
    return (found.st_mode, found.st_mtime_ns, path.read_bytes()) if path.is_file() else (found.st_mode, 0, b"")


def _assignments(members: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in members.items()]


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str() | Path():
            return json.dumps(str(value))
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
        case list() | tuple():
            return f"[{', '.join(_toml(each) for each in value)}]"
        case _:
            return repr(value)


@contextmanager
def opened(root: Path) -> Iterator[Site]:
    site = Site(root)
    try:
        yield site
    finally:
        site.close()


@pytest.fixture(scope="session")
def open_site() -> Callable[[Path], AbstractContextManager[Site]]:
    """Makes sites: for modules whose tests share one run of the program."""
    return opened


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site for one test."""
    with opened(tmp_path) as made:
        yield made
