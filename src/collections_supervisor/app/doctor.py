"""`doctor`: looks at everything around the supervisor that has to be right, and changes nothing but what it proves."""

import os
import secrets
import shlex
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio

from collections_supervisor.agents.heartbeat import HeartbeatReader
from collections_supervisor.app import doctor_checks as checks
from collections_supervisor.app import doctor_others as others
from collections_supervisor.app import doctor_search as search
from collections_supervisor.app.doctor_checks import Check
from collections_supervisor.app.doctor_files import Files, small, try_to_write
from collections_supervisor.app.doctor_openclaw import gateway_url, needs_gateway, settings_path
from collections_supervisor.app.doctor_programs import named_programs
from collections_supervisor.app.notify_test import try_channels
from collections_supervisor.app.other_watchdogs import Quarry
from collections_supervisor.app.proofs import keep_proofs, read_proofs
from collections_supervisor.app.run import secrets_of
from collections_supervisor.config.effective import Loaded
from collections_supervisor.config.files import home_directory
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.coordination.store import read_report
from collections_supervisor.escalation.channels import names_of
from collections_supervisor.escalation.http_answer import Answer
from collections_supervisor.escalation.http_post import Request, post
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.files import cause_of
from collections_supervisor.system.lock import LOCK
from collections_supervisor.system.ownership import OthersFolderError, require_own
from collections_supervisor.system.process import child_environment
from collections_supervisor.system.process_arguments import read_arguments
from collections_supervisor.system.process_command import run_command
from collections_supervisor.system.threads import DaemonPool, hop

DEADLINE = 15.0
"""Seconds for one check: a dead network mount must not keep the others from being told."""

GATEWAY_DEADLINE = 5.0
LONGEST_SOCKET = 107 if sys.platform.startswith("linux") else 103
"""Bytes of a path in a socket's address, less the one that ends it."""

SOCKET = "control.sock"

_T = TypeVar("_T")
_POOL = DaemonPool("doctor", threads=16)


class Doctor:
    """One examination."""

    def __init__(self, loaded: Loaded, environ: Mapping[str, str], *, root: Path = Path("/")) -> None:
        """`root` is where the machine's own files lie."""
        self._config = loaded.config
        self._files = Files(loaded)
        self._environ = environ
        self._root = root
        self._home = home_directory(environ)
        self._clock = SystemClock()
        config = f" --config {shlex.quote(str(self._config.path))}" if self._config.path is not None else ""
        self._command = f"collections-supervisor{config}"
        self._arguments: dict[int, list[str]] = {}
        self._running: tuple[others.Service, ...] = ()

    async def examine(self, *, notify_test: bool = False) -> tuple[Check, ...]:
        """Everything that was found, in the order in which it is read best; never raises for what it finds."""
        tested = [("test notice", self._notify_test)] if notify_test else []
        await self._alone("processes", self._look_at_processes)
        named: list[tuple[str, Callable[[], AsyncIterator[Check]]]] = [
            ("commands", self._programs),
            ("gateway", self._gateway),
            ("agents", self._agents),
            ("heartbeat files", self._strangers),
            ("books", self._books),
            ("state", self._state),
            ("socket", self._socket),
            ("modes", self._modes),
            ("clock", self._clocks),
            ("other watchdogs", self._watchdogs),
            ("service", self._services),
            ("channels", self._channels),
            ("tokens", self._tokens),
            *tested,
            ("delivery", self._proofs),
        ]
        found: dict[str, list[Check]] = {}

        async def look(name: str, how: Callable[[], AsyncIterator[Check]]) -> None:
            found[name] = await self._guarded(name, how)

        async with anyio.create_task_group() as tasks:
            for name, how in named[:-1]:
                tasks.start_soon(look, name, how)
        # After the test, which it tells of.
        await look(*named[-1])
        return tuple(check for name, _ in named for check in found[name])

    async def _guarded(self, name: str, how: Callable[[], AsyncIterator[Check]]) -> list[Check]:
        """What a check says; a surprise in its surroundings, or a bug of its own, is said in its place."""
        found: list[Check] = []

        async def collect() -> None:
            async for check in how():
                found.append(check)  # noqa: PERF401 - what was found before it failed is to be told too

        # A channel has a deadline of its own, which may be longer.
        why = await self._alone(name, collect, seconds=DEADLINE if name != "test notice" else None)
        return [*found, checks.unknown(name, why)] if why else found

    @staticmethod
    async def _alone(_name: str, work: Callable[[], Awaitable[None]], seconds: float | None = DEADLINE) -> str:
        """Do it; why it could not be done, empty if it was."""
        try:
            with anyio.move_on_after(seconds) as scope:
                await work()
        except OSError as error:
            return f"{error.filename}: {cause_of(error)}" if error.filename else cause_of(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other checks are to be told
            return repr(error)
        return f"no answer within {seconds:g} s" if scope.cancelled_caught and seconds is not None else ""

    async def _look_at_processes(self) -> None:
        self._arguments = await hop(_POOL, read_arguments)
        services = partial(search.running_services, self._arguments)
        self._running = tuple(await _listed(services))

    # --- Programs and OpenClaw ---

    async def _programs(self) -> AsyncIterator[Check]:
        for check in checks.programs(await _listed(partial(named_programs, self._config, self._environ))):
            yield check

    async def _gateway(self) -> AsyncIterator[Check]:
        if not needs_gateway(self._config):
            return
        path = settings_path(self._environ, self._home)
        settings = await hop(_POOL, small, path) if path is not None else b""
        url = gateway_url(self._config, self._environ, settings)
        # Its programs take seconds, and minutes when it is down; HTTP tells at once.
        answer = await post(_POOL, Request(url=f"{url}/healthz", method="GET"), GATEWAY_DEADLINE)
        yield checks.gateway(url, answer.status if isinstance(answer, Answer) else answer.reason)

    # --- Heartbeats ---

    async def _agents(self) -> AsyncIterator[Check]:
        now = self._clock.now()
        ours = bool(self._ours())
        found: dict[str, Check] = {}

        async def look(agent: AgentConfig) -> None:
            reading = await HeartbeatReader(agent).read(now)
            found[agent.name] = checks.beaten(agent, reading, now.wall, self._command, running=ours)

        async with anyio.create_task_group() as tasks:
            for agent in self._config.agents:
                tasks.start_soon(look, agent)
        for agent in self._config.agents:
            yield found[agent.name]

    async def _strangers(self) -> AsyncIterator[Check]:
        known = [agent.name for agent in self._config.agents]
        for folder in self._files.heartbeat_folders():
            names = await hop(_POOL, self._files.strangers, folder)
            for check in checks.strangers(folder, names, known) if names is not None else ():
                yield check

    # --- Files ---

    async def _books(self) -> AsyncIterator[Check]:
        books = self._config.books
        if not books.enabled:
            return
        paths = {"books.state_dir": books.state_dir, "books.ledger": books.ledger}
        found = await hop(_POOL, lambda: {key: (path, path.exists()) for key, path in paths.items()})
        for check in checks.books(found, configured=books.configured):
            yield check

    async def _state(self) -> AsyncIterator[Check]:
        folder = self._config.supervisor.state_dir
        others_folder = await self._others_folder()
        if others_folder is not None:
            yield checks.others_state(others_folder.fact, others_folder.advice)
            return
        exists, problem = await hop(_POOL, try_to_write, folder)
        yield checks.state(folder, problem, exists=exists)

    def _ours(self) -> list[others.Service]:
        """The supervisors that run on this very state folder."""
        return [service for service in self._running if service.state_dir == self._config.supervisor.state_dir]

    async def _others_folder(self) -> OthersFolderError | None:
        """Why nothing of this user's is to be written into the state folder."""
        try:
            folder = self._config.supervisor.state_dir
            await hop(_POOL, partial(require_own, folder, signs=[folder / LOCK]))
        except OthersFolderError as error:
            return error
        return None

    async def _socket(self) -> AsyncIterator[Check]:
        yield checks.socket_path(os.fsencode(self._config.supervisor.state_dir / SOCKET), LONGEST_SOCKET)

    async def _modes(self) -> AsyncIterator[Check]:
        for check in checks.modes(await _listed(self._files.places)):
            yield check

    async def _clocks(self) -> AsyncIterator[Check]:
        yield checks.clock(self._clock.now().wall, await hop(_POOL, self._files.newest))

    # --- Others ---

    async def _watchdogs(self) -> AsyncIterator[Check]:
        quarry = Quarry(
            agents=frozenset(agent.name for agent in self._config.agents),
            folders=frozenset(str(path.parent) for path in self._files.logs()),
        )
        supervisors = [service.pid for service in self._running]
        found = await _listed(partial(search.in_files, self._root, self._home, quarry))
        found += search.in_crontab(await self._own_crontab(), quarry)
        found += await _listed(partial(search.among_processes, quarry, self._arguments, supervisors))
        for check in others.watchdogs(list(dict.fromkeys(found))):
            yield check

    async def _own_crontab(self) -> str:
        env = child_environment(self._environ, {}, drop=secrets_of(self._config))
        marker = f"doctor-{secrets.token_hex(8)}"
        listing = await run_command(("crontab", "-l"), env=env, cwd=None, timeout=GATEWAY_DEADLINE, marker=marker)
        return listing.stdout.decode("utf-8", "replace") if listing.exit_code == 0 else ""

    async def _services(self) -> AsyncIterator[Check]:
        watches = others.watched(self._config.agents)
        for check in others.services(self._config.supervisor.state_dir, watches, self._running):
            yield check

    async def _channels(self) -> AsyncIterator[Check]:
        for check in others.channels(self._config.escalation.channels):
            yield check

    async def _tokens(self) -> AsyncIterator[Check]:
        places = await _listed(partial(search.environments, self._root, self._home))
        for check in others.tokens(self._config.escalation.channels, self._environ, self._ours(), places):
            yield check

    async def _notify_test(self) -> AsyncIterator[Check]:
        others_folder = await self._others_folder()
        if others_folder is not None:
            yield others.untested(others_folder.advice)
            return
        tested = await try_channels(self._config, self._environ, self._clock)
        for one in tested:
            yield others.notified(one.name, one.problem, one.seconds)
        proven = {one.name: one.at for one in tested if not one.problem}
        if proven:
            await keep_proofs(self._config.supervisor.state_dir, names_of(self._config.escalation), proven)

    async def _proofs(self) -> AsyncIterator[Check]:
        folder, names, now = self._config.supervisor.state_dir, names_of(self._config.escalation), self._clock.now().wall
        seen = await read_report(folder, now)
        known = dict(seen.report.proven) if seen.report is not None else {}
        for name, at in (await read_proofs(folder, names)).items():
            known[name] = max(at, known.get(name, at))
        for check in others.proofs(names, known, now, self._command):
            yield check


async def _listed(look: Callable[[], Iterator[_T]]) -> list[_T]:
    """What this gives, in a thread: it reads files."""
    return await hop(_POOL, lambda: list(look()))
