"""One HTTP request on a thread of its own, which nothing the other side does can hold beyond the deadline."""

import errno
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Literal
from urllib.parse import SplitResult, quote, urlsplit

import anyio
import msgspec

from collections_supervisor import __version__
from collections_supervisor.escalation.delivery import Delivery
from collections_supervisor.escalation.http_answer import FOLLOWED, REDIRECTS, Answer, next_address, place_of
from collections_supervisor.system.clock import span
from collections_supervisor.system.files import cause_of
from collections_supervisor.system.threads import DaemonPool, hop

MOST_BODY = 64 * 1024
MOST_REDIRECTS = 3
USER_AGENT = f"collections-supervisor/{__version__}"

_KEPT = "/%:@!$&'()*+,;=~-._"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, and whether it matters what a good answer says."""

    url: str
    body: bytes = b""
    headers: Mapping[str, str] = {}
    needs_body: bool = False
    method: Literal["GET", "POST"] = "POST"


async def post(pool: DaemonPool, request: Request, seconds: float) -> Answer | Delivery:
    """The answer within so many seconds; or why there is none. Certificates are checked, proxies not used.

    Redirects that keep the request are followed on the same server only, at most three times.
    """
    exchange = _Exchange(request, seconds)
    try:
        with anyio.move_on_after(seconds):
            return await hop(pool, exchange.run)
        return Delivery("transient", f"no answer within {span(seconds)}")
    except BlockingIOError:
        return Delivery("transient", "earlier tries still hang")
    finally:
        exchange.abort()


class _Exchange:
    """Runs on a thread; whoever waits for it can end it from outside."""

    def __init__(self, request: Request, seconds: float) -> None:
        self._request = request
        self._seconds = seconds
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._aborted = False

    def abort(self) -> None:
        """End it at once: whatever the thread waits for on its connection is over."""
        with self._lock:
            self._aborted = True
            if self._handle is not None:
                with suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)

    def run(self) -> Answer | Delivery:
        """Send it and read the answer, over all redirects."""
        url = self._request.url
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._explained(url)
            if isinstance(answer, Delivery) or answer.status not in REDIRECTS:
                return answer
            onward = next_address(url, answer.location) if answer.status in FOLLOWED else None
            if onward is None:
                where = place_of(answer.location) if "://" in answer.location else "another page"
                return Delivery("permanent", f"HTTP {answer.status}: a redirect to {where}, which is not followed")
            url = onward
        return Delivery("permanent", f"more than {MOST_REDIRECTS} redirects")

    def _explained(self, url: str) -> Answer | Delivery:
        """One exchange; a failure as what it means for the notice."""
        try:
            return self._exchange(url)
        except ssl.SSLCertVerificationError as error:
            return Delivery("permanent", f"the certificate of {place_of(url)} is not accepted: {error.verify_message}")
        except TimeoutError:
            return Delivery("transient", f"no answer from {place_of(url)}")
        except OSError as error:
            return Delivery("transient", f"{place_of(url)} cannot be reached: {cause_of(error)}")
        except HTTPException as error:
            return Delivery("transient", f"{place_of(url)} does not speak HTTP properly: {error!r}")
        except ValueError as error:
            # A host name that cannot be one, or a header that cannot be sent.
            return Delivery("permanent", f"nothing can be sent to {place_of(url)}: {type(error).__name__}")

    def _exchange(self, url: str) -> Answer:
        try:
            with closing(self._open(urlsplit(url))) as connection:
                return self._ask(connection, url)
        finally:
            self._hold(None)

    def _ask(self, connection: HTTPConnection, url: str) -> Answer:
        parts = urlsplit(url)
        target = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT + '?')}" if parts.query else "")
        headers = {"User-Agent": USER_AGENT, "Connection": "close", **self._request.headers}
        connection.request(self._request.method, target, self._request.body or None, headers)
        with connection.getresponse() as response:
            # What follows a good code may never end, and mostly nobody needs it.
            wanted = self._request.needs_body or not 200 <= response.status < 300
            return Answer(
                status=response.status,
                body=response.read(MOST_BODY) if wanted else b"",
                retry_after=response.headers.get("Retry-After", ""),
                date=response.headers.get("Date", ""),
                location=response.headers.get("Location", ""),
            )

    def _open(self, parts: SplitResult) -> HTTPConnection:
        host = parts.hostname or ""
        if parts.scheme != "https":
            connection = HTTPConnection(host, parts.port or 80)
            connection.sock = self._connect(host, connection.port)
            return connection
        context = ssl.create_default_context()
        connection = HTTPSConnection(host, parts.port or 443, context=context)
        plain = self._connect(host, connection.port)
        with closing(plain):  # wrapping takes over what it holds, so that nothing is left to be closed
            connection.sock = context.wrap_socket(plain, server_hostname=host)
        return connection

    def _connect(self, host: str, port: int) -> socket.socket:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        problem = OSError(errno.EADDRNOTAVAIL, "it has no address")
        for family, kind, protocol, _, address in addresses:
            made = socket.socket(family, kind, protocol)
            try:
                self._hold(made)
                # One address that does not answer must leave time for the others.
                made.settimeout(self._seconds / len(addresses))
                made.connect(address)
                made.settimeout(self._seconds)
            except OSError as error:
                made.close()
                problem = error
            else:
                return made
        raise problem

    def _hold(self, made: socket.socket | None) -> None:
        """Keep a handle of our own on a connection, by which it can be ended whoever works with it."""
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None
            if made is not None:
                if self._aborted:
                    raise OSError(errno.ECANCELED, "nobody waits any more")
                self._handle = made.dup()
