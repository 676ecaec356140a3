"""Signals that come before there is a loop that listens to them, sent to this very process."""

import os
import signal

import anyio
import pytest

from collections_supervisor.system.early_signals import remembered

EARLY = (signal.SIGHUP, signal.SIGUSR1)


@pytest.fixture(autouse=True)
def kept() -> object:
    """How they were handled before, which must be so again."""
    before = [signal.getsignal(number) for number in EARLY]
    yield
    assert [signal.getsignal(number) for number in EARLY] == before


def test_what_comes_meanwhile_ends_nobody_and_is_remembered() -> None:
    with remembered(*EARLY) as came:
        assert set(came) == set()
        os.kill(os.getpid(), signal.SIGHUP)
        assert set(came) == {signal.SIGHUP}
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGHUP)
        assert set(came) == {signal.SIGHUP, signal.SIGUSR1}


def test_other_signals_do_what_they_always_do() -> None:
    with pytest.raises(KeyboardInterrupt), remembered(*EARLY):
        signal.raise_signal(signal.SIGINT)


def test_whoever_listens_later_hears_what_comes_from_then_on() -> None:
    async def listen() -> signal.Signals:
        with anyio.open_signal_receiver(*EARLY) as signals:
            os.kill(os.getpid(), signal.SIGUSR1)
            return await anext(signals)

    with remembered(*EARLY) as came:
        os.kill(os.getpid(), signal.SIGHUP)
        assert anyio.run(listen) == signal.SIGUSR1
        assert set(came) == {signal.SIGHUP}
