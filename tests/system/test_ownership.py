"""Whose folders are, and how root is told to do what it meant as their owner."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from collections_supervisor.system.ownership import OthersFolderError, Owner, owner_of, require_own, retyped, typed

NOBODY = 65534
ANN = Owner(1000, 1000, "ann")
UNNAMED = Owner(4321, 432, None)
WORDS = ["/opt/bin/collections-supervisor", "--config", "/etc/my file.toml", "pause", "mailer"]


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """A folder of somebody who is not root."""
    folder = tmp_path / "others"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    return folder


@pytest.mark.parametrize("below", [".", "state", "state/of/mine"])
def test_root_is_kept_from_the_folder_of_somebody_else_and_from_what_is_missing_in_it(others: Path, below: str) -> None:
    with pytest.raises(OthersFolderError) as caught:
        require_own(others / below, euid=0)
    assert str(caught.value).startswith(f"{others / below} belongs to ")
    assert str(caught.value).endswith(retyped(caught.value.owner, typed()))
    assert list(others.iterdir()) == []


def test_nobody_else_is_kept_from_anything(others: Path) -> None:
    require_own(others, euid=NOBODY)
    require_own(Path("/no/such/folder"), euid=NOBODY)


def test_root_may_use_what_is_its_own(tmp_path: Path) -> None:
    require_own(Path("/"), euid=0)
    require_own(Path("/no/such/folder"), euid=0)
    if os.geteuid() == 0:
        require_own(tmp_path / "state", euid=0)


def test_root_goes_on_where_it_has_worked_all_along(others: Path) -> None:
    """In a container everybody is root, whoever a folder of the host belongs to."""
    signs = [others / "missing", Path("/etc")]
    require_own(others, signs=signs, euid=0)
    if os.geteuid() == 0:
        (others / "lock").touch()
        os.chown(others / "lock", NOBODY, NOBODY)
        with pytest.raises(OthersFolderError):
            require_own(others, signs=[others / "missing", others / "lock"], euid=0)
        os.chown(others / "lock", 0, 0)
        require_own(others, signs=[others / "lock"], euid=0)


def test_a_folder_by_another_name_is_its_owners(others: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(others)
    assert owner_of(tmp_path / "link") == owner_of(others)


def test_a_folder_that_cannot_be_looked_at_is_left_to_whoever_uses_it(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    require_own(tmp_path / "loop", euid=0)


@pytest.mark.parametrize(
    ("owner", "platform", "through"),
    [
        (ANN, "linux", "runuser -u ann --"),
        (UNNAMED, "linux", "setpriv --reuid=4321 --regid=432 --clear-groups --"),
        (ANN, "darwin", "sudo -u ann --"),
        (UNNAMED, "darwin", "sudo -u '#4321' --"),
    ],
)
def test_the_same_is_done_as_somebody_else(owner: Owner, platform: str, through: str) -> None:
    assert retyped(owner, WORDS, platform=platform) == f"{through} {shlex.join(WORDS)}"


def test_a_user_without_a_name_is_called_by_the_number() -> None:
    assert (str(ANN), str(UNNAMED)) == ("ann", "user 4321")


TELLING = "import json; from collections_supervisor.system.ownership import typed; print(json.dumps(list(typed())))"


@pytest.mark.parametrize("installed", [True, False])
def test_what_was_typed_can_be_typed_again(tmp_path: Path, installed: bool) -> None:
    command = [sys.executable, "-c", TELLING]
    if installed:
        script = tmp_path / "collections-supervisor"
        script.write_text(f"#!{sys.executable}\n{TELLING}\n")
        script.chmod(0o755)
        command = [str(script)]
    command += ["--config", "my file.toml"]
    assert json.loads(subprocess.run(command, capture_output=True, check=True).stdout) == command
