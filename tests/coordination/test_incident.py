"""The notices of an incident."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from collections_supervisor.coordination.evidence import with_evidence
from collections_supervisor.coordination.incident import Subject, is_told, with_notice
from collections_supervisor.coordination.incidents import begin
from collections_supervisor.messages import Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


def test_one_that_was_begun_is_told_with_its_first_notice(make_report: Any, make_trouble: Callable[..., Trouble]) -> None:
    subject = Subject(kind="agent", name="mailer", report=make_report(restarts=5))
    incident = begin(subject, make_trouble(held=True), 7.0, restarts_before=3)
    assert (is_told(incident), incident.outstanding, incident.told_at) == (False, (), 7.0)
    told = with_notice(with_evidence(incident, "incidents/x.json"), "opened", subject, EPOCH)
    [notice] = told.outstanding
    assert is_told(told)
    assert (notice.restarts, notice.held, notice.evidence) == (2, True, "incidents/x.json")
    over = with_notice(told, "resolved", subject, EPOCH)
    assert not over.outstanding[-1].held, "what is over is held no more"


def test_a_count_of_restarts_that_began_anew_is_not_negative(make_report: Any, make_trouble: Callable[..., Trouble]) -> None:
    subject = Subject(kind="agent", name="mailer", report=make_report(restarts=1))
    told = with_notice(begin(subject, make_trouble(), 7.0, restarts_before=3), "opened", subject, EPOCH)
    assert told.outstanding[0].restarts == 0
