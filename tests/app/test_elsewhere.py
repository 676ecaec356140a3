"""Whether a supervisor with the same configuration file works in another folder than the one a command would write into."""

from pathlib import Path

import pytest

from collections_supervisor.app.doctor_others import Service
from collections_supervisor.app.elsewhere import fault_of

FILE, NEW, OLD = Path("/etc/x.toml"), Path("/new"), Path("/old")


def service(**members: object) -> Service:
    return Service(**{"pid": 7, "config": str(FILE), "path": FILE, "state_dir": NEW, "known": True, **members})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "running",
    [
        [],
        [service()],  # it only just starts, and finds what is written
        [service(path=Path("/etc/y.toml"), state_dir=OLD)],
        [service(path=None, state_dir=OLD)],
    ],
)
def test_nobody_works_elsewhere(running: list[Service]) -> None:
    assert fault_of(running, FILE, NEW, None) == ""


def test_one_that_was_told_of_the_new_folder_and_works_in_the_old_one_is_named_with_both() -> None:
    fault = fault_of([service(pid=6, path=Path("/etc/y.toml")), service(state_dir=OLD)], FILE, NEW, None)
    assert fault.startswith("process 7 runs with /etc/x.toml and keeps its state in /old, not in /new; nothing was done: ")


@pytest.mark.parametrize("state_dir", [NEW, None])
def test_one_whose_lock_cannot_be_seen_works_here_only_if_this_lock_is_its_own(state_dir: Path | None) -> None:
    hidden = service(state_dir=state_dir, known=False)
    assert fault_of([hidden], FILE, NEW, 7) == ""
    for holder in (None, 8):
        assert "has not the lock of /new" in fault_of([hidden], FILE, NEW, holder)


def test_a_file_and_a_folder_have_several_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.toml").touch()
    (tmp_path / "alias").symlink_to("real")
    found = service(path=tmp_path / "alias" / "x.toml", state_dir=tmp_path / "alias")
    assert fault_of([found], tmp_path / "real" / "x.toml", tmp_path / "real", None) == ""
    assert fault_of([found], tmp_path / "real" / "x.toml", NEW, None)
