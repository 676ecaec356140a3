"""Lines of a queue file, counted: each is a message, a JSON object with `_queued_at` in seconds of the epoch. Pure."""

from collections import deque
from typing import Any

import msgspec

from collections_supervisor.books.activity_lines import text
from collections_supervisor.books.json_lines import decode_block, decode_line
from collections_supervisor.books.records import Payment
from collections_supervisor.books.times import instant

PAYMENTS_LIMIT = 10_000
"""Messages of payments that are kept of one queue: the last ones."""


class _Message(msgspec.Struct, kw_only=True, gc=False):
    queued_at: Any = msgspec.field(default=None, name="_queued_at")
    timestamp: Any = None
    type: Any = None
    invoice: Any = None
    invoice_number: Any = None


_MEMBERS = {info.encode_name: info.name for info in msgspec.structs.fields(_Message)}
_DECODER = msgspec.json.Decoder(_Message)


class Count:
    """What was found in the lines so far."""

    def __init__(self) -> None:
        self.depth = 0
        self.oldest: float | None = None
        self.invalid = 0
        self.payments: deque[Payment] = deque(maxlen=PAYMENTS_LIMIT)

    def add(self, block: bytes) -> None:
        """Count the lines of a block."""
        messages = decode_block(_DECODER, block)
        if messages is None:
            messages = [message for raw in block.split(b"\n") if (message := self._message(raw)) is not None]
        for message in messages:
            self._take(message)

    def _message(self, raw: bytes) -> _Message | None:
        if not raw.strip():
            return None
        message = read_message(raw)
        self.invalid += message is None
        return message

    def _take(self, message: _Message) -> None:
        self.depth += 1
        at = instant(message.timestamp if message.queued_at is None else message.queued_at)
        if at is None:
            return
        if self.oldest is None or at < self.oldest:
            self.oldest = at
        if message.type == "INVOICE_PAID" and (invoice := text(message.invoice) or text(message.invoice_number)):
            self.payments.append(Payment(invoice=invoice, at=at))


def read_message(raw: bytes) -> _Message | None:
    """One line; None if it is no message."""
    found = decode_line(_DECODER, raw)
    return _Message(**{_MEMBERS[name]: found[name] for name in found.keys() & _MEMBERS}) if isinstance(found, dict) else found
