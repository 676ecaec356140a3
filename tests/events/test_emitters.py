"""The catalogue of events held against every place in the program that logs one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from collections_supervisor.events.catalogue import EVENTS, own_fields

SOURCE = Path(__file__).parents[2] / "src" / "collections_supervisor"
ROOMS = {name.partition(".")[0] for name in EVENTS} | {"control", "deadman"}
EVENT = re.compile(rf"(?:{'|'.join(sorted(ROOMS))})(?:\.[a-z_]+)+")
FILES = {"dashboard.css", "dashboard.js", "supervisor.lock"}
COMING = {"metrics.written", "metrics.failed"}
"""Described already; whoever writes the metrics file logs them."""

SAID = {"message", "event", "level"}
RENDERED = {"exc_info": "error"}
LOGGERS = {"debug", "info", "warning", "error", "critical", "tell"}


class Call(msgspec.Struct, frozen=True):
    """One place that logs an event, as far as it can be read without running it."""

    where: str
    event: str
    level: str | None
    fields: frozenset[str]
    whole: bool
    """No field comes from elsewhere."""


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        if path.relative_to(SOURCE).parts[0] not in {"events", "config", "cli.py", "demo.py", "demo_books"}:
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def text_of(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def read(path: Path, node: ast.Call) -> Call | None:
    """The call, if it logs an event by a name that stands in it."""
    function = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
    given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    texts = [text_of(argument) for argument in node.args]
    named = [text for text in [*texts[:2], text_of(given.get("event"))] if text and EVENT.fullmatch(text) and text not in FILES]
    event = named[0] if named else None
    # One that is looked up is given to a call that does not name it.
    if event is None or function == "get":
        return None
    level = (
        function if function in LOGGERS - {"tell"} else texts[0] if texts and texts[0] != event else text_of(given.get("level"))
    )
    fields = {name for name in given if name not in SAID | {"fields"}}
    whole = all(keyword.arg is not None for keyword in node.keywords)
    if isinstance(listed := given.get("fields"), ast.Dict):
        fields |= {text_of(key) or "" for key in listed.keys}
    elif listed is not None:
        whole = False
    fields |= {"agent"} if function == "emit" else set()
    where = f"{path.relative_to(SOURCE)}:{node.lineno}"
    return Call(where, event, level, frozenset(RENDERED.get(name, name) for name in fields), whole)


CALLS = [
    call
    for path, tree in modules()
    for node in ast.walk(tree)
    if isinstance(node, ast.Call) and (call := read(path, node)) is not None
]


def named() -> set[str]:
    """Every text of the program that could be the name of an event."""
    texts = (text_of(node) for _, tree in modules() for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in texts if text and EVENT.fullmatch(text)} - FILES


def test_every_event_of_the_program_is_described_and_no_other() -> None:
    assert len(CALLS) > 50
    assert named() - EVENTS.keys() == set()
    assert EVENTS.keys() - named() <= COMING


def test_no_name_is_put_together() -> None:
    """A name that is made of parts could not be found."""
    made = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        and (first := text_of(node.values[0])) is not None
        and re.fullmatch(rf"(?:{'|'.join(sorted(EVENTS.keys() | ROOMS))})\.(?:[a-z_]+\.)?", first)
    ]
    assert made == []


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.event}@{call.where}")
def test_what_is_given_is_described(call: Call) -> None:
    described = {field.name: field for field in own_fields(EVENTS[call.event])}
    assert call.fields - described.keys() == set()
    if call.whole:
        assert {name for name, field in described.items() if field.required} - call.fields == set()
    if call.level is not None:
        assert call.level in levels(call.event)


def levels(event: str) -> set[str]:
    [field] = [field for field in msgspec.structs.fields(EVENTS[event]) if field.name == "level"]
    return set(field.type.__args__)


def test_what_is_described_is_given_somewhere() -> None:
    given: dict[str, set[str]] = {}
    for call in CALLS:
        given.setdefault(call.event, set()).update(call.fields)
    # What a call takes from a dictionary stands in one of the program, under its name.
    keys = {
        text
        for _, tree in modules()
        for node in ast.walk(tree)
        for text in [
            *(text_of(key) for key in (node.keys if isinstance(node, ast.Dict) else [])),
            *(text_of(node.slice) for _ in [0] if isinstance(node, ast.Subscript)),
            *(keyword.arg for keyword in (node.keywords if isinstance(node, ast.Call) else [])),
        ]
        if text
    }
    for name in EVENTS.keys() - COMING:
        whole = all(call.whole for call in CALLS if call.event == name) and name in given
        known = given.get(name, set()) | (set() if whole else keys)
        assert {field.name for field in own_fields(EVENTS[name])} <= known, name


def test_every_level_that_is_described_is_used() -> None:
    used: dict[str, set[str | None]] = {}
    for call in CALLS:
        used.setdefault(call.event, set()).add(call.level)
    for name, found in used.items():
        if None not in found:
            assert found == levels(name), name
