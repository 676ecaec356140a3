"""One line of every event, byte for byte, in every preset."""

import json
from typing import Any

import msgspec
import pytest
from tests.events.samples import PRESETS, SAMPLES, golden, rendered
from tests.events.strict import fault

from collections_supervisor.events.catalogue import EVENTS, own_fields
from collections_supervisor.system.log_layouts import Preset

LINES: list[dict[str, Any]] = [json.loads(line) for line in golden("json").read_bytes().splitlines()]


def test_every_event_has_a_line_and_no_other() -> None:
    assert list(SAMPLES) == [line["event"] for line in LINES]
    assert SAMPLES.keys() == EVENTS.keys()


@pytest.mark.parametrize("preset", PRESETS)
def test_the_lines_are_what_they_were(preset: Preset) -> None:
    assert b"".join(rendered(preset)) == golden(preset).read_bytes()


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["event"])
def test_the_lines_are_as_described(line: dict[str, Any]) -> None:
    assert fault(line) == ""


def test_a_field_has_one_type_in_all_events() -> None:
    """A log store takes the type of a field from the first line that has it, and refuses the lines where it is another."""
    kinds: dict[str, set[str]] = {}
    for event in EVENTS.values():
        for field in own_fields(event):
            kinds.setdefault(field.name, set()).update(kinds_of(field.type))
    assert len(kinds) > 60
    assert {name: found for name, found in kinds.items() if len(found) != 1} == {}


def kinds_of(annotation: object) -> set[str]:
    """What JSON calls the values of a field, null left out."""
    [schema], _ = msgspec.json.schema_components([annotation], ref_template="{name}")
    kinds = {kind for shape in schema.get("anyOf", [schema]) for kind in kinds_of_shape(shape)}
    return {"number" if kind == "integer" else kind for kind in kinds} - {"null"}


def kinds_of_shape(shape: dict[str, Any]) -> set[str]:
    if "enum" in shape:
        return {{str: "string", int: "integer", type(None): "null"}[type(value)] for value in shape["enum"]}
    return {"object"} if "$ref" in shape else {shape["type"]}
