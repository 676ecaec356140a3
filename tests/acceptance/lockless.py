"""Python where nothing can be locked: `python lockless.py python -m MODULE ARGS` runs the module there."""

import errno
import fcntl
import os
import runpy
import sys


def refuse(_fd: int, _operation: int) -> None:
    """Fail as such a file system does."""
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


if __name__ == "__main__":
    fcntl.flock = refuse  # type: ignore[assignment]
    _, _, _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
