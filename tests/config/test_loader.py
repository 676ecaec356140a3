"""The whole way from a file, variables and flags to settings."""

import datetime
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from collections_supervisor.config.keys import AGENT_KEYS, KEYS
from collections_supervisor.config.loader import Loaded, build, load, readable_state_dir
from collections_supervisor.config.problems import ConfigError
from collections_supervisor.config.schema import AgentConfig, Config, LogSource, OpenClawChannel, RestartPolicy

HOME = {"HOME": "/home/ann"}
Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]


def test_without_a_file_the_built_in_settings_hold() -> None:
    config = load(None, environ=HOME).config
    cache, state = Path("/home/ann/.cache/novotechno-collections"), Path("/home/ann/.local")
    assert config.path is None
    assert config.supervisor.state_dir == state / "state/collections-supervisor"
    assert config.supervisor.check_interval == 900
    assert config.dashboard.path == cache / "dashboard.html"
    assert config.books.ledger == state / "share/novotechno-collections/state/collections_ledger.md"
    assert config.escalation.channels == (OpenClawChannel(agent="caine", openclaw="openclaw"),)
    beats = cache / "heartbeats"
    assert config.agents == (
        AgentConfig(name="collections-emailer", role="mailer", sources=(LogSource(path=beats / "collections-emailer.log"),)),
        AgentConfig(name="payment-watcher", role="watcher", sources=(LogSource(path=beats / "payment-watcher.log"),)),
    )
    assert config.agents[0].restart == RestartPolicy()
    assert (config.agents[0].timeout, config.agents[0].miss_interval, config.agents[0].period) == (3600, 900, None)


def test_an_empty_file_changes_nothing_but_the_path(load_text: Load, tmp_path: Path) -> None:
    config = load_text().config
    assert config.path == tmp_path / "supervisor.toml"
    assert msgspec.structs.replace(config, path=None) == load(None, environ=HOME).config


def test_a_relative_path_of_the_file_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "a.toml").write_text('[supervisor]\nstate_dir = "state"\n')
    monkeypatch.chdir(tmp_path)
    config = load(Path("etc/a.toml"), environ=HOME).config
    assert config.path == tmp_path / "etc" / "a.toml"
    assert config.supervisor.state_dir == tmp_path / "etc" / "state"


def test_every_section_is_read(load_text: Load, tmp_path: Path) -> None:
    config = load_text("""
        supervisor = { state_dir = "~/s", check_interval = "1h30m", shutdown_grace = 0.5 }
        logging = { level = "debug", format = "console", file = "log/x.jsonl", max_event_bytes = 2000 }
        heartbeats = { dir = "/beats", timeout = "2s" }
        restart = { max_concurrent = 3, backoff = { initial = "1m", factor = 3, max = "2m", jitter = 0 }, env = { A = "b" } }
        escalation = { recipient = "dana", group_wait = 0, repeat_after = "1h", channels = [] }
        books = { enabled = false, queue_limit = 7, currency = "COP" }
        dashboard = { path = "", interval = "5s", title = "T", template = "my.html" }
        metrics = { path = "", window = "1h" }
        deadman = { url = "", command = [] }
        agents = [{ name = "a" }]
    """).config
    assert config.supervisor.state_dir == Path("/home/ann/s")
    assert config.supervisor.check_interval == 5400
    assert config.supervisor.shutdown_grace == 0.5
    assert config.logging.file == tmp_path / "log/x.jsonl"
    assert config.logging.max_event_bytes == 2000
    assert config.max_concurrent == 3
    assert config.agents[0].restart.env == {"A": "b"}
    assert config.agents[0].restart.backoff.factor == 3.0
    assert config.escalation.group_wait == 0
    assert config.escalation.channels == ()
    assert (config.books.enabled, config.books.queue_limit, config.books.currency) == (False, 7, "COP")
    assert config.dashboard.path is None
    assert config.dashboard.template == tmp_path / "my.html"
    assert config.metrics.window == 3600


def test_an_explicit_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: no such file"):
        load(tmp_path / "nowhere.toml", environ=HOME)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("loging = {}", 'loging: unknown key; did you mean "logging"?'),
        ("[logging]\nlevl = 1", 'logging.levl: unknown key; did you mean "level"?'),
        ("[supervisor]\nqueue_max_age = 1", 'supervisor.queue_max_age: unknown key; did you mean "books.queue_max_age"?'),
        ("[logging]\nxyz = 1", "logging.xyz: unknown key"),
        ("logging = 3", "logging: must be a table, not 3"),
        ("[[logging]]", "logging: must be a table, not a list"),
        ("restart = { backoff = 3 }", "restart.backoff: must be a table, not 3"),
        ("restart = { backoff = { fctor = 3 } }", 'restart.backoff.fctor: unknown key; did you mean "factor"?'),
        ('restart = { "backoff.max" = 3 }', 'restart."backoff.max": unknown key; did you mean "backoff"?'),
        ('"" = 3', '"": unknown key'),
        ('"a\\u001b" = 3', '"a\\u001b": unknown key'),
        ("[supervisor]\ncheck_interval = 0", "supervisor.check_interval: must be more than zero, not 0"),
        ("[supervisor]\nshutdown_grace = 0", "supervisor.shutdown_grace: must be more than zero, not 0"),
        ("[restart]\nbackoff = { jitter = 11 }", "restart.backoff.jitter: must be from 0 to 10, not 11"),
        ("[restart]\nbackoff = { factor = 0.5 }", "restart.backoff.factor: must be from 1 to 100, not 0.5"),
        (
            '[restart]\nbackoff = { initial = "2h" }',
            "restart.backoff.initial: 2h is longer than backoff.max, which is 1h",
        ),
        ("[restart]\nmax_concurrent = 0", "restart.max_concurrent: must be from 1 to 1000, not 0"),
        ("[escalation]\nchannels = 3", "escalation.channels: must be a list of at most 16 tables, not 3"),
    ],
)
def test_a_fault_is_named_with_its_key(faults: Faults, text: str, fault: str) -> None:
    assert faults(text) == [fault]


PLANTED = [
    ("[supervisor]\ncheck_interval = 0\n", "supervisor.check_interval"),
    ("[logging]\nlevel = 'loud'\n", "logging.level"),
    ("[heartbeats]\ntimeout = true\n", "heartbeats.timeout"),
    ("[restart]\nper_hour = -1\n", "restart.per_hour"),
    ("[restart.backoff]\njitter = 'x'\n", "restart.backoff.jitter"),
    ("[escalation]\nchannels = [{ kind = 'pigeon' }]\n", "escalation.channels[0].kind"),
    ("[books]\ncurrency = 'usd'\n", "books.currency"),
    ("[dashboard]\nintervall = 1\n", "dashboard.intervall"),
    ("[metrics]\nwindow = 0\n", "metrics.window"),
    ("[deadman]\ncommand = 'x'\n", "deadman.command"),
    ("[nonsense]\n", "nonsense"),
    ("[[agents]]\nname = '../evil'\n", "agents[0].name"),
]


@given(st.sets(st.sampled_from(PLANTED), min_size=1))
def test_all_faults_of_a_file_are_told_at_once(planted: set[tuple[str, str]]) -> None:
    document = tomllib.loads("".join(text for text, _ in sorted(planted)))
    with pytest.raises(ConfigError) as caught:
        build(document, path=Path("/etc/supervisor.toml"), environ=HOME)
    assert sorted(problem.key for problem in caught.value.problems) == sorted(key for _, key in planted)
    assert str(caught.value).count("\n") == len(planted) - 1


def test_variables_beat_the_file_and_flags_beat_variables(load_text: Load) -> None:
    text = '[logging]\nlevel = "debug"\n'
    variable = {"COLLECTIONS_SUPERVISOR__LOGGING__LEVEL": "warning"}
    assert load_text(text).config.logging.level == "debug"
    assert load_text(text, variable).config.logging.level == "warning"
    assert load_text(text, variable, logging__level="error").config.logging.level == "error"


def test_a_fault_that_another_layer_hides_is_told_all_the_same(faults: Faults) -> None:
    variable = {"COLLECTIONS_SUPERVISOR__LOGGING__LEVEL": "warning"}
    assert len(faults('[logging]\nlevel = "loud"\n', variable, logging__level="noisy")) == 2


def test_a_folder_that_systemd_gives_counts_only_where_nobody_chose(load_text: Load) -> None:
    systemd = {"STATE_DIRECTORY": "/var/lib/one:/var/lib/two"}
    variable = {"COLLECTIONS_SUPERVISOR__SUPERVISOR__STATE_DIR": "/from/variable"}

    def state(text: str, environ: dict[str, str], **flags: object) -> Path:
        folder = load_text(text, environ, **flags).config.supervisor.state_dir
        assert isinstance(folder, Path)
        return folder

    assert state("", systemd) == Path("/var/lib/one")
    assert state('[supervisor]\nstate_dir = "/from/file"', systemd) == Path("/from/file")
    assert state("", systemd | variable) == Path("/from/variable")
    assert state("", systemd, supervisor__state_dir="/from/flag") == Path("/from/flag")
    assert state("", {"STATE_DIRECTORY": ""}) == Path("/home/ann/.local/state/collections-supervisor")


def test_without_a_home_only_the_defaults_below_it_are_missing() -> None:
    document = {
        "supervisor": {"state_dir": "/s"},
        "heartbeats": {"dir": "/h"},
        "books": {"state_dir": "/b", "ledger": "/l", "queue_dir": "/q", "cache_dir": "/c"},
    }
    with pytest.raises(ConfigError) as caught:
        build(document, path=None, environ={"HOME": "not absolute"})
    assert str(caught.value) == (
        'built-in defaults: dashboard.path: "~/.cache/novotechno-collections/dashboard.html" '
        "cannot be made absolute: there is no home directory"
    )
    assert build({**document, "dashboard": {"path": ""}}, path=None, environ={"HOME": "not absolute"}).config.agents


def test_a_removed_working_directory_spoils_only_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load(None, environ=HOME).config.agents
    with pytest.raises(ConfigError, match="there is no current directory"):
        load(None, environ={**HOME, "COLLECTIONS_SUPERVISOR__SUPERVISOR__STATE_DIR": "x"})


WORDS = sorted({part for key in (*KEYS, *AGENT_KEYS) for part in key.split(".")} | {"agents", "kind", "via", "path", "token_env"})
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(1 << 2000)
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC))
    | st.sampled_from(["90s", "1h", "openclaw", "command", "process", "none", "log", "touch", "/x", "~", "a", "{agent}", "{x}"])
)
KEY = st.sampled_from(WORDS) | st.text(max_size=5)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=4), max_leaves=8)
SECTION = st.sampled_from(sorted({key.partition(".")[0] for key in KEYS}))
DOCUMENTS = st.dictionaries(SECTION | KEY, VALUES, max_size=5)
TYPED = st.fixed_dictionaries(
    {},
    optional={
        "restart": st.dictionaries(KEY, VALUES, max_size=5),
        "escalation": st.fixed_dictionaries({"channels": st.lists(st.dictionaries(KEY, VALUES, max_size=4), max_size=3)}),
        "agents": st.lists(st.dictionaries(KEY, VALUES, max_size=6) | VALUES, max_size=3),
    },
)


def typed(config: Config) -> Config:
    """The same settings, each converted to the type that its struct promises."""
    return msgspec.convert(msgspec.to_builtins(config, enc_hook=str), Config, dec_hook=lambda kind, text: kind(text))


def test_settings_have_the_types_that_the_structs_promise(load_text: Load) -> None:
    config = load_text("""
        supervisor.check_interval = 60
        logging.file = "x"
        restart = { backoff = { factor = 2, jitter = 1 }, cwd = "x", env = { A = "b" }, ok_exit_codes = [0] }
        escalation.channels = [{ kind = "command", command = ["x"], timeout = 3 }, { kind = "openclaw" }]
        agents = [{ name = "a", period = 60, heartbeat = [{ kind = "log" }, { kind = "touch", path = "x" }] }]
    """).config
    assert typed(config) == config
    assert isinstance(config.supervisor.check_interval, float)
    assert isinstance(config.agents[0].period, float)
    assert isinstance(config.agents[0].restart.backoff.factor, float)


def outcome(*args: Any, **kwargs: Any) -> tuple[Loaded | None, ConfigError]:
    try:
        return build(*args, **kwargs), ConfigError(())
    except ConfigError as error:
        return None, error


@settings(max_examples=50)  # the examples are big
@given(DOCUMENTS | TYPED, st.none() | st.text(max_size=10), st.dictionaries(KEY, VALUES, max_size=2))
def test_whatever_is_written_gives_settings_or_a_configuration_error(
    document: dict[str, object], agents: str | None, flags: dict[str, object]
) -> None:
    loaded, error = outcome(document, path=Path("/etc/supervisor.toml"), environ=HOME, agents_flag=agents, flags=flags)
    event("accepted" if loaded else "refused")
    if loaded is None:
        assert error.problems
        assert len(str(error).splitlines()) == len(error.problems)
    else:
        assert typed(loaded.config) == loaded.config


@given(st.sampled_from(sorted(KEYS)), st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_whatever_a_variable_holds_gives_settings_or_a_configuration_error(key: str, text: str) -> None:
    name = "COLLECTIONS_SUPERVISOR__" + key.upper().replace(".", "__")
    loaded, error = outcome({}, path=None, environ={**HOME, name: text})
    assert loaded is not None or all(name in problem.source or problem.key for problem in error.problems)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('x = 1\n[supervisor]\nstate_dir = "here"\ncheck_interval = "never"\n', "here"),
        ('agents = []\n[supervisor]\nstate_dir = "here"\n', "here"),
        ("[supervisor]\ncheck_interval = 7 days\n", "usual"),
        ("[books]\nenabled = maybe\n", "usual"),
        ('[books]\nstate_dir = "of the books"\n]\n', "usual"),
        ("[supervisor]\nstate_dir = 7\n", None),
        ('supervisor = "here"\n', None),
        ('[supervisor]\nstate_dir = "here"\n[[agents]\n', "here"),
        ('supervisor.state_dir = "here" # since May\n[[agents]\n', "here"),
        ('[ supervisor ] # ours\n  state_dir="here"\n]\n', "here"),
        ('[supervisor]\n# state_dir = "there"\nstate_dir = "here"\n]\n', "here"),
        ("[supervisor]\nstate_dir = here\n", None),
        ("[supervisor]\nstate_dir = 'here'\n]\n", None),
        ('[supervisor\nstate_dir = "here"\n', None),
        ('[books]\n[supervisor\nstate_dir = "here"\n', None),
        ('supervisor = { state_dir = "here" }\n]\n', None),
        ("\xff", None),
    ],
)
def test_of_a_file_with_faults_the_state_folder_is_read_if_that_can_be(tmp_path: Path, text: str, found: str | None) -> None:
    """Where it may be named and cannot be read it is not guessed: somebody else's supervisor may work in the usual folder."""
    path = tmp_path / "supervisor.toml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError):
        load(path, environ=HOME)
    usual = load(None, environ=HOME).config.supervisor.state_dir
    expected = {None: None, "usual": usual, "here": tmp_path / "here"}
    assert readable_state_dir(path, environ=HOME) == expected[found]
    more_exact = {**HOME, "COLLECTIONS_SUPERVISOR__SUPERVISOR__STATE_DIR": "/x"}
    assert readable_state_dir(path, environ=more_exact) == Path("/x")


def test_without_a_file_the_state_folder_is_the_usual_one_or_that_of_a_variable() -> None:
    assert readable_state_dir(None, environ=HOME) == load(None, environ=HOME).config.supervisor.state_dir
    assert readable_state_dir(None, environ={**HOME, "STATE_DIRECTORY": "/s"}) == Path("/s")
