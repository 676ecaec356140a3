"""Foreign text in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.escalation.delivery import brief, without


@pytest.mark.parametrize(
    ("text", "shown"), [("", ""), (" \n ", ""), ("one\n\ttwo  three", "one two three"), ("x" * 10_000, "x" * 299 + "…")]
)
def test_the_beginning(text: str, shown: str) -> None:
    assert brief(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"), [("", ""), ("one\ntwo\n\n", "two"), ("x" * 10_000 + "\nlast", "last"), ("y" * 10_000, "y" * 299 + "…")]
)
def test_the_last_line(text: str, shown: str) -> None:
    assert brief(text, last=True) == shown


def test_what_cannot_be_written_is_replaced() -> None:
    assert brief("a\ud800b") == "a?b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("starts with abcdefgh", "starts with [not shown]"),
        ("starts with abcdefghijkl… and abcdefghZ", "starts with [not shown]… and [not shown]Z"),
        ("ends in …ijklmnop, or ghijklmnop", "ends in …[not shown], or [not shown]"),
        ("abcdefghabcdefghi", "[not shown][not shown]"),
        ("abcdefg and jklmnop are ordinary", "abcdefg and jklmnop are ordinary"),
        ("all of it: abcdefghijklmnop", "all of it: [not shown]"),
    ],
)
def test_the_beginning_and_the_end_of_a_secret_are_taken_out_too(text: str, shown: str) -> None:
    assert without(text, {"abcdefghijklmnop"}) == shown


@given(st.text("ab[ not", max_size=60), st.text("ab[ not", min_size=9, max_size=20))
def test_no_secret_is_left_whatever_it_is_made_of(text: str, secret: str) -> None:
    left = without(text + secret + text, {secret}).split("[not shown]")
    assert len(left) > 1
    assert all(secret not in piece for piece in left)


def test_secrets_are_taken_out_the_longest_first() -> None:
    assert without("Bearer abcdef and abc", {"abc", "abcdef", ""}) == "Bearer [not shown] and [not shown]"
