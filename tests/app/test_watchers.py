"""The tasks of agents, begun and ended one by one, under virtual time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from tests.agents.test_actor import HOUR, Fleet, Outside, Script, policy

from collections_supervisor.agents.actor import AgentActor
from collections_supervisor.app.watchers import CRASHED, QUEUED, SILENT, Watchers
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import AgentCommand


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    return virtual_backend


class House:
    """Watchers over made-up agents."""

    def __init__(self, log: Any, **outside: Outside) -> None:
        self.fleet = Fleet(log)
        self.outside = outside
        self.gone: list[str] = []
        ports = self.fleet.ports
        self.watchers = Watchers(self.make, self.gone.append, clock=ports.clock, log=log, crashed=self.fleet.crashed)

    def make(self, settings: AgentConfig) -> AgentActor:
        return self.fleet.actor(settings, self.outside[settings.name])

    @asynccontextmanager
    async def open(self, *names: str) -> AsyncIterator[Watchers]:
        async with anyio.create_task_group() as tasks:
            self.watchers.open(tasks, [policy(name) for name in names])
            yield self.watchers
            tasks.cancel_scope.cancel()


async def test_agents_come_and_go_and_others_never_notice(log: Any) -> None:
    stays, goes, comes = (Outside([], beats=[0.0]) for _ in range(3))
    house = House(log, stays=stays, goes=goes, comes=comes)
    async with house.open("stays", "goes") as watchers:
        await anyio.sleep(100.0)
        await watchers.retire("goes")
        watchers.begin(policy("comes"))
        await anyio.sleep(100.0)
        assert watchers.names == ("stays", "comes")
        assert house.gone == ["goes"]
        assert [actor._policy.name for actor in house.fleet.made] == ["stays", "goes", "comes"]
        assert (stays.closed, goes.closed) == (0, 1)


async def test_one_that_comes_back_waits_for_the_restart_that_still_runs(log: Any) -> None:
    outside = Outside([Script(duration=100.0), Script(duration=10.0, beat_after=5.0)], beats=[0.0])
    house = House(log, mailer=outside)
    async with house.open("mailer") as watchers:
        await anyio.sleep(HOUR + 10.0)
        for _ in range(3):
            await watchers.retire("mailer")
            watchers.begin(policy("mailer"))
        await anyio.sleep(50.0)
        assert (watchers.names, len(house.fleet.made)) == (("mailer",), 1)
        await anyio.sleep(300.0)
        assert not outside.overlapped
        assert len(house.fleet.made) == 2, "those in between never began"
        assert house.gone == [], "somebody watches it"
        await watchers.retire("mailer")
        await anyio.sleep(1.0)
        assert (house.gone, list(watchers.names)) == (["mailer"], [])


async def test_one_whose_task_crashed_says_so_and_is_watched_by_the_new_settings_then(log: Any) -> None:
    outside = Outside([], beats=[0.0])
    outside.bugs = [None, RuntimeError("a bug")]
    house = House(log, mailer=outside)
    async with house.open("mailer") as watchers:
        await anyio.sleep(60.5)
        assert await watchers.ask("mailer", AgentCommand(what="pause")) == CRASHED

        async def never(*_: object) -> None:
            pytest.fail("there is nobody to be changed")

        await watchers.change(policy("mailer", miss_threshold=7), never)
        await anyio.sleep(10.0)
        assert house.fleet.made[-1]._policy.miss_threshold == 7
        assert (await watchers.ask("mailer", AgentCommand(what="pause"))).ok


async def test_one_whose_task_crashed_is_let_go_at_once(log: Any) -> None:
    outside = Outside([], beats=[0.0])
    outside.bugs = [None, RuntimeError("a bug")]
    house = House(log, mailer=outside)
    async with house.open("mailer") as watchers:
        await anyio.sleep(60.5)
        await watchers.retire("mailer")
        await anyio.sleep(0.1)
        assert house.gone == ["mailer"]


async def test_one_that_does_not_answer_is_not_waited_for(log: Any) -> None:
    slow, quick = Outside([], beats=[0.0]), Outside([], beats=[0.0])
    house = House(log, slow=slow, quick=quick)
    async with house.open("slow", "quick") as watchers:
        await anyio.sleep(10.0)
        slow.read_takes = 60.0
        answers = await watchers.ask_all(AgentCommand(what="pause", everyone=True))
        assert (answers["slow"], answers["quick"].ok) == (SILENT, True)
        assert anyio.current_time() == 15.0


@pytest.mark.parametrize("later", [False, True], ids=["before it is asked", "while it is asked"])
async def test_one_that_is_let_go_while_all_are_asked_is_not_asked(log: Any, later: bool) -> None:
    goes, stays = Outside([], beats=[0.0]), Outside([], beats=[0.0])
    house = House(log, goes=goes, stays=stays)
    async with house.open("goes", "stays") as watchers:
        await anyio.sleep(10.0)
        answers: dict[str, object] = {}

        async def ask() -> None:
            answers.update(await watchers.ask_all(AgentCommand(what="pause", everyone=True)))

        async with anyio.create_task_group() as tasks:
            if later:
                goes.read_takes = 60.0
                tasks.start_soon(ask)
                await anyio.sleep(1.0)
                await watchers.retire("goes")
            else:
                # The list is made, and whoever is on it has not been asked yet.
                tasks.start_soon(ask)
                tasks.start_soon(watchers.retire, "goes")
        assert list(answers) == ["stays"]


async def test_one_that_waits_for_the_restart_of_before_says_so(log: Any) -> None:
    outside = Outside([Script(duration=100.0)], beats=[0.0])
    house = House(log, mailer=outside)
    async with house.open("mailer") as watchers:
        await anyio.sleep(HOUR + 10.0)
        await watchers.retire("mailer")
        watchers.begin(policy("mailer"))
        await anyio.sleep(10.0)
        assert await watchers.ask("mailer", AgentCommand(what="pause")) == QUEUED
        await anyio.sleep(100.0)
        assert (await watchers.ask("mailer", AgentCommand(what="pause"))).ok


async def test_the_end_of_a_restart_is_waited_for_so_long(log: Any) -> None:
    house = House(log, mailer=Outside([Script(duration=50.0, beat_after=40.0)], beats=[0.0]))
    async with house.open("mailer") as watchers:
        await anyio.sleep(1.0)
        begun = await watchers.ask("mailer", AgentCommand(what="restart"))
        assert "nobody knows yet" in (await watchers.ending("mailer", begun.action_id, 10.0)).sentence
        assert (await watchers.ending("mailer", begun.action_id, 100.0)).ok
        assert not (await watchers.ending("nobody", begun.action_id, 100.0)).ok
