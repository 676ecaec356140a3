import glob
from pathlib import Path

import pytest

from collections_supervisor.config.checks import Check, Places, Refused
from collections_supervisor.config.texts import (
    agent_name,
    argv,
    currency,
    environment,
    path,
    pattern,
    program,
    secret_name,
    text,
    url,
)

UNFIT = ["a\0b", "a\udc80b"]


def refusal(check: Check, value: object) -> Refused:
    with pytest.raises(Refused) as caught:
        check(value, Places(Path("/etc/agents"), Path("/home/ann")))
    return caught.value


@pytest.mark.parametrize("value", ["", 3, None, True, ["x"], "x" * 201, *UNFIT])
def test_texts_are_bounded_and_fit_for_an_argument(value: object, places: Places) -> None:
    assert text()("Größe\n", places) == "Größe\n"
    refusal(text(), value)


def test_an_empty_text_is_allowed_on_request(places: Places) -> None:
    assert text(empty=True)("", places) == ""


@pytest.mark.parametrize("value", ["{agnet}", "say {why}", "{agent} and {x_y}"])
def test_words_in_braces_must_be_ones_that_are_replaced(value: str) -> None:
    message = refusal(text(placeholders=True), value).message
    assert "is not replaced by anything" in message
    assert "{last_heartbeat}" in message


def test_a_misspelt_placeholder_is_corrected() -> None:
    assert refusal(argv(), ["x", "{agnet}"]).suggestion == "{agent}"


@pytest.mark.parametrize("value", ['{"agent": "{agent}"}', "{}", "{1}", "{ print }", "${HOME}", "{Agent}", "{a-b}", "{{}}"])
def test_other_braces_are_kept(value: str, places: Places) -> None:
    assert argv()(["x", value], places) == ("x", value)
    assert text(placeholders=True)(value, places) == value


def test_paths_are_made_absolute(places: Places) -> None:
    assert path()("x", places) == Path("/etc/agents/x")
    assert path(optional=True)("", places) is None


@pytest.mark.parametrize("value", ["", 3, None, ["x"], "x" * 5000, *UNFIT])
def test_unusable_paths_are_refused(value: object) -> None:
    refusal(path(), value)
    refusal(pattern, value)
    refusal(program, value)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("/a/*.json", "/a/*.json"),
        ("~/[ab]/*", "/home/ann/[ab]/*"),
        ("runs/**/*.x", "/etc/agents/runs/**/*.x"),
    ],
)
def test_globs_are_made_absolute(value: str, result: str, places: Places) -> None:
    assert pattern(value, places) == result


def test_a_folder_with_wildcards_in_its_name_is_taken_literally(tmp_path: Path) -> None:
    folder = tmp_path / "[prod]"
    folder.mkdir()
    (folder / "a.beat").touch()
    found = pattern("*.beat", Places(folder, None))
    assert list(glob.iglob(str(found))) == [str(folder / "a.beat")]  # noqa: PTH207 - Path.glob takes no absolute pattern


def test_a_program_with_a_slash_is_a_path(places: Places) -> None:
    assert program("openclaw", places) == "openclaw"
    assert program("./openclaw", places) == "/etc/agents/openclaw"
    assert program("~/bin/openclaw", places) == "/home/ann/bin/openclaw"


def test_a_command_is_a_list_whose_first_text_is_a_program(places: Places) -> None:
    assert argv()(["./run", "./x", "{agent}", ""], places) == ("/etc/agents/run", "./x", "{agent}", "")
    assert argv()(["{python}", "-m", "x"], places) == ("{python}", "-m", "x")
    assert argv(empty=True)([], places) == ()


@pytest.mark.parametrize("value", ["run me", [], [""], [3], ["x", 3], ["x", "a\0b"], ["x"] * 257, None, {}])
def test_unusable_commands_are_refused(value: object) -> None:
    refusal(argv(), value)


def test_a_command_in_one_text_is_told_how_to_be_written() -> None:
    assert '["program", "argument"]' in refusal(argv(), "rm -rf x").message


@pytest.mark.parametrize("value", [{"A=B": "x"}, {"": "x"}, {"A": 3}, {"A": "x\0"}, {"A": "x" * 100_001}, {"1A": "x"}, [], "A=B"])
def test_unusable_environments_are_refused(value: object, places: Places) -> None:
    assert environment({"LANG": "C", "http_proxy": ""}, places) == {"LANG": "C", "http_proxy": ""}
    refusal(environment, value)


@pytest.mark.parametrize("value", ["c0ffee-secret", "abc", "A B", "$TOKEN", 5, ["T"], "x" * 300])
def test_a_secret_written_in_place_of_its_name_is_not_repeated(value: object, places: Places) -> None:
    assert secret_name("OPENCLAW_TOKEN", places) == "OPENCLAW_TOKEN"
    assert secret_name("", places) == ""
    assert str(value) not in refusal(secret_name, value).message


@pytest.mark.parametrize("value", ["ftp://x", "http://", "x", "http://[", 3, "https://x/secret\0", None])
def test_addresses_are_http_and_are_not_repeated(value: object, places: Places) -> None:
    assert url("https://example.org/secret", places) == "https://example.org/secret"
    assert url("", places) == ""
    assert refusal(url, value).message == "must be an http:// or https:// address"


@pytest.mark.parametrize("value", ["usd", "US", "USDT", "€", 3, None])
def test_currencies_are_three_capital_letters(value: object, places: Places) -> None:
    assert currency("COP", places) == "COP"
    refusal(currency, value)


@pytest.mark.parametrize("value", ["a", "A9", "payment-watcher", "a.b_c-d", "x" * 64])
def test_agent_names(value: str, places: Places) -> None:
    assert agent_name(value, places) == value


@pytest.mark.parametrize(
    "value", ["", "../evil", "a b", "<img>", ".", "-a", "_a", "a/b", "a\n", "ä", "x" * 65, 3, None, ["a"], "a\0"]
)
def test_names_that_are_unsafe_in_a_path_are_refused(value: object) -> None:
    refusal(agent_name, value)
