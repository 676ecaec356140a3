"""What the programs of this machine were started with, as far as their owners let us see it."""

import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from collections_supervisor.system.process_table import HERE, Facilities, run_ps

_LONGEST = 128 << 10
"""Bytes of arguments that are read of one process."""


def read_arguments(facilities: Facilities = HERE) -> dict[int, list[str]]:
    """The arguments of every process by its pid; of some systems words only, since `ps` prints them with blanks between.

    Blocks as `process_table.read_markers` does: give it a deadline.
    """
    return dict(_from_procfs() if facilities.procfs else _from_ps())


def read_surroundings(pid: int) -> tuple[Path, dict[str, str]]:
    """The working directory and the environment of a process; raises OSError where they cannot be seen."""
    folder = Path(f"/proc/{pid}/cwd").readlink()
    variables = os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0")
    return folder, {name: value for name, equals, value in (each.partition("=") for each in variables) if equals}


def read_open_files(pid: int) -> list[Path]:
    """What a process has open by a name, as that is now; raises OSError where it cannot be seen."""
    folder, found = Path(f"/proc/{pid}/fd"), []
    for number in os.listdir(folder):  # noqa: PTH208 - as in process_table
        with suppress(OSError):  # closed meanwhile
            found.append(Path(os.readlink(folder / number).removesuffix(" (deleted)")))  # noqa: PTH115 - sockets are no paths
    return found


def _from_procfs() -> Iterator[tuple[int, list[str]]]:
    for name in os.listdir("/proc"):  # noqa: PTH208 - as in process_table
        if name.isdigit():
            try:
                with Path(f"/proc/{name}/cmdline").open("rb") as file:
                    data = file.read(_LONGEST)
            except OSError:  # gone, or somebody else's
                continue
            if data:
                yield int(name), os.fsdecode(data.rstrip(b"\0")).split("\0")


def _from_ps() -> Iterator[tuple[int, list[str]]]:
    for line in run_ps("-axww", "-o", "pid=,command="):
        pid, _, rest = line.strip().partition(" ")
        if pid.isdigit():
            yield int(pid), _words(rest)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an odd quotation mark
        return text.split()
