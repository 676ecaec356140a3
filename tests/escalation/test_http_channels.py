"""The channels over HTTP, against real servers on loopback."""

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor import __version__
from collections_supervisor.config import schema
from collections_supervisor.escalation.channels import Channel, open_channels
from collections_supervisor.escalation.delivery import Delivery
from collections_supervisor.messages import Notice

Make = Callable[..., Notice]

TOKEN = "s3cret-t0ken"


class Server:
    """Answers each connection with the next of its answers: bytes, or a function that has the connection to itself."""

    def __init__(self, *answers: bytes | Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.closed = threading.Event()
        """Set when the other side has ended a connection."""
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}" if context is None else f"https://localhost:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(20)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            try:
                if callable(answer):
                    answer(connection)
                    return
                with self._context.wrap_socket(connection, server_side=True) if self._context else connection as plain:
                    self._read(plain)
                    plain.sendall(answer)
            except OSError:
                self.closed.set()

    def _read(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers["content-length"]):
            body += connection.recv(65536)
        self.requests.append((first, headers, body))

    def reading(self, then: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
        def answer(connection: socket.socket) -> None:
            self._read(connection)
            then(connection)

        return answer


def reply(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*answers: Any, **settings: Any) -> Server:
        servers.append(Server(*(answers or (reply(),)), **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def opened(channel: schema.Channel, **environ: str) -> Channel:
    settings = schema.EscalationConfig(recipient="caine", channels=(channel,))
    (found,) = open_channels(settings, environ, secrets={"TOKEN"}, host="box")
    return found


def webhook(url: str, timeout: float = 20.0, **environ: str) -> Channel:
    return opened(schema.WebhookChannel(url=url, token_env="TOKEN" if environ else "", timeout=timeout), **environ)


# --- What is sent ---


async def test_a_webhook_gets_the_notice_as_json(serve: Any, make_notice: Make) -> None:
    server = serve(reply(204))
    channel = webhook(f"{server.url}/a%20b/ü?c=d&e", TOKEN=f"{TOKEN}\n")
    assert await channel.send(make_notice(sequence=3), 2) == Delivery("ok")
    ((first, headers, body),) = server.requests
    assert first == "POST /a%20b/%C3%BC?c=d&e HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["idempotency-key"] == "agent/payment-watcher/0/3"
    assert headers["user-agent"] == f"collections-supervisor/{__version__}"
    assert headers["host"] == f"127.0.0.1:{server.port}"
    told = json.loads(body)
    assert (told["type"], told["attempt"], told["recipient"], told["host"]) == ("AGENT_ESCALATION", 2, "caine", "box")


async def test_without_a_token_none_is_sent(serve: Any, make_notice: Make) -> None:
    server = serve()
    assert (await webhook(server.url).send(make_notice(), 1)).result == "ok"
    ((first, headers, _),) = server.requests
    assert first == "POST / HTTP/1.1"
    assert "authorization" not in headers


async def test_a_key_that_no_header_can_hold_is_written_another_way(serve: Any, make_notice: Make) -> None:
    server = serve()
    assert (await webhook(server.url).send(make_notice(dedup_key="host/bö x\r\nEvil: 1"), 1)).result == "ok"
    assert server.requests[0][1]["idempotency-key"] == "host/b%C3%B6 x%0D%0AEvil: 1/1"


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({}, "the environment variable TOKEN, which is to hold the token, is not set"),
        ({"TOKEN": " "}, "the environment variable TOKEN, which is to hold the token, is not set"),
        ({"TOKEN": f"{TOKEN}\r\nEvil: 1"}, "the token in TOKEN holds characters that cannot be sent"),
        ({"TOKEN": f"{TOKEN}ü"}, "the token in TOKEN holds characters that cannot be sent"),
    ],
)
async def test_a_token_that_cannot_be_sent(serve: Any, make_notice: Make, environ: dict[str, str], reason: str) -> None:
    server = serve()
    channel = opened(schema.WebhookChannel(url=server.url, token_env="TOKEN"), **environ)
    assert await channel.send(make_notice(), 1) == Delivery("permanent", reason)
    assert server.requests == []


async def test_the_token_is_looked_up_whenever_it_is_needed(serve: Any, make_notice: Make) -> None:
    server, environ = serve(), {"TOKEN": "old"}
    settings = schema.EscalationConfig(channels=(schema.WebhookChannel(url=server.url, token_env="TOKEN"),))
    (channel,) = open_channels(settings, environ)
    await channel.send(make_notice(), 1)
    environ["TOKEN"] = "new"
    await channel.send(make_notice(), 2)
    assert [headers["authorization"] for _, headers, _ in server.requests] == ["Bearer old", "Bearer new"]


async def test_openclaw_by_hooks_is_sent_the_same_at_every_try(serve: Any, make_notice: Make) -> None:
    server = serve(reply(503, b"busy"), reply(200, b'{"ok":true,"runId":"x"}'))
    settings = schema.OpenClawChannel(via="hooks", url=f"{server.url}/base/", token_env="TOKEN", agent="Caine")
    channel = opened(settings, TOKEN=TOKEN)
    assert await channel.send(make_notice(), 1) == Delivery("transient", "HTTP 503: busy")
    assert await channel.send(make_notice(), 2) == Delivery("ok")
    one, two = server.requests
    assert one == two  # the gateway begins a second turn for anything else
    first, headers, body = one
    assert (first, headers["idempotency-key"]) == ("POST /base/hooks/agent HTTP/1.1", "agent/payment-watcher/0/1")
    told = json.loads(body)
    assert told.pop("message").startswith("payment-watcher needs you.\n\n{")
    assert told == {"name": "collections-supervisor", "agentId": "Caine", "deliver": False}


async def test_openclaw_by_tools_is_told_through_sessions_send(serve: Any, make_notice: Make) -> None:
    answer = {"ok": True, "result": {"content": [], "details": {"status": "accepted"}}}
    server = serve(reply(200, json.dumps(answer).encode()))
    channel = opened(schema.OpenClawChannel(via="tools", url=server.url, token_env="TOKEN", agent="Old Caine"), TOKEN=TOKEN)
    assert await channel.send(make_notice(), 1) == Delivery("ok")
    ((first, headers, body),) = server.requests
    assert (first, headers["authorization"]) == ("POST /tools/invoke HTTP/1.1", f"Bearer {TOKEN}")
    told = json.loads(body)
    assert told["args"].pop("message").startswith("payment-watcher needs you.\n\n{")
    assert told == {
        "tool": "sessions_send",
        "args": {"sessionKey": "agent:old-caine:main", "timeoutSeconds": 0},
        "sessionKey": "agent:old-caine:main",
        "idempotencyKey": "agent/payment-watcher/0/1",
    }


# --- What comes back ---


async def test_a_good_code_is_enough_for_a_webhook(serve: Any, make_notice: Make) -> None:
    def never_ends(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    server = serve()
    server.answers = [server.reading(never_ends)]
    assert await webhook(server.url).send(make_notice(), 1) == Delivery("ok")


async def test_of_an_endless_answer_only_the_beginning_is_read(serve: Any, make_notice: Make) -> None:
    def never_ends(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 500 X\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    server = serve()
    server.answers = [server.reading(never_ends)]
    delivery = await webhook(server.url).send(make_notice(), 1)
    assert delivery == Delivery("transient", "HTTP 500: " + "x" * 289 + "…")
    assert await anyio.to_thread.run_sync(server.closed.wait, 10)


async def test_a_server_that_asks_for_time(serve: Any, make_notice: Make) -> None:
    server = serve(reply(429, b"slow down", Retry_After="33"))
    assert await webhook(server.url).send(make_notice(), 1) == Delivery("transient", "HTTP 429: slow down", 33.0)


async def test_no_secret_is_repeated(serve: Any, make_notice: Make) -> None:
    server = serve(reply(403, f"Bearer {TOKEN} may not post to /services/T0/B0?key=k3y".encode()))
    channel = webhook(f"{server.url}/services/T0/B0?key=k3y", TOKEN=TOKEN)
    delivery = await channel.send(make_notice(), 1)
    assert delivery == Delivery("permanent", "HTTP 403: Bearer [not shown] may not post to [not shown]")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"token {TOKEN[:9]}… is expired", "token [not shown]… is expired"),
        (f"token …{TOKEN[-9:]} is expired", "token …[not shown] is expired"),
        ("no hook T0000000 in services", "no hook [not shown] in services"),
        ("no hook se/cret 123", "no hook [not shown]"),
        ("bad signature k3y45678", "bad signature [not shown]"),
    ],
)
async def test_no_part_of_a_secret_is_repeated(serve: Any, make_notice: Make, said: str, shown: str) -> None:
    server = serve(reply(403, said.encode()))
    channel = webhook(f"{server.url}/ping/T0000000/se%2Fcret+123?v=1&sig=k3y45678", TOKEN=TOKEN)
    assert await channel.send(make_notice(), 1) == Delivery("permanent", f"HTTP 403: {shown}")


# --- Redirects ---


async def test_a_redirect_on_the_same_server_is_followed(serve: Any, make_notice: Make) -> None:
    server = serve(reply(307, Location="/b"), reply(308, Location="c"), reply(200))
    assert await webhook(f"{server.url}/a", TOKEN=TOKEN).send(make_notice(), 1) == Delivery("ok")
    assert [first for first, _, _ in server.requests] == [f"POST /{name} HTTP/1.1" for name in "abc"]
    assert {headers["authorization"] for _, headers, _ in server.requests} == {f"Bearer {TOKEN}"}
    assert len({body for _, _, body in server.requests}) == 1


@pytest.mark.parametrize(
    ("status", "location", "where"),
    [
        (307, "http://elsewhere.example/s3cret", "http://elsewhere.example:80"),
        (308, "http://127.0.0.1:1/s3cret", "http://127.0.0.1:1"),
        (301, "/s3cret", "another page"),
        (302, "http://elsewhere.example/s3cret", "http://elsewhere.example:80"),
        (303, "/s3cret", "another page"),
        (304, "", "another page"),
    ],
)
async def test_any_other_redirect_is_for_a_person(serve: Any, make_notice: Make, status: int, location: str, where: str) -> None:
    server = serve(reply(status, Location=location))
    delivery = await webhook(server.url).send(make_notice(), 1)
    assert delivery == Delivery("permanent", f"HTTP {status}: a redirect to {where}, which is not followed")
    assert len(server.requests) == 1


async def test_redirects_come_to_an_end(serve: Any, make_notice: Make) -> None:
    server = serve(reply(307, Location="/again"))
    assert await webhook(server.url).send(make_notice(), 1) == Delivery("permanent", "more than 3 redirects")
    assert len(server.requests) == 4


# --- Servers that are down, hang or speak something else ---


async def test_a_server_that_is_not_there(make_notice: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    delivery = await webhook(f"http://127.0.0.1:{port}/s3cret").send(make_notice(), 1)
    assert delivery == Delivery("transient", f"http://127.0.0.1:{port} cannot be reached: connection refused")


async def test_a_server_that_has_no_address(make_notice: Make) -> None:
    delivery = await webhook("http://nowhere.invalid/s3cret").send(make_notice(), 1)
    assert delivery.result == "transient"
    assert "s3cret" not in delivery.reason


async def test_an_address_that_cannot_be_one(make_notice: Make) -> None:
    delivery = await webhook(f"http://{'a' * 70}.example/s3cret").send(make_notice(), 1)
    assert delivery.result == "permanent"
    assert "s3cret" not in delivery.reason


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def drip(head: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(b"x")
            threading.Event().wait(0.05)

    return answer


def endless_headers(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        threading.Event().wait(0.01)


@pytest.mark.parametrize(
    "hangs",
    [silent, drip(b"HTTP/1.1 200 OK\r\nX: "), drip(b"HTTP/1.1 500 X\r\n\r\n"), endless_headers],
    ids=["silent", "drips headers", "drips a body", "endless headers"],
)
async def test_a_server_that_does_not_come_to_an_end_is_left_in_time(
    serve: Any, make_notice: Make, hangs: Callable[[socket.socket], None]
) -> None:
    server = serve()
    ended = threading.Event()

    def hang(connection: socket.socket) -> None:
        try:
            hangs(connection)
        finally:
            ended.set()

    server.answers = [hang]
    with anyio.fail_after(10):
        delivery = await webhook(server.url, timeout=0.3).send(make_notice(), 1)
        assert delivery == Delivery("transient", "no answer within 0.3 s")
        # The connection is over too, not only our waiting for it.
        assert await anyio.to_thread.run_sync(ended.wait, 8)


async def test_a_try_that_is_cut_off_ends_its_connection(serve: Any, make_notice: Make) -> None:
    server = serve()
    begun, ended = threading.Event(), threading.Event()

    def hang(connection: socket.socket) -> None:
        begun.set()
        silent(connection)
        ended.set()

    server.answers = [hang]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(webhook(server.url).send, make_notice(), 1)
        assert await anyio.to_thread.run_sync(begun.wait, 10)
        tasks.cancel_scope.cancel()
    assert await anyio.to_thread.run_sync(ended.wait, 10)


async def test_many_hanging_tries_do_not_hold_up_another_channel(serve: Any, make_notice: Make) -> None:
    hung, well = serve(silent), serve()
    stuck, works = webhook(hung.url, timeout=5), webhook(well.url)
    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(stuck.send, make_notice(), 1)
        with anyio.fail_after(4):
            assert await works.send(make_notice(), 1) == Delivery("ok")
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 99999 X\r\n\r\n",
        b"HTTP/1.1 200\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 500 X\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 " + b"9" * 100_000,
        b"\xff" * 1000 + b"\r\n\r\n",
    ],
)
async def test_a_server_that_speaks_something_else(serve: Any, make_notice: Make, answer: bytes) -> None:
    server = serve(answer)
    delivery = await webhook(server.url).send(make_notice(), 1)
    assert delivery.result == "transient"
    assert delivery.reason


# --- TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *made]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture
def secure(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


async def test_a_certificate_that_is_trusted(
    serve: Any, make_notice: Make, secure: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    server = serve(reply(307, Location="/b"), reply(), context=secure)
    assert await webhook(f"{server.url}/a").send(make_notice(), 1) == Delivery("ok")
    assert [first for first, _, _ in server.requests] == ["POST /a HTTP/1.1", "POST /b HTTP/1.1"]
    assert server.requests[0][1]["host"] == f"localhost:{server.port}"


async def test_a_certificate_that_nobody_vouches_for(serve: Any, make_notice: Make, secure: ssl.SSLContext) -> None:
    server = serve(context=secure)
    delivery = await webhook(f"{server.url}/s3cret").send(make_notice(), 1)
    assert delivery.result == "permanent"
    assert delivery.reason.startswith(f"the certificate of https://localhost:{server.port} is not accepted: self")
    assert server.requests == []


async def test_a_server_without_tls(serve: Any, make_notice: Make) -> None:
    def plain(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(reply())

    server = serve(plain)
    delivery = await webhook(server.url.replace("http:", "https:")).send(make_notice(), 1)
    assert delivery.result == "transient"


async def test_a_handshake_that_hangs_is_left_in_time(serve: Any, make_notice: Make) -> None:
    ended = threading.Event()

    def hang(connection: socket.socket) -> None:
        silent(connection)
        ended.set()

    server = serve(hang)
    with anyio.fail_after(10):
        delivery = await webhook(server.url.replace("http:", "https:"), timeout=0.3).send(make_notice(), 1)
        assert delivery == Delivery("transient", "no answer within 0.3 s")
        assert await anyio.to_thread.run_sync(ended.wait, 8)
