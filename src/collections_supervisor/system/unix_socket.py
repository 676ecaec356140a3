"""Sockets with a path: where one may lie, opening it so that nobody else gets in, and who is at the other end.

Everything here blocks, for a moment at most; only `exchange` waits for somebody.
"""

import errno
import os
import socket
import stat
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

MOST_PATH = 103 if sys.platform == "darwin" else 107
"""Bytes of a path that fit into the address of a socket."""

MODE = 0o600
BACKLOG = 128
_PIECE = 65536
_LOCAL_PEERCRED = 1
"""Of macOS and the BSDs, at level 0 (sys/un.h); Python does not name it."""
_XUCRED = struct.Struct("=II")
"""The version and the user, with which its 76 bytes begin."""
_XUCRED_SIZE = 76
_UCRED = struct.Struct("=iII")


def path_fault(path: Path) -> str:
    """Why there can be no socket at this path, in a sentence; empty if there can."""
    length = len(os.fsencode(path))
    if length <= MOST_PATH:
        return ""
    return f"{path} is {length} bytes long, and the path of a socket has room for {MOST_PATH}"


class Listening(msgspec.Struct, frozen=True):
    """A socket that listens, and the file by which others find it."""

    socket: socket.socket
    path: Path
    file: tuple[int, int]

    def is_in_place(self) -> bool:
        """Whether others would still find it."""
        return _identity(self.path) == self.file

    def close(self) -> None:
        """Listen no more, and remove the file unless it is another one by now."""
        self.socket.close()
        if self.is_in_place():
            with suppress(OSError):
                self.path.unlink()


def listen(path: Path) -> Listening:
    """Listen at this path, for our own user alone; what an earlier life left there is removed.

    Whatever is no socket, or answers, stays where it is. Raises OSError.
    """
    fault = path_fault(path)
    if fault:
        raise OSError(errno.ENAMETOOLONG, fault)
    _clear(path)
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        ours.setblocking(False)
        ours.bind(os.fsencode(path))
        # Nobody can connect before `listen`: there is no moment at which the file is open to others.
        path.chmod(MODE)
        found = path.lstat()
        ours.listen(BACKLOG)
    except BaseException:
        ours.close()
        raise
    return Listening(ours, path, (found.st_dev, found.st_ino))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _clear(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "something that is no socket lies there", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fsencode(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # its line is full
    raise OSError(errno.EADDRINUSE, "another process listens there", str(path))


def peer_uid(connection: socket.socket) -> int | None:
    """The user at the other end; None where the system does not tell."""
    with suppress(OSError, struct.error):
        if hasattr(socket, "SO_PEERCRED"):
            data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
            return int(_UCRED.unpack(data)[1])
        data = connection.getsockopt(0, _LOCAL_PEERCRED, _XUCRED_SIZE)
        return int(_XUCRED.unpack_from(data)[1])
    return None


def exchange(path: Path, data: bytes, *, seconds: float, limit: int) -> bytes:
    """Send `data`; what is answered up to the first newline, or the end. Raises OSError, TimeoutError among others."""
    end = time.monotonic() + seconds  # noqa: TID251 - whoever asks has no event loop

    def left() -> float:
        remaining = end - time.monotonic()  # noqa: TID251
        if remaining <= 0:
            raise TimeoutError(errno.ETIMEDOUT, f"no answer within {seconds:g} s")
        return remaining

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as ours:
        ours.settimeout(left())
        ours.connect(os.fsencode(path))
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered all the same
            ours.sendall(data)
        answer = b""
        while b"\n" not in answer and len(answer) <= limit:
            ours.settimeout(left())
            piece = ours.recv(_PIECE)
            if not piece:
                break
            answer += piece
    return answer.partition(b"\n")[0]
