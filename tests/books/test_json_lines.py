"""JSON lines: a block of them, and each by itself."""

from typing import Any

import msgspec
import pytest

from collections_supervisor.books.json_lines import decode_block, decode_line


class Line(msgspec.Struct, frozen=True):
    """Any object."""

    a: Any = None


DECODER = msgspec.json.Decoder(Line)


@pytest.mark.parametrize("block", [b'{"a":1}\n{"a":{"a":{}}}\n', b'{"a":1}\n{"a":[{},{}]}', b"{}\n", b"{}"])
def test_a_block_of_sound_lines(block: bytes) -> None:
    assert decode_block(DECODER, block) == [msgspec.json.decode(line, type=Line) for line in block.splitlines()]


@pytest.mark.parametrize(
    "block",
    [
        *(b"{}{}\n", b"{} {}\n", b"{\n}\n", b'{"a":\n{}}\n', b'{"a":\n1}\n', b"{}{}\n{\n}\n", b'{"a":\n{}}\n{}{}\n'),
        *(b"", b"\n", b"{}\n\n{}\n", b"\n{}{}", b"{}\r\n{}\r\n", b"{}\n7\n", b"{}\n{", b"[" * 100_000),
    ],
)
def test_a_block_with_anything_else_is_read_line_by_line(block: bytes) -> None:
    assert decode_block(DECODER, block) is None


def test_a_line() -> None:
    assert decode_line(DECODER, b'{"a": 1}') == Line(1)
    assert decode_line(DECODER, b'{"a": Infinity}\r') == {"a": float("inf")}
    assert decode_line(DECODER, b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"7", b"[]", b"NaN", b"{} {}", b"{", b'{"a": NaN, "b": "\xff"}', b'{"a": NaN, "b": %s}' % (b"9" * 5000)),
        *("{}".encode("utf-16"), "{}".encode("utf-16-le"), "{}".encode("utf-32-be"), b"[" * 100_000, b'{"a":' * 100_000),
    ],
)
def test_no_line(raw: bytes) -> None:
    assert decode_line(DECODER, raw) is None
