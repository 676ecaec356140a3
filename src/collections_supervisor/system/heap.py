"""Memory that nothing uses any more, given back to the system. What once was needed would otherwise count as ours for years."""

import ctypes
import sys


def give_back() -> bool:
    """Have the C library return the free pages of its heap; False where it has no such call (see malloc_trim(3)).

    Takes milliseconds, without the interpreter's lock: for a thread. To read the configuration and to compile the page takes
    memory between blocks that stay, which is why it does not go back by itself.
    """
    if sys.platform != "linux":
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(ctypes.c_size_t(0)) >= 0)
