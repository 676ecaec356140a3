"""Tells an outside monitor that this program lives: it raises the alarm when it hears nothing, which nobody here could."""

import sys
from collections.abc import Callable, Mapping
from secrets import token_hex

import anyio
from structlog.typing import FilteringBoundLogger

from collections_supervisor.config.schema import DeadmanConfig
from collections_supervisor.escalation.commands import Runner
from collections_supervisor.escalation.delivery import Delivery, brief, without
from collections_supervisor.escalation.http_answer import Answer, judge_status
from collections_supervisor.escalation.http_channels import telling_parts
from collections_supervisor.escalation.http_post import Request, post
from collections_supervisor.system.clock import span
from collections_supervisor.system.placeholders import substitute
from collections_supervisor.system.threads import DaemonPool

DEADLINE = 10.0
"""Seconds that a call may take: the next one comes within a minute."""


class Deadman:
    """Calls the monitor once for each round that it is told of; while a call runs, further rounds are one."""

    def __init__(
        self,
        settings: DeadmanConfig,
        env: Callable[[], Mapping[str, str]],
        run: Runner,
        log: FilteringBoundLogger,
        *,
        deadline: float = DEADLINE,
    ) -> None:
        """`env` gives what the command finds in its environment; `deadline` in seconds holds for each of the two ways."""
        self._settings = settings
        self._env = env
        self._run = run
        self._log = log
        self._deadline = deadline
        self._pool = DaemonPool("deadman", threads=2)
        self._due = anyio.Event()
        self._wrong: dict[str, str] = {}
        """Why each way failed the last time, of those that did."""

    def round(self) -> None:
        """Everything was looked at, kept and shown."""
        self._due.set()

    async def run(self) -> None:
        """Call whenever a round is over, until cancelled."""
        while True:
            await self._due.wait()
            self._due = anyio.Event()
            await self.call()

    async def call(self) -> None:
        """Call once, by every way that is configured, and say it if that fails or works again."""
        async with anyio.create_task_group() as ways:
            if self._settings.url:
                ways.start_soon(self._by_url)
            if self._settings.command:
                ways.start_soon(self._by_command)

    async def _by_url(self) -> None:
        url = self._settings.url
        outcome = await post(self._pool, Request(url=url, method="GET"), self._deadline)
        delivery = judge_status(outcome) if isinstance(outcome, Answer) else outcome
        # Whoever knows such an address can keep the monitor quiet.
        self._note("url", delivery, brief(without(delivery.reason, telling_parts("", url))))

    async def _by_command(self) -> None:
        argv = substitute(self._settings.command, {"python": sys.executable or "python3"})
        marker = f"deadman-{token_hex(8)}"
        result = await self._run(argv, env=self._env(), cwd=None, timeout=self._deadline, marker=marker, stdin=None)
        if result.spawn_error is not None:
            reason = str(result.spawn_error)
        elif result.timed_out:
            reason = f"it did not end within {span(self._deadline)}"
        else:
            noise = brief(result.stderr.decode("utf-8", "replace"), last=True)
            reason = f"exit code {result.exit_code}{': ' + noise if noise else ''}" if result.exit_code else ""
        self._note("command", Delivery("transient" if reason else "ok"), brief(reason))

    def _note(self, way: str, delivery: Delivery, reason: str) -> None:
        """Once for each change: a monitor that is gone for a week is not worth ten thousand lines."""
        before = self._wrong.pop(way, None)
        if delivery.result != "ok":
            self._wrong[way] = reason
            if reason != before:
                self._log.error(
                    "deadman.failed",
                    message=f"the outside monitor could not be told that this program lives, by deadman.{way}: {reason}",
                    way=way,
                    reason=reason,
                )
        elif before is not None:
            self._log.info("deadman.resumed", message=f"the outside monitor is told again, by deadman.{way}", way=way)
