"""A browser for all tests of a file, a tab for each."""

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.browser.chrome import Browser, Tab, find
from tests.reporting.stories import NOW, Story

from collections_supervisor.reporting.dashboard import render

CLOCK = """
// The reader's clock and the page's own timers, in the hands of the test.
globalThis.late = Number(sessionStorage.getItem("late") ?? 2000);
globalThis.waited = 0;
globalThis.timers = [];
Date.now = () => %d + late;
performance.now = () => waited;
setInterval = (call) => timers.push(call);
globalThis.tick = () => timers.forEach((call) => call());
"""
"""Put before every page. `late` is by how many milliseconds the reader is later than the report."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser, begun for the first test that needs it."""
    program = find()
    if program is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    """A tab that must be told of no problem and fetch nothing but the page."""
    tab = Tab(browser)
    tab.before_every_page(CLOCK % (NOW.timestamp() * 1000))
    yield tab
    problems, requests = tab.problems, [url for url in tab.requests if not url.startswith("file:")]
    tab.close()
    assert problems == [], "the page complains"
    assert requests == [], "the page fetches something"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Draw a page and put it in its place in one step, as the program does."""

    def write(story: Story, **settings: object) -> Path:
        report, history = story
        given = {"title": "Collections", "interval": 60.0, "recipient": "caine", **settings}
        fresh, place = tmp_path / "page.new", tmp_path / "page.html"
        fresh.write_bytes(render(report, history=history, **given))  # type: ignore[arg-type]
        fresh.replace(place)
        return place

    return write


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which judges whether everybody can use a page."""
    named = os.environ.get("AXE_CORE", "")
    spec = find_spec("axe_playwright_python")
    folders = spec.submodule_search_locations or [] if spec is not None else []
    for path in [*([Path(named)] if named else []), *(Path(folder) / "axe.min.js" for folder in folders)]:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    pytest.skip("no axe-core: pip install --no-deps axe-playwright-python, or AXE_CORE=/path/to/axe.min.js")
