"""The states of all agents between two snapshots."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from collections_supervisor.agents.ports import Kept
from collections_supervisor.agents.saved import encode
from collections_supervisor.agents.state import AgentState
from collections_supervisor.agents.states import DORMANT, AgentStates
from collections_supervisor.messages import Beat, Now

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
NOW = Now(mono=1000.0, wall=EPOCH)


def state(at: float = 1.0, **known: Any) -> AgentState:
    return AgentState(known_at=at, known=EPOCH, **known)


def raw(kept: AgentState) -> msgspec.Raw:
    return msgspec.Raw(encode(kept))


def restored(states: AgentStates, kept: dict[str, msgspec.Raw], shift: float = 0.0, **more: Any) -> dict[str, str]:
    """Taken over by a life of ours that watches all of these but the retired."""
    watched = [name for name in kept if name != "retired"]
    return states.restore(kept, shift, **{"watched": watched, "now": NOW, "excused": False, **more})


def test_what_was_kept_is_there_in_the_new_clock_and_kept_again() -> None:
    states = AgentStates()
    assert restored(states, {"mailer": raw(state(1.0)), "reader": raw(state(2.0))}, 10.0) == {}
    assert states.load("mailer") == Kept(state=state(11.0))
    assert {name: msgspec.json.decode(data) for name, data in states.encoded().items()} == {
        "mailer": msgspec.json.decode(encode(state(11.0))),
        "reader": msgspec.json.decode(encode(state(12.0))),
    }
    assert states.load("watcher") is None


@pytest.mark.parametrize("garbage", [b"{", b'{"known_at": "x"}', b'{"a": "\xff"}', b"[" * 100_000])
def test_what_cannot_be_read_is_named_and_costs_the_others_nothing(garbage: bytes) -> None:
    states = AgentStates()
    wrong = restored(states, {"mailer": msgspec.Raw(garbage), "reader": raw(state())}, excused=True)
    assert list(wrong) == ["mailer"]
    assert wrong["mailer"]
    assert states.load("mailer") is None
    assert states.load("reader") == Kept(state=state(), excused=True)


def test_who_is_excused_is_so_once() -> None:
    states = AgentStates()
    restored(states, {"mailer": raw(state())}, excused=True)
    found = [kept for _ in range(3) if (kept := states.load("mailer"))]
    assert [kept.excused for kept in found] == [True, False, False]


def test_only_what_changed_is_encoded_again() -> None:
    states = AgentStates()
    states.save("mailer", state(1.0))
    states.save("reader", state(1.0))
    before = states.encoded()
    states.save("mailer", state(2.0))
    after = states.encoded()
    assert after["reader"] is before["reader"]
    assert msgspec.json.decode(after["mailer"])["known_at"] == 2.0


def test_of_who_is_not_watched_any_more_only_what_it_cost_is_carried_on() -> None:
    states = AgentStates()
    spent = state(1.0, beat=Beat(stamp=EPOCH), missed=3, starts=(900.0,), restarts=4)
    restored(states, {"retired": raw(spent), "mailer": raw(spent)}, excused=True)
    assert states.load("mailer") == Kept(state=spent, excused=True)
    kept = states.load("retired")
    assert kept is not None
    assert (kept.excused, kept.state) == (False, state(1.0, starts=(900.0,), restarts=4))
    assert list(states.encoded()) == ["mailer", "retired"]


def test_no_more_of_them_are_carried_on_than_can_be() -> None:
    states = AgentStates()
    kept = {f"agent-{number}": raw(state()) for number in range(DORMANT + 5)}
    restored(states, kept, watched=())
    assert list(states.encoded()) == list(kept)[:DORMANT]


def test_who_rests_for_long_stays_as_it_was_in_the_clock_of_each_boot() -> None:
    kept = {"retired": raw(state(1.0, starts=(2.0,)))}
    for shift in (10.0, 0.0, -4.0):
        states = AgentStates()
        assert restored(states, kept, shift) == {}
        kept = states.encoded()
    again = AgentStates()
    restored(again, kept, watched=["retired"])
    assert again.load("retired") == Kept(state=state(7.0, starts=(8.0,)))


def test_what_cannot_be_read_is_not_carried_on() -> None:
    states = AgentStates()
    assert list(restored(states, {"retired": msgspec.Raw(b'"noon"')})) == ["retired"]
    assert states.encoded() == {}


def test_what_was_kept_never_happened_later_than_now() -> None:
    states = AgentStates()
    restored(states, {"mailer": raw(state(900.0, beat_at=990.0))}, 20.0)
    assert states.load("mailer") == Kept(state=state(920.0, beat_at=1000.0))


# --- Who comes and goes while we live ---


def test_who_is_not_watched_any_more_rests_and_may_come_back() -> None:
    states = AgentStates()
    states.save("mailer", state(restarts=3, starts=(5.0,), missed=2))
    states.rest("mailer", 10.0)
    kept = states.load("mailer")
    assert kept is not None
    assert (kept.state.restarts, kept.state.starts, kept.state.missed) == (3, (5.0,), 0)
    states.rest("nobody", 10.0)
    assert list(states.encoded()) == ["mailer"]


def test_no_more_rest_than_can_be_and_who_came_back_is_not_forgotten() -> None:
    states = AgentStates()
    for number in range(DORMANT):
        states.save(f"agent-{number}", state())
        states.rest(f"agent-{number}", 10.0)
    states.encoded()
    states.save("agent-0", state(missed=1))
    for name in ("one", "two"):
        states.save(name, state())
        states.rest(name, 10.0)
    kept = states.encoded()
    assert len(kept) == DORMANT + 1
    assert "agent-0" in kept
    assert "agent-1" not in kept
    assert states.load("agent-1") is None
