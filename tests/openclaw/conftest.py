"""The real OpenClaw, its gateway with a model of our own, and the installed program that works with both."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.acceptance.conftest import PROGRAM, Daemon, Site
from tests.openclaw.gateway import Gateway
from tests.openclaw.install import NotInstalledError, Programs, cache, install
from tests.openclaw.model import Model, Work

AGENTS = ("payment-watcher", "collections-emailer", "caine", "deputy")
STRAINED = ("streaming", "poisoned", "refused", "unpaid", "over-quota", "limited", "broken", "overflowing")
"""What is wrong with each of them, one at a time."""

MEMORY = Path("/dev/shm")
ENOUGH = 1 << 30
"""Bytes; a run leaves some 90 million of them."""

_why_not = pytest.StashKey[str]()

if not sys.platform.startswith("linux"):
    # What a run has left behind is found through /proc.
    collect_ignore_glob = ["test_*.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Nobody is to believe that this was tested when it was not."""
    if reason := config.stash.get(_why_not, ""):
        terminalreporter.section("THE REAL OPENCLAW WAS NOT TESTED", red=True, bold=True)
        terminalreporter.line(reason)


@pytest.fixture(scope="session")
def programs(pytestconfig: pytest.Config) -> Programs:
    """OpenClaw and its Node; without them every test is skipped, and the end of the run says so."""
    try:
        return install(cache())
    except NotInstalledError as error:
        pytestconfig.stash[_why_not] = str(error)
        pytest.skip(f"OpenClaw is not there: {error}")


@pytest.fixture(scope="session")
def gateway(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that runs, with all agents; their models answer at once unless told otherwise."""
    kept = tmp_path_factory.mktemp("openclaw")
    with in_memory(kept) as folder:
        model = Model()
        try:
            made = Gateway(folder, programs, model, (*AGENTS, *STRAINED))
            try:
                made.start()
                yield made
            finally:
                made.close()
                if folder != kept:
                    shutil.copy(made.log, kept)
        finally:
            model.close()


@contextmanager
def in_memory(otherwise: Path) -> Iterator[Path]:
    """A folder for what OpenClaw knows: in memory, where there is enough of it.

    It gives up what waits for its databases for more than five seconds, be it a turn or a notice ("another OpenClaw process owns
    state-lifecycle"), and on a busy disk that happens.
    """
    folder = otherwise
    with suppress(OSError):
        if shutil.disk_usage(MEMORY).free >= ENOUGH and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
            folder = Path(tempfile.mkdtemp(prefix="openclaw-", dir=MEMORY))
    try:
        yield folder
    finally:
        if folder != otherwise:
            shutil.rmtree(folder, ignore_errors=True)


class RealSite(Site):
    """A site whose `openclaw` is the real one."""

    def __init__(self, root: Path, gateway: Gateway) -> None:
        super().__init__(root)
        self.gateway = gateway

    @property
    def daemon(self) -> Daemon:
        """The program that was started last."""
        return self._daemons[-1]

    def environment(self) -> dict[str, str]:
        return super().environment() | self.gateway.environment() | self.gateway.tokens()

    def left_behind(self) -> dict[int, str]:
        """The processes that were started from here: our program, and what it started."""
        return self._left_behind()

    def beats(self, agent: str) -> Work:
        """What the work of an agent is, as far as we are concerned: it beats, with a tool of its own."""
        return Work(f"cd {self.root} && {' '.join(PROGRAM)} --config supervisor.toml beat {agent}")


@pytest.fixture(scope="module")
def real(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSite]:
    """A site for the tests of a module, which share one run of the program there."""
    site = RealSite(tmp_path_factory.mktemp("site"), gateway)
    try:
        yield site
    finally:
        site.close()
