"""Variables and flags."""

from collections.abc import Callable, Mapping

import pytest

from collections_supervisor.config.layers import from_environment, from_flags
from collections_supervisor.config.loader import Loaded
from collections_supervisor.config.problems import ConfigError, Problems

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]


def values(environ: Mapping[str, str]) -> dict[str, object]:
    problems = Problems()
    found = from_environment({f"COLLECTIONS_SUPERVISOR__{name}": text for name, text in environ.items()}, problems)
    problems.raise_if_any()
    return {key: entry.value for key, entry in found.items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("debug", "debug"),
        ('"debug"', "debug"),
        ("90", 90),
        ("1.5", 1.5),
        ("true", True),
        ('["a", "b"]', ["a", "b"]),
        ("90s", "90s"),
        ("/var/x", "/var/x"),
        ("", ""),
        ("007", "007"),
        ("1\nother = 2", "1\nother = 2"),
        ("[" * 100_000, "[" * 100_000),
        ("9" * 5000, "9" * 5000),
    ],
    ids=range(13),
)
def test_a_variable_is_read_as_toml_where_it_is_toml(text: str, value: object) -> None:
    assert values({"LOGGING__LEVEL": text}) == {"logging.level": value}


def test_sub_tables_have_variables_of_their_own() -> None:
    assert values({"RESTART__BACKOFF__INITIAL": "1m"}) == {"restart.backoff.initial": "1m"}
    assert values({"RESTART__BACKOFF": '{ initial = "1m", jitter = 0 }'}) == {
        "restart.backoff.initial": "1m",
        "restart.backoff.jitter": 0,
    }


def test_the_longer_name_is_more_exact() -> None:
    found = values({"RESTART__BACKOFF__INITIAL": "2m", "RESTART__BACKOFF": '{ initial = "1m", jitter = 0 }'})
    assert found == {"restart.backoff.initial": "2m", "restart.backoff.jitter": 0}


def test_variables_made_for_children_are_none_of_ours(load_text: Load) -> None:
    load_text("", {"COLLECTIONS_SUPERVISOR_AGENT": "a", "COLLECTIONS_SUPERVISOR_LOGGING__LEVEL": "x", "OTHER": "y"})


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("LOGGING__LEVL", 'unknown setting; did you mean "COLLECTIONS_SUPERVISOR__LOGGING__LEVEL"?'),
        ("logging__level", 'unknown setting; did you mean "COLLECTIONS_SUPERVISOR__LOGGING__LEVEL"?'),
        ("", "unknown setting"),
        ("AGENTS", "unknown setting; agents are set in the file or by --agents"),
        ("RESTART__BACKOFF", 'restart.backoff: must be a table, not "x"'),
    ],
)
def test_variables_that_mean_nothing_are_refused(faults: Faults, name: str, rest: str) -> None:
    variable = f"COLLECTIONS_SUPERVISOR__{name}"
    assert faults("", {variable: "x"}) == [f"environment {variable}: {rest}"]


def test_a_refused_variable_is_named(faults: Faults) -> None:
    (fault,) = faults("", {"COLLECTIONS_SUPERVISOR__LOGGING__LEVEL": "loud"})
    assert fault.startswith('environment COLLECTIONS_SUPERVISOR__LOGGING__LEVEL: logging.level: must be one of "debug"')


def test_secrets_in_variables_are_not_repeated(faults: Faults) -> None:
    assert "hunter2" not in str(faults("", {"COLLECTIONS_SUPERVISOR__RESTART__ENV": "PASSWORD=hunter2"}))
    assert "hunter2" not in str(faults("", {"COLLECTIONS_SUPERVISOR__RESTART__ENV": '{ "hunter" = ["hunter2"] }'}))
    assert "hunter2" not in str(faults("", {"COLLECTIONS_SUPERVISOR__DEADMAN__URL": "ftp://x/hunter2"}))


def test_an_unknown_flag_is_refused() -> None:
    problems = Problems()
    assert from_flags({"logging.levl": "debug", "": 1}, problems) == {}
    with pytest.raises(ConfigError, match=r'command line: logging\.levl: unknown key; did you mean "level"'):
        problems.raise_if_any()
