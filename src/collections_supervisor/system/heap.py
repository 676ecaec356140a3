"""What the interpreter keeps in memory: no search through what stays for years, and nothing kept that nobody uses any more."""

import gc
import sys
from collections.abc import Callable

_M_ARENA_MAX = -8
"""Of mallopt(3)."""


def share() -> None:
    """Have all threads take memory from one heap, where the C library can (see mallopt(3)); before there are many threads.

    Each would otherwise have one of its own, and keep there what it needed for its largest page. They take turns anyway.
    """
    mallopt = _of_c_library("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def settle() -> None:
    """Take all objects there are now out of the garbage collector's sight, once what lasts as long as the program is made.

    With hundreds of agents each of its full searches takes a tenth of a second, in which nothing else happens.
    """
    gc.collect()
    gc.freeze()


def give_back() -> bool:
    """Have the C library return the free pages of its heap; False where it has no such call (see malloc_trim(3)).

    Takes milliseconds, without the interpreter's lock: for a thread. To read the configuration and to compile the page takes
    memory between blocks that stay, which is why it does not go back by itself.
    """
    trim = _of_c_library("malloc_trim")
    return trim is not None and trim(0) >= 0


def _of_c_library(name: str) -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    try:
        import ctypes  # not built into every Python, and nothing else of ours needs it

        library = ctypes.CDLL(None)
    except (ImportError, OSError):
        return None
    found: Callable[..., int] | None = getattr(library, name, None)
    return found
