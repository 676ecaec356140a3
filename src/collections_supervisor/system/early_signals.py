"""Signals that come before anybody listens to them: one may be sent as soon as there is a process."""

import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager


@contextmanager
def remembered(*numbers: signal.Signals) -> Iterator[Collection[int]]:
    """Meanwhile these do not end the program; which of them came is told until a receiver of the loop takes over."""
    came: set[int] = set()
    before = {number: signal.signal(number, lambda number, _: came.add(number)) for number in numbers}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
