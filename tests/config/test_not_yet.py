"""What this release only parses."""

from collections.abc import Callable

import pytest

from collections_supervisor.config.loader import Loaded
from collections_supervisor.config.not_yet import NOT_YET

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("restart.output = 'path'", "restart.output"),
        ("restart.max_rss = '1G'", "restart.max_rss"),
        ("deadman.url = 'https://example.org/x'", "deadman.url"),
        ("deadman.command = ['x']", "deadman.command"),
        ("agents = [{ name = 'a', restart.max_rss = '1G' }]", 'agents[0].restart.max_rss (agent "a")'),
    ],
)
def test_switching_it_on_is_refused(faults: Faults, text: str, key: str) -> None:
    (fault,) = faults(text)
    assert fault.startswith(f"{key}: ")
    assert " is not in this release, only " in fault


def test_a_variable_cannot_switch_it_on_either(faults: Faults) -> None:
    (fault,) = faults("", {"COLLECTIONS_SUPERVISOR__DEADMAN__URL": "https://example.org/x"})
    assert "deadman.url: " in fault
    assert "is not in this release, only" in fault


def test_leaving_it_off_explicitly_is_fine(load_text: Load) -> None:
    load_text("""
        restart = { output = "log", max_rss = "" }
        logging = { format = "json" }
        deadman = { url = "", command = [] }
    """)


def test_defaults_are_not_refused(load_text: Load) -> None:
    config = load_text().config
    assert config.deadman.url == ""
    assert NOT_YET["deadman.url"] == ("",)
