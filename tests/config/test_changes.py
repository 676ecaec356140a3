"""What differs between two configurations."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.config.changes import AGENTS_FLAG, Changes, compare, format_changes, in_force
from collections_supervisor.config.loader import Loaded, build

Load = Callable[..., Loaded]

BASE = """
[escalation]
channels = [{ kind = "webhook", url = "https://x.test/secret-1" }]
[[agents]]
name = "mailer"
period = "30m"
restart = { kind = "command", command = ["true"], env = { KEY = "one" } }
[[agents]]
name = "watcher"
"""


def changed(load_text: Load, *edits: tuple[str, str], base: str = BASE) -> Changes:
    text = base
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return compare(load_text(base), load_text(text))


def test_nothing_differs_from_itself(load_text: Load) -> None:
    changes = changed(load_text)
    assert changes == Changes()
    assert not changes
    assert format_changes(changes) == "nothing would change"


def test_a_comment_is_no_change(load_text: Load) -> None:
    assert not changed(load_text, ("[escalation]", "# hello\n[escalation]"))


def test_agents_come_go_and_change(load_text: Load) -> None:
    changes = changed(load_text, ('period = "30m"', 'period = "20m"'), ('"watcher"', '"reader"'))
    assert (changes.added, changes.removed, changes.changed) == (("reader",), ("watcher",), ("mailer",))
    assert format_changes(changes).splitlines()[:3] == [
        "+ agent reader",
        "- agent watcher",
        '~ mailer: period: "30m" -> "20m"',
    ]


def test_a_default_shows_in_the_agents_that_have_it(load_text: Load) -> None:
    changes = changed(load_text, ("[escalation]", "[heartbeats]\nmiss_threshold = 5\n[escalation]"))
    assert changes.changed == ("mailer", "watcher")
    assert format_changes(changes) == "~ mailer, watcher: miss_threshold: 2 -> 5"
    own = changed(
        load_text,
        ("miss_threshold = 3", "miss_threshold = 5"),
        base='[heartbeats]\nmiss_threshold = 3\n[[agents]]\nname = "mailer"\nmiss_threshold = 2\n',
    )
    assert own == Changes(), "nobody has it"


def test_many_agents_share_a_line(load_text: Load) -> None:
    base = "[heartbeats]\nmiss_threshold = 3\n" + "".join(f'[[agents]]\nname = "a{number}"\n' for number in range(9))
    changes = changed(load_text, ("= 3", "= 4"), base=base)
    assert format_changes(changes) == "~ a0, a1, a2, a3, a4 and 4 more: miss_threshold: 3 -> 4"


def test_secrets_are_compared_and_not_shown(load_text: Load) -> None:
    changes = changed(load_text, ('"one"', '"two"'), ("secret-1", "secret-2"))
    assert changes.keys == ("escalation.channels", "restart.env")
    assert changes.changed == ("mailer",)
    text = format_changes(changes)
    assert all(secret not in text for secret in ("one", "two", "secret"))
    assert "~ mailer: restart.env: (not shown) -> (not shown)" in text


def test_a_changed_secret_beside_another_change_is_told_too(load_text: Load) -> None:
    changes = changed(load_text, ('"one"', '"two"'), ('period = "30m"', 'period = "20m"'))
    assert "restart.env" in changes.keys


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('[supervisor]\nstate_dir = "/elsewhere"', "supervisor.state_dir"),
        ('[logging]\nfile = "/var/log/x.log"', "logging.file"),
        ('[logging]\nformat = "json"', "logging.format"),
    ],
)
def test_what_needs_a_restart_is_named_and_not_in_force(load_text: Load, line: str, key: str) -> None:
    before, after = load_text(BASE), load_text(f"{line}\n{BASE}".replace('"30m"', '"20m"'))
    changes = compare(before, after)
    assert changes.restart_needed == (key,)
    assert key not in changes.keys
    assert "(needs a restart)" in format_changes(changes)
    running = in_force(before, after)
    assert running.config.supervisor == before.config.supervisor
    assert running.config.logging == before.config.logging
    assert running.config.agents == after.config.agents
    assert compare(running, after).restart_needed == (key,), "it is told again as long as it is so"
    assert compare(running, after).changed == ()


def test_agents_of_a_flag_stay(load_text: Load) -> None:
    before = load_text(BASE, agents="mailer")
    after = load_text(BASE.replace('"watcher"', '"reader"'), agents="mailer")
    changes = compare(before, after)
    assert (changes.added, changes.removed, changes.restart_needed) == ((), (), (AGENTS_FLAG,))
    assert "--agents chose others" in format_changes(changes)
    running = in_force(before, after)
    assert compare(running, after).restart_needed == (AGENTS_FLAG,)
    assert compare(before, load_text(BASE.replace('"30m"', '"20m"'), agents="mailer")).changed == ("mailer",)


# --- Any two ---

names = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, unique=True)
values = st.fixed_dictionaries(
    {},
    optional={
        "period": st.sampled_from(["30m", "1h"]),
        "miss_threshold": st.integers(1, 3),
        "restart": st.fixed_dictionaries(
            {"kind": st.just("command"), "command": st.sampled_from([["true"], ["false"]])},
            optional={
                "env": st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["1", "2"])),
                "per_hour": st.integers(0, 2),
            },
        ),
    },
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, object]:
    found: dict[str, object] = {"agents": [{"name": name, **draw(values)} for name in draw(names)]}
    sections: dict[str, dict[str, st.SearchStrategy[object]]] = {
        "logging": {"level": st.sampled_from(["info", "debug"]), "file": st.just("/x")},
        "supervisor": {"state_dir": st.sampled_from(["/a", "/b"])},
        "books": {"queue_limit": st.integers(1, 3)},
    }
    for section, keys in sections.items():
        found[section] = {key: draw(value) for key, value in keys.items() if draw(st.booleans())}
    return found


def loaded(document: dict[str, object]) -> Loaded:
    return build(document, path=None, environ={"HOME": "/home/ann"})


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=150)
@given(documents(), documents())
def test_two_differ_exactly_if_their_settings_do(one: dict[str, object], other: dict[str, object]) -> None:
    before, after = loaded(one), loaded(other)
    changes = compare(before, after)
    old = {agent.name: agent for agent in before.config.agents}
    new = {agent.name: agent for agent in after.config.agents}
    assert set(changes.added) == new.keys() - old.keys()
    assert set(changes.removed) == old.keys() - new.keys()
    assert set(changes.changed) == {name for name in old.keys() & new.keys() if old[name] != new[name]}
    without = [msgspec.structs.replace(each.config, agents=()) for each in (before, after)]
    assert any(change.agent is None for change in changes.values) == (without[0] != without[1])
    back = compare(after, before)
    assert (back.added, back.removed) == (tuple(sorted(changes.removed, key=[*old].index)), changes.added)
    running = in_force(before, after)
    assert running.config.agents == after.config.agents
    left = compare(running, after)
    assert (left.added, left.removed, left.changed) == ((), (), ())
    assert left.keys == (), "all that can be changed is"
    assert left.restart_needed == changes.restart_needed
