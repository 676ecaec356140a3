"""The page in a real browser."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.browser.chrome import Tab
from tests.reporting import stories
from tests.reporting.stories import HOSTILE, NOW, Story, agent, bad_day, good_day, report

from collections_supervisor.messages import AgentError, History
from collections_supervisor.reporting import timeline
from collections_supervisor.reporting.report_json import encode_report

pytestmark = pytest.mark.browser

Write = Callable[..., Path]

AXE = """axe.run(document, {resultTypes: ['violations']}).then(({violations, passes}) => ({
    violations: violations.map(({id, nodes}) => [id, nodes.map((node) => node.html + node.failureSummary)]),
    passes: passes.length,
}))"""


def stopped() -> Story:
    shown, history = good_day()
    return msgspec.structs.replace(shown, stopped_at=NOW), history


def tick(tab: Tab, *, late: int = 2000, waited: int = 0) -> None:
    """Let the page look at the clock, so many milliseconds after its report and after it was loaded."""
    tab.run(f"sessionStorage.setItem('late', {late}); late = {late}; waited = {waited}; tick()")


# --- What is seen ---


def test_a_person_on_call_finds_everything(tab: Tab, write: Write) -> None:
    tab.open(write(bad_day()))
    for section, words in {
        "#verdict .verdict": "1 escalated, 1 restarting of 3 agents; the books do not agree",
        "section[aria-labelledby=incidents]": "could not tell caine since 09:16:44 UTC: openclaw: gateway closed (1006)",
        "table.agents": "2 in 24 h, 10 left",
        "table.money": "48,300.00",
        "table.findings": "INV-2041",
        "table.queues": "118 of 100",
        "section[aria-labelledby=numbers]": "nothing tells",
        "table.changes": "payment-watcher is escalated, was restarting",
        "table.sources": "heartbeats/payment-watcher.log",
        ".acts": "openclaw agent --agent payment-watcher --message restart",
    }.items():
        assert words in tab.text(section), section
    assert tab.run("document.title").startswith("✖ 1 escalated, 1 restarting of 3 agents")
    assert not any(tab.shown(banner) for banner in ("#stale", "#lost", "#held"))


def test_the_data_is_the_report(tab: Tab, write: Write) -> None:
    shown, history = bad_day()
    tab.open(write((shown, history)))
    assert json.loads(tab.run("document.getElementById('data').textContent")) == json.loads(encode_report(shown))


def test_each_bar_can_be_seen(tab: Tab, write: Write) -> None:
    tab.open(write(bad_day()))
    heights = """Object.fromEntries([...document.querySelectorAll('.legend path')].map((path) =>
        [path.getAttribute('class'), parseFloat(getComputedStyle(path).strokeWidth)]))"""
    drawn = tab.run(heights)
    assert drawn == timeline.HEIGHTS
    width = tab.run("document.querySelector('table.agents svg.bars').getBoundingClientRect().width")
    assert width > 150


def test_hostile_text_stays_text(tab: Tab, write: Write) -> None:
    errors = (AgentError(timestamp=NOW, reason=HOSTILE),)
    hostile = agent(HOSTILE, "escalated", detail=HOSTILE, last_exit=HOSTILE, errors=errors)
    tab.before_every_page("globalThis.alert = () => { globalThis.struck = true; }")
    tab.open(write((report(hostile, verdict="degraded"), History()), title=HOSTILE, recipient=HOSTILE))
    assert "<script>alert(1)</script>\"'><b onmouseover=x>" in tab.text("table.agents")
    assert tab.run("globalThis.struck ?? null") is None
    assert tab.run("document.querySelectorAll('b[onmouseover]').length + document.scripts.length") == 2
    assert tab.run("document.querySelectorAll('table.agents tbody tr').length") == 1


def test_the_policy_lets_nothing_else_run_or_be_fetched(tab: Tab, write: Write) -> None:
    tab.open(write(good_day()))
    tab.run("""document.body.insertAdjacentHTML('beforeend', '<img src="http://127.0.0.1:9/x.png"><p id=x style="color:red">');
        document.body.append(Object.assign(document.createElement('script'), {textContent: 'globalThis.ran = true'}))""")
    assert tab.run("globalThis.ran ?? null") is None
    assert tab.run("getComputedStyle(document.getElementById('x')).color") != "rgb(255, 0, 0)"
    # The browser says what it refused, and that is what was wanted here.
    assert len(tab.problems) >= 3
    assert all("Content Security Policy" in problem for problem in tab.problems)
    tab.problems.clear()
    tab.requests[:] = [url for url in tab.requests if "127.0.0.1:9" not in url]


# --- Time ---


def test_a_page_that_nobody_writes_any_more_says_so_louder_and_louder(tab: Tab, write: Write) -> None:
    tab.open(write(good_day()))
    assert "(2 s ago by this device's clock)" in tab.text(".verdict")
    tick(tab, late=119_000)
    assert not tab.shown("#stale")
    tick(tab, late=121_000)
    assert "This page is out of date" in tab.text("#stale")
    assert tab.run("document.title").startswith("Out of date: ✔ All 2 agents are healthy")
    assert tab.text("h1") == "Last known: All 2 agents are healthy"
    assert tab.run("document.querySelector('.verdict use').getAttribute('href')") == "#shape-unknown"
    assert tab.run("(icon => icon.href === icon.dataset.unknown)(document.querySelector('link[rel=icon]'))")
    tick(tab, late=181_000)
    assert not tab.shown("#stale")
    assert "Nobody has renewed this page for three intervals: take it that nothing is being watched" in tab.text("#lost")
    assert tab.run("document.title").count("Out of date") == 1
    assert tab.run("['stale', 'lost'].map((id) => document.getElementById(id).role)") == ["alert", "alert"]


def test_a_page_that_comes_back_is_no_longer_doubted(tab: Tab, write: Write) -> None:
    shown, history = good_day()
    tab.open(write((shown, history)))
    tick(tab, late=200_000)
    write((msgspec.structs.replace(shown, generated_at=stories.before(seconds=-199)), history))
    tick(tab, late=200_000, waited=30_001)
    tab.loaded()
    assert not tab.shown("#lost")
    assert tab.text("h1") == "All 2 agents are healthy"


@pytest.mark.parametrize(("made", "said"), [("by hand", "Made by hand"), ("by a single check", "Made by a single check")])
def test_a_page_that_nobody_renews_never_cries(tab: Tab, write: Write, made: str, said: str) -> None:
    tab.open(write(good_day(), made=made))
    tick(tab, late=86_400_000, waited=86_400_000)
    assert said in tab.text(".verdict")
    assert "(1 d ago by this device's clock)" in tab.text(".verdict")
    assert tab.run("document.querySelector('#stale, #lost')") is None
    assert "Out of date" not in tab.run("document.title")


def test_the_last_page_says_stopped_and_stays(tab: Tab, write: Write) -> None:
    tab.open(write(stopped()))
    assert tab.text("h1") == "Stopped at 11:01:44 UTC: nothing is being watched"
    assert tab.run("timers.length") == 0


def test_without_javascript_a_sentence_names_the_time(tab: Tab, write: Write) -> None:
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(write(good_day()))
    assert "it is out of date when it is later than 11:03:44 UTC (2026-11-22)" in tab.text("noscript + section, main")
    assert tab.run("document.querySelector('noscript meta').content") == "30"


# --- Renewal ---


def test_scroll_focus_and_open_details_survive_a_new_edition(tab: Tab, write: Write) -> None:
    shown, history = bad_day()
    tab.size(800, 500)
    tab.open(write((shown, history)))
    tab.run("document.querySelectorAll('details')[1].open = true; document.querySelectorAll('summary')[1].focus()")
    tab.run("scrollTo(0, 700)")
    opened = tab.run("document.querySelectorAll('details')[1].id")
    write((msgspec.structs.replace(shown, agents=shown.agents[::-1], version="9.9.9"), history))
    tick(tab, waited=29_000)
    assert "0.1.0" in tab.text("footer"), "not before its time"
    tick(tab, waited=30_001)
    tab.loaded()
    assert "9.9.9" in tab.text("footer")
    assert tab.run("[...document.querySelectorAll('details[open]')].map((part) => part.id)") == [opened]
    assert tab.run("scrollY") == 700
    assert tab.run("document.activeElement.closest('details').id") == opened


def test_it_waits_while_text_is_selected(tab: Tab, write: Write) -> None:
    shown, history = good_day()
    tab.open(write((shown, history)))
    write((msgspec.structs.replace(shown, version="9.9.9"), history))
    tab.run("getSelection().selectAllChildren(document.querySelector('.acts code'))")
    tick(tab, waited=40_000)
    assert tab.shown("#held")
    assert "0.1.0" in tab.text("footer")
    tab.run("getSelection().removeAllRanges()")
    tick(tab, waited=40_000)
    tab.loaded()
    assert "9.9.9" in tab.text("footer")
    assert not tab.shown("#held")


def test_it_waits_while_it_is_hidden_and_goes_on_at_once(tab: Tab, write: Write) -> None:
    shown, history = good_day()
    tab.open(write((shown, history)))
    write((msgspec.structs.replace(shown, version="9.9.9"), history))
    tab.run("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    tick(tab, waited=40_000)
    assert "0.1.0" in tab.text("footer")
    tab.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    tab.loaded()
    assert "9.9.9" in tab.text("footer")


def test_where_the_browser_keeps_nothing_all_else_works(tab: Tab, write: Write) -> None:
    tab.before_every_page("history.replaceState = () => { throw new DOMException('too often', 'SecurityError'); }")
    tab.open(write(bad_day()))
    tab.run("document.querySelectorAll('details')[1].open = true; late = 121000; tick()")
    assert tab.shown("#stale")


# --- For everybody ---


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("name", ["bad", "stale"])
def test_axe_finds_nothing(tab: Tab, write: Write, axe: str, scheme: str, width: int, name: str) -> None:
    tab.scheme(scheme)
    tab.size(width)
    tab.open(write(bad_day()))
    tab.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    if name == "stale":
        tick(tab, late=200_000)
    tab.run(axe)
    found: dict[str, Any] = tab.run(AXE)
    assert found["violations"] == []
    assert found["passes"] > 20


@pytest.mark.parametrize("width", [360, 800, 1089, 1400])
def test_nothing_sticks_out_sideways(tab: Tab, write: Write, width: int) -> None:
    tab.size(width)
    endless = "unbroken" * 40
    shown, history = bad_day()
    long = msgspec.structs.replace(shown.agents[1], name=endless[:64], detail=endless, last_exit=endless)
    tab.open(write((msgspec.structs.replace(shown, agents=(*shown.agents, long)), history), title=endless))
    tab.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    wider = """[...document.querySelectorAll('body *:not(.skip):not(thead *)')]
        .filter((part) => part.getBoundingClientRect().right > innerWidth + 1).map((part) => part.outerHTML.slice(0, 80))"""
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run(wider) == []


def test_the_keyboard_reaches_the_verdict_first(tab: Tab, write: Write) -> None:
    tab.open(write(bad_day()))
    for kind in ("keyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert tab.run("document.activeElement.textContent") == "Skip to the verdict"
    assert tab.run("document.activeElement.getBoundingClientRect().left") >= 0
    levels = tab.run("[...document.querySelectorAll('h1, h2, h3')].map((heading) => Number(heading.tagName[1]))")
    assert levels[0] == 1
    assert all(later - former <= 1 for former, later in pairwise(levels))


def test_on_paper_everything_is_dark_on_white_and_open(tab: Tab, write: Write) -> None:
    tab.scheme("dark")
    tab.open(write(bad_day()))
    tab.call("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert tab.run("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert not tab.shown("nav")
    assert tab.run("document.querySelector('details li').checkVisibility()")


def test_the_worst_page_can_be_drawn(tab: Tab, write: Write) -> None:
    tab.size(360)
    tab.open(write(stories.worst()))
    assert tab.run("document.querySelectorAll('table.agents tbody tr').length") == 200
    assert tab.run("document.documentElement.scrollWidth") <= 360
