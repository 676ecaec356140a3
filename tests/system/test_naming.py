"""What people are told an incident is about."""

import pytest

from collections_supervisor.messages import IncidentKind
from collections_supervisor.system.naming import spoken, subject_of


@pytest.mark.parametrize(
    ("kind", "subject", "said"),
    [
        ("agent", "payment-watcher", "payment-watcher"),
        ("books", "books", "bookkeeping"),
        ("queue", "payment_queue", "queue payment_queue"),
        ("host", "tower", "host tower"),
        ("host", "provider", "the model provider"),
        ("supervisor", "reporter", "reporter"),
    ],
)
def test_a_subject_in_a_sentence(kind: IncidentKind, subject: str, said: str) -> None:
    assert spoken(kind, subject) == said
    assert subject_of(f"{kind}/{subject}/2026-11-22T12:00:00.000000Z") == subject


def test_an_agent_has_its_own_name_whatever_the_kind() -> None:
    assert spoken("host", "provider", "mailer") == "mailer"


def test_a_subject_may_hold_slashes() -> None:
    assert subject_of("supervisor/agent a/b/2026") == "agent a/b"
