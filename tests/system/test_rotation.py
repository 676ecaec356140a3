"""Files that others append to are rotated under them."""

import threading
from pathlib import Path

import pytest

from collections_supervisor.system.rotation import rotate


def names(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_small_enough_or_missing_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert not rotate(path, 10, 3)
    path.write_bytes(b"x" * 10)
    assert not rotate(path, 10, 3)
    assert names(tmp_path) == {"log": b"x" * 10}


def test_old_ones_move_on_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for number in range(5):
        path.write_bytes(b"%d" % number * 11)
        assert rotate(path, 10, 3)
    assert names(tmp_path) == {"log": b"", "log.1": b"4" * 11, "log.2": b"3" * 11, "log.3": b"2" * 11}


def test_none_may_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 11)
    assert rotate(path, 10, 0)
    assert names(tmp_path) == {"log": b""}


def test_who_has_it_open_writes_on_at_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"x" * 11)
        rotate(path, 10, 1)
        writer.write(b"y")
    assert names(tmp_path) == {"log": b"y", "log.1": b"x" * 11}


def test_its_copies_are_as_private_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 11)
    path.chmod(0o600)
    rotate(path, 10, 1)
    assert (tmp_path / "log.1").stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.symlink_to("/dev/null")
    assert not rotate(path, 0, 1)


def test_where_the_copy_fails_nothing_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 11)
    (tmp_path / "log.new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"log\.new"):
        rotate(path, 10, 1)
    assert path.read_bytes() == b"x" * 11


def test_what_is_written_while_it_is_copied_is_copied_too(tmp_path: Path) -> None:
    path = tmp_path / "log"
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        with path.open("ab", buffering=0) as file:
            while not stop.is_set() and written < 200_000:
                file.write(b"%07d\n" % written)
                written += 1

    writer = threading.Thread(target=write)
    writer.start()
    rotations = 0
    while rotations < 20 and writer.is_alive():
        rotations += rotate(path, 4000, 100)
    stop.set()
    writer.join()
    found = b"".join(path.with_name(f"log.{number}").read_bytes() for number in range(rotations, 0, -1)) + path.read_bytes()
    lines = [int(line) for line in found.split()]
    assert rotations > 0
    assert lines == sorted(set(lines)), "nothing twice, and in order"
    # What comes between the last look and the cut is lost, so the last lines that were written before each may be missing.
    assert lines[0] == 0
    assert len(lines) > written / 2
