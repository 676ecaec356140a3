"""Signals that come before anybody listens to them: one may be sent as soon as there is a process."""

import os
import signal
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager


@contextmanager
def remembered(*numbers: signal.Signals) -> Iterator[Collection[int]]:
    """Meanwhile these do not end the program; which of them came is told until a receiver of the loop takes over."""
    came: set[int] = set()
    with _handled(numbers, came.add):
        yield came


@contextmanager
def leaving(number: signal.Signals, status: int) -> Iterator[None]:
    """Meanwhile, until a receiver of the loop takes over, this ends the program at once with a status; unless it is ignored.

    For a time in which nothing is begun that would have to be ended. An exception would not do: raised wherever the program
    is, it can come out as another one.
    """
    numbers = () if signal.getsignal(number) is signal.SIG_IGN else (number,)
    with _handled(numbers, lambda _: os._exit(status)):
        yield


@contextmanager
def _handled(numbers: Iterable[signal.Signals], note: Callable[[int], object]) -> Iterator[None]:
    """Meanwhile `note` is given the number of each of these signals that comes."""
    before = {number: signal.signal(number, lambda came, _: note(came)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
