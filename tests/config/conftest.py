"""A configuration file in a folder of its own, and what is wrong with it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from collections_supervisor.config.checks import Places
from collections_supervisor.config.loader import Loaded, load
from collections_supervisor.config.problems import ConfigError

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]


@pytest.fixture
def places() -> Places:
    """A folder and a home that need not exist."""
    return Places(Path("/etc/agents"), Path("/home/ann"))


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Load a text as `supervisor.toml`, with a home of /home/ann and the given variables."""

    def run(text: str = "", environ: Mapping[str, str] | None = None, agents: str | None = None, **flags: object) -> Loaded:
        path = tmp_path / "supervisor.toml"
        path.write_text(text)
        given = {name.replace("__", "."): value for name, value in flags.items()}
        return load(path, environ={"HOME": "/home/ann", **(environ or {})}, agents_flag=agents, flags=given)

    return run


@pytest.fixture
def faults(load_text: Load, tmp_path: Path) -> Faults:
    """The problems of a text, one string each, without the name of the file."""

    def run(*args: object, **kwargs: object) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load_text(*args, **kwargs)
        prefix = f"{tmp_path / 'supervisor.toml'}: "
        return [str(problem).removeprefix(prefix) for problem in caught.value.problems]

    return run
