"""One event, one line: its shape, its bound, and what becomes of fields that do not fit."""

import json
from datetime import UTC, datetime
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.system.log_layouts import Parts
from collections_supervisor.system.log_render import SEQ_DIGITS, SMALLEST_LINE, LineRenderer

WALL = datetime(2026, 11, 22, 11, 1, 44, tzinfo=UTC)
ALWAYS = ["timestamp", "level", "event", "message", "schema", "service", "version", "run_id", "seq"]
SEQ = "9" * SEQ_DIGITS


def no_constants(text: str) -> NoReturn:
    raise AssertionError(f"{text} is not JSON")


def bytes_of(parts: Parts) -> bytes:
    return parts.head + SEQ.encode() + parts.tail


def line(fields: dict[str, object], *, max_bytes: int = 8000, level: str = "info") -> bytes:
    return bytes_of(LineRenderer(run_id="r-1", version="1.2.3", max_bytes=max_bytes).parts(level, fields, WALL))


def record(fields: dict[str, object], *, max_bytes: int = 8000) -> dict[str, object]:
    decoded: dict[str, object] = json.loads(line(fields, max_bytes=max_bytes), parse_constant=no_constants)
    return decoded


def test_the_fields_of_every_line_come_first_and_in_order() -> None:
    rendered = line({"agent": "watcher", "event": "agent.recovered", "message": "it is back", "age_s": 1.5}, level="warning")
    assert rendered.decode() == (
        '{"timestamp":"2026-11-22T11:01:44.000000Z","level":"warning","event":"agent.recovered","message":"it is back",'
        '"schema":1,"service":"collections-supervisor","version":"1.2.3","run_id":"r-1","seq":' + SEQ + ","
        '"agent":"watcher","age_s":1.5}\n'
    )


def test_an_event_without_fields_is_whole() -> None:
    assert list(record({"event": "supervisor.stopped", "message": "stopped"})) == ALWAYS


def test_an_event_without_a_message_says_its_name() -> None:
    assert record({"event": "agent.recovered"})["message"] == "agent.recovered"


@pytest.mark.parametrize("name", ["timestamp", "level", "schema", "service", "version", "run_id", "seq", "truncated"])
def test_a_field_cannot_replace_one_of_every_line(name: str) -> None:
    plain = record({"event": "e"})
    hostile = record({"event": "e", name: "mine", name + "_": "also mine"})
    assert {key: value for key, value in hostile.items() if key in plain} == plain
    assert hostile[name + "_"] == "mine"
    assert hostile[name + "__"] == "also mine"


@pytest.mark.parametrize(
    "name", ["", "a\nb", "k" * 500, "\udce9", "\x1b[2J"], ids=["empty", "newline", "long", "surrogate", "escape"]
)
def test_strange_names_are_carried(name: str) -> None:
    assert len(record({"event": "e", name: 1})) == len(ALWAYS) + 1 + (len(name) > 100)


def test_messages_and_events_are_texts() -> None:
    odd = record({"event": 7, "message": ["a", 1]})
    assert (odd["event"], odd["message"]) == ("7", '["a",1]')


@pytest.mark.parametrize("form", ["exception", "triple", "true"])
def test_every_form_of_exc_info_becomes_the_error(form: str) -> None:
    try:
        int("bad")
    except ValueError as error:
        given_form = {"exception": error, "triple": (type(error), error, error.__traceback__), "true": True}[form]
        shown = record({"event": "e", "exc_info": given_form, "error": "mine"})
    assert isinstance(shown["error"], dict)
    assert shown["error"]["type"] == "ValueError"
    assert shown["error_"] == "mine"
    assert "exc_info" not in shown


@pytest.mark.parametrize("nothing", [None, False, (None, None, None), True], ids=["none", "false", "triple", "true"])
def test_no_exception_no_error(nothing: object) -> None:
    assert list(record({"event": "e", "exc_info": nothing})) == ALWAYS


def test_an_error_given_as_a_text_has_the_shape_of_one() -> None:
    assert record({"event": "e", "error": "exit 1"})["error"] == {"type": "", "message": "exit 1", "frames": []}


def test_the_longest_texts_are_cut_and_the_rest_stays() -> None:
    shown = record(
        {"event": "e", "message": "m", "agent": "watcher", "output": "x" * 50_000, "list": ["y" * 9000]}, max_bytes=2000
    )
    assert (shown["agent"], shown["message"], shown["truncated"]) == ("watcher", "m", True)
    assert str(shown["output"]).startswith("xxxx")
    assert len(str(shown["output"])) >= 500
    assert list(shown)[-1] == "truncated"


def test_the_largest_fields_go_if_cutting_is_not_enough() -> None:
    fields: dict[str, object] = {f"n{number}": 10**17 + number for number in range(500)}
    shown = record({"event": "e", "agent": "watcher", **fields, "table": {f"k{n}": n for n in range(900)}}, max_bytes=1500)
    assert shown["agent"] == "watcher"
    assert "table" not in shown
    assert 20 < len(shown) < 100


def test_the_name_of_an_event_outlasts_its_fields() -> None:
    name = "a.rather.long.name.of.an.event.that.was.cut"
    shown = record({"event": name, "message": "x" * 900, **{f"n{number}": "y" * 50 for number in range(500)}}, max_bytes=1000)
    assert shown["event"] == name


def test_more_fields_than_anybody_reads_are_cut() -> None:
    shown = record({"event": "e", **{f"n{number}": None for number in range(5000)}}, max_bytes=10**6)
    assert 500 < len(shown) < 2000
    assert shown["truncated"] is True


def test_a_line_that_just_fits_is_left_alone() -> None:
    exact = len(line({"event": "e", "text": "x" * 1500}))
    assert "truncated" not in record({"event": "e", "text": "x" * 1500}, max_bytes=exact)
    assert "truncated" in record({"event": "e", "text": "x" * 1501}, max_bytes=exact)


def test_a_bound_too_small_for_any_line_is_raised() -> None:
    name = "\x00" * 500
    rendered = line({"event": name, "message": name, name: name, "exc_info": ValueError(name)}, max_bytes=1)
    assert len(rendered) <= SMALLEST_LINE
    assert list(json.loads(rendered))[: len(ALWAYS)] == ALWAYS


def test_an_event_that_cannot_be_rendered_says_so() -> None:
    class Fields(dict[str, object]):
        def items(self) -> NoReturn:
            raise RuntimeError("no")

    assert record(Fields(event="agent.recovered"))["event"] == "agent.recovered"
    assert record(Fields(event="e", message="m"))["message"] == "this event could not be rendered: RuntimeError"
    assert record(Fields(event=[]))["event"] == "python.log"


characters = st.characters()
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(characters) | st.binary() | st.decimals() | st.datetimes()
)
values = st.recursive(
    leaves | st.builds(ValueError, st.text(characters)) | st.integers(100, 3000).map(lambda size: "\x00é\U0001f600" * size),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(characters) | st.integers(), inner),
    max_leaves=5,
)
names = st.text(characters, max_size=10) | st.just("k" * 120) | st.sampled_from([*ALWAYS, "error", "exc_info", "truncated"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a shared machine may be slow
@given(fields=st.dictionaries(names, values, max_size=8), max_bytes=st.integers(SMALLEST_LINE, 4000))
def test_whatever_is_logged_comes_out_as_one_valid_line_within_the_bound(fields: dict[str, object], max_bytes: int) -> None:
    rendered = line(dict(fields), max_bytes=max_bytes)
    assert len(rendered) <= max_bytes
    assert rendered.endswith(b"}\n")
    assert rendered.count(b"\n") == 1
    shown = json.loads(rendered.decode("utf-8", "strict"), parse_constant=no_constants)
    assert list(shown)[: len(ALWAYS)] == ALWAYS
    assert (shown["schema"], shown["service"], shown["run_id"], str(shown["seq"])) == (1, "collections-supervisor", "r-1", SEQ)
    assert shown.get("truncated", True) is True
