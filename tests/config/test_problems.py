import pytest

from collections_supervisor.config.problems import ConfigError, Problem, Problems, Where, closest, quoted, shown, shown_key

FILE = Where(source="/etc/supervisor.toml")


def test_a_problem_names_source_key_agent_and_suggestion() -> None:
    problem = Problem(source="/etc/x.toml", key="agents[0].timout", agent="a", message="unknown key", suggestion="timeout")
    assert str(problem) == '/etc/x.toml: agents[0].timout (agent "a"): unknown key; did you mean "timeout"?'


def test_a_problem_of_the_whole_file_names_only_the_file() -> None:
    assert str(Problem(source="/etc/x.toml", message="is a directory, not a file")) == "/etc/x.toml: is a directory, not a file"


def test_an_error_lists_its_problems_one_a_line() -> None:
    error = ConfigError([Problem(source="a", message="one"), Problem(source="b", message="two")])
    assert str(error) == "a: one\nb: two"


def test_nothing_found_raises_nothing() -> None:
    Problems().raise_if_any()


def test_what_is_reported_is_known_by_place_and_agent() -> None:
    problems = Problems()
    one, other = Where(source="x", prefix="agents[0].", agent="a"), Where(source="x", agent="a")
    problems.add(one, "restart.kind", "unknown")
    problems.add(FILE, "restart.command", "unknown")
    assert problems.reported("restart.kind", (FILE, one))
    assert problems.reported("restart.command", (FILE, one))
    assert not problems.reported("restart.command", (one, other))
    assert not problems.reported("restart.kind", (FILE, other))


def test_a_place_that_is_itself_wrong_is_named_without_a_dot() -> None:
    problems = Problems()
    problems.add(Where(source="x", prefix="agents[0]."), "", "must be a table")
    with pytest.raises(ConfigError, match=r"^x: agents\[0\]: must be a table$"):
        problems.raise_if_any()


def test_a_flood_of_problems_is_counted_and_not_kept() -> None:
    problems = Problems()
    for number in range(500):
        problems.add(FILE, f"k{number}", "unknown key")
    assert problems.full
    with pytest.raises(ConfigError) as caught:
        problems.raise_if_any()
    assert len(caught.value.problems) == 201
    assert "300 further problems" in str(caught.value.problems[-1])


@pytest.mark.parametrize(
    ("word", "found"), [("timout", "timeout"), ("TIMEOUT", "timeout"), ("Kind", "kind"), ("zzz", ""), ("", "")]
)
def test_the_closest_word(word: str, found: str) -> None:
    assert closest(word, ["timeout", "kind"]) == found


def test_very_long_words_are_compared_in_bounded_time() -> None:
    assert closest("timeout" + "t" * 1_000_000, ["timeout"]) == ""


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('a"b\\c', r'"a\"b\\c"'),
        ("\x1b[2J\x7f\x9b", r'"\u001b[2J\u007f\u009b"'),
        ("é€", '"é€"'),
        ("\udc80", r'"\udc80"'),
        ("\U000e0001", r'"\U000e0001"'),
    ],
)
def test_quoted_text_cannot_drive_a_terminal(text: str, result: str) -> None:
    assert quoted(text) == result


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (True, "true"),
        ("a", '"a"'),
        (3, "3"),
        pytest.param(1 << 20_000, "a huge number", id="huge"),
        (0.5, "0.5"),
        ([], "[]"),
        ([1], "a list"),
        ({}, "{}"),
        (None, "a NoneType"),
    ],
)
def test_values_are_shown_briefly(value: object, result: str) -> None:
    assert shown(value) == result


def test_long_texts_are_cut() -> None:
    assert len(shown("x" * 10_000)) < 100


def test_keys_are_quoted_only_where_needed() -> None:
    assert [shown_key("a_b-1"), shown_key("a.b"), shown_key(""), shown_key("\x1b")] == ["a_b-1", '"a.b"', '""', r'"\u001b"']
