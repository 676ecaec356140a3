"""The example for production, config/supervisor.toml."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

from collections_supervisor.config.checks import Places
from collections_supervisor.config.defaults import default
from collections_supervisor.config.keys import KEYS
from collections_supervisor.config.layers import flatten
from collections_supervisor.config.loader import build, load
from collections_supervisor.config.problems import Problems, Where

EXAMPLE = Path(__file__).parents[2] / "config" / "supervisor.toml"
HOME = {"HOME": "/home/ann"}
COMMENTED = re.compile(r"^# ([a-z_]+ = .*)$", re.MULTILINE)


def uncommented() -> dict[str, object]:
    """The example with every default spelled out."""
    return tomllib.loads(COMMENTED.sub(r"\1", EXAMPLE.read_text()))


def test_it_loads_as_it_is() -> None:
    loaded = load(EXAMPLE, environ=HOME)
    emailer, watcher = loaded.config.agents
    assert (emailer.name, emailer.role, emailer.period, emailer.timeout) == ("collections-emailer", "mailer", 1800, 2700)
    assert (watcher.name, watcher.role, watcher.period, watcher.timeout) == ("payment-watcher", "watcher", 60, 300)
    assert set(tomllib.loads(EXAMPLE.read_text())["agents"][0]) == {"name", "period", "role"}


def test_nothing_but_the_agents_is_set() -> None:
    loaded = load(EXAMPLE, environ=HOME)
    assert {row.key for row in loaded.effective if row.agent is None and row.origin == "file"} == set()


def test_what_is_commented_out_are_the_defaults() -> None:
    document = uncommented()
    del document["agents"]
    problems = Problems()
    written = flatten(document, KEYS, Where(source="example"), problems)
    problems.raise_if_any()
    assert set(written) == set(KEYS)
    places = Places(Path("/etc"), Path("/home/ann"))
    channels = written.pop("escalation.channels")
    assert {key: KEYS[key].check(value, places) for key, value in written.items()} == {
        key: default(key, places) for key in written
    }
    assert channels == [{"kind": "openclaw"}]


def test_spelling_the_defaults_out_changes_nothing() -> None:
    document = uncommented()
    del document["agents"]
    spelled = build(document, path=EXAMPLE, environ=HOME)
    silent = build({}, path=EXAMPLE, environ=HOME)
    assert spelled.config == silent.config
    assert spelled.warnings == silent.warnings


def test_every_key_is_explained() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for before, line in pairwise(lines):
        if COMMENTED.match(line):
            assert before.startswith("# "), f"nothing is said of {line}"
