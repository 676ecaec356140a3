"""When a round is over, and when it is complete."""

from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.app.rounds import (
    PAGE,
    STATE,
    Round,
    after,
    begin,
    note,
    note_crash,
    of_agent,
    parts_of,
    spoken,
    watching,
)

A, B = of_agent("a"), of_agent("b")


def played(current: Round, *turns: str, refused: tuple[str, ...] = ()) -> Round:
    for part in turns:
        current = note(current, part, useful=part not in refused)
    return current


def second() -> Round:
    """A round that is not the first."""
    return after(played(begin([A, B, STATE, PAGE]), A, B, STATE, PAGE))


def test_it_is_over_when_everybody_had_a_turn() -> None:
    assert played(begin([A, B, STATE, PAGE]), A, B, STATE, PAGE).is_complete
    assert not played(begin([A, B, STATE, PAGE]), A, B, STATE).is_over
    assert not second().is_over


def test_what_is_saved_before_every_agent_was_seen_does_not_count_in_the_first_round() -> None:
    early = played(begin([A, B, STATE, PAGE]), A, STATE, PAGE, B)
    assert early.waiting == {STATE, PAGE}
    assert played(early, PAGE, STATE).is_complete


def test_later_rounds_take_the_turns_in_any_order() -> None:
    assert played(second(), STATE, PAGE, B, A).is_complete


def test_a_disk_that_refuses_ends_the_round_and_keeps_it_from_being_complete() -> None:
    over = played(second(), A, B, STATE, PAGE, refused=(STATE,))
    assert over.is_over
    assert not over.is_complete
    assert played(after(over), A, B, STATE, PAGE).is_complete


def test_a_disk_that_works_again_within_the_round_is_forgiven() -> None:
    assert played(played(second(), PAGE, refused=(PAGE,)), A, B, STATE, PAGE).is_complete


def test_nobody_waits_for_a_task_that_crashed_before_it_is_heard_of_again() -> None:
    first = note_crash(played(second(), A, STATE, PAGE), B)
    assert first.is_over
    assert not first.is_complete
    again = played(after(first), A, STATE, PAGE)
    assert again.is_over
    assert not again.is_complete
    assert played(after(again), A, STATE, PAGE, B).is_complete


def test_a_crash_in_the_first_round_does_not_keep_the_state_from_counting() -> None:
    assert played(note_crash(begin([A, B, STATE]), A), B, STATE).is_over


def test_a_crash_of_what_is_no_part_changes_nothing() -> None:
    assert note_crash(second(), "coordinator") == second()
    assert note(second(), "agent nobody") == second()


def test_agents_come_and_go() -> None:
    current = watching(played(second(), A, STATE, PAGE), parts_of(["a", "c"], page=True))
    assert current.waiting == {of_agent("c")}
    assert played(current, of_agent("c")).is_complete
    assert watching(played(second(), A, STATE, PAGE), parts_of(["a"], page=True)).is_over


def test_a_page_comes_and_goes() -> None:
    without = watching(played(second(), A, B, STATE), parts_of(["a", "b"], page=False))
    assert without.is_complete
    assert played(after(without), A, B, STATE).is_complete
    refused = played(second(), PAGE, refused=(PAGE,))
    assert played(watching(note_crash(refused, PAGE), parts_of(["a", "b"], page=False)), A, B, STATE).is_complete
    again = watching(after(without), parts_of(["a", "b"], page=True))
    assert not played(again, A, B, STATE).is_over
    assert played(again, A, B, STATE, PAGE).is_complete


@given(st.lists(st.tuples(st.sampled_from([A, B, STATE, PAGE]), st.booleans(), st.booleans())))
def test_no_round_is_over_before_everybody_had_a_turn_or_crashed(turns: list[tuple[str, bool, bool]]) -> None:
    current = begin([A, B, STATE, PAGE])
    heard: set[str] = set()
    down: set[str] = set()
    for part, useful, crash in turns:
        if crash:
            current = note_crash(current, part)
            down |= {part}
        else:
            current = note(current, part, useful=useful)
            heard |= {part}
            down -= {part} - current.crashed
        if current.is_over:
            assert heard | down == {A, B, STATE, PAGE}
            current, heard = after(current), set()


def test_what_is_said_beside_the_name() -> None:
    assert spoken("healthy", 1, 0, {"healthy": 1}) == "healthy: 1 agent"
    assert spoken("degraded", 3, 1, {"healthy": 1, "late": 1, "escalated": 1}) == (
        "degraded: 3 agents, 1 escalated; 1 open incident"
    )
