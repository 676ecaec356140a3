"""What a person's word comes to where it is not heard; the rest is tested with the program itself."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from collections_supervisor.app.operator import Operator
from collections_supervisor.control.protocol import Reply, Request, refused
from collections_supervisor.messages import Acknowledge, AgentCommand, Now

AT = datetime(2026, 11, 22, 11, tzinfo=UTC)
BUSY = refused("the supervisor is too busy to hear it: try again")


class Fixed:
    def now(self) -> Now:
        return Now(mono=12.5, wall=AT)


class Coordinator:
    """One with one open incident, which hears or does not."""

    def __init__(self) -> None:
        self.hears = True
        self.heard: list[Acknowledge | AgentCommand] = []
        self.incidents = ("dead",)

    def is_open(self, subject: str) -> bool:
        return subject in self.incidents

    async def tell(self, message: Acknowledge | AgentCommand) -> bool:
        if self.hears:
            self.heard.append(message)
        return self.hears

    async def kept(self) -> bool:
        return self.hears


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


@pytest.fixture
def operator(coordinator: Coordinator) -> Operator:
    config = SimpleNamespace(escalation=SimpleNamespace(ack_for=3600.0))
    return Operator(SimpleNamespace(coordinator=coordinator, config=config, watchers=None), None, Fixed())  # type: ignore[arg-type]


async def test_an_incident_that_is_open_is_acknowledged(operator: Operator, coordinator: Coordinator) -> None:
    reply = await operator.ack(Request(op="ack", agent="dead", reason="on it"))
    assert (reply.ok, reply.message[:29]) == (True, "no reminders of dead until 20")
    assert coordinator.heard == [Acknowledge(subject="dead", until=AT + timedelta(hours=1), reason="on it")]


async def test_what_is_not_open_cannot_be_acknowledged(operator: Operator, coordinator: Coordinator) -> None:
    said = "no incident of mailer is open; open are: dead"
    assert await operator.ack(Request(op="ack", agent="mailer")) == refused(said)
    assert coordinator.heard == []


@pytest.mark.parametrize("op", ["ack", "pause", "resume"])
async def test_a_word_that_is_not_heard_is_not_said_to_be_about_nothing(
    operator: Operator, coordinator: Coordinator, op: str
) -> None:
    coordinator.hears = False
    answer: Reply = await operator.operations()[op].run(Request(op=op, agent="dead" if op == "ack" else "*"))
    assert answer == BUSY
