"""The socket under abuse: real connections, by clients that know no manners."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import pytest

from collections_supervisor.control import client
from collections_supervisor.control.client import ControlError, NoDaemonError
from collections_supervisor.control.protocol import LONGEST, SOCKET, Reply, Request, decode_reply, encode, refused
from collections_supervisor.control.server import AT_ONCE, ControlServer, Operation

DEADLINE = 20.0


class House:
    """A server, what it was asked, and clients of every kind."""

    def __init__(self, folder: Path, log: Any) -> None:
        self.folder = folder
        self.path = folder / SOCKET
        self.log = log
        self.asked: list[Request] = []
        self.hold = anyio.Event()
        self.server: ControlServer
        self.operations = {
            "status": Operation(run=self.do, looks=True),
            "pause": Operation(run=self.do),
            "refuse": Operation(run=self.refuse),
            "break": Operation(run=self.fail),
            "slow": Operation(run=self.wait, within=0.05),
            "hold": Operation(run=self.wait),
            "large": Operation(run=self.large),
            "unspeakable": Operation(run=self.answer_unspeakably),
        }

    async def do(self, request: Request) -> Reply:
        self.asked.append(request)
        return Reply(ok=True, message=f"{request.op} is done")

    async def refuse(self, request: Request) -> Reply:
        return refused("not today")

    async def fail(self, request: Request) -> Reply:
        raise RuntimeError("a bug")

    async def wait(self, request: Request) -> Reply:
        await self.hold.wait()
        return await self.do(request)

    async def large(self, request: Request) -> Reply:
        return Reply(ok=True, report=msgspec.Raw(b'"' + b"x" * 20_000_000 + b'"'))

    async def answer_unspeakably(self, request: Request) -> Reply:
        return Reply(ok=True, message=os.fsdecode(b"/a/name/\xff"))

    @asynccontextmanager
    async def open(self, **settings: Any) -> AsyncIterator["House"]:
        given = {"allowed": {os.geteuid(), 0}, "every": 0.05, **settings}
        self.server = ControlServer(self.path, self.operations, self.log, **given)
        with anyio.fail_after(DEADLINE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.server.run)
                await self.until(self.answers)
                yield self
                tasks.cancel_scope.cancel()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not await anyio.to_thread.run_sync(condition):
            await anyio.sleep(0.01)

    def answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.path))
        except OSError:
            return False
        return True

    async def say(self, *pieces: bytes, close: bool = True) -> bytes:
        """Everything that is answered to these pieces, sent one after the other; then the writing side is closed."""
        async with await anyio.connect_unix(self.path) as stream:
            try:
                for piece in pieces:
                    await stream.send(piece)
                if close:
                    await stream.send_eof()
            except anyio.BrokenResourceError:
                pass
            answer = b""
            try:
                while True:
                    answer += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return answer

    async def ask(self, op: str, **members: Any) -> Reply:
        return await anyio.to_thread.run_sync(client.ask, self.folder, Request(op=op, **members))

    async def is_well(self) -> bool:
        return (await self.ask("status")).ok


@pytest.fixture
def house(tmp_path: Path, log: Any) -> House:
    return House(tmp_path, log)


# --- As it is meant ---


async def test_a_request_is_logged_done_and_answered(house: House) -> None:
    async with house.open():
        reply = await house.ask("pause", agent="mailer", reason="maintenance")
        assert (reply.ok, reply.message) == (True, "pause is done")
        assert house.asked == [Request(op="pause", agent="mailer", reason="maintenance")]
        [entry] = house.log.of("control.request")
        assert entry == {
            "level": 20,
            "event": "control.request",
            "message": f"user {os.geteuid()} asked for pause mailer: maintenance",
            "op": "pause",
            "agent": "mailer",
            "uid": os.geteuid(),
            "until": None,
            "reason": "maintenance",
        }
        await house.ask("status")
        assert [entry["level"] for entry in house.log.of("control.request")] == [20, 10], "who only looks is worth little"
    assert not house.path.exists()


async def test_what_is_not_done_says_why(house: House) -> None:
    async with house.open():
        assert await house.ask("refuse") == refused("not today")
        assert [entry["error"] for entry in house.log.of("control.failed")] == ["not today"]


async def test_a_request_needs_no_newline_if_nothing_else_comes(house: House) -> None:
    async with house.open():
        line = encode(Request(op="pause"))
        assert decode_reply(await house.say(line[:-1])).ok
        assert decode_reply(await house.say(line, close=False)).ok
        assert decode_reply(await house.say(line[:5], line[5:9], line[9:], close=False)).ok
        assert decode_reply(await house.say(line + b"and then some \0\xff", close=False)).ok
        assert len(house.asked) == 4


# --- Abuse ---


@pytest.mark.parametrize(
    ("garbage", "said"),
    [
        (b"hello\n", "this is no request"),
        (b"\0\n", "this is no request"),
        (b'{"op": "pause"\0}\n', "this is no request"),
        (b"\n", "this is no request"),
        (os.urandom(1000) + b"\n", "this is no request"),
        (b'{"op": "dance"}\n', "there is no operation 'dance', only break, hold"),
        (b'{"op": "' + b"d" * 3000 + b'"}\n', "there is no operation"),
        (b"[" * 60_000 + b"\n", "this is no request"),
        (b"x" * (LONGEST + 1), f"a request has at most {LONGEST} bytes"),
        (b'{"op": "pause", "agent": "' + b"x" * LONGEST + b'"}\n', f"a request has at most {LONGEST} bytes"),
        (b"x" * 3_000_000, f"a request has at most {LONGEST} bytes"),
        (b'{"op": "status", "until": "9999-12-31T23:59:59-14:00"}\n', "until: lies beyond the years that can be told in UTC"),
        (b'{"op": "status", "until": "0001-01-01T00:00:00+14:00"}\n', "until: lies beyond the years that can be told in UTC"),
    ],
)
async def test_garbage_is_answered_with_a_sentence_and_does_nothing(house: House, garbage: bytes, said: str) -> None:
    async with house.open():
        reply = decode_reply(await house.say(garbage))
        assert (reply.ok, reply.code) == (False, 1)
        assert said in reply.error
        assert len(reply.error) < 1200
        assert house.asked == []
        assert [entry["level"] for entry in house.log.of("control.failed")] == [30]
        assert await house.is_well()


async def test_the_longest_request_is_heard(house: House) -> None:
    async with house.open():
        line = encode(Request(op="pause"))
        padded = line[:-2] + b" " * (LONGEST - len(line)) + b"}\n"
        assert len(padded) == LONGEST
        assert decode_reply(await house.say(padded)).ok


async def test_who_says_nothing_is_no_news(house: House) -> None:
    async with house.open():
        assert await house.say() == b""
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as hasty:
                hasty.connect(str(house.path))
        assert await house.is_well()
        assert house.log.of("control.failed") == []


async def test_who_speaks_too_slowly_is_not_waited_for(house: House) -> None:
    async with house.open(within=1.0), await anyio.connect_unix(house.path) as stream:
        await stream.send(b'{"op": ')
        assert await house.is_well(), "others are served meanwhile"
        reply = decode_reply(await stream.receive())
        assert reply.error == "no whole request came within 1 s"


async def test_who_does_not_listen_is_not_waited_for(house: House) -> None:
    async with house.open(within=1.0):
        async with await anyio.connect_unix(house.path) as deaf:
            await deaf.send(encode(Request(op="large")))
            await house.until(lambda: house.server._busy == 1)
            assert await house.is_well(), "others are served meanwhile"
            await house.until(lambda: house.server._busy == 0)
            received = 0
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    received += len(await deaf.receive())
        assert received < 20_000_000
        assert await house.is_well()


async def test_who_leaves_before_the_answer_is_not_missed(house: House) -> None:
    async with house.open():
        for _ in range(10):
            with socket.socket(socket.AF_UNIX) as hasty:
                hasty.connect(str(house.path))
                hasty.sendall(encode(Request(op="pause")))
        await house.until(lambda: len(house.asked) == 10)
        assert await house.is_well()
        assert house.log.of("control.failed") == []


async def test_a_hundred_at_once_are_all_served(house: House) -> None:
    async with house.open():
        replies: list[bytes] = []

        async def one(number: int) -> None:
            replies.append(await house.say(encode(Request(op="pause", agent=f"agent-{number}")), close=False))

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(one, number)
        assert [decode_reply(reply).ok for reply in replies] == [True] * 100
        assert {request.agent for request in house.asked} == {f"agent-{number}" for number in range(100)}


async def test_beyond_that_they_are_told_to_come_again(house: House) -> None:
    async with house.open(), anyio.create_task_group() as tasks:
        replies: list[Reply] = []

        async def one() -> None:
            replies.append(decode_reply(await house.say(encode(Request(op="hold")), close=False)))

        for _ in range(AT_ONCE + 20):
            tasks.start_soon(one)
        await house.until(lambda: len(replies) == 20)
        assert {reply.error for reply in replies} == {f"more than {AT_ONCE} ask something at one time: try again"}
        house.hold.set()
        await house.until(lambda: len(replies) == AT_ONCE + 20)
        assert sum(reply.ok for reply in replies) == AT_ONCE
        assert await house.is_well()


async def test_a_bug_is_answered_and_logged(house: House) -> None:
    async with house.open():
        reply = await house.ask("break")
        assert "RuntimeError('a bug')" in reply.error
        [entry] = house.log.of("control.failed")
        assert (entry["level"], repr(entry["exc_info"])) == (50, "RuntimeError('a bug')")
        assert await house.is_well()


async def test_an_answer_that_cannot_be_written_ends_no_conversation_but_its_own(house: House) -> None:
    async with house.open(), anyio.create_task_group() as tasks:
        replies: list[Reply] = []

        async def one() -> None:
            replies.append(decode_reply(await house.say(encode(Request(op="hold")), close=False)))

        tasks.start_soon(one)
        await house.until(lambda: house.server._busy == 1)
        reply = await house.ask("unspeakable")
        assert (reply.ok, reply.code) == (False, 1)
        assert reply.error.startswith("unexpected internal error, see the log: UnicodeEncodeError(")
        [entry] = house.log.of("control.failed")
        assert (entry["level"], type(entry["exc_info"])) == (50, UnicodeEncodeError)
        house.hold.set()
    assert [reply.ok for reply in replies] == [True], "whoever asked beside it has an answer"


async def test_a_bug_before_a_word_is_read_is_answered_and_logged_too(house: House) -> None:
    def peer(_socket: object) -> int:
        raise RuntimeError("a bug")

    async with house.open(peer=peer):
        assert "RuntimeError('a bug')" in (await house.ask("pause")).error
        entry = house.log.of("control.failed")[-1]
        assert (entry["level"], repr(entry["exc_info"])) == (50, "RuntimeError('a bug')")
        assert house.asked == []


async def test_what_takes_too_long_is_not_waited_for(house: House) -> None:
    async with house.open():
        assert "takes longer than 0.05 s" in (await house.ask("slow")).error


# --- Who is there ---


async def test_a_stranger_is_refused_before_a_word_is_read(house: House) -> None:
    async with house.open(peer=lambda _: 4711):
        reply = decode_reply(await house.say(encode(Request(op="pause")), close=False))
        assert reply.error == "this supervisor belongs to another user"
        assert house.asked == []
        assert house.log.of("control.failed")[0]["uid"] == 4711


async def test_where_no_system_tells_who_it_is_the_mode_of_the_file_has_to_do(house: House) -> None:
    async with house.open(peer=lambda _: None):
        assert (await house.ask("pause", reason="x")).ok
        assert house.log.of("control.request")[0]["message"] == "somebody asked for pause: x"


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can be another user")
@pytest.mark.parametrize("mode", [0o600, 0o666])
async def test_another_user_is_refused_by_the_file_and_by_us(house: House, tmp_path: Path, mode: int) -> None:
    script = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
except PermissionError:
    print("the file")
    sys.exit()
try:
    s.sendall(b'{"op": "pause"}\\n')
except BrokenPipeError:
    pass  # it was answered before that
print(s.recv(65536).decode())
"""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    async with house.open():
        house.path.chmod(mode)
        through = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        done = await anyio.to_thread.run_sync(
            partial(subprocess.run, [*through, sys.executable, "-c", script, str(house.path)], capture_output=True, text=True)
        )
        assert done.stderr == ""
        assert ("the file" if mode == 0o600 else "belongs to another user") in done.stdout
        assert house.asked == []
        assert [entry["uid"] for entry in house.log.of("control.failed")] == ([] if mode == 0o600 else [65534])


# --- The file ---


async def test_a_socket_that_was_removed_is_made_again(house: House) -> None:
    async with house.open():
        house.path.unlink()
        await house.until(house.answers)
        assert await house.is_well()


async def test_where_it_cannot_listen_it_says_so_once_and_tries_again(house: House) -> None:
    house.path.write_text("in the way")
    made = ControlServer(house.path, house.operations, house.log, allowed={os.geteuid()}, every=0.02)
    with anyio.move_on_after(0.3):  # a dozen tries
        await made.run()
    [entry] = house.log.of("control.failed")
    assert "something that is no socket lies there" in entry["message"]
    house.path.unlink()
    with anyio.fail_after(DEADLINE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(made.run)
            await house.until(house.answers)
            tasks.cancel_scope.cancel()


async def test_a_path_that_is_too_long_is_told(tmp_path: Path, log: Any) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    made = ControlServer(folder / SOCKET, {}, log, allowed={0}, every=0.02)
    with anyio.move_on_after(0.5):
        await made.run()
    assert "the path of a socket has room for" in log.of("control.failed")[0]["message"]
    with pytest.raises(NoDaemonError, match=r"choose a shorter supervisor\.state_dir"):
        client.ask(folder, Request(op="status"))


async def test_without_a_descriptor_nobody_is_served_until_there_is_one(house: House) -> None:
    import resource

    async with house.open():
        kept = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with await anyio.connect_unix(house.path) as first:
            await first.send(encode(Request(op="status")))
            await first.receive()
        waiting = socket.socket(socket.AF_UNIX)
        resource.setrlimit(resource.RLIMIT_NOFILE, (waiting.fileno() + 1, kept[1]))
        try:
            waiting.connect(str(house.path))
            while not house.log.of("control.failed"):
                await anyio.sleep(0.01)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, kept)
        with waiting:
            waiting.sendall(encode(Request(op="status")))
            waiting.settimeout(DEADLINE)
            assert decode_reply(await anyio.to_thread.run_sync(waiting.recv, 65536)).ok
        assert len(house.log.of("control.failed")) == 1


# --- The other side ---


def test_nobody_there_is_not_the_same_as_no_answer(tmp_path: Path) -> None:
    with pytest.raises(NoDaemonError):
        client.ask(tmp_path, Request(op="status"))
    with pytest.raises(NoDaemonError):
        client.ask(tmp_path / "nowhere", Request(op="status"))
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / SOCKET))
        with pytest.raises(NoDaemonError):
            client.ask(tmp_path, Request(op="status"))
        left.listen()
        with pytest.raises(ControlError, match=r"did not answer within 0.05 s") as raised:
            client.ask(tmp_path, Request(op="status"), timeout=0.05)
        assert not isinstance(raised.value, NoDaemonError)


async def test_an_answer_that_is_none_is_an_error(house: House) -> None:
    for answer, said in ((b"", "ended before it answered"), (b"{}\n", "cannot be read")):
        listener = await anyio.create_unix_listener(house.path)

        async def one(stream: anyio.abc.SocketStream, answer: bytes = answer) -> None:
            async with stream:
                await stream.receive()
                await stream.send(answer)

        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, one)
            with pytest.raises(ControlError, match=said):
                await house.ask("status")
            tasks.cancel_scope.cancel()
