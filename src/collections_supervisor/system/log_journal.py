"""The log in systemd's journal, as entries with fields: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/

What a service prints reaches the journal too, but all of it with one priority, without fields, and cut at 48 KiB.
"""

import errno
import fcntl
import os
import re
import socket
from array import array
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

SOCKET = Path("/run/systemd/journal/socket")

LINE = "JSON"
"""The field that holds the line of the log as it is."""

_PRIORITIES = {"debug": b"7", "info": b"6", "warning": b"4", "error": b"3", "critical": b"2"}
_IDENTIFIER = b"collections-supervisor"
_LONGEST_NAME = 64
_FOREIGN = re.compile(r"[^A-Z0-9]+")
_decode = msgspec.json.Decoder(dict[str, object]).decode
_encode = msgspec.json.Encoder().encode


def is_journal(environ: Mapping[str, str], descriptor: int) -> bool:
    """Whether the journal reads this descriptor, which is what `JOURNAL_STREAM` is for: it names a device and an inode.

    A program that was started with other outputs than its parent has the variable all the same.
    """
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM", "") == f"{found.st_dev}:{found.st_ino}"


def entry(line: bytes) -> bytes:
    """A line of the log as an entry: the sentence, its priority, each field by its name in capitals, and the line itself."""
    record = _decode(line)
    fields = {
        "MESSAGE": _text(record.get("message")),
        "PRIORITY": _PRIORITIES.get(str(record.get("level")), b"6"),
        "SYSLOG_IDENTIFIER": _IDENTIFIER,
        LINE: line.rstrip(b"\n"),
    }
    for key, value in record.items():
        name = _name(key)
        if name and value is not None:
            # What decides how the entry is shown is not for a field of some event to change.
            fields.setdefault(name, _text(value))
    return b"".join(_field(name.encode(), value) for name, value in fields.items())


def _name(key: str) -> str:
    """Letters, digits and underscores; none at the beginning, which is the journal's own way to mark what it vouches for."""
    name = _FOREIGN.sub("_", key.upper()).strip("_")
    return "" if name[:1].isdigit() else name[:_LONGEST_NAME]


def _text(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else _encode(value)


def _field(name: bytes, value: bytes) -> bytes:
    if b"\n" not in value:
        return name + b"=" + value + b"\n"
    return name + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


class JournalTarget:
    """Sends each line to the journal's socket."""

    idle_s: float | None = None

    def __init__(self, path: Path = SOCKET) -> None:
        self.name = f"the journal at {path}"
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def refresh(self) -> bool:
        """A datagram is whole or not there at all."""
        return False

    def show(self, line: bytes) -> bytes:
        """The line as an entry."""
        return entry(line)

    def write(self, data: bytes) -> int:
        """Send the whole entry; blocks while the journal has no room for it."""
        try:
            self._socket.sendto(data, self._path)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            self._send_file(data)
        return len(data)

    def _send_file(self, data: bytes) -> None:
        """What is too large for a datagram goes into memory that nobody can change any more, and its descriptor is sent."""
        if not hasattr(os, "memfd_create"):
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        memory = os.memfd_create("collections-supervisor-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with open(memory, "wb", closefd=False) as file:
                file.write(data)
            seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, seals)
            # Not `socket.send_fds`, which takes an address and forgets it.
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [memory]))
            self._socket.sendmsg([b""], [rights], 0, self._path)
        finally:
            os.close(memory)

    def is_dead(self, error: OSError) -> bool:
        """Without a journal the log goes on where it would have gone anyway; a moment without memory passes."""
        return error.errno not in (errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE)

    def close(self) -> None:
        """Close the socket."""
        with suppress(OSError):
            self._socket.close()
