"""Why a command could not be started, in words that name what to repair."""

import contextlib
import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal


class SpawnError(Exception):
    """A command could not be started; the message names the program, or the working directory, and where it was sought.

    All kinds but `failed` are mistakes of configuration: trying again is pointless.
    """

    def __init__(self, kind: Literal["not_found", "not_executable", "bad_cwd", "failed"], message: str) -> None:
        super().__init__(message)
        self.kind = kind


def check_enterable(cwd: Path | None) -> None:
    """Raises SpawnError if this is not a directory that we may enter."""
    if cwd is None:
        return
    try:
        (cwd / "..").stat()  # the lookup asks for just that, whatever may be read in it
    except (OSError, ValueError) as error:
        raise SpawnError("bad_cwd", f"working directory {str(cwd)!r} cannot be entered: {_reason(error)}") from error


def find_program(program: str, env: Mapping[str, str], cwd: Path | None) -> str | None:
    """The file that `program` names, executable or not."""
    if os.sep in program:
        path = (cwd or Path()) / program
        with contextlib.suppress(PermissionError):
            return str(path) if path.exists() else None
        return None
    return shutil.which(program, os.F_OK, env.get("PATH", os.defpath))


def explain(error: OSError, program: str, found: str | None, env: Mapping[str, str], cwd: Path | None) -> SpawnError:
    """Why `program` could not be started; `found` is the file it names."""
    if os.sep in program:
        sought = f"program {str((cwd or Path()) / program)!r}"
    else:
        sought = f"program {program!r} on PATH {env.get('PATH', os.defpath)!r}"
    match error.errno:
        case _ if error.filename != program:  # not the program's doing: no process, memory or descriptor to be had
            return SpawnError("failed", f"{sought} cannot be started: {_reason(error)}")
        case errno.ENOENT | errno.ENOTDIR if found is None:
            return SpawnError("not_found", f"{sought} was not found")
        case errno.ENOENT:
            return SpawnError("not_executable", f"program {found!r} cannot be executed: its interpreter was not found")
        case errno.EACCES | errno.EPERM | errno.ENOEXEC | errno.ENOTDIR:
            return SpawnError("not_executable", f"program {found or program!r} cannot be executed: {_reason(error)}")
        case _:
            return SpawnError("failed", f"{sought} cannot be started: {_reason(error)}")


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
