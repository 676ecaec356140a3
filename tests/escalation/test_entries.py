"""What is kept, and what may be forgotten."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from collections_supervisor.escalation import entries as module
from collections_supervisor.escalation.entries import Entries, Entry
from collections_supervisor.messages import Notice

Make = Callable[..., Notice]
AT = datetime(2026, 11, 22, tzinfo=UTC)
KEY = "agent/payment-watcher/0"


@pytest.fixture
def book() -> Entries:
    return Entries()


def put(book: Entries, notice: Notice, *channels: str, delivered: bool = True) -> Entry:
    entry = book.put(notice, channels or ("a",), 0.0, AT)
    for name in entry.legs if delivered else ():
        book.deliver(entry.key, name, AT)
    return entry


def left(book: Entries) -> list[tuple[str, int]]:
    return [entry.key for entry in book.all()]


def test_what_is_put_twice_stays_as_it_was(book: Entries, make_notice: Make) -> None:
    entry = put(book, make_notice())
    assert book.put(make_notice(text="other"), ("b",), 9.0, AT) is entry
    assert (entry.put_at, list(entry.legs)) == (0.0, ["a"])


def test_a_notice_of_several_incidents_tells_of_each(book: Entries, make_notice: Make, make_together: Any) -> None:
    both = put(book, make_together(make_notice(agent="a"), make_notice(agent="b")))
    assert both.subjects == {"agent/a/0", "agent/b/0"}
    own = put(book, make_notice(2, agent="b"))
    assert book.telling_of("agent/b/0") == (both, own)
    book.drop(both.key)
    assert book.telling_of("agent/a/0") == ()
    assert book.telling_of("agent/b/0") == (own,)


def test_what_is_no_longer_configured_is_given_up(book: Entries, make_notice: Make) -> None:
    entry = put(book, make_notice(), "gone", "stays", delivered=False)
    settled = put(book, make_notice(2), "gone")
    book.reconfigure(("new", "stays"))
    assert [(name, leg.state, leg.error) for name, leg in entry.legs.items()] == [
        ("gone", "expired", "no longer configured"),
        ("stays", "pending", ""),
    ]
    assert settled.legs["gone"].state == "delivered"


def test_what_would_be_lost_by_that_goes_over_what_is_configured_now(book: Entries, make_notice: Make) -> None:
    entry = put(book, make_notice(), "gone", "refused", delivered=False)
    book.close(entry.key, "refused", "expired", "no such agent")
    taken = put(book, make_notice(2), "a", "gone", delivered=False)
    book.deliver(taken.key, "a", AT)
    book.reconfigure(("new", "refused"))
    assert {name: leg.state for name, leg in entry.legs.items()} == {"gone": "expired", "refused": "expired", "new": "pending"}
    assert list(taken.legs) == ["a", "gone"]


def test_what_was_given_up_before_stays_so(book: Entries, make_notice: Make) -> None:
    entry = put(book, make_notice(), "a", delivered=False)
    book.close(entry.key, "a", "expired", "refused")
    book.reconfigure(("new",))
    assert entry.lost


def test_an_incident_is_over_once_its_end_is_settled(book: Entries, make_notice: Make) -> None:
    put(book, make_notice(1))
    assert not book.is_over(KEY)
    end = put(book, make_notice(2, notice="resolved"), delivered=False)
    assert not book.is_over(KEY)
    book.deliver(end.key, "a", AT)
    assert book.is_over(KEY)


def test_what_is_over_is_forgotten_unless_somebody_asks(book: Entries, make_notice: Make) -> None:
    put(book, make_notice(1, agent="open"))
    for agent in ("over", "asked"):
        put(book, make_notice(1, agent=agent))
        put(book, make_notice(2, agent=agent, notice="resolved"))
    book.forget_over({("agent/asked/0", 2)})
    assert left(book) == [("agent/open/0", 1), ("agent/asked/0", 1), ("agent/asked/0", 2)]


def test_what_was_told_together_is_forgotten_together(book: Entries, make_notice: Make, make_together: Any) -> None:
    put(book, make_together(make_notice(1, agent="a"), make_notice(1, agent="b")))
    put(book, make_notice(2, agent="a", notice="resolved"))
    book.forget_over(())
    assert len(left(book)) == 2
    put(book, make_notice(2, agent="b", notice="resolved"))
    book.forget_over(())
    assert left(book) == []


def test_at_the_start_what_is_settled_stays_where_it_is_still_known(book: Entries, make_notice: Make) -> None:
    put(book, make_notice(agent="known"))
    put(book, make_notice(agent="unknown"))
    # Who had the alarm must be known for what is still to be said of it.
    alarm = put(book, make_notice(agent="ending"))
    pending = put(book, make_notice(2, agent="ending"), delivered=False)
    book.forget_settled({"agent/known/0"})
    assert left(book) == [("agent/known/0", 1), alarm.key, pending.key]


def test_at_the_start_what_was_told_together_stays_together(book: Entries, make_notice: Make, make_together: Any) -> None:
    put(book, make_together(make_notice(agent="known"), make_notice(agent="a")))
    put(book, make_together(make_notice(2, agent="a"), make_notice(agent="b")))
    put(book, make_notice(2, agent="b", notice="resolved"))
    put(book, make_notice(agent="c"))
    book.forget_settled({"agent/known/0"})
    assert left(book) == [("agent/known/0", 1), ("agent/a/0", 2), ("agent/b/0", 2)]


def test_memory_is_bounded_by_what_is_settled(book: Entries, make_notice: Make) -> None:
    unsettled = put(book, make_notice(1), delivered=False)
    owed = put(book, make_notice(2))
    still_open = [put(book, make_notice(3 + number)) for number in range(20)]
    for number in range(module.REMEMBERED // 2):
        put(book, make_notice(1, agent=f"over-{number}"))
        put(book, make_notice(2, agent=f"over-{number}", notice="resolved"))
    book.forget_oldest({owed.key})
    assert len(left(book)) == module.REMEMBERED
    assert left(book)[:22] == [unsettled.key, owed.key, *(entry.key for entry in still_open)]
    for number in range(30):
        put(book, make_notice(50 + number))
    book.forget_oldest({owed.key})
    assert len(left(book)) == module.REMEMBERED
    assert still_open[0].key in left(book)


def test_among_open_ones_the_oldest_goes_first(book: Entries, make_notice: Make) -> None:
    for number in range(module.REMEMBERED + 2):
        put(book, make_notice(number))
    book.forget_oldest(())
    assert left(book)[0] == (KEY, 2)
