"""Root at the files of a service that runs as somebody else: nothing is written that the service could not read afterwards."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

HOUR = 3600.0
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
AGENTS = [{"name": name, "restart": {"kind": "none"}} for name in ("dead", "mailer")]


def hindrance() -> str:
    """Why no service can be run as somebody else here."""
    if os.geteuid() != 0:
        return "only root is at the files of others without their leave"
    if shutil.which("setpriv") is None:
        return "setpriv is not installed"
    probe = subprocess.run([*AS_NOBODY, sys.executable, "-c", "import collections_supervisor"], capture_output=True, check=False)
    return f"another user cannot run {sys.executable}" if probe.returncode else ""


pytestmark = pytest.mark.skipif(bool(hindrance()), reason=hindrance())


@pytest.fixture
def house(open_site: Callable[[Path], AbstractContextManager[Any]]) -> Iterator[Any]:
    """The site of a service that runs as somebody else, one of whose agents is dead."""
    # Where pytest has its own folders nobody else may pass.
    with TemporaryDirectory() as folder, open_site(Path(folder)) as site:
        site.beat("dead", ago=3 * HOUR)
        site.beat("mailer")
        configure(site)
        give(site)
        yield site
        assert owners(site.state) <= {NOBODY}, "nothing in there is root's"


def configure(site: Any, **sections: Any) -> None:
    site.configure(AGENTS, heartbeats={"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"}, **sections)


def give(site: Any) -> None:
    """Have all of it belong to the service's user."""
    for path in (site.root, *site.root.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in (folder, *folder.rglob("*")) if path.exists()}


def serve(site: Any) -> Any:
    """The service, once it has told of the agent that is dead."""
    daemon = site.run(through=AS_NOBODY)
    daemon.wait_for("supervisor.ready")
    return daemon


def as_root(site: Any, *words: str) -> subprocess.CompletedProcess[str]:
    done: subprocess.CompletedProcess[str] = site.call("--config", str(site.root / "supervisor.toml"), *words)
    return done


def advised(said: str) -> list[str]:
    """The command that a refusal names."""
    _, found, command = said.strip().rpartition("as that user: ")
    assert found, said
    return shlex.split(command)


WRITING = [["pause", "mailer", "--reason", "it's a holiday"], ["ack", "dead"], ["resume", "mailer"], ["--health-check"]]


def test_root_is_refused_while_the_service_is_down_and_told_how_to_do_it(house: Any) -> None:
    daemon = serve(house)
    daemon.wait_for("escalation.delivered", agent="dead")
    assert daemon.stop() == 0
    before = house.tree()
    for words in WRITING:
        refused = as_root(house, *words)
        assert (refused.returncode, refused.stdout) == (1, ""), words
        assert refused.stderr.startswith(f"{house.state} belongs to nobody"), refused.stderr
        command = advised(refused.stderr)
        assert command[:4] == ["runuser", "-u", "nobody", "--"]
        assert command[-len(words) :] == words
    for words in [[], ["--dry-run"]]:
        refused = as_root(house, *words)
        assert (refused.returncode, refused.stdout) == (78, ""), words
        assert f"{house.state} belongs to nobody" in refused.stderr
    assert house.tree() == before
    # What is advised does it, and the service knows all that it knew.
    command = [*AS_NOBODY, *advised(as_root(house, *WRITING[0]).stderr)[4:]]
    done = subprocess.run(
        command, cwd=house.root, env=house.environment(), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done
    assert "mailer is paused" in done.stdout
    again = serve(house)
    assert again.of("supervisor.state_set_aside") == []
    assert house.shown("mailer", status="paused")["paused"] is True
    assert house.shown("dead")["incident"] is not None
    assert [notice["notice"] for notice in house.notices("dead")] == ["opened"]
    assert again.stop() == 0


def test_root_may_look_while_the_service_is_down(house: Any) -> None:
    assert serve(house).stop() == 0
    before = house.tree()
    shown = as_root(house, "status", "--json")
    assert (shown.returncode, json.loads(shown.stdout)["stale"]) == (3, True)
    assert as_root(house, "check").returncode == 0
    assert as_root(house, "--metrics").returncode == 0
    assert as_root(house, "--dashboard").returncode == 0
    assert as_root(house, "simulate").returncode == 0
    assert "Traceback" not in as_root(house, "tune", "mailer").stderr
    assert house.tree() == before


def test_root_speaks_to_the_service_that_runs(house: Any) -> None:
    daemon = serve(house)
    assert as_root(house, "pause", "mailer").returncode == 0
    assert as_root(house, "resume", "mailer").returncode == 0
    checked = as_root(house, "--health-check", "--json")
    assert (checked.returncode, json.loads(checked.stdout)["run_id"]) == (1, daemon.events[0]["run_id"])
    assert as_root(house).returncode == 75
    assert daemon.stop() == 0


def test_a_folder_that_is_still_missing_is_to_be_made_by_the_service(house: Any) -> None:
    configure(house, supervisor={"state_dir": "deep/down/state"})
    refused = as_root(house, "pause", "mailer")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "belongs to nobody" in refused.stderr
    assert not (house.root / "deep").exists()


def test_the_doctor_of_root_says_so_and_proves_nothing(house: Any) -> None:
    assert serve(house).stop() == 0
    told = len(house.notices())
    before = house.tree()
    for words in [["doctor", "--json"], ["doctor", "--notify-test", "--json"]]:
        done = as_root(house, *words)
        assert done.returncode == 1
        failed = {check["name"]: check for check in json.loads(done.stdout)["checks"] if check["result"] == "fail"}
        assert f"{house.state} belongs to nobody" in failed["state"]["found"]
        assert advised(failed["state"]["fix"])[-len(words) :] == words
        assert ("test notice" in failed) == ("--notify-test" in words)
    assert len(house.notices()) == told
    assert house.tree() == before


def test_a_beat_of_root_makes_no_log_that_the_agent_could_not_write(house: Any) -> None:
    house.log_of("mailer").unlink()
    refused = as_root(house, "beat", "mailer")
    assert refused.returncode == 1
    assert advised(refused.stderr)[-2:] == ["beat", "mailer"]
    ran = as_root(house, "beat", "mailer", "--", "sh", "-c", "echo done; exit 3")
    assert (ran.returncode, ran.stdout) == (3, "done\n"), "the work of an agent is done all the same"
    assert not house.log_of("mailer").exists()
    # One that is there stays its owner's.
    assert as_root(house, "beat", "dead").returncode == 0
    assert owners(house.log_of("dead").parent) == {NOBODY}
