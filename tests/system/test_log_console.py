"""What a person at a terminal sees, and what a hostile file cannot make the terminal do."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.system.log_console import ConsoleView, printable
from collections_supervisor.system.log_render import LineRenderer

WALL = datetime(2026, 11, 22, 11, 1, 44, tzinfo=UTC)
BOGOTA = timezone(timedelta(hours=-5))


def shown(fields: dict[str, object], *, level: str = "info", colour: bool = False) -> str:
    parts = LineRenderer(run_id="r-1", version="1.2.3", max_bytes=8000).parts(level, fields, WALL)
    return ConsoleView(colour=colour, zone=BOGOTA)(parts.head + b"1" + parts.tail).decode()


def test_a_line_is_time_level_message_event_and_fields() -> None:
    text = shown(
        {"event": "agent.recovered", "message": "it is back", "agent": "watcher", "age_s": 1.5, "until": None, "ok": True}
    )
    assert text == "06:01:44 info     it is back agent.recovered agent=watcher age_s=1.5 ok=true\n"


def test_identifiers_are_for_programs() -> None:
    text = shown({"event": "e", "message": "m", "action_id": "a-1", "incident": "i-1", "dedup_key": "d-1", "x": 1})
    assert text == "06:01:44 info     m e x=1\n"


def test_a_message_that_only_repeats_the_event_is_left_out() -> None:
    assert shown({"event": "agent.recovered"}) == "06:01:44 info     agent.recovered\n"


def test_values_that_are_no_single_word_are_quoted() -> None:
    text = shown({"event": "e", "a": "two words", "b": "", "c": [1, "x"], "d": 'say "x"', "e": "k=v"})
    assert text.endswith('e a="two words" b="" c=[1,"x"] d="say \\"x\\"" e="k=v"\n')


def test_the_level_is_coloured_and_the_details_are_dim() -> None:
    assert shown({"event": "e", "a": 1}, level="error", colour=True) == "06:01:44 \x1b[31merror   \x1b[0m \x1b[2me a=1\x1b[0m\n"


def test_an_error_is_one_line_with_its_place_and_cause() -> None:
    try:
        int("bad")
    except ValueError as error:
        error.__cause__ = KeyError("k")
        text = shown({"event": "e", "exc_info": error})
    assert f"'bad' (at {__file__}:" in text
    assert text.endswith("<- KeyError: 'k'\"\n")


@pytest.mark.parametrize("error", [{"causes": [1]}, {"frames": [1]}, {"frames": 1, "type": 2}, {}, [1], 5], ids=str)
def test_an_error_of_any_other_shape_is_shown_somehow(error: object) -> None:
    assert shown({"event": "e", "error": error}).startswith("06:01:44 info     e error=")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("naïve 漢字", "naïve 漢字"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b", "a\\u2028b"),
    ],
    ids=["plain", "escape", "newline", "c1", "bidi", "separator"],
)
def test_what_could_drive_a_terminal_is_escaped(text: str, expected: str) -> None:
    assert printable(text) == expected


texts = st.text(st.characters())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a shared machine may be slow
@given(event=texts, message=texts, name=texts, value=texts | st.lists(texts) | st.dictionaries(texts, texts))
def test_every_line_is_one_line_of_printable_text(event: str, message: str, name: str, value: object) -> None:
    text = shown({"event": event, "message": message, name: value, "error": {"type": event, "message": message}})
    assert text.endswith("\n")
    assert text[:-1].isprintable()
