"""Reads the configuration again, says what is different, and has it applied while everything goes on."""

from collections.abc import Mapping
from pathlib import Path

import anyio
import msgspec

from collections_supervisor.app.parts import Parts
from collections_supervisor.app.run import Run
from collections_supervisor.app.tokens import tell_missing_tokens
from collections_supervisor.config.changes import Changes, compare, in_force
from collections_supervisor.config.effective import Loaded
from collections_supervisor.config.loader import load
from collections_supervisor.config.problems import ConfigError
from collections_supervisor.system.logs import LogSystem
from collections_supervisor.system.threads import READS, Gate

READ_WITHIN = 10.0
"""Seconds that reading the file may take."""

ANEW = "applied anew, since the reload before was cut short"

LISTED = 50
"""Names in one list of an event; of more, their number stands beside it."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where the configuration came from, and what was in force at the start."""

    loaded: Loaded
    environ: Mapping[str, str]
    agents_flag: str | None = None
    flags: Mapping[str, object] = {}
    """Settings of the command line, by key path."""

    @property
    def path(self) -> Path | None:
        """The file; None where there is none."""
        return self.loaded.config.path

    def read(self) -> Loaded:
        """Read it again; raises ConfigError."""
        return load(self.path, environ=self.environ, agents_flag=self.agents_flag, flags=self.flags)


class Reloaded(msgspec.Struct, frozen=True, kw_only=True):
    """How a reload ended."""

    changes: Changes = Changes()
    fault: str = ""
    """Why everything stays as it was."""
    bug: str = ""
    """What cut it short: nobody knows how much of it is in force."""
    again: bool = False
    """The one before was cut short, so all of it counts as changed."""


class _Waiting:
    """Whoever waits for a reload that begins after it was asked for."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.outcome = Reloaded()


class Reloader:
    """One reload after the other; whatever is asked for during one is done by the next."""

    def __init__(self, source: Source, parts: Parts, logs: LogSystem, run: Run) -> None:
        self._source = source
        self._loaded = source.loaded
        self._parts = parts
        self._logs = logs
        self._log = run.log
        self._clock = run.clock
        self._counts = run.counts
        self._gate = Gate(READS, deadline=READ_WITHIN)
        self._wanted = anyio.Event()
        self._waiting: list[_Waiting] = []
        self._cut_short = False

    @property
    def source(self) -> Source:
        """What is read."""
        return self._source

    def ask(self) -> None:
        """Reload as soon as the one under way, if there is one, is over."""
        self._wanted.set()

    async def reload(self) -> Reloaded:
        """The same, and wait for it: whoever waits has a deadline of its own."""
        waiting = _Waiting()
        self._waiting.append(waiting)
        self.ask()
        await waiting.done.wait()
        return waiting.outcome

    async def preview(self) -> Reloaded:
        """What a reload would do now."""
        try:
            changes = compare(self._loaded, await self._gate.run(self._source.read))
        except (ConfigError, OSError) as error:
            return Reloaded(fault=str(error))
        return Reloaded(changes=changes, again=self._cut_short)

    async def run(self) -> None:
        """Reload whenever somebody asks, until cancelled; a bug in it is raised when those who wait have their answer."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            waiting, self._waiting = self._waiting, []
            outcome = Reloaded(bug="the supervisor stops")
            try:
                with self._parts.pulse.reloading():
                    outcome = await self._reload()
            except Exception as error:
                outcome = Reloaded(bug=repr(error))
                raise
            finally:
                for each in waiting:
                    each.outcome = outcome
                    each.done.set()

    async def _reload(self) -> Reloaded:
        begun = self._clock.now().mono
        try:
            loaded = await self._gate.run(self._source.read)
        except (ConfigError, OSError) as error:
            self._counts.note_reload("rejected")
            self._tell_rejected(error)
            return Reloaded(fault=str(error))
        changes = compare(self._loaded, loaded)
        self.tell_loaded(loaded)
        again = self._cut_short
        if changes or again:
            running = in_force(self._loaded, loaded)
            self._cut_short = True
            self._logs.adjust(running.config.logging)
            await self._parts.reconfigure(running.config)
            self._loaded, self._cut_short = running, False
        self._counts.note_reload("applied")
        outcome = Reloaded(changes=changes, again=again)
        self._tell_reloaded(outcome, self._clock.now().mono - begun)
        return outcome

    # --- What is said ---

    def tell_loaded(self, loaded: Loaded) -> None:
        """Say what was read, and what is questionable about it."""
        where = str(self._source.path) if self._source.path is not None else "the built-in values"
        agents, warnings = len(loaded.config.agents), len(loaded.warnings)
        counted = f"{agents} agent{'s' if agents != 1 else ''}, {warnings} warning{'s' if warnings != 1 else ''}"
        self._log.info(
            "config.loaded",
            message=f"{where}: sound; {counted}",
            path=str(self._source.path) if self._source.path is not None else None,
            agents=agents,
            warnings=list(loaded.warnings[:LISTED]),
        )
        tell_missing_tokens(loaded.config.escalation.channels, self._source.environ, self._log)

    def _tell_rejected(self, error: ConfigError | OSError) -> None:
        faults = [str(problem) for problem in error.problems] if isinstance(error, ConfigError) else [str(error)]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        self._log.error(
            "config.rejected",
            message=f"the configuration cannot be used, and the one in force stays: {faults[0]}{more}",
            path=str(self._source.path) if self._source.path is not None else None,
            reason=faults[0],
            faults=faults[:LISTED],
        )

    def _tell_reloaded(self, outcome: Reloaded, took: float) -> None:
        changes = outcome.changes
        self._log.info(
            "supervisor.reloaded",
            message=summary(changes, again=outcome.again),
            added=list(changes.added[:LISTED]),
            removed=list(changes.removed[:LISTED]),
            changed=list(changes.changed[:LISTED]),
            keys=list(changes.keys[:LISTED]),
            restart_needed=list(changes.restart_needed),
            duration_ms=round(took * 1000, 1),
        )


def summary(changes: Changes, *, again: bool = False) -> str:
    """What was done, in a sentence."""
    counted = ((len(changes.added), "added"), (len(changes.removed), "removed"), (len(changes.changed), "changed"))
    agents = ", ".join(f"{number} {what}" for number, what in counted if number)
    own = [key for key in changes.keys if any(value.agent is None for value in changes.values if value.key == key)]
    found = [f"agents: {agents}"] * bool(agents) + [f"settings: {', '.join(own[:LISTED])}"] * bool(own)
    found += [f"all of it was {ANEW}"] * again
    late = changes.restart_needed
    found += [f"{', '.join(late)} need{'s' * (len(late) == 1)} a restart"] * bool(late)
    return f"the configuration was read again: {'; '.join(found) or 'nothing has changed'}"
