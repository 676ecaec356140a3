"""Being called when there is something to read."""

import os
from collections.abc import Iterator

import anyio
import pytest

from collections_supervisor.system.listening import Listener

DEADLINE = 20.0


class Ear:
    """Hears what comes through a pipe."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.heard: list[bytes] = []
        self.rung = 0

    def hear(self) -> None:
        self.heard.append(os.read(self.reading, 100))

    def ring(self) -> None:
        self.rung += 1

    async def until(self, count: int) -> None:
        with anyio.fail_after(DEADLINE):
            while len(self.heard) < count:
                await anyio.sleep(0.005)


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    os.close(ear.reading)
    os.close(ear.writing)


async def test_it_is_told_of_what_comes_until_it_is_closed(ear: Ear) -> None:
    listener = Listener(ear.reading, ear.hear)
    os.write(ear.writing, b"one")
    await ear.until(1)
    os.write(ear.writing, b"two")
    await ear.until(2)
    listener.close()
    os.write(ear.writing, b"three")
    await anyio.sleep(0.05)
    assert ear.heard == [b"one", b"two"]


async def test_in_a_pause_nobody_is_called_and_after_it_again(ear: Ear) -> None:
    listener = Listener(ear.reading, ear.hear)
    listener.pause(0.2)
    listener.pause(1000.0)
    begun = anyio.current_time()
    os.write(ear.writing, b"one")
    await ear.until(1)
    assert anyio.current_time() - begun >= 0.19
    listener.close()


async def test_closed_in_a_pause_it_stays_closed(ear: Ear) -> None:
    listener = Listener(ear.reading, ear.hear)
    listener.pause(0.02)
    listener.close()
    os.write(ear.writing, b"one")
    await anyio.sleep(0.1)
    assert ear.heard == []


async def test_a_reminder_comes_once_and_not_after_the_end(ear: Ear) -> None:
    listener = Listener(ear.reading, ear.hear)
    listener.remind(0.01, ear.ring)
    listener.remind(0.01, ear.ring)
    await anyio.sleep(0.1)
    assert ear.rung == 1
    listener.remind(0.01, ear.ring)
    listener.close()
    await anyio.sleep(0.1)
    assert ear.rung == 1
