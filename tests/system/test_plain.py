"""Structs as JSON, whatever their texts hold."""

from datetime import UTC, datetime

import msgspec

from collections_supervisor.messages import AgentError, Beat
from collections_supervisor.system.plain import encode, plain, writable

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


def test_what_can_be_written_is_written_as_it_is() -> None:
    error = AgentError(timestamp=EPOCH, reason="Zahlung für 10 €")
    assert encode(error) == msgspec.json.encode(error)


def test_what_is_not_valid_unicode_costs_a_question_mark_and_no_more() -> None:
    beat = Beat(stamp=EPOCH, status="busy", until=EPOCH, message="ä /home/\udcff\ud800/x")
    assert msgspec.json.decode(encode(beat), type=Beat) == msgspec.structs.replace(beat, message="ä /home/??/x")


def test_a_text_keeps_what_can_be_written() -> None:
    assert writable("ä\udcffb") == "ä?b"
    assert plain(AgentError(timestamp=EPOCH, reason="\udcff"))["reason"] == "?"
