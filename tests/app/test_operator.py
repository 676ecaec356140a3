"""What a person's word comes to where all is not well; the rest is tested with the program itself."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from collections_supervisor.app.operator import Operator
from collections_supervisor.app.reload import Reloaded
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


class Reloader:
    """One whose reloads end like this."""

    source = SimpleNamespace(path=None)

    def __init__(self) -> None:
        self.outcome = Reloaded()

    async def reload(self) -> Reloaded:
        return self.outcome

    preview = reload


@pytest.fixture
def reloader() -> Reloader:
    return Reloader()


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


@pytest.fixture
def operator(coordinator: Coordinator, reloader: Reloader) -> Operator:
    config = SimpleNamespace(escalation=SimpleNamespace(ack_for=3600.0))
    return Operator(SimpleNamespace(coordinator=coordinator, config=config, watchers=None), reloader, Fixed())  # type: ignore[arg-type]


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


async def test_a_bug_in_a_reload_is_no_fault_of_the_file(operator: Operator, reloader: Reloader) -> None:
    reloader.outcome = Reloaded(bug="RuntimeError('a bug')")
    reply = await operator.reload(Request(op="reload"))
    assert (reply.ok, reply.code) == (False, 1)
    assert reply.error.startswith("unexpected internal error, see the log: RuntimeError('a bug')")
    reloader.outcome = Reloaded(fault="a fault")
    reply = await operator.reload(Request(op="reload"))
    assert (reply.code, reply.error) == (78, "the configuration cannot be used, and the one in force stays:\na fault")


async def test_what_was_cut_short_is_said_to_be_applied_anew(operator: Operator, reloader: Reloader) -> None:
    reloader.outcome = Reloaded(again=True)
    assert (await operator.diff(Request(op="diff"))).message == (
        "all of it would be applied anew, since the reload before was cut short"
    )
    reloader.outcome = Reloaded()
    assert (await operator.diff(Request(op="diff"))).message == "nothing would change"
