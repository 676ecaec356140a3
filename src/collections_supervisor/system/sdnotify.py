"""What a service manager is told: datagrams to the socket that `NOTIFY_SOCKET` names, as sd_notify(3) describes them.

Only where they are meant for us: a program further up may have passed the socket on, and an answer in its name would keep it
for alive. `WATCHDOG_PID` says whose it is; where that is unset it is ours (sd_watchdog_enabled(3)).
"""

import os
import socket
from collections.abc import Mapping

_LONGEST_STATUS = 200


class ServiceManager:
    """The service manager, if there is one and it listens to us; else nothing that is said goes anywhere."""

    def __init__(self, environ: Mapping[str, str], pid: int | None = None) -> None:
        """`pid` is our own unless a test says otherwise."""
        ours = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid() if pid is None else pid))
        self._address = _address(environ.get("NOTIFY_SOCKET", "")) if ours else None
        self.watchdog = _seconds(environ.get("WATCHDOG_USEC", "")) if self._address is not None else None
        """Seconds without a sign of life after which it ends us; None where it does not."""

    def tell(self, *assignments: str) -> bool:
        """Send assignments such as `READY=1` together; False if they did not get there. Never waits, never raises."""
        if self._address is None:
            return False
        # A socket of the moment: one that is kept would be inherited by nobody, but would be one more to look after.
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.setblocking(False)
                channel.sendto("\n".join(assignments).encode("utf-8", "replace"), self._address)
        except OSError:  # it went away, or has no room at this moment: nothing that could be done about it
            return False
        return True


def status(text: str) -> str:
    """The assignment that shows a text beside our name; one line, of a length that a line has."""
    line = " ".join(text.split())
    return f"STATUS={line if len(line) <= _LONGEST_STATUS else line[: _LONGEST_STATUS - 1] + '…'}"


def monotonic(seconds: float) -> str:
    """The assignment that tells when a reload began, by the clock that `time.monotonic` reads on Linux."""
    return f"MONOTONIC_USEC={int(seconds * 1e6)}"


def _address(name: str) -> str | None:
    """A path, or an abstract name written with `@`. Other kinds of sockets are for virtual machines, not for services."""
    if name.startswith("@") and len(name) > 1:
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _seconds(microseconds: str) -> float | None:
    if not (microseconds.isascii() and microseconds.isdigit()):
        return None
    return int(microseconds) / 1e6 or None
