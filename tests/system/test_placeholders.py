"""Words in braces inside the arguments of a command."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.system.placeholders import substitute


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("restart {agent} now", "restart payment-watcher now"),
        ("{agent}{agent}", "payment-watcherpayment-watcher"),
        ("{unknown} {agent", "{unknown} {agent"),
        ("awk '{print $1}'", "awk '{print $1}'"),
        ('{"agent":"{agent}"}', '{"agent":"payment-watcher"}'),
        ("{{agent}}", "{payment-watcher}"),
        ("{agent.__class__} {agent!r} {0} {}", "{agent.__class__} {agent!r} {0} {}"),
        ("", ""),
    ],
)
def test_only_known_words_are_replaced(text: str, expected: str) -> None:
    assert substitute(text, {"agent": "payment-watcher"}) == expected


def test_each_argument_stays_one_argument() -> None:
    argv = ("notify", "--why={reason}", "{agent}")
    values = {"agent": "a", "reason": 'two words; rm -rf / "$(x)"\n'}
    assert substitute(argv, values) == ("notify", '--why=two words; rm -rf / "$(x)"\n', "a")


def test_what_a_value_brings_in_is_not_replaced_again() -> None:
    assert substitute("{reason}", {"reason": "{agent}", "agent": "x"}) == "{agent}"


def test_values_are_fit_for_an_argument() -> None:
    fitted = substitute("{reason}", {"reason": "a\0b\ud800c" + "x" * 1_000_000})
    assert fitted.startswith("a\N{REPLACEMENT CHARACTER}b?c")
    assert len(fitted) == 4_000


@given(st.text(), st.dictionaries(st.from_regex(r"[a-z_]+", fullmatch=True), st.text(), max_size=3))
def test_text_without_braces_is_never_touched(text: str, values: dict[str, str]) -> None:
    plain = text.replace("{", "")
    assert substitute(plain, values) == plain


@given(st.text(max_size=5_000))
def test_an_argument_can_always_be_spawned(value: str) -> None:
    fitted = substitute("{reason}", {"reason": value})
    assert b"\0" not in fitted.encode()
