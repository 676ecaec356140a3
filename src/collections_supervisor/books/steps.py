"""Long walks that can be ended. Pure."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import TypeVar

STEP = 512
"""Things between two looks at whether the walk is still wanted."""

T = TypeVar("T")


def in_steps(items: Iterable[T], check: Callable[[], None]) -> Iterator[T]:
    """The items; `check` is called now and then and may raise, which ends the walk."""
    # A loop in Python around every single item would cost as much as what is done with it.
    return chain.from_iterable(_batches(iter(items), check))


def _batches(items: Iterator[T], check: Callable[[], None]) -> Iterator[list[T]]:
    while batch := list(islice(items, STEP)):
        check()
        yield batch
