"""A model as OpenClaw calls it over HTTP (OpenAI's chat completions), whose every answer a test decides."""

import json
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple

INPUT, OUTPUT = 1200, 34
CALL = INPUT + OUTPUT
"""Tokens that every call which is answered costs."""


class Say(NamedTuple):
    """Answer at once."""

    text: str = "Back at work."


class Work(NamedTuple):
    """Have the agent run a command with its own tool; asked again with the result of that, answer at once."""

    command: str


class Stream(NamedTuple):
    """Answer word by word, until somebody says that it is enough."""

    enough: Callable[[], bool] = lambda: False
    pause: float = 0.25
    """Seconds between two words."""


class Hang(NamedTuple):
    """Take the request and never answer."""


class Refuse(NamedTuple):
    """Answer with an HTTP status and an error."""

    status: int
    message: str
    code: str = ""


Reply = Say | Work | Stream | Hang | Refuse


class Prompt:
    """One request, and what became of it."""

    def __init__(self, number: int, body: dict[str, Any]) -> None:
        self.number = number
        """How many this model got with this one."""
        self.end: Literal["", "answered", "hung up", "closed"] = ""
        """Empty while it is being answered."""
        self._messages: list[dict[str, Any]] = body["messages"]

    @property
    def text(self) -> str:
        """All that the model is told, the conversation before included."""
        return json.dumps(self._messages)

    @property
    def latest(self) -> str:
        """What it is told since it last said something."""
        said = [number for number, message in enumerate(self._messages) if message["role"] == "assistant"]
        return json.dumps(self._messages[said[-1] + 1 :] if said else self._messages[1:])

    @property
    def has_worked(self) -> bool:
        """Whether a tool's result is what it is told."""
        said = [number for number, message in enumerate(self._messages) if message["role"] == "assistant"]
        return bool(said) and any(message["role"] == "tool" for message in self._messages[said[-1] :])


def at_once(_: Prompt) -> Reply:
    """What every model does until it is told otherwise."""
    return Say()


class Model:
    """The server: one model for each agent, named like it. Answers at once and truthfully until told otherwise."""

    def __init__(self) -> None:
        self._plans: dict[str, Callable[[Prompt], Reply]] = {}
        self._prompts: dict[str, list[Prompt]] = {}
        self._news = threading.Condition()
        self._closed, self._close = os.pipe()
        model = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: object) -> None:  # it has no business on standard error
                pass

            def do_POST(self) -> None:
                model._answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        """End every answer that is being given, and the server."""
        os.close(self._close)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        with self._news:
            self._news.wait_for(lambda: all(prompt.end for prompts in self._prompts.values() for prompt in prompts), 5.0)
        os.close(self._closed)

    # --- What a test says and sees ---

    def plan(self, agent: str, reply: Reply | Callable[[Prompt], Reply]) -> None:
        """How the model of this agent answers from now on."""
        self._plans[agent] = reply if callable(reply) else lambda _: reply

    def prompts(self, agent: str) -> list[Prompt]:
        """What the model of this agent was asked so far."""
        with self._news:
            return list(self._prompts.get(agent, ()))

    def wait_for(self, agent: str, count: int, timeout: float = 60.0) -> Prompt:
        """The `count`th request to the model of this agent."""
        with self._news:
            come = self._news.wait_for(lambda: len(self._prompts.get(agent, ())) >= count, timeout)
            assert come, f"the model of {agent} was not asked {count} times within {timeout:g} s"
            return self._prompts[agent][count - 1]

    def wait_for_end(self, prompt: Prompt, timeout: float = 60.0) -> str:
        """How the answer to a request ended, once it has."""
        with self._news:
            assert self._news.wait_for(lambda: prompt.end, timeout), f"not over within {timeout:g} s"
            return prompt.end

    # --- Answering, on a thread for each request ---

    def _answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        agent = body["model"]
        with self._news:
            prompts = self._prompts.setdefault(agent, [])
            prompt = Prompt(len(prompts) + 1, body)
            reply = self._plans.get(agent, at_once)(prompt)
            prompts.append(prompt)
            self._news.notify_all()
        end: Literal["answered", "hung up", "closed"] = "hung up"
        try:
            end = self._give(handler, agent, Say() if isinstance(reply, Work) and prompt.has_worked else reply)
        except OSError:
            pass
        finally:
            with self._news:
                prompt.end = end
                self._news.notify_all()

    def _give(self, handler: BaseHTTPRequestHandler, agent: str, reply: Reply) -> Literal["answered", "hung up", "closed"]:
        handler.close_connection = True
        if isinstance(reply, Refuse):
            error = {"error": {"message": reply.message, "type": reply.code or "error", "code": reply.code or None}}
            _send(handler, reply.status, "application/json", json.dumps(error).encode())
            return "answered"
        _send(handler, 200, "text/event-stream", b"")
        pieces = [("content", "")] if isinstance(reply, Hang) else _pieces(reply)
        for kind, value in pieces:
            pause = reply.pause if isinstance(reply, Stream) else None if isinstance(reply, Hang) else 0.0
            if gone := self._interrupted(handler, pause):
                return gone
            _event(handler, {"index": 0, "delta": {"role": "assistant", kind: value}, "finish_reason": None}, agent)
        reason = "tool_calls" if isinstance(reply, Work) else "stop"
        _event(handler, {"index": 0, "delta": {}, "finish_reason": reason}, agent)
        usage = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": CALL}
        _event(handler, None, agent, usage=usage)
        handler.wfile.write(b"data: [DONE]\n\n")
        return "answered"

    def _interrupted(self, handler: BaseHTTPRequestHandler, seconds: float | None) -> Literal["", "hung up", "closed"]:
        """Let so much time pass, or all there is, unless the other side hangs up or the test is over."""
        ready, _, _ = select.select([handler.connection, self._closed], [], [], seconds)
        return "closed" if self._closed in ready else "hung up" if ready else ""


def _pieces(reply: Say | Work | Stream) -> Iterator[tuple[str, Any]]:
    match reply:
        case Say(text=text):
            yield "content", text
        case Work(command=command):
            function = {"name": "exec", "arguments": json.dumps({"command": command})}
            yield "tool_calls", [{"index": 0, "id": "call_1", "type": "function", "function": function}]
        case Stream(enough=enough):
            while not enough():
                yield "content", "word "


def _send(handler: BaseHTTPRequestHandler, status: int, kind: str, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()


def _event(handler: BaseHTTPRequestHandler, choice: dict[str, Any] | None, agent: str, **members: Any) -> None:
    event = {"id": "c1", "object": "chat.completion.chunk", "created": int(time.time()), "model": agent}
    event.update(choices=[choice] if choice else [], **members)
    handler.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
    handler.wfile.flush()
