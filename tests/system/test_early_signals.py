"""Signals that come before there is a loop that listens to them, sent to this very process."""

import os
import signal
import subprocess
import sys

import anyio
import pytest

from collections_supervisor.system.early_signals import leaving, remembered

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


def test_what_ends_the_program_does_so_wherever_it_is() -> None:
    program = """
import signal
from collections_supervisor.system.early_signals import leaving

class Named:
    def __set_name__(self, owner, name):
        signal.raise_signal(signal.SIGINT)  # what is raised here comes out as a RuntimeError

with leaving(signal.SIGINT, 130):
    class Owner:
        named = Named()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (130, "")


def test_afterwards_it_does_what_it_did_before() -> None:
    with leaving(signal.SIGINT, 130):
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_what_is_ignored_ends_nobody() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with leaving(signal.SIGINT, 130):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
