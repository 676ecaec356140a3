"""Telling an outside monitor that we live, which here is a real server and a real command."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.config.schema import DeadmanConfig
from collections_supervisor.escalation.deadman import Deadman
from collections_supervisor.system.process_command import run_command


class Monitor(ThreadingHTTPServer):
    """Counts calls, answers with `status`, and keeps those waiting that come while it is closed."""

    daemon_threads = True

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.status = 200
        self.called = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ping/0123456789abcdef"


class Handler(BaseHTTPRequestHandler):
    server: Monitor

    def do_GET(self) -> None:
        self.server.calls.append(self.path)
        self.server.called.release()
        self.server.open.wait(20)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    with Monitor() as made:
        thread = threading.Thread(target=partial(made.serve_forever, poll_interval=0.01))
        thread.start()
        yield made
        made.open.set()
        made.shutdown()
        thread.join()


def deadman(log: Any, deadline: float = 20.0, **settings: Any) -> Deadman:
    return Deadman(DeadmanConfig(**settings), lambda: {"PATH": "/usr/bin:/bin"}, run_command, log, deadline=deadline)


async def test_an_address_is_called_once_for_each_call(log: Any, monitor: Monitor) -> None:
    made = deadman(log, url=monitor.url)
    await made.call()
    await made.call()
    assert monitor.calls == ["/ping/0123456789abcdef"] * 2
    assert log.events == []


async def test_a_failure_is_said_once_for_each_change(log: Any, monitor: Monitor) -> None:
    made = deadman(log, url=monitor.url)
    for status in (500, 500, 404, 404, 200, 200, 500):
        monitor.status = status
        await made.call()
    assert [(event["event"], event.get("reason")) for event in log.events] == [
        ("deadman.failed", "HTTP 500"),
        ("deadman.failed", "HTTP 404"),
        ("deadman.resumed", None),
        ("deadman.failed", "HTTP 500"),
    ]
    assert "0123456789abcdef" not in json.dumps(log.events)


async def test_a_monitor_that_does_not_answer_is_given_up(log: Any, monitor: Monitor) -> None:
    monitor.open.clear()
    await deadman(log, deadline=0.2, url=monitor.url).call()
    [event] = log.of("deadman.failed")
    assert event["way"] == "url"
    assert event["reason"].startswith("no answer")


async def test_a_command_is_run(log: Any, tmp_path: Path) -> None:
    called = tmp_path / "called"
    made = deadman(log, command=("sh", "-c", 'echo "$0" >> "$1"', "{agent} stays", str(called)))
    await made.call()
    await made.call()
    assert called.read_text() == "{agent} stays\n" * 2
    assert log.events == []


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("sh", "-c", "echo no route >&2; exit 3"), "exit code 3: no route"),
        (("no-such-program-anywhere",), "program 'no-such-program-anywhere' on PATH '/usr/bin:/bin' was not found"),
        (("sh", "-c", "kill -KILL $$"), "exit code -9"),
    ],
)
async def test_a_command_that_fails_is_said(log: Any, command: tuple[str, ...], reason: str) -> None:
    made = deadman(log, command=command)
    await made.call()
    await made.call()
    [event] = log.events
    assert (event["event"], event["way"], event["reason"]) == ("deadman.failed", "command", reason)


async def test_a_command_that_hangs_is_ended(log: Any) -> None:
    await deadman(log, deadline=0.2, command=("sleep", "300")).call()
    [event] = log.of("deadman.failed")
    assert event["reason"] == "it did not end within 0.2 s"


async def test_both_ways_are_used_and_judged_apart(log: Any, monitor: Monitor, tmp_path: Path) -> None:
    called = tmp_path / "called"
    await deadman(log, url=monitor.url, command=("sh", "-c", 'touch "$0"; exit 1', str(called))).call()
    assert called.exists()
    assert len(monitor.calls) == 1
    assert [event["way"] for event in log.of("deadman.failed")] == ["command"]


async def test_rounds_during_a_call_are_one(log: Any, monitor: Monitor) -> None:
    made = deadman(log, url=monitor.url)
    monitor.open.clear()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run)
        made.round()
        await anyio.to_thread.run_sync(monitor.called.acquire)
        for _ in range(5):
            made.round()
        monitor.open.set()
        await anyio.to_thread.run_sync(monitor.called.acquire)
        tasks.cancel_scope.cancel()
    assert len(monitor.calls) == 2
