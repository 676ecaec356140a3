"""Telling a human over HTTP: OpenClaw's gateway, or any server that takes a notice as JSON."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, unquote_plus, urlsplit

import msgspec

from collections_supervisor.config import schema
from collections_supervisor.escalation.delivery import TELLING, Delivery, brief, without
from collections_supervisor.escalation.http_answer import Answer, judge_hook, judge_status, judge_tool
from collections_supervisor.escalation.http_post import Request, post
from collections_supervisor.escalation.notice_json import Envelope, encode_notice, message
from collections_supervisor.messages import Notice
from collections_supervisor.system.threads import DaemonPool

_THREADS = 4
"""For one channel, so that those which hang for a while are no hindrance to another."""

_OUR_NAME = "collections-supervisor"


class Line:
    """How one channel speaks HTTP: with its token, and without ever repeating that."""

    def __init__(self, name: str, settings: schema.OpenClawChannel | schema.WebhookChannel, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._pool = DaemonPool(f"http-{name}", threads=_THREADS)

    async def post(
        self, path: str, notice: Notice, body: bytes, judge: Callable[[Answer], Delivery], *, needs_body: bool
    ) -> Delivery:
        """Send a body below the configured address and judge the answer."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": _key(notice)}
        token = ""
        if variable := self._settings.token_env:
            token = self._environ.get(variable, "").strip()
            if not token:
                return Delivery("permanent", f"the environment variable {variable}, which is to hold the token, is not set")
            if not token.isascii() or not token.isprintable():
                return Delivery("permanent", f"the token in {variable} holds characters that cannot be sent")
            headers["Authorization"] = f"Bearer {token}"
        url = self._settings.url.rstrip("/") + path if path else self._settings.url
        request = Request(url=url, body=body, headers=headers, needs_body=needs_body)
        outcome = await post(self._pool, request, self._settings.timeout)
        delivery = judge(outcome) if isinstance(outcome, Answer) else outcome
        reason = brief(without(delivery.reason, telling_parts(token, self._settings.url)))
        return msgspec.structs.replace(delivery, reason=reason)


def _key(notice: Notice) -> str:
    """`dedup_key/sequence`; what a header cannot hold is written as in an address."""
    return quote(f"{notice.dedup_key}/{notice.sequence}", safe="/:@!$&'()*+,;=~ ")


def telling_parts(token: str, url: str) -> set[str]:
    """What must not be repeated of what the other side says: a token, and the address, which often is as good as one."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    pieces = [*parts.path.split("/"), *(pair.rpartition("=")[2] for pair in parts.query.split("&"))]
    telling = {piece for piece in (*pieces, *map(unquote_plus, pieces)) if len(piece) >= TELLING}
    return {token, parts.query, *telling, *(each for each in (target, parts.path) if len(each) > 1)}


class OpenClawHooks:
    """Begins a turn of an OpenClaw agent through the gateway's hooks (`POST /hooks/agent`, docs.openclaw.ai).

    The gateway replays its answer for an idempotency key that it has seen only while nothing else in the body changes: the
    number of the attempt is left out.
    """

    def __init__(self, name: str, settings: schema.OpenClawChannel, envelope: Envelope, environ: Mapping[str, str]) -> None:
        self.name = name
        self.timeout = settings.timeout
        self.after = settings.after
        self._agent = settings.agent
        self._envelope = envelope
        self._line = Line(name, settings, environ)

    async def send(self, notice: Notice, attempt: int) -> Delivery:  # noqa: ARG002 - see above
        """Hand the notice to the gateway; it counts as delivered when the gateway has taken it."""
        text = message(notice, self._envelope, attempt=None)
        body = {"message": text, "name": _OUR_NAME, "agentId": self._agent, "deliver": False}
        return await self._line.post("/hooks/agent", notice, msgspec.json.encode(body), judge_hook, needs_body=True)


class OpenClawTools:
    """Calls the tool `sessions_send` through the gateway (`POST /tools/invoke`, docs.openclaw.ai).

    It is denied unless the gateway's `gateway.tools.allow` names it, and begins a new turn with every try.
    """

    def __init__(self, name: str, settings: schema.OpenClawChannel, envelope: Envelope, environ: Mapping[str, str]) -> None:
        self.name = name
        self.timeout = settings.timeout
        self.after = settings.after
        # The gateway knows its agents by ids without capitals and odd characters.
        self._session = f"agent:{re.sub(r'[^a-z0-9_-]+', '-', settings.agent.lower()).strip('-') or settings.agent}:main"
        self._envelope = envelope
        self._line = Line(name, settings, environ)

    async def send(self, notice: Notice, attempt: int) -> Delivery:
        """Hand the notice to the gateway; it counts as delivered when the tool says that it was sent."""
        text = message(notice, self._envelope, attempt=attempt)
        body = {
            "tool": "sessions_send",
            # Not to wait for the agent's answer, which nobody here reads.
            "args": {"sessionKey": self._session, "message": text, "timeoutSeconds": 0},
            # In its own session's name: another one would be sent the agent's answer, in further turns.
            "sessionKey": self._session,
            "idempotencyKey": _key(notice),
        }
        return await self._line.post("/tools/invoke", notice, msgspec.json.encode(body), judge_tool, needs_body=True)


class Webhook:
    """Posts the notice as JSON; any good code means delivered."""

    def __init__(self, name: str, settings: schema.WebhookChannel, envelope: Envelope, environ: Mapping[str, str]) -> None:
        self.name = name
        self.timeout = settings.timeout
        self.after = settings.after
        self._envelope = envelope
        self._line = Line(name, settings, environ)

    async def send(self, notice: Notice, attempt: int) -> Delivery:
        """Post it once."""
        body = encode_notice(notice, self._envelope, attempt=attempt)
        return await self._line.post("", notice, body, judge_status, needs_body=False)
