"""The catalogue of events held against every place in the program that logs one."""

import ast
import re
from functools import cache
from pathlib import Path

import msgspec
import pytest

from collections_supervisor.config.keys import KEYS
from collections_supervisor.events.catalogue import EVENTS, own_fields

SOURCE = Path(__file__).parents[2] / "src" / "collections_supervisor"
ROOMS = {name.partition(".")[0] for name in EVENTS} | {"control", "deadman"}
EVENT = re.compile(rf"(?:{'|'.join(sorted(ROOMS))})(?:\.[a-z_]+)+")
OTHERS = {"dashboard.css", "dashboard.js", "supervisor.lock", "control.sock", "log.level", "agent.wait", *KEYS}
"""Names that look like those of events: of files, of a method of OpenClaw, and the keys of the configuration."""

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


@cache
def modules() -> tuple[tuple[Path, ast.Module], ...]:
    """What may log."""
    elsewhere = {"events", "config", "cli.py", "demo.py", "demo_books"}
    paths = [path for path in sorted(SOURCE.rglob("*.py")) if path.relative_to(SOURCE).parts[0] not in elsewhere]
    return tuple((path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths)


def text_of(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def read(path: Path, node: ast.Call) -> Call | None:
    """The call, if it logs an event by a name that stands in it."""
    function = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
    given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    texts = [text_of(argument) for argument in node.args]
    named = [text for text in [*texts[:2], text_of(given.get("event"))] if text and EVENT.fullmatch(text) and text not in OTHERS]
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
    return {text for text in texts if text and EVENT.fullmatch(text)} - OTHERS


def test_every_event_of_the_program_is_described_and_no_other() -> None:
    assert len(CALLS) > 50
    assert named() == EVENTS.keys()


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
    for name in EVENTS:
        whole = name in given and all(call.whole for call in CALLS if call.event == name)
        # What a call takes from a dictionary stands in the module that names the event.
        known = given.get(name, set()) | (set() if whole else keys_beside(name))
        assert {field.name for field in own_fields(EVENTS[name])} <= known, name


def keys_beside(event: str) -> set[str]:
    """Everything that could be the name of a field in the modules that name an event."""
    nodes = [list(ast.walk(tree)) for _, tree in modules()]
    beside = [
        node
        for module in nodes
        if event in {text_of(each) for each in module if isinstance(each, ast.Constant)}
        for node in module
    ]
    keys = {text_of(key) for node in beside if isinstance(node, ast.Dict) for key in node.keys}
    keys |= {text_of(node.slice) for node in beside if isinstance(node, ast.Subscript)}
    # Some are taken from a list of names.
    keys |= {text_of(each) for node in beside if isinstance(node, ast.Tuple) for each in node.elts}
    calls = [node for node in beside if isinstance(node, ast.Call)]
    keys |= {keyword.arg for call in calls for keyword in call.keywords}
    keys |= {"agent" for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "emit"}
    return {RENDERED.get(key, key) for key in keys if key}


def test_every_level_that_is_described_is_used() -> None:
    used: dict[str, set[str | None]] = {}
    for call in CALLS:
        used.setdefault(call.event, set()).add(call.level)
    for name, found in used.items():
        if None not in found:
            assert found == levels(name), name
