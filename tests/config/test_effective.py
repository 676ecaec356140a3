import tomllib
from collections.abc import Callable

import msgspec

from collections_supervisor.config.effective import format_effective
from collections_supervisor.config.keys import AGENT_KEYS, KEYS
from collections_supervisor.config.loader import Loaded

Load = Callable[..., Loaded]
RICH = """
    [heartbeats]
    miss_threshold = 3
    [restart]
    per_hour = 0
    [escalation]
    recipient = "dana"
    channels = [{ kind = "command", command = ["/bin/x", "{agent}", "a\\"b"] }, { kind = "openclaw" }]
    [dashboard]
    title = "a # b \\u001b"
    [[agents]]
    name = "payment-watcher"
    period = "90s"
    [[agents]]
    name = "b.c"
    heartbeat = [{ kind = "touch", path = "/x/*.y" }, { kind = "log" }]
    [[agents]]
    name = "owned"
    heartbeat = { kind = "none" }
    restart = { kind = "process", command = ["/bin/y"], backoff = { initial = "1500ms" } }
"""


def origins(loaded: Loaded, agent: str | None = None) -> dict[str, str]:
    return {row.key: row.origin for row in loaded.effective if row.agent == agent}


def test_every_key_of_every_section_and_agent_is_there(load_text: Load) -> None:
    loaded = load_text(RICH)
    assert list(origins(loaded)) == list(KEYS)
    for agent in ("payment-watcher", "b.c", "owned"):
        assert list(origins(loaded, agent)) == list(AGENT_KEYS)


def test_each_value_says_where_it_came_from(load_text: Load) -> None:
    variable = "COLLECTIONS_SUPERVISOR__LOGGING__LEVEL"
    environ = {variable: "debug", "STATE_DIRECTORY": "/var/lib/x"}
    loaded = load_text(RICH, environ, agents="payment-watcher,new,owned", logging__format="json")
    sections = origins(loaded)
    assert sections["logging.level"] == f"environment {variable}"
    assert sections["logging.format"] == "command line"
    assert sections["logging.file"] == "default"
    assert sections["supervisor.state_dir"] == "environment STATE_DIRECTORY"
    assert sections["heartbeats.miss_threshold"] == "file"
    assert sections["heartbeats.startup_grace"] == "derived from timeout"
    assert sections["books.enabled"] == "default"
    watcher = origins(loaded, "payment-watcher")
    assert watcher["period"] == watcher["name"] == "file"
    assert watcher["role"] == "derived from name"
    assert watcher["timeout"] == "derived from period"
    assert watcher["miss_interval"] == "derived from period, restart.timeout and restart.verify_within"
    assert watcher["miss_threshold"] == "file, [heartbeats]"
    assert watcher["restart.per_hour"] == "file, [restart]"
    assert watcher["restart.per_day"] == "default"
    assert watcher["heartbeat"] == "derived from dir and name"
    assert origins(loaded, "new")["name"] == "--agents"
    assert origins(loaded, "owned")["restart.per_hour"] == "derived from restart.kind"
    assert origins(loaded, "owned")["restart.backoff.initial"] == "file"


def test_the_text_is_toml_that_gives_the_same_settings_again(load_text: Load) -> None:
    for text in ("", RICH, "restart.kind = 'process'\nrestart.command = ['/x']"):
        first = load_text(text)
        again = load_text(format_effective(first))
        assert again.config == first.config


def test_origins_stand_in_one_column_where_lines_are_short(load_text: Load) -> None:
    lines = [line for line in format_effective(load_text()).splitlines() if line and not line.startswith("[[")]
    columns = {line.rindex("  # ") for line in lines if len(line.rpartition("  # ")[0]) <= 60}
    assert len(columns) == 1
    assert not format_effective(load_text()).endswith("\n")


def test_secrets_do_not_appear(load_text: Load) -> None:
    loaded = load_text("""
        restart.env = { API_KEY = "hunter2" }
        agents = [{ name = "a", restart.env = { TOKEN = "hunter3" } }]
    """)
    text = format_effective(loaded)
    assert "hunter" not in text
    assert "hunter" not in str(msgspec.to_builtins(loaded.effective))
    assert "# restart.env: API_KEY, TOKEN (values not shown)" in text
    tomllib.loads(text)


def test_rows_are_plain_data(load_text: Load) -> None:
    assert msgspec.json.decode(msgspec.json.encode(load_text(RICH).effective))
