"""The schemas that `check --schema` prints, held against what the program reads and writes."""

import json
import tomllib
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from tests.config.test_example import EXAMPLE, uncommented
from tests.events.samples import golden
from tests.reporting.stories import bad_day

from collections_supervisor.app import schemas
from collections_supervisor.cli import cli
from collections_supervisor.config.checks import Places, Refused
from collections_supervisor.config.keys import AGENT_KEYS, CHANNEL_KEYS, KEYS, SOURCE_KEYS
from collections_supervisor.config.kinds import Key
from collections_supervisor.events.catalogue import EVENTS
from collections_supervisor.preparing import check
from collections_supervisor.reporting.report_json import encode_report

LINES: list[dict[str, Any]] = [json.loads(line) for line in golden("json").read_bytes().splitlines()]
TABLES = {"escalation.channels", "heartbeat"}
EVERY_KEY = {
    **KEYS,
    **{f"agents.{name}": key for name, key in AGENT_KEYS.items()},
    **{
        f"{kind}.{name}": key
        for kinds in (CHANNEL_KEYS, SOURCE_KEYS)
        for kind, keys in kinds.items()
        for name, key in keys.items()
    },
}
PLACES = Places(Path("/etc"), Path("/home/ann"))
VALUES: tuple[object, ...] = (
    *(True, False, 0, 1, -1, 0.5, 2, 78, 255, 256, 1000, 8000, 31_622_400, 10**9, 1e300),
    *(
        "",
        "0",
        "90s",
        "1h30m",
        "1m500ms",
        "0.5s",
        "2d12h",
        "90",
        "5 m",
        "500MiB",
        "x",
        "USD",
        "usd",
        "two words",
        "x" * 201,
        "a\nb",
    ),
    *(
        "https://example.org/x",
        "HTTPS://example.org",
        "ftp://example.org",
        "07:00-22:00 America/Bogota",
        "7-22",
        "TOKEN",
        "lower",
    ),
    *(
        "openclaw",
        "command",
        "process",
        "none",
        "log",
        "touch",
        "auto",
        "ecs",
        "info",
        "TERM",
        "cli",
        "overflow",
        "~/x",
        "/x",
        "{agent}",
    ),
    *([], ["a"], ["a", "{agent}"], [1], [78, 79], [256], [1.5], {}, {"A": "b"}, {"A": 1}, {"x": [1.5]}),
)


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schemas.schema(name)))


@pytest.mark.parametrize("name", schemas.NAMES)
def test_it_is_a_schema_and_the_command_prints_it(name: str) -> None:
    shape = json.loads(schemas.schema(name))
    Draft202012Validator.check_schema(shape)
    assert shape["$schema"] == schemas.DRAFT
    done = CliRunner().invoke(cli, ["check", "--schema", name])
    assert (done.exit_code, json.loads(done.output)) == (0, shape)


def test_the_command_knows_all_of_them_and_prints_that_of_the_file_by_default() -> None:
    [option] = [parameter for parameter in check.params if parameter.name == "schema"]
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == schemas.NAMES
    assert json.loads(CliRunner().invoke(cli, ["check", "--schema"]).output) == json.loads(schemas.schema("config"))
    assert CliRunner().invoke(cli, ["check", "--schema", "events", "--show-effective"]).exit_code == 2


# --- The report ----------------------------------------------------------------------------------------------------

PARTS = (
    (),
    ("agents", 0),
    ("agents", 0, "durations"),
    ("incidents", 0),
    ("books",),
    ("books", "totals", "unpaid"),
    ("books", "findings", 0),
    ("queues", "items", 0),
    ("metrics", "payment_latency_s"),
    ("sources", 0),
)


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_a_report_has_every_member_and_no_other(part: tuple[str | int, ...]) -> None:
    report, _ = bad_day()
    shape = validator("report")
    assert [error.message for error in shape.iter_errors(json.loads(encode_report(report)))] == []

    def fresh() -> tuple[Any, Any]:
        whole = json.loads(encode_report(report))
        return whole, reduce(lambda value, key: value[key], part, whole)

    for name in (*fresh()[1], None):
        whole, found = fresh()
        if name is None:
            found["more"] = 1
        else:
            del found[name]
        assert not shape.is_valid(whole), name


# --- Lines of the log ----------------------------------------------------------------------------------------------


def test_every_golden_line_is_valid() -> None:
    events = validator("events")
    assert {line["event"] for line in LINES} == EVENTS.keys()
    assert [error.message for line in LINES for error in events.iter_errors(line)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"event": "agent.risen"},
        {"level": "loud"},
        {"extra": 1},
        {"seq": "1"},
        {"timestamp": "2026-11-22T11:01:44Z"},
        {"agent": 5},
    ],
    ids=str,
)
def test_a_line_that_is_otherwise_is_not(change: dict[str, object]) -> None:
    [line] = [line for line in LINES if line["event"] == "agent.recovered"]
    assert not validator("events").is_valid(line | change)


def test_only_a_line_that_was_cut_may_lack_fields_of_its_own() -> None:
    [line] = [line for line in LINES if line["event"] == "agent.recovered"]
    short = {name: value for name, value in line.items() if name != "missed"}
    assert not validator("events").is_valid(short)
    assert validator("events").is_valid(short | {"truncated": True})
    del short["run_id"]
    assert not validator("events").is_valid(short | {"truncated": True})


# --- The file ------------------------------------------------------------------------------------------------------


def documents() -> Iterator[dict[str, object]]:
    yield {}
    for name in ("supervisor.toml", "demo.toml"):
        yield tomllib.loads((EXAMPLE.parent / name).read_text(encoding="utf-8"))
    yield uncommented()
    yield {
        "agents": [
            {"name": "a", "heartbeat": [{"kind": "log"}, {"kind": "touch", "path": "x/*"}], "restart": {"backoff": {"max": 5}}},
            {"name": "b", "heartbeat": {"kind": "none"}, "restart": {"kind": "process", "command": ["b"]}},
        ],
        "escalation": {
            "channels": [
                {"kind": "openclaw", "via": "hooks", "url": "http://localhost:1", "token_env": "TOKEN"},
                {"kind": "webhook", "url": "https://example.org", "after": "30m"},
            ]
        },
    }


@pytest.mark.parametrize("document", list(documents()))
def test_files_that_can_be_used_are_valid(document: dict[str, object]) -> None:
    assert [error.message for error in validator("config").iter_errors(document)] == []


@pytest.mark.parametrize(
    "document",
    [
        {"oddities": {}},
        {"heartbeats": {"timeot": "2s"}},
        {"heartbeats": {"timeout": "soon"}},
        {"heartbeats": {"timeout": ""}},
        {"heartbeats": {"timeout": 0}},
        {"books": {"queue_limit": 0}},
        {"books": {"queue_limit": "5"}},
        {"restart": {"backoff": 5}},
        {"agents": []},
        {"agents": [{}]},
        {"agents": [{"name": "a", "heartbeat": {"kind": "touch"}}]},
        {"agents": [{"name": "a", "max_concurrent": 1}]},
        {"escalation": {"channels": [{"kind": "command"}]}},
        {"escalation": {"channels": [{"kind": "openclaw", "via": "hooks"}]}},
        {"escalation": {"channels": [{"kind": "pigeon"}]}},
    ],
    ids=str,
)
def test_files_with_such_faults_are_not(document: dict[str, object]) -> None:
    assert not validator("config").is_valid(document)


def takes(key: Key, value: object) -> bool:
    try:
        key.check(value, PLACES)
    except Refused:
        return False
    return True


@pytest.mark.parametrize("name", sorted(name for name in EVERY_KEY if name.removeprefix("agents.") not in TABLES))
def test_a_shape_never_refuses_what_the_program_takes_and_never_takes_another_type(name: str) -> None:
    key = EVERY_KEY[name]
    shape = Draft202012Validator(key.shape)
    taken = [value for value in VALUES if takes(key, value)]
    assert taken
    assert [value for value in taken if not shape.is_valid(value)] == []
    kinds = {type(value) for value in taken} | ({int} if any(isinstance(value, float) for value in taken) else set())
    assert [value for value in VALUES if shape.is_valid(value) and type(value) not in kinds and type(value) is not float] == []
