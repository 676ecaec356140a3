"""Blocks of whole lines, from real files."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from hypothesis import HealthCheck, example, given, settings
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
    return [block for _, block in forward(fd, 0, end, lambda: None)]


def back(fd: int, end: int) -> list[bytes]:
    return [block for _, block in backward(fd, end, lambda: None)][::-1]


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


@settings(max_examples=150)
@given(lines=st.lists(st.binary(max_size=30), max_size=9), size=st.integers(1, 20), more=st.integers(0, 20))
@example(lines=[b"{}" + b" " * 30 + b"x"], size=3, more=0)
def test_what_is_left_of_a_line_does_not_depend_on_the_blocks(lines: list[bytes], size: int, more: int) -> None:
    content = b"\n".join(lines)
    longest = size + more
    expected = b"\n".join(line if len(line) <= longest else line[:longest] + b"\0" for line in content.split(b"\n"))
    with TemporaryFile() as file:
        file.write(content)
        file.flush()
        there = list(forward(file.fileno(), 0, len(content), lambda: None, size=size, longest=longest))
        back = list(backward(file.fileno(), len(content), lambda: None, size=size, longest=longest))[::-1]
    for blocks in (there, back):
        assert b"".join(block for _, block in blocks) == expected
        # Each begins where it says, and that is where a line begins.
        assert all(content[begins:].startswith(block[: min(longest, block.find(b"\n"))]) for begins, block in blocks)
        assert all(begins == 0 or content[begins - 1 : begins] == b"\n" for begins, _ in blocks)


@pytest.mark.parametrize(("bound", "expected"), [(0, b"one\ntwo\nthree"), (2, b"two\nthree"), (4, b"three"), (9, b"")])
def test_nothing_before_a_bound_is_read(bound: int, expected: bytes) -> None:
    with TemporaryFile() as file:
        file.write(b"one\ntwo\nthree")
        file.flush()
        blocks = list(backward(file.fileno(), 13, lambda: None, down_to=bound, size=3))
    assert b"".join(block for _, block in blocks[::-1]) == expected


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
def test_reading_is_asked_about_between_blocks(tmp_path: Path, read: Callable[..., Iterator[tuple[int, bytes]]]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x\n" * (2 * BLOCK))
    calls: list[None] = []
    whole(path, lambda fd, end: [block for _, block in read(fd, end, lambda: calls.append(None))])
    assert len(calls) == 4


def test_a_file_that_shrinks_meanwhile_just_ends(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x\n" * 10)
    assert whole(path, lambda fd, _: ahead(fd, 10 * BLOCK)) == [b"x\n" * 10]
    assert b"".join(whole(path, lambda fd, _: back(fd, 2 * BLOCK))) == b"x\n" * 10
