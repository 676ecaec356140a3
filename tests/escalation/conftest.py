"""Notices, and a stage on which a notifier plays with made-up channels under made-up time."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec
import pytest

from collections_supervisor.escalation.courier import Persistence
from collections_supervisor.escalation.delivery import Delivery
from collections_supervisor.escalation.notifier import Notifier
from collections_supervisor.escalation.outbox import MemoryOutbox
from collections_supervisor.escalation.outcomes import Message
from collections_supervisor.messages import Grouped, Notice, Now

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


def notice(sequence: int = 1, *, agent: str | None = "payment-watcher", opened: int = 0, **changes: Any) -> Notice:
    """A notice of an agent's incident; `opened` tells apart several incidents of one agent."""
    fields: dict[str, Any] = {
        "dedup_key": f"agent/{agent}/{opened}",
        "sequence": sequence,
        "notice": "opened",
        "incident_id": f"{opened}-{agent}",
        "kind": "agent",
        "agent": agent,
        "missed": 2,
        "created_at": EPOCH,
        "since": EPOCH - timedelta(hours=2),
        "last_heartbeat": EPOCH - timedelta(hours=3),
        "restarts": 1,
        "reason": "no heartbeat for 3 h",
        "text": "payment-watcher needs you.",
    }
    return Notice(**{**fields, **changes})


def together(*notices: Notice) -> Notice:
    """One notice, the first, that tells of the incidents of all."""
    named = (
        Grouped(incident_id=each.incident_id, dedup_key=each.dedup_key, agent=each.agent, missed=each.missed, reason=each.reason)
        for each in notices
    )
    return msgspec.structs.replace(notices[0], grouped=tuple(named))


class FakeChannel:
    """Takes what its script says, as long as its script says."""

    def __init__(
        self, name: str, *script: Delivery | Exception, takes: float = 1.0, timeout: float = 60.0, after: float = 0.0
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.after = after
        self.takes = takes
        self.script = list(script) or [Delivery("ok")]
        self.sent: list[tuple[float, str, int]] = []
        """When, which notice (`KEY#SEQUENCE`), which attempt."""
        self.under_way = 0
        self.most_under_way = 0

    async def send(self, notice: Notice, attempt: int) -> Delivery:
        self.sent.append((anyio.current_time(), f"{notice.dedup_key}#{notice.sequence}", attempt))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await anyio.sleep(self.takes)
        finally:
            self.under_way -= 1
        says = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(says, Exception):
            raise says
        return says

    @property
    def times(self) -> list[float]:
        return [round(at, 3) for at, _, _ in self.sent]

    @property
    def notices(self) -> list[str]:
        return [name for _, name, _ in self.sent]


class Stage:
    """A notifier, its channels, and what it told."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.told: list[Message] = []
        self.deaf = False
        self.random = 0.5
        self.outbox: Any = MemoryOutbox()

    @property
    def clock(self) -> "Stage":
        return self

    def now(self) -> Now:
        mono = anyio.current_time()
        return Now(mono=mono, wall=EPOCH + timedelta(seconds=mono))

    def jitter(self) -> float:
        return self.random

    async def tell(self, message: Message) -> bool:
        if not self.deaf:
            self.told.append(message)
        return not self.deaf

    def make(self, *channels: FakeChannel, tell: Any = None, **persistence: Any) -> Notifier:
        patience = Persistence(**{"give_up_after": 86400.0, **persistence})
        return Notifier(channels, self.outbox, self, persistence=patience, tell=tell or self.tell)

    @asynccontextmanager
    async def running(self, *channels: FakeChannel, **settings: Any) -> AsyncIterator[Notifier]:
        notifier = self.make(*channels, **settings)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(notifier.run)
            yield notifier
            tasks.cancel_scope.cancel()

    def kinds(self) -> list[str]:
        return [type(message).__name__ for message in self.told]


@pytest.fixture
def make_notice() -> Callable[..., Notice]:
    return notice


@pytest.fixture
def make_together() -> Callable[..., Notice]:
    return together


@pytest.fixture
def make_channel() -> type[FakeChannel]:
    return FakeChannel


@pytest.fixture
def stage(log: Any) -> Stage:
    return Stage(log)


@pytest.fixture
def wait_for() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Let (virtual) time pass until something is so."""

    async def wait(condition: Callable[[], object]) -> None:
        with anyio.fail_after(100_000):
            while not condition():
                await anyio.sleep(0.1)

    return wait
