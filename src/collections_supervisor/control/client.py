"""Asking the running supervisor. Blocks: it is for commands, which have nothing else to do meanwhile."""

import errno
import time
from pathlib import Path

from collections_supervisor.control.protocol import SOCKET, Reply, Request, decode_reply, encode
from collections_supervisor.system.unix_socket import exchange, path_fault

PATIENCE = 20.0
"""Seconds that an answer may take; the other side gives up earlier."""

AGAIN = 0.1
"""Seconds between two attempts to find somebody who listens."""

LARGEST = 64 << 20
"""Bytes of an answer that are read."""


class ControlError(Exception):
    """There is no answer; the sentence says why."""


class NoDaemonError(ControlError):
    """Nobody listens: no supervisor runs with this state folder, or it cannot listen."""


def ask_patiently(state_dir: Path, request: Request, seconds: float) -> Reply:
    """The same, for a supervisor that may begin to listen within so many seconds only."""
    for _ in range(int(seconds / AGAIN)):
        try:
            return ask(state_dir, request)
        except NoDaemonError:
            time.sleep(AGAIN)
    return ask(state_dir, request)


def ask(state_dir: Path, request: Request, timeout: float = PATIENCE) -> Reply:
    """The supervisor's answer, within so many seconds. Raises NoDaemonError or ControlError."""
    path = state_dir / SOCKET
    fault = path_fault(path)
    if fault:
        raise NoDaemonError(f"{fault}; choose a shorter supervisor.state_dir")
    try:
        line = exchange(path, encode(request), seconds=timeout, limit=LARGEST)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise NoDaemonError(f"no supervisor answers at {path}") from error
    except PermissionError as error:
        raise ControlError(f"{path} is not for us: the supervisor belongs to another user") from error
    except TimeoutError as error:
        raise ControlError(f"the supervisor at {path} did not answer within {timeout:g} s; it may still do it") from error
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise ControlError(f"too many ask the supervisor at {path} at this moment: try again") from error
        raise ControlError(f"the supervisor at {path} cannot be asked: {error.strerror or error}") from error
    if not line:
        raise ControlError(f"the supervisor at {path} ended before it answered; it may have done it")
    try:
        return decode_reply(line)
    except ValueError as error:
        raise ControlError(f"the answer of the supervisor at {path} cannot be read: {error}") from error
