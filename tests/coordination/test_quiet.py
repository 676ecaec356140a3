"""A pause of all agents: a word that stands until it is lifted, or its time is over."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec

from collections_supervisor.coordination import quiet
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.messages import AgentCommand

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PAUSE = AgentCommand(what="pause", reason="moving house", everyone=True)
RESUME = AgentCommand(what="resume", everyone=True)


def test_it_stands_until_it_is_lifted() -> None:
    state, said = quiet.note(FleetState(), PAUSE, NOON)
    assert said is not None
    assert (said.event, said.message) == ("agent.paused", "all agents are paused until they are resumed: moving house")
    assert quiet.word(state, NOON + 1000 * HOUR) == PAUSE
    state, said = quiet.note(state, RESUME, NOON)
    assert said is not None
    assert said.event == "agent.resumed"
    assert (state, quiet.word(state, NOON)) == (FleetState(), None)


def test_its_time_may_be_over() -> None:
    there = timezone(timedelta(hours=-5))
    state, _ = quiet.note(FleetState(), msgspec.structs.replace(PAUSE, until=(NOON + HOUR).astimezone(there)), NOON)
    assert state.quiet is not None
    assert state.quiet.until == NOON + HOUR
    assert state.quiet.until.tzinfo is UTC
    just_before = NOON + HOUR - timedelta(microseconds=1)
    assert quiet.expire(state, just_before) == (state, None)
    assert quiet.word(state, just_before) is not None
    assert quiet.word(state, NOON + HOUR) is None
    over, said = quiet.expire(state, NOON + HOUR)
    assert over.quiet is None
    assert said is not None
    assert said.fields["reason"] == "its time is over"


def test_what_is_not_there_cannot_be_lifted() -> None:
    assert quiet.note(FleetState(), RESUME, NOON) == (FleetState(), None)
    assert quiet.expire(FleetState(), NOON) == (FleetState(), None)


def test_it_survives() -> None:
    state, _ = quiet.note(FleetState(), msgspec.structs.replace(PAUSE, until=NOON + HOUR), NOON)
    assert msgspec.json.decode(msgspec.json.encode(state), type=FleetState) == state
