"""The configurations of programs that are too big to be run here: they parse, and name only fields that there are."""

import re
import tomllib
from typing import Any

import pytest
import yaml
from tests.logstack.conftest import FOLDER

from collections_supervisor.events.catalogue import EVENTS
from collections_supervisor.events.line import Line

LOG = "/var/log/collections-supervisor/supervisor.log"
KNOWN = {"event", "level", *Line.__struct_fields__, *(name for event in EVENTS.values() for name in event.__struct_fields__)}
COMMENTS = {".toml": "#", ".yaml": "#", ".yml": "#", ".conf": "#", ".alloy": "//"}


def text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def names(pattern: str, content: str) -> set[str]:
    found = set(re.findall(pattern, content))
    assert found
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_each_says_what_to_change_and_how_to_check_it(path: Any) -> None:
    content = path.read_text(encoding="utf-8")
    assert "Check:" in content
    assert re.search(r"Change:|Nothing needs to be changed", content)
    assert path.suffix == ".json" or (LOG in content and content.startswith(COMMENTS[path.suffix]))


def test_vector() -> None:
    config = tomllib.loads(text("vector.toml"))
    [source] = config["sources"].values()
    [(name, transform)] = config["transforms"].items()
    [sink] = config["sinks"].values()
    assert source["include"] == [LOG]
    assert source["max_line_bytes"] > 8000
    assert (transform["inputs"], sink["inputs"]) == ([*config["sources"]], [name])
    assert names(r"\bevent\.(\w+)", transform["source"]) <= KNOWN


def test_fluent_bit() -> None:
    config = yaml.safe_load(text("fluent-bit.yaml"))
    [parser] = config["parsers"]
    [source] = config["pipeline"]["inputs"]
    [output] = config["pipeline"]["outputs"]
    assert (parser["format"], parser["time_key"]) == ("json", "timestamp")
    assert (source["parser"], source["path"], source["skip_long_lines"]) == (parser["name"], LOG, True)
    assert output["match"] == source["tag"]
    assert names(r"\$(\w+)", text("fluent-bit.yaml")) <= KNOWN


def test_alloy() -> None:
    content = text("alloy.alloy")
    [read] = re.findall(r"expressions = \{(.*?)\}", content, re.DOTALL)
    extracted = names(r"(\w+)\s+= \"\"", read)
    assert extracted <= KNOWN
    labels, metadata = (names(r"(\w+)\s+= \"\"", block) for block in re.findall(r"values = \{(.*?)\}", content, re.DOTALL))
    assert labels == {"level"}
    assert metadata | labels | {"timestamp"} == extracted
    defined = {f"{kind}.{name}" for kind, name in re.findall(r'^([a-z._]+) "(\w+)" \{$', content, re.MULTILINE)}
    used = names(r"= \[?([a-z._]+)\.(?:receiver|targets)\b", content)
    assert used <= defined
    assert content.count("{") == content.count("}")


def test_filebeat() -> None:
    config = yaml.safe_load(text("filebeat.yml"))
    [source] = config["filebeat.inputs"]
    [parser] = source["parsers"]
    assert (source["type"], source["paths"]) == ("filestream", [LOG])
    assert parser["ndjson"] == {"target": "", "expand_keys": True, "overwrite_keys": True, "add_error_key": True}


def test_nothing_of_ours_is_called_as_rsyslog_calls_its_own() -> None:
    assert "metadata" not in KNOWN
