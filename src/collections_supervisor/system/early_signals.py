"""Signals that come before anybody listens to them: one may be sent as soon as there is a process."""

import os
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


@contextmanager
def leaving(number: signal.Signals, status: int) -> Iterator[None]:
    """Meanwhile, until a receiver of the loop takes over, this ends the program at once with a status; unless it is ignored.

    For a time in which nothing is begun that would have to be ended. An exception would not do: raised wherever the program
    is, it can come out as another one.
    """
    if (before := signal.getsignal(number)) is signal.SIG_IGN:
        yield
        return
    signal.signal(number, lambda *_: os._exit(status))
    try:
        yield
    finally:
        signal.signal(number, before)
