"""Foreign text in one line."""

import pytest

from collections_supervisor.escalation.delivery import brief


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
