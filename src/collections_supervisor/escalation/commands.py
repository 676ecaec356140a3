"""Telling a human by a command: OpenClaw's own, or any that is configured."""

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Protocol

import anyio
import msgspec

from collections_supervisor.config import schema
from collections_supervisor.escalation.delivery import Delivery, brief
from collections_supervisor.escalation.notice_json import Envelope, encode_notice, message
from collections_supervisor.escalation.openclaw_answer import failure_of_turn, judge_answer
from collections_supervisor.messages import Notice
from collections_supervisor.system.clock import span, stamp
from collections_supervisor.system.placeholders import substitute
from collections_supervisor.system.process import child_environment
from collections_supervisor.system.process_command import CommandResult

CANNOT_RUN = frozenset({126, 127})
"""Exit codes by which shells and `env` say that a program cannot be executed, or was not found."""
_BEGIN = "agent"
_AWAIT = "agent.wait"
"""The gateway's methods."""


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


class Workshop(msgspec.Struct, frozen=True, kw_only=True):
    """What all commands share."""

    environ: Mapping[str, str]
    secrets: Collection[str]
    """Names of the variables in it that no command may see; a reload may add to them."""
    run: Runner

    async def execute(
        self, argv: Sequence[str], notice: Notice, attempt: int, seconds: float, *, extra: Mapping[str, str], stdin: bytes | None
    ) -> CommandResult:
        """Run a command about this notice for at most so many seconds."""
        about = {"COLLECTIONS_SUPERVISOR_AGENT": notice.agent or "", "COLLECTIONS_SUPERVISOR_ATTEMPT": str(attempt)}
        env = child_environment(self.environ, {**extra, **about}, drop=self.secrets)
        marker = f"notice-{token_hex(8)}"
        return await self.run(argv, env=env, cwd=None, timeout=seconds, marker=marker, stdin=stdin)


class OpenClawCli:
    """Begins a turn of an OpenClaw agent through the gateway, by the `openclaw` program."""

    def __init__(self, name: str, settings: schema.OpenClawChannel, envelope: Envelope, shop: Workshop) -> None:
        self.name = name
        self.timeout = settings.timeout
        self.after = settings.after
        self._settings = settings
        self._envelope = envelope
        self._shop = shop

    async def send(self, notice: Notice, attempt: int) -> Delivery:
        """Hand the notice to the gateway; it counts as delivered when the gateway has taken it.

        Of a test notice the turn is waited for as well: a model that refuses is known by nothing else.
        """
        begun = anyio.current_time()
        result = await self._call(_BEGIN, self._params(notice, attempt), notice, attempt, self.timeout)
        delivery = _not_run(result) or judge_answer(result)
        left = self.timeout - (anyio.current_time() - begun)
        if not notice.test or delivery.result != "ok" or left <= 0:
            return delivery
        # A turn that is not over by then speaks for nothing.
        wait = {"runId": self._key(notice), "timeoutMs": round(left * 500)}
        failure = failure_of_turn(await self._call(_AWAIT, wait, notice, attempt, left))
        return Delivery("transient", brief(f"the turn of {self._settings.agent} failed: {failure}")) if failure else delivery

    async def _call(
        self, method: str, params: Mapping[str, object], notice: Notice, attempt: int, seconds: float
    ) -> CommandResult:
        # Without it a launcher leaves the real program running in a session that we do not know.
        extra = {"OPENCLAW_NO_RESPAWN": "1"}
        # Its own limit, in milliseconds and 10 s by default, leaves out the seconds that the program needs to start.
        wait = str(max(1, round(seconds * 500)))
        call = (self._settings.openclaw, "gateway", "call", method)
        argv = (*call, "--params", msgspec.json.encode(params).decode(), "--timeout", wait, "--json")
        return await self._shop.execute(argv, notice, attempt, seconds, extra=extra, stdin=None)

    def _params(self, notice: Notice, attempt: int) -> dict[str, object]:
        return {
            "agentId": self._settings.agent,
            "message": message(notice, self._envelope, attempt=attempt),
            "idempotencyKey": self._key(notice),
        }

    def _key(self, notice: Notice) -> str:
        """What names the turn.

        The gateway begins no second turn for a key it has seen: a try whose answer was lost can be repeated. It has one list of
        keys for all agents: what the first one has taken would count as taken by every further one.
        """
        return f"{notice.dedup_key}/{notice.sequence}/{self._settings.agent}"


class Command:
    """Runs a command that reads the notice as one JSON line on its standard input; exit code 0 means delivered."""

    def __init__(self, name: str, settings: schema.CommandChannel, envelope: Envelope, shop: Workshop) -> None:
        self.name = name
        self.timeout = settings.timeout
        self.after = settings.after
        self._settings = settings
        self._envelope = envelope
        self._shop = shop

    async def send(self, notice: Notice, attempt: int) -> Delivery:
        """Run it once."""
        argv = substitute(self._settings.command, words(notice, attempt))
        line = encode_notice(notice, self._envelope, attempt=attempt) + b"\n"
        result = await self._shop.execute(argv, notice, attempt, self.timeout, extra={}, stdin=line)
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
