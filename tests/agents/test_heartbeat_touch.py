"""Touched files: the newest modification time, and what is no sign of life."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from collections_supervisor.agents.heartbeat_touch import MAX_MATCHES, TouchMemory, look_at_touched
from collections_supervisor.messages import Now

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TOLERANCE = timedelta(seconds=5)


def touch(path: Path, when: datetime) -> None:
    path.touch()
    os.utime(path, (when.timestamp(),) * 2)


def look(pattern: object, memory: TouchMemory | None = None, wall: datetime = NOON) -> TouchMemory | None:
    return look_at_touched(str(pattern), memory, now=Now(mono=0.0, wall=wall), tolerance=TOLERANCE)


def minutes(count: float) -> datetime:
    return NOON - timedelta(minutes=count)


def test_one_file(tmp_path: Path) -> None:
    touch(tmp_path / "beat", minutes(7))
    assert look(tmp_path / "beat") == TouchMemory(newest=minutes(7))


def test_the_newest_of_a_glob(tmp_path: Path) -> None:
    for count in (9, 3, 8):
        (tmp_path / str(count)).mkdir()
        touch(tmp_path / str(count) / "beat", minutes(count))
        touch(tmp_path / str(count) / "other", minutes(1))
    assert look(tmp_path / "*" / "b?at") == TouchMemory(newest=minutes(3))


@pytest.mark.parametrize("pattern", ["beat", "*.beat", "none/*.beat", "none/beat"])
def test_nothing_there(tmp_path: Path, pattern: str) -> None:
    assert look(tmp_path / pattern) is None


def test_a_name_with_wildcards_in_it_is_taken_literally_if_it_exists(tmp_path: Path) -> None:
    touch(tmp_path / "a[1]*", minutes(5))
    touch(tmp_path / "a1x", minutes(1))
    assert look(tmp_path / "a[1]*") == TouchMemory(newest=minutes(5))


def test_links_and_folders_are_no_sign_of_life(tmp_path: Path) -> None:
    touch(tmp_path / "target", minutes(1))
    (tmp_path / "x-link").symlink_to(tmp_path / "target")
    (tmp_path / "x-folder").mkdir()
    with pytest.raises(OSError, match=r"not a regular file"):
        look(tmp_path / "x-*")
    with pytest.raises(OSError, match="is a symbolic link, not a regular file"):
        look(tmp_path / "x-link")
    touch(tmp_path / "x-file", minutes(5))
    assert look(tmp_path / "x-*") == TouchMemory(newest=minutes(5))


@pytest.fixture
def unlistable() -> Iterator[Path]:
    """A folder that may be entered but not listed; root may list everything, and tests may run as root."""
    with TemporaryDirectory() as name:
        outer, inner = Path(name), Path(name) / "inner"
        outer.chmod(0o755)
        inner.mkdir()
        touch(inner / "a.beat", minutes(5))
        inner.chmod(0o111)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        yield inner
        if root:
            os.seteuid(0)
        inner.chmod(0o700)


def test_a_folder_that_may_not_be_listed_is_not_an_empty_one(unlistable: Path) -> None:
    assert look(unlistable / "a.beat") == TouchMemory(newest=minutes(5))
    for pattern in ("*.beat", "*/beat"):
        with pytest.raises(PermissionError):
            look(unlistable / pattern)


def test_too_many_matches_are_no_answer(tmp_path: Path) -> None:
    for number in range(MAX_MATCHES):
        (tmp_path / f"{number}").touch()
    assert look(tmp_path / "*", wall=datetime.now(UTC)) is not None
    (tmp_path / "one more").touch()
    with pytest.raises(OSError, match="more than 1000 files match"):
        look(tmp_path / "*")


def test_a_time_from_the_future_stays_so_until_the_next_touch(tmp_path: Path) -> None:
    later = NOON + timedelta(hours=2)
    touch(tmp_path / "a", later)
    touch(tmp_path / "b", minutes(9))
    memory = look(tmp_path / "*")
    assert memory is not None
    assert (memory.newest, memory.future, memory.future_seen) == (minutes(9), later, NOON)
    memory = look(tmp_path / "*", memory, NOON + timedelta(hours=3))
    assert memory is not None
    assert (memory.newest, memory.future, memory.future_seen) == (minutes(9), later, NOON)
    touch(tmp_path / "a", NOON + timedelta(hours=3))
    memory = look(tmp_path / "*", memory, NOON + timedelta(hours=3))
    assert memory == TouchMemory(newest=NOON + timedelta(hours=3))


def test_the_tolerance_is_not_the_future(tmp_path: Path) -> None:
    touch(tmp_path / "a", NOON + TOLERANCE)
    assert look(tmp_path / "a") == TouchMemory(newest=NOON + TOLERANCE)
