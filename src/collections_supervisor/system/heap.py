"""What the interpreter keeps in memory: no search through what stays for years, and nothing kept that nobody uses any more."""

import ctypes
import gc
import sys


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
    if sys.platform != "linux":
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(ctypes.c_size_t(0)) >= 0)
