"""The report as JSON."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from collections_supervisor.messages import AgentError, AgentReport, Held, IncidentReport, Report
from collections_supervisor.reporting.report_json import encode_report

WHOLE_SECOND = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


def test_members_and_stamps(
    make_report: Callable[..., Report], make_agent: Callable[..., AgentReport], make_incident: Callable[..., IncidentReport]
) -> None:
    troubled = make_agent(
        status="escalated",
        missed=3,
        last_heartbeat=WHOLE_SECOND,
        next_deadline=None,
        budget_left_24h=None,
        errors=(AgentError(timestamp=WHOLE_SECOND, reason="exit 1"),),
        held=Held(reason="attempts used up"),
        incident="1",
    )
    encoded = encode_report(make_report(troubled, verdict="degraded", incidents=(make_incident(),)))
    told = json.loads(encoded)
    assert b"\n" not in encoded
    assert list(told) == list(Report.__struct_fields__)
    assert told["generated_at"] == "2026-11-22T11:01:44.250000Z"
    assert told["books"] is None
    (agent,) = told["agents"]
    assert list(agent) == list(AgentReport.__struct_fields__)
    assert agent["last_heartbeat"] == "2026-11-22T11:00:00.000000Z"
    assert agent["next_deadline"] is agent["budget_left_24h"] is None
    assert agent["errors"] == [{"timestamp": "2026-11-22T11:00:00.000000Z", "reason": "exit 1"}]
    assert agent["held"] == {"reason": "attempts used up", "until": None}
    assert told["incidents"][0]["opened_at"] == "2026-11-22T09:01:44.250000Z"


def test_it_can_be_read_back(make_report: Callable[..., Report], make_agent: Callable[..., AgentReport]) -> None:
    report = make_report(make_agent(detail='é "\\\n\u2028'), stopped_at=WHOLE_SECOND)
    assert msgspec.json.decode(encode_report(report), type=Report) == report


def test_text_that_is_not_unicode_does_not_stop_it(
    make_report: Callable[..., Report], make_agent: Callable[..., AgentReport]
) -> None:
    told = json.loads(encode_report(make_report(make_agent(detail="file \udcff.log"))))
    assert told["agents"][0]["detail"] == "file ?.log"
