"""Sockets with a path, opened for real."""

import os
import socket
import stat
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.system import unix_socket
from collections_supervisor.system.unix_socket import MOST_PATH, Listening, exchange, listen, path_fault, peer_uid


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def listening(path: Path) -> Iterator[Listening]:
    made = listen(path)
    made.socket.setblocking(True)
    made.socket.settimeout(10.0)
    yield made
    made.close()


def test_only_we_may_connect_and_its_end_leaves_nothing(path: Path) -> None:
    listening = listen(path)
    found = path.lstat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert listening.is_in_place()
    assert not os.get_inheritable(listening.socket.fileno())
    listening.close()
    assert not path.exists()


def test_what_a_killed_one_left_is_removed(path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    assert path.exists()
    listen(path).close()


def test_one_that_answers_is_left_alone(path: Path, listening: Listening) -> None:
    with pytest.raises(OSError, match="another process listens there"):
        listen(path)
    assert listening.is_in_place()


def test_one_whose_line_is_full_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(path))
        busy.listen(0)
        first.connect(str(path))
        with pytest.raises(OSError, match="another process listens there"):
            listen(path)


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone(path: Path, kind: str) -> None:
    match kind:
        case "file":
            path.write_text("precious")
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to(path.parent)
    before = path.lstat()
    with pytest.raises(OSError, match="no socket lies there"):
        listen(path)
    assert path.lstat() == before


def test_another_socket_at_the_path_is_not_removed_with_ours(path: Path) -> None:
    first = listen(path)
    path.unlink()
    second = listen(path)
    assert not first.is_in_place()
    first.close()
    assert second.is_in_place()
    second.close()


def test_a_path_may_be_so_long_and_no_longer(tmp_path: Path) -> None:
    longest = tmp_path / ("x" * (MOST_PATH - len(str(tmp_path)) - 1))
    assert path_fault(longest) == ""
    listen(longest).close()
    longer = Path(f"{longest}x")
    assert f"is {MOST_PATH + 1} bytes long" in path_fault(longer)
    with pytest.raises(OSError, match="has room for"):
        listen(longer)
    wide = tmp_path / ("é" * (MOST_PATH - len(str(tmp_path)) - 1))
    assert path_fault(wide), "bytes count, not characters"


def test_a_missing_folder_is_an_error_like_any_other(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        listen(tmp_path / "nowhere" / "control.sock")


# --- Who is there ---


def test_the_other_end_is_known() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_uid(ours) == os.geteuid()


class Other:
    """A socket of a system that answers otherwise."""

    def __init__(self, answer: bytes | OSError) -> None:
        self.answer = answer

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [OSError(92, "no such option"), b"", b"\0\0"])
def test_where_no_system_tells_nobody_knows(answer: Any) -> None:
    assert peer_uid(Other(answer)) is None  # type: ignore[arg-type]


def test_what_the_kernel_says_is_read_as_it_is_meant() -> None:
    assert peer_uid(Other(struct.pack("=iII", 4711, 4_294_967_294, 5))) == 4_294_967_294  # type: ignore[arg-type]
    answer = struct.pack("=IIh2x16I", 0, 501, 1, *[20] * 16)
    assert (len(answer), unix_socket._XUCRED.unpack_from(answer)) == (unix_socket._XUCRED_SIZE, (0, 501))


# --- Asking ---


def serve(listening: Listening, *answers: bytes) -> threading.Thread:
    def run() -> None:
        connection, _ = listening.socket.accept()
        with connection:
            connection.recv(65536)
            for answer in answers:
                connection.sendall(answer)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answers", "line"),
    [([b"one\n"], b"one"), ([b"o", b"n", b"e\ntwo\n"], b"one"), ([b"no end"], b"no end"), ([], b""), ([b"x" * 200_000], None)],
)
def test_an_answer_ends_with_its_line_or_with_the_connection(path: Path, listening: Listening, answers: Any, line: Any) -> None:
    thread = serve(listening, *answers)
    assert exchange(path, b"hello\n", seconds=10.0, limit=1 << 20) == (b"x" * 200_000 if line is None else line)
    thread.join()


def test_no_more_is_read_than_may_be(path: Path, listening: Listening) -> None:
    thread = serve(listening, b"x" * 150_000)
    assert 1000 < len(exchange(path, b"hello\n", seconds=10.0, limit=1000)) <= 1000 + 65536
    thread.join()


def test_who_does_not_answer_is_not_waited_for(path: Path, listening: Listening) -> None:
    with pytest.raises(TimeoutError):
        exchange(path, b"hello\n", seconds=0.05, limit=1000)


def test_what_was_answered_before_all_was_sent_is_heard(path: Path, listening: Listening) -> None:
    def run() -> None:
        connection, _ = listening.socket.accept()
        with connection:
            connection.recv(10)
            connection.sendall(b"enough\n")

    thread = threading.Thread(target=run)
    thread.start()
    assert exchange(path, b"x" * 5_000_000, seconds=10.0, limit=1000) == b"enough"
    thread.join()
