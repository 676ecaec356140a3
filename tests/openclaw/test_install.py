"""Putting OpenClaw where it is kept, with a stand-in for npm. Needs neither, and runs with all other tests."""

import fcntl
import time
from pathlib import Path

import pytest
from tests.openclaw.install import NODE, OPENCLAW, NotInstalledError, install

NPM = """#!/bin/sh
echo "$*" >> "{calls}"
case "$*" in
*node@*) bin="$3/node_modules/.bin"; mkdir -p "$bin"; printf '#!/bin/sh\\necho 1\\n' > "$bin/node"; chmod +x "$bin/node" ;;
*openclaw@*) {claw} ;;
esac
"""
WORKS = 'mkdir -p "$3/node_modules/openclaw"; echo "// the program" > "$3/node_modules/openclaw/openclaw.mjs"'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "openclaw-1.2.3"


def npm(folder: Path, claw: str = WORKS) -> str:
    """A program like npm; `claw` is what it does when it is asked for OpenClaw."""
    path = folder / "npm"
    path.write_text(NPM.format(calls=folder / "calls", claw=claw))
    path.chmod(0o755)
    return str(path)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_it_is_installed_once_and_its_scripts_are_not_run(place: Path, tmp_path: Path) -> None:
    program = npm(tmp_path)
    first = install(place, program)
    assert first.openclaw.read_text() == "// the program\n"
    assert first == install(place, program)
    node, openclaw = calls(tmp_path)
    assert node.endswith(f"node@{NODE}")
    assert openclaw.endswith(f"--ignore-scripts openclaw@{OPENCLAW}")
    assert sorted(path.name for path in place.parent.iterdir()) == [place.name, f"{place.name}.lock"]


@pytest.mark.parametrize(
    ("claw", "why"),
    [
        (f"{WORKS}; echo 404 not found; exit 1", "ended with 1: 404 not found"),
        (f"{WORKS}; sleep 300", "did not end in time"),
        (f"{WORKS}; printf '#!/bin/sh\\nexit 9\\n' > \"$3/../node/node_modules/.bin/node\"", "--version ended with 9"),
    ],
    ids=["refused", "too slow", "does not run"],
)
def test_what_is_not_complete_is_not_kept(place: Path, tmp_path: Path, claw: str, why: str) -> None:
    with pytest.raises(NotInstalledError, match=why):
        install(place, npm(tmp_path, claw), within=1.0)
    assert not place.exists()
    assert [path.name for path in place.parent.iterdir()] == [f"{place.name}.lock"]
    assert install(place, npm(tmp_path)).openclaw.exists()


def test_what_a_killed_run_left_half_full_is_removed(place: Path, tmp_path: Path) -> None:
    half = place.with_name(f"{place.name}.new-x1")
    (half / "claw").mkdir(parents=True)
    install(place, npm(tmp_path))
    assert not half.exists()


def test_a_machine_without_npm_says_so(place: Path) -> None:
    with pytest.raises(NotInstalledError, match="npm-that-is-not-there cannot be run: No such file"):
        install(place, "npm-that-is-not-there")


def test_a_place_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotInstalledError, match="no place for it"):
        install(tmp_path / "file" / "openclaw", npm(tmp_path))


def test_two_at_a_time_wait_for_each_other_and_not_for_ever(place: Path, tmp_path: Path) -> None:
    place.parent.mkdir()
    begun = time.monotonic()
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(NotInstalledError, match="another run has been installing it"):
            install(place, npm(tmp_path), within=0.3)
    assert time.monotonic() - begun < 30
    assert install(place, npm(tmp_path)).node.exists()
