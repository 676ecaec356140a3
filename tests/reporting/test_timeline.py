"""What the pictures of the last day show and say."""

import re
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reporting.stories import NOW, before, even, runs, samples

from collections_supervisor.messages import QueueSample, StateRun
from collections_supervisor.reporting import timeline


def drawn(picture: str) -> dict[str, list[tuple[int, int]]]:
    """Where each state's strokes begin and end."""
    found: dict[str, list[tuple[int, int]]] = {}
    for status, path in re.findall(r'<path class="(\w+)" d="([^"]*)"/>', picture):
        at, spans = 0, []
        for step, number in re.findall(r"([Mmh])(-?\d+)", path):
            if step == "h":
                spans.append((at, at + int(number)))
            at = int(number) if step == "M" else at + int(number)
        found[status] = spans
    return found


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (2400, "40 min"), (3600, "1 h"), (83400, "23 h 10 min")]
)
def test_lengths_in_hours_and_minutes(seconds: float, said: str) -> None:
    assert timeline.length(seconds) == said


def test_a_day_is_drawn_and_spoken() -> None:
    day = runs(("healthy", 1000), ("escalated", 40), ("not_watched", 10), ("healthy", 390))
    picture = timeline.bars(day, NOW)
    said = "24 hours: healthy 23 h 10 min, escalated 40 min, not watched 10 min"
    assert timeline.summary(day, NOW) == said
    assert f'role="img" aria-label="{said}"' in picture
    assert drawn(picture) == {"not_watched": [(208, 210)], "healthy": [(0, 200), (210, 288)], "escalated": [(200, 208)]}


def test_what_is_older_than_a_day_or_equal_is_not_drawn_apart() -> None:
    day = (*runs(("escalated", 100), ("healthy", 1500)), StateRun(status="healthy", since=NOW, until=NOW + timedelta(hours=1)))
    assert timeline.merged(day, NOW) == [("healthy", before(hours=24), NOW)]
    halves = runs(("healthy", 60), ("healthy", 60))
    assert timeline.merged(halves, NOW) == [("healthy", before(hours=2), NOW)]


def test_an_agent_that_is_new_has_no_record_before() -> None:
    young = runs(("healthy", 120))
    assert timeline.summary(young, NOW) == "24 hours: no record 22 h, healthy 2 h"
    assert drawn(timeline.bars(young, NOW)) == {"healthy": [(264, 288)]}


def test_trouble_is_seen_however_short() -> None:
    brief = runs(("healthy", 700), ("escalated", 0.1), ("healthy", 739.8), ("restarting", 0.1))
    assert drawn(timeline.bars(brief, NOW))["escalated"] == [(140, 141)]
    assert drawn(timeline.bars(brief, NOW))["restarting"] == [(287, 288)], "not beyond the edge"


def test_no_two_states_are_of_the_same_height() -> None:
    assert len(set(timeline.HEIGHTS.values())) == len(timeline.HEIGHTS) == 8


@given(st.lists(st.tuples(st.sampled_from(sorted(timeline.HEIGHTS)), st.floats(0.01, 300)), max_size=96))
def test_whatever_was_stays_within_the_picture(parts: list[tuple[str, float]]) -> None:
    day = runs(*parts)
    for status, spans in drawn(timeline.bars(day, NOW)).items():
        assert all(0 <= start < end <= timeline.WIDTH for start, end in spans), status
        assert all(former[1] < later[0] for former, later in pairwise(spans)), status
    summed = sum((until - since).total_seconds() for _, since, until in timeline.merged(day, NOW))
    assert summed <= 86_400.001


def test_a_full_history_is_small() -> None:
    assert len(timeline.bars(even(96, "healthy", "escalated", "late", "restarting"), NOW)) < 1300


# --- Queues ---


def test_the_depth_of_a_queue_below_its_limit() -> None:
    picture = timeline.line(samples(*([0] * 48), *([50] * 47), 100), 100, NOW)
    assert 'aria-label="24 hours: from 0 to 100 waiting"' in picture
    assert '<path class="limit" d="M0 2h288"/>' in picture
    (path,) = re.findall(r'<path d="([^"]*)"/>', picture)
    assert path.startswith("M3 24V24h3")
    assert path.endswith("V13h3V2h1V24z")


def test_a_queue_above_its_limit_sets_the_scale() -> None:
    assert '<path class="limit" d="M0 13h288"/>' in timeline.line(samples(200, 200), 100, NOW)


def test_one_message_is_not_nothing() -> None:
    assert "V23h" in timeline.line(samples(0, 1), 100_000, NOW)


def test_nothing_is_drawn_where_nobody_looked() -> None:
    seen = tuple(QueueSample(at=before(minutes=minutes), depth=5) for minutes in (600, 585, 570, 30, 15))
    (path,) = re.findall(r'<path d="([^"]*)"/>', timeline.line(seen, 10, NOW))
    assert path.count("M") == 2
    assert "on record for 10 h" in timeline.line(seen, 10, NOW)


def test_a_queue_without_samples_of_the_day_says_so() -> None:
    old = (QueueSample(at=before(hours=30), depth=5),)
    assert 'aria-label="24 hours: no record"' in timeline.line(old, 10, NOW)


def test_samples_out_of_order_are_put_in_order() -> None:
    seen = samples(1, 2, 3)
    assert timeline.line(seen[::-1], 10, NOW) == timeline.line(seen, 10, NOW)
