"""A notice whose answer is lost again and again: it is sent again and again, and Caine has it once."""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.openclaw.conftest import RealSite
from tests.openclaw.model import Prompt, Stream

pytestmark = [pytest.mark.openclaw, pytest.mark.timeout(600)]

LOST = 2
"""Answers that never reach us: the first while Caine's turn begins, the second while it goes on."""

LONG = 180.0

LOSSY = """#!/bin/sh
answer=$("{program}" "$@")
status=$?
printf '%s' "$answer" | tr -d '\\n' >> "{answers}"
echo >> "{answers}"
[ "$(wc -l < "{answers}")" -gt {lost} ] || exit 1
printf '%s\\n' "$answer"
exit $status
"""


class Relay:
    """Passes each request on to the gateway, and loses the first answers on the way back."""

    def __init__(self, port: int) -> None:
        self.answers: list[bytes] = []
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=LONG)) as gateway:
                    gateway.request("POST", self.path, body, dict(self.headers))
                    answer = gateway.getresponse()
                    said = answer.read()
                relay.answers.append(said)
                self.close_connection = True
                if len(relay.answers) > LOST:
                    self.send_response(answer.status)
                    self.end_headers()
                    self.wfile.write(said)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(scope="module")
def relay(real: RealSite) -> Iterator[Relay]:
    made = Relay(real.gateway.port)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def answers(real: RealSite) -> Callable[[], list[str]]:
    """What the gateway answered to the calls of `openclaw`, lost or not."""
    kept = real.root / "answers"
    return lambda: [line["status"] for line in real.read_lines(kept)]


@pytest.fixture(scope="module")
def escalated(real: RealSite, relay: Relay, answers: Callable[[], list[str]]) -> RealSite:
    """One agent that nobody restarts, and two ways to tell Caine, both of them lossy."""
    url = f"http://127.0.0.1:{real.gateway.port}"
    lossy = real.root / "lossy"
    lossy.write_text(LOSSY.format(program=real.gateway.program, answers=real.root / "answers", lost=LOST))
    lossy.chmod(0o755)
    real.gateway.model.plan("caine", Stream(lambda: min(len(answers()), len(relay.answers)) >= LOST))
    real.beat("dead", ago=3 * 3600)
    real.configure(
        [{"name": "dead", "restart": {"kind": "none"}}],
        heartbeats={"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"},
        escalation={
            "channels": [
                {"kind": "openclaw", "via": "cli", "openclaw": str(lossy)},
                {"kind": "openclaw", "via": "hooks", "url": relay.url, "token_env": "HOOKS_TOKEN"},
                {"kind": "openclaw", "via": "cli", "agent": "nobody"},
                {"kind": "openclaw", "via": "hooks", "url": url, "token_env": "HOOKS_TOKEN", "agent": "nobody"},
                {"kind": "openclaw", "via": "hooks", "url": url, "token_env": "LANG"},
                {"kind": "openclaw", "via": "tools", "url": url, "token_env": "GATEWAY_TOKEN"},
                {"kind": "openclaw", "via": "cli", "agent": "deputy"},
            ]
        },
    )
    real.run()
    for channel in ("openclaw", "openclaw-2", "openclaw-7"):
        real.daemon.wait_for("escalation.delivered", channel=channel, timeout=LONG)
    return real


def turns(site: RealSite, agent: str) -> list[Prompt]:
    """The turns of an agent about the one that is dead, by whichever way."""
    return [prompt for prompt in site.gateway.model.prompts(agent) if "dead needs you" in prompt.latest]


def test_every_lost_answer_is_a_try_that_failed(escalated: RealSite) -> None:
    for channel in ("openclaw", "openclaw-2"):
        tries = [event["attempt"] for event in escalated.daemon.of("escalation.failed", channel=channel)]
        assert tries == [1, 2]
        assert escalated.daemon.wait_for("escalation.delivered", channel=channel)["attempt"] == 3


def test_the_gateway_knows_the_notice_again(escalated: RealSite, answers: Callable[[], list[str]], relay: Relay) -> None:
    assert answers() == ["accepted", "in_flight", "ok"]
    replies = [json.loads(answer) for answer in relay.answers]
    assert [reply["ok"] for reply in replies] == [True] * 3
    assert len({reply["runId"] for reply in replies}) == 1


def test_caine_is_told_exactly_once_by_each_way(escalated: RealSite) -> None:
    told = turns(escalated, "caine")
    assert [escalated.gateway.model.wait_for_end(turn) for turn in told] == ["answered"] * 2
    in_his_session = ["session=agent:caine:main" in turn.latest for turn in told]
    assert sorted(in_his_session) == [False, True]
    assert len(escalated.gateway.model.prompts("caine")) == 2


def test_what_caine_was_told_is_told_to_another_too(escalated: RealSite) -> None:
    # Accepted is not yet asked: the turn may only be beginning.
    escalated.until(lambda: turns(escalated, "deputy"), LONG)
    assert len(turns(escalated, "deputy")) == 1


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("openclaw-3", "unknown agent id"),
        ("openclaw-4", "unknown agentId"),
        ("openclaw-5", "HTTP 401"),
        ("openclaw-6", "HTTP 404"),
    ],
    ids=["agent by cli", "agent by hooks", "token", "tool that is not allowed"],
)
def test_what_no_further_try_can_mend_is_not_tried_again(escalated: RealSite, channel: str, words: str) -> None:
    failed = escalated.daemon.wait_for("escalation.failed", channel=channel)
    assert words in failed["error"]["message"]
    assert (failed["attempt"], failed["next_at"]) == (1, None)
