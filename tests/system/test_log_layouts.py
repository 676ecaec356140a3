"""The same event under the names that different log stores want."""

import json
from datetime import UTC, datetime
from typing import Any, NoReturn, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.system.log_layouts import LAYOUTS, Preset
from collections_supervisor.system.log_render import SEQ_DIGITS, SMALLEST_LINE, LineRenderer

WALL = datetime(2026, 11, 22, 11, 1, 44, tzinfo=UTC)
SEQ = int("9" * SEQ_DIGITS)
PRESETS: tuple[Preset, ...] = get_args(Preset)
LEVELS = ("debug", "info", "warning", "error", "critical")


def line(preset: Preset, fields: dict[str, object], *, max_bytes: int = 8000, level: str = "info") -> bytes:
    parts = LineRenderer(run_id="r-1", version="1.2.3", max_bytes=max_bytes, preset=preset).parts(level, fields, WALL)
    return parts.head + str(SEQ).encode() + parts.tail


def record(preset: Preset, fields: dict[str, object], *, max_bytes: int = 8000, level: str = "info") -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(line(preset, fields, max_bytes=max_bytes, level=level))
    return shown


def raised() -> Exception:
    def inner() -> NoReturn:
        raise ValueError("bad value")

    try:
        inner()
    except ValueError as error:
        return error


def test_elastic_has_objects_where_it_wants_them() -> None:
    fields: dict[str, object] = {"event": "agent.recovered", "message": "it is back", "agent": "mailer", "age_s": 1.5}
    assert record("ecs", fields, level="warning") == {
        "@timestamp": "2026-11-22T11:01:44.000000Z",
        "log.level": "warning",
        "message": "it is back",
        "ecs": {"version": "8.17.0"},
        "service": {"name": "collections-supervisor", "version": "1.2.3"},
        "event": {"kind": "event", "dataset": "collections-supervisor.log", "action": "agent.recovered", "sequence": SEQ},
        "collections_supervisor": {"schema": 1, "run_id": "r-1", "agent": "mailer", "age_s": 1.5},
    }


def test_an_error_is_where_elastic_looks_for_it() -> None:
    shown = record("ecs", {"event": "e", "exc_info": raised(), "path": "/p"})
    assert set(shown["error"]) == {"type", "message", "stack_trace"}
    assert (shown["error"]["type"], shown["error"]["message"]) == ("ValueError", "bad value")
    assert shown["collections_supervisor"] == {"schema": 1, "run_id": "r-1", "path": "/p"}
    assert record("ecs", {"event": "e", "error": "exit 1"})["error"] == {"message": "exit 1"}


@pytest.mark.parametrize("level", LEVELS)
def test_google_has_words_of_its_own(level: str) -> None:
    fields: dict[str, object] = {"event": "agent.recovered", "message": "it is back", "agent": "mailer", "age_s": 1.5}
    assert record("gcp", fields, level=level) == {
        "time": "2026-11-22T11:01:44.000000Z",
        "severity": level.upper(),
        "message": "it is back",
        "logging.googleapis.com/labels": {"run_id": "r-1"},
        "serviceContext": {"service": "collections-supervisor", "version": "1.2.3"},
        "event": {"action": "agent.recovered", "sequence": SEQ},
        "collections_supervisor": {"schema": 1, "agent": "mailer", "age_s": 1.5},
    }


def test_a_stack_trace_is_where_google_looks_for_it() -> None:
    shown = record("gcp", {"event": "e", "exc_info": raised()})
    assert shown["collections_supervisor"]["error"] == {"type": "ValueError", "message": "bad value"}
    lines = shown["stack_trace"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2].endswith(", in raised.<locals>.inner")
    assert lines[-1] == "ValueError: bad value"
    assert "stack_trace" not in record("gcp", {"event": "e", "error": "exit 1"})


@pytest.mark.parametrize("preset", ["ecs", "gcp"])
def test_what_is_no_error_is_told_as_a_text(preset: Preset) -> None:
    shown = record(preset, {"event": "e", "error": 5})
    told = shown["error"] if preset == "ecs" else shown["collections_supervisor"]["error"]
    assert told["message"] == "5"


@pytest.mark.parametrize("preset", ["ecs", "gcp"])
def test_a_line_that_was_cut_says_so_among_our_fields(preset: Preset) -> None:
    shown = record(preset, {"event": "e", "agent": "mailer", "output": "x" * 9000}, max_bytes=2000)
    ours = shown["collections_supervisor"]
    assert (ours["agent"], ours["truncated"]) == ("mailer", True)
    assert len(ours["output"]) > 500


@pytest.mark.parametrize("preset", PRESETS)
def test_the_shortest_bound_holds_for_the_worst_names(preset: Preset) -> None:
    name = "\x00" * 500
    rendered = line(
        preset, {"event": name, "message": name, name: name, "exc_info": ValueError(name)}, max_bytes=1, level=LEVELS[-1]
    )
    assert len(rendered) <= SMALLEST_LINE
    assert json.loads(rendered)


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.integers(100, 3000).map(lambda size: '"\n\x00é' * size)
values = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.lists(texts, max_size=3)


def deep(message: str, depth: int) -> NoReturn:
    if depth:
        deep(message, depth - 1)
    raise ValueError(message)


def failing(message: str, depth: int) -> Exception:
    """An error that came from so deep."""
    try:
        deep(message, depth)
    except ValueError as error:
        return error


@pytest.mark.parametrize("preset", LAYOUTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a shared machine may be slow
@given(
    fields=st.dictionaries(
        st.text(max_size=10) | st.sampled_from(["error", "agent", "stack_trace", "event", "seq"]), values, max_size=8
    ),
    error=st.none() | st.builds(failing, texts, st.integers(0, 5)),
    max_bytes=st.integers(SMALLEST_LINE, 4000),
)
def test_whatever_is_logged_is_one_line_within_the_bound(
    preset: Preset, fields: dict[str, object], error: Exception | None, max_bytes: int
) -> None:
    rendered = line(preset, {"event": "agent.recovered", "message": "m", **fields, "exc_info": error}, max_bytes=max_bytes)
    assert len(rendered) <= max_bytes
    assert rendered.endswith(b"}\n")
    assert rendered.count(b"\n") == 1
    shown = json.loads(rendered, object_pairs_hook=no_name_twice)
    seq = shown["seq"] if preset == "json" else shown["event"]["sequence"]
    assert seq == SEQ


def no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found
