"""lnav shows and queries the log with the format file that we give."""

import json
import os
import shutil
import subprocess
from typing import Any, get_args

import msgspec
import pytest
from tests.events.samples import golden
from tests.logstack.conftest import FOLDER, Stack

from collections_supervisor.events.catalogue import EVENTS, own_fields
from collections_supervisor.events.line import Line
from collections_supervisor.messages import Level

FORMAT: dict[str, Any] = json.loads((FOLDER / "lnav.json").read_text(encoding="utf-8"))["collections_supervisor_log"]
TABLE = "collections_supervisor_log"


NAMES = ("seq", "event", "agent", "missed", "age_s", "down_s", "uptime_s", "exit_code", "duration_ms", "size_bytes")


def query(stack: Stack, what: str) -> list[dict[str, Any]]:
    """What lnav answers about the log; `what` is a JSON object in SQL, in which numbers and texts are told apart."""
    program = stack.program("lnav")
    formats = stack.root / "lnav" / "formats" / "installed"
    formats.mkdir(parents=True, exist_ok=True)
    shutil.copy(FOLDER / "lnav.json", formats / "collections_supervisor_log.json")
    sql = f";SELECT {what} AS told FROM {TABLE} ORDER BY seq"
    command = [program, "-n", "-I", str(stack.root / "lnav"), "-c", sql, "-c", ":write-json-to -", str(stack.log)]
    home = {**os.environ, "HOME": str(stack.root), "TERM": "dumb"}
    done = subprocess.run(command, capture_output=True, text=True, env=home, timeout=50, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")
    answers = [row["told"] for row in json.loads(done.stdout)]
    return [answer if isinstance(answer, dict) else json.loads(answer) for answer in answers]


def test_every_event_is_a_row_and_its_numbers_are_numbers(stack: Stack) -> None:
    shutil.copy(golden("json"), stack.log)
    lines = stack.lines(stack.log)
    columns = ", ".join(f"'{name}', {name}" for name in NAMES)
    rows = query(stack, f"json_object('level', log_level, {columns})")
    assert rows == [{name: line.get(name) for name in ("level", *NAMES)} for line in lines]


def test_all_lines_are_there(stack: Stack) -> None:
    stack.program("lnav")
    log = stack.open()
    stack.write(log, 3000)
    assert log.close(30)
    [row] = query(stack, "json_object('lines', count(*), 'last', max(seq), 'missed', sum(missed))")
    assert row == {"lines": 3000, "last": 3000, "missed": sum(event["missed"] for event in stack.lines(stack.log))}


def kinds(annotation: object) -> set[str]:
    """What lnav calls the values of a field."""
    [schema], _ = msgspec.json.schema_components([annotation], ref_template="{name}")
    shapes = schema.get("anyOf", [schema])
    found = {type(value).__name__ for shape in shapes for value in shape.get("enum", [])}
    found |= {"json" if "$ref" in shape else shape["type"] for shape in shapes if "enum" not in shape}
    return {
        {"str": "string", "int": "integer", "number": "float", "array": "json"}.get(each, each)
        for each in found - {"null", "NoneType"}
    }


def test_the_format_knows_every_field_and_no_other() -> None:
    described: dict[str, set[str]] = {}
    for event in EVENTS.values():
        for field in own_fields(event):
            described.setdefault(field.name, set()).update(kinds(field.type))
    given = {name: value["kind"] for name, value in FORMAT["value"].items()}
    always = {"event", *Line.__struct_fields__} - {FORMAT["timestamp-field"], FORMAT["body-field"]}
    assert given.keys() - always == described.keys()
    # Where one event has whole numbers and another one fractions, they are fractions.
    assert {name: given[name] for name in described} == {
        name: "float" if "float" in found else next(iter(found)) for name, found in described.items()
    }
    assert all(len(found - {"float"}) <= 1 for found in described.values())
    assert FORMAT["level-field"] == "level"
    assert set(FORMAT["level"]) == set(get_args(Level))


@pytest.mark.parametrize("name", ["agent", "event", "message", "level"])
def test_what_is_shown_of_a_line(name: str) -> None:
    assert name in {part["field"] for part in FORMAT["line-format"] if isinstance(part, dict)}
