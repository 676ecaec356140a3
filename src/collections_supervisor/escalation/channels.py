"""The ways to a human: a turn of an OpenClaw agent, or a command."""

import socket
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Protocol

import msgspec

from collections_supervisor.config import schema
from collections_supervisor.escalation.delivery import Delivery, brief
from collections_supervisor.escalation.notice_json import encode_notice, message
from collections_supervisor.escalation.openclaw_answer import judge_answer
from collections_supervisor.messages import Notice
from collections_supervisor.system.clock import span, stamp
from collections_supervisor.system.placeholders import substitute
from collections_supervisor.system.process import child_environment
from collections_supervisor.system.process_command import CommandResult, run_command

CANNOT_RUN = frozenset({126, 127})
"""Exit codes by which shells and `env` say that a program cannot be executed, or was not found."""


class Channel(Protocol):
    """One way to tell a human."""

    @property
    def name(self) -> str:
        """What it is called in the log; no two are called the same."""
        ...

    @property
    def timeout(self) -> float:
        """Seconds after which a try ends by itself."""
        ...

    async def send(self, notice: Notice, attempt: int) -> Delivery:
        """Make one try, the `attempt`th for this notice. Never raises for what the other side does."""
        ...


class Runner(Protocol):
    """Runs a command to its end; `system.process_command.run_command` is one."""

    async def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None,
        timeout: float,  # noqa: ASYNC109 - the runner has more to do then than to be cancelled
        marker: str,
        stdin: bytes | None,
    ) -> CommandResult:
        """Run it and tell what became of it; never raises for what it does."""
        ...


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """What all channels share."""

    recipient: str
    host: str
    env: Mapping[str, str]
    """What commands find in their environment; no tokens."""
    run: Runner

    async def execute(
        self, argv: Sequence[str], notice: Notice, attempt: int, seconds: float, *, extra: Mapping[str, str], stdin: bytes | None
    ) -> CommandResult:
        """Run a command about this notice for at most so many seconds."""
        about = {"COLLECTIONS_SUPERVISOR_AGENT": notice.agent or "", "COLLECTIONS_SUPERVISOR_ATTEMPT": str(attempt)}
        marker = f"notice-{token_hex(8)}"
        return await self.run(argv, env={**self.env, **extra, **about}, cwd=None, timeout=seconds, marker=marker, stdin=stdin)


class OpenClawCli:
    """Begins a turn of an OpenClaw agent through the gateway, by the `openclaw` program."""

    def __init__(self, name: str, settings: schema.OpenClawChannel, desk: Desk) -> None:
        self.name = name
        self.timeout = settings.timeout
        self._settings = settings
        self._desk = desk

    async def send(self, notice: Notice, attempt: int) -> Delivery:
        """Hand the notice to the gateway; it counts as delivered when the gateway has taken it."""
        # Without it a launcher leaves the real program running in a session that we do not know.
        extra = {"OPENCLAW_NO_RESPAWN": "1"}
        argv = self._argv(notice, attempt)
        result = await self._desk.execute(argv, notice, attempt, self.timeout, extra=extra, stdin=None)
        return _not_run(result) or judge_answer(result)

    def _argv(self, notice: Notice, attempt: int) -> tuple[str, ...]:
        params = {
            "agentId": self._settings.agent,
            "message": message(notice, attempt=attempt, recipient=self._desk.recipient, host=self._desk.host),
            # The gateway begins no second turn for a key it has seen: a try whose answer was lost can be repeated.
            "idempotencyKey": f"{notice.dedup_key}/{notice.sequence}",
        }
        # Its own limit, in milliseconds and 10 s by default, leaves out the seconds that the program needs to start.
        wait = str(max(1, round(self.timeout * 500)))
        call = (self._settings.openclaw, "gateway", "call", "agent")
        return (*call, "--params", msgspec.json.encode(params).decode(), "--timeout", wait, "--json")


class Command:
    """Runs a command that reads the notice as one JSON line on its standard input; exit code 0 means delivered."""

    def __init__(self, name: str, settings: schema.CommandChannel, desk: Desk) -> None:
        self.name = name
        self.timeout = settings.timeout
        self._settings = settings
        self._desk = desk

    async def send(self, notice: Notice, attempt: int) -> Delivery:
        """Run it once."""
        argv = substitute(self._settings.command, words(notice, attempt))
        line = encode_notice(notice, attempt=attempt, recipient=self._desk.recipient, host=self._desk.host) + b"\n"
        result = await self._desk.execute(argv, notice, attempt, self.timeout, extra={}, stdin=line)
        if refused := _not_run(result):
            return refused
        if result.timed_out:
            return Delivery("transient", f"it did not end within {span(self.timeout)}")
        if result.exit_code == 0:
            return Delivery("ok")
        noise = brief(result.stderr.decode("utf-8", "replace"), last=True)
        return Delivery("transient", f"exit code {result.exit_code}{': ' + noise if noise else ''}")


def _not_run(result: CommandResult) -> Delivery | None:
    """The failure of a command that was never really run; no retry mends a wrong path."""
    if result.spawn_error is not None:
        return Delivery("transient" if result.spawn_error.kind == "failed" else "permanent", brief(str(result.spawn_error)))
    if result.exit_code in CANNOT_RUN:
        noise = brief(result.stderr.decode("utf-8", "replace"), last=True)
        return Delivery("permanent", f"it cannot be run: exit code {result.exit_code}{': ' + noise if noise else ''}")
    return None


def words(notice: Notice, attempt: int) -> dict[str, str]:
    """What the `{words}` in a configured command are replaced with."""
    return {
        "agent": notice.agent or "",
        "python": sys.executable or "python3",
        "reason": notice.reason,
        "since": stamp(notice.since),
        "last_heartbeat": stamp(notice.last_heartbeat) if notice.last_heartbeat is not None else "",
        "attempt": str(attempt),
    }


def open_channels(
    settings: schema.EscalationConfig,
    environ: Mapping[str, str],
    *,
    secrets: Collection[str] = (),
    host: str = "",
    run: Runner = run_command,
) -> tuple[Channel, ...]:
    """The configured channels; `secrets` names the variables of `environ` that no command may see."""
    env = child_environment(environ, {}, drop=secrets)
    desk = Desk(recipient=settings.recipient, host=host or socket.gethostname(), env=env, run=run)
    kinds = [str(channel.__struct_config__.tag) for channel in settings.channels]
    names = [_numbered(kind, kinds[:position].count(kind)) for position, kind in enumerate(kinds)]
    return tuple(_open(name, channel, desk) for name, channel in zip(names, settings.channels, strict=True))


def _numbered(kind: str, earlier: int) -> str:
    return f"{kind}-{earlier + 1}" if earlier else kind


def _open(name: str, settings: schema.Channel, desk: Desk) -> Channel:
    match settings:
        case schema.OpenClawChannel(via="cli"):
            return OpenClawCli(name, settings, desk)
        case schema.CommandChannel():
            return Command(name, settings, desk)
        case schema.OpenClawChannel() | schema.WebhookChannel():
            raise ValueError(f"escalation.channels: {name} is of a kind that this release cannot use")
