"""JSON for files."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from tests.coordination.audits import audited

from collections_supervisor.coordination.encoding import ReportEncoder
from collections_supervisor.coordination.report import build
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.messages import AgentError, Report
from collections_supervisor.system.plain import plain

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


def test_every_instant_has_six_digits_and_every_text_can_be_written(make_report: Any) -> None:
    report = make_report(detail="umlauts ä stay, \udcff does not", errors=(AgentError(timestamp=EPOCH, reason="x"),))
    members = plain(report)
    assert members["errors"] == [{"timestamp": "2026-11-22T11:00:00.000000Z", "reason": "x"}]
    assert members["detail"] == "umlauts ä stay, ? does not"
    assert list(members) == list(report.__struct_fields__)
    msgspec.json.encode(members)


def test_a_report_is_the_same_whether_its_agents_were_known_before_or_not(make_report: Any) -> None:
    encoder = ReportEncoder()
    agents = [make_report("a"), make_report("b"), make_report("c")]
    for changes in ({}, {"missed": 3, "detail": "\udcff"}, {}):
        agents[1] = make_report("b", **changes)
        report = build(agents, FleetState(), at=EPOCH, run_id="r", version="1")
        data = msgspec.json.encode(encoder.members(report))
        assert json.loads(data) == json.loads(msgspec.json.encode(plain(report)))
        assert [name for name in json.loads(data) if name != "agents"] == [n for n in Report.__struct_fields__ if n != "agents"]


def test_what_has_not_changed_is_not_encoded_again(make_report: Any) -> None:
    encoder = ReportEncoder()
    kept = make_report("a")
    [first] = _agents(encoder, kept)
    assert _agents(encoder, kept)[0] is first
    assert _agents(encoder, make_report("a"))[0] is first
    assert _agents(encoder, make_report("a", missed=1))[0] is not first
    _agents(encoder)
    assert encoder._agents == {}, "agents that are gone are forgotten"


def _agents(encoder: ReportEncoder, *agents: Any) -> Any:
    return encoder.members(build(agents, FleetState(), at=EPOCH, run_id="r", version="1"))["agents"]


def test_books_that_are_the_same_are_not_encoded_again() -> None:
    encoder = ReportEncoder()

    def books_in(seen: Any) -> Any:
        report = build([], FleetState(), at=EPOCH, run_id="r", version="1", audited=seen)
        members = encoder.members(report)
        assert json.loads(msgspec.json.encode(members)) == json.loads(msgspec.json.encode(plain(report)))
        return members["books"]

    seen = audited(EPOCH, "bad_amount")
    first = books_in(seen)
    assert books_in(seen) is first
    assert books_in(audited(EPOCH)) is not first
    assert books_in(None) is None
    assert books_in(None) is None
