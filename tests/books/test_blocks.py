"""Blocks of whole lines, from real files."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.books.blocks import BLOCK, LONGEST, backward, forward

LINES = st.lists(st.integers(0, 3 * BLOCK // 2), max_size=8)


def whole(path: Path, read: Callable[[int, int], list[bytes]]) -> list[bytes]:
    fd = os.open(path, os.O_RDONLY)
    try:
        return read(fd, path.stat().st_size)
    finally:
        os.close(fd)


def ahead(fd: int, end: int) -> list[bytes]:
    return list(forward(fd, 0, end, lambda: None))


def back(fd: int, end: int) -> list[bytes]:
    return list(backward(fd, end, lambda: None))[::-1]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=LINES, finished=st.booleans(), way=st.sampled_from([ahead, back]))
def test_nothing_is_lost_and_no_line_is_torn(
    tmp_path: Path, lengths: list[int], finished: bool, way: Callable[[int, int], list[bytes]]
) -> None:
    content = b"\n".join(b"x" * length for length in lengths) + (b"\n" if finished else b"")
    path = tmp_path / "file"
    path.write_bytes(content)
    blocks = whole(path, way)
    assert b"".join(blocks) == content
    assert all(block.endswith(b"\n") for block in blocks[:-1])
    assert all(len(block) <= 2 * BLOCK + max(lengths, default=0) for block in blocks)


@pytest.mark.parametrize("way", [ahead, back])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_very_long_line_is_cut_so_that_nobody_takes_it_for_sound(
    tmp_path: Path, way: Callable[[int, int], list[bytes]], end: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'first\n{"' + b"x" * (4 * LONGEST) + b'"}' + (b"\nlast" if end else b"") + end)
    lines = b"".join(whole(path, way)).split(b"\n")
    assert lines[0] == b"first"
    assert lines[1].startswith(b'{"x')
    assert not lines[1].endswith(b"}")
    assert len(lines[1]) <= LONGEST + 2 * BLOCK
    assert lines[2:] == ([b"last", b""] if end else [])


@pytest.mark.parametrize("read", [lambda fd, end, check: forward(fd, 0, end, check), backward])
def test_reading_is_asked_about_between_blocks(tmp_path: Path, read: Callable[..., list[bytes]]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x\n" * (2 * BLOCK))
    calls: list[None] = []
    whole(path, lambda fd, end: list(read(fd, end, lambda: calls.append(None))))
    assert len(calls) == 4


def test_a_file_that_shrinks_meanwhile_just_ends(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x\n" * 10)
    assert whole(path, lambda fd, _: list(forward(fd, 0, 10 * BLOCK, lambda: None))) == [b"x\n" * 10]
    assert b"".join(whole(path, lambda fd, _: list(backward(fd, 2 * BLOCK, lambda: None)))) == b"x\n" * 10
