"""The page, as a browser would take it apart."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reporting import stories
from tests.reporting.conftest import NOW

from collections_supervisor.messages import (
    AgentError,
    AgentReport,
    Held,
    History,
    IncidentReport,
    Report,
    Source,
    StateRun,
    Undelivered,
)
from collections_supervisor.reporting.dashboard import render
from collections_supervisor.reporting.report_json import encode_report
from collections_supervisor.reporting.words import next_step

MakeReport = Callable[..., Report]
MakeAgent = Callable[..., AgentReport]
MakeIncident = Callable[..., IncidentReport]

HOSTILE = "<script>alert(1)</script>\"'><b onmouseover=x>&amp;</style>--><!--\u202egnp.exe\n\nnew line\u2028"
VOID = {"meta", "link", "br"}
SELF_CLOSED = {"circle", "path", "rect", "use"}


class Page(HTMLParser):
    """What is on a page: its elements, what they say, its scripts."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[tuple[str, str]] = []
        self.raw = data.decode()
        self.feed(self.raw)
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID | SELF_CLOSED:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append((self.open[-1] if self.open else "", data))

    def text(self, *within: str) -> str:
        """Everything a reader sees, or what stands right inside these elements."""
        wanted = [data for tag, data in self.said if (tag in within if within else tag not in ("script", "style"))]
        return " ".join("".join(f" {data}" for data in wanted).split())

    def tags(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.elements if tag == name]


def page(report: Report, *, title: str = "Collections", interval: float = 60, recipient: str = "caine") -> Page:
    return Page(render(report, title=title, interval=interval, recipient=recipient))


def story(told: stories.Story, **settings: Any) -> Page:
    report, history = told
    return Page(render(report, history=history, title="Collections", interval=60, recipient="caine", **settings))


def data_of(page: Page) -> str:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.raw, re.DOTALL)
    assert found is not None
    return found[1]


def test_a_healthy_fleet(make_report: MakeReport, make_agent: MakeAgent) -> None:
    shown = page(make_report(make_agent(), make_agent("collections-emailer")))
    assert shown.raw.startswith("<!DOCTYPE html>\n")
    assert shown.raw.endswith("</html>")
    assert shown.text("title") == "✔ All 2 agents are healthy · Collections"
    assert shown.text("h1") == "All 2 agents are healthy"
    assert "As of 2026-11-22 11:01:44 UTC . Next update by 11:02:44 , out of date after 11:03:44 UTC" in shown.text()
    assert "2 healthy" in shown.text()
    html = shown.tags("html")[0]
    assert (html["data-stale-at"], html["data-lost-at"]) == ("2026-11-22T11:03:44.250000Z", "2026-11-22T11:04:44.250000Z")
    assert html["data-refresh"] == "30"
    assert [meta["content"] for meta in shown.tags("meta") if meta.get("http-equiv") == "refresh"] == ["30"]
    assert [p["id"] for p in shown.tags("p") if "hidden" in p] == ["stale", "lost", "held"]
    assert "it is out of date when it is later than 11:03:44 UTC (2026-11-22)" in shown.text("p")


def test_the_data_is_the_report(make_report: MakeReport, make_agent: MakeAgent) -> None:
    report = make_report(make_agent(HOSTILE))
    data = data_of(page(report))
    assert json.loads(data) == json.loads(encode_report(report))
    assert not set("<>&\u2028\u2029") & set(data)


def test_an_agent_in_trouble(make_report: MakeReport, make_agent: MakeAgent, make_incident: MakeIncident, now: datetime) -> None:
    errors = tuple(
        AgentError(timestamp=now - timedelta(minutes=minutes), reason=f"fault {minutes}") for minutes in range(7, 0, -1)
    )
    troubled = make_agent(
        status="escalated",
        detail="no heartbeat",
        missed=3,
        miss_threshold=2,
        last_heartbeat=now - timedelta(hours=3),
        next_deadline=None,
        restarts=7,
        restarts_24h=2,
        budget_left_24h=10,
        errors=errors,
        held=Held(reason="budget used up", until=now + timedelta(minutes=40)),
        next_attempt_at=now + timedelta(seconds=45),
        last_exit="exit 1",
    )
    told = make_incident(attempts=4, error="gateway down", next_at=now + timedelta(seconds=90))
    shown = page(make_report(make_agent("other"), troubled, verdict="degraded", incidents=(told,)))
    assert shown.text("h1") == "payment-watcher is escalated (1 of 2 agents)"
    for words in (
        "no heartbeat for 3 h",
        "could not tell caine since 09:01:44 UTC: gateway down (4 tries, next at 11:03:14 UTC, in 1 min 30 s)",
        "08:01:44 3 h 00 min ago",
        "No restart (budget used up) until 11:41:44, in 40 min",
        "Last exit: exit 1",
        "7 2 in 24 h, 10 left",
        "3 of 2",
        "Restart 11:02:29 in 45 s",
        "Next step restart at 11:02:29 UTC, in 45 s; another try to deliver it at 11:03:14 UTC, in 1 min 30 s",
        "openclaw agent --agent payment-watcher --message restart",
    ):
        assert words in shown.text()
    assert re.findall(r"fault \d", shown.text()) == ["fault 1", "fault 2", "fault 3", "fault 4", "fault 5"]
    assert shown.text().index("escalated", 200) < shown.text().index("healthy", 300), "who needs a person stands on top"


def test_what_is_unknown_is_a_dash(make_report: MakeReport, make_agent: MakeAgent) -> None:
    unknown = make_agent(status="unknown", last_heartbeat=None, next_deadline=None, budget_left_24h=None)
    shown = page(make_report(unknown, verdict="unknown"))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", shown.raw, re.DOTALL)
    plain = [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in cells]
    assert plain == ["unknown", "– no history yet", "– never seen", "– none is set", "0", "0 no limit"]
    assert "None" not in shown.text().replace("None.", "")


def test_no_agents_is_never_healthy(make_report: MakeReport) -> None:
    shown = page(make_report())
    assert shown.text("h1") == "No agents are watched"
    assert shown.text("title").startswith("? ")
    assert "healthy" not in shown.text()


def test_the_last_page_says_stopped(make_report: MakeReport, make_agent: MakeAgent, now: datetime) -> None:
    shown = page(make_report(make_agent(), stopped_at=now))
    assert shown.text("h1") == "Stopped at 11:01:44 UTC: nothing is being watched"
    assert "Last known: payment-watcher is healthy" in shown.text()
    assert "out of date" not in shown.raw
    assert "refresh" not in {meta.get("http-equiv") for meta in shown.tags("meta")}
    assert "renews itself" not in shown.text()
    assert [script.get("type") for script in shown.tags("script")] == ["application/json"]
    assert shown.tags("html")[0] == {"lang": "en", "class": "past"}


@pytest.mark.parametrize(("how", "promised"), [({}, True), ({"stopped_at": NOW}, False), ({"stale": True}, False)])
def test_no_restart_is_promised_where_nobody_would_make_it(
    how: dict[str, Any], promised: bool, make_report: MakeReport, make_agent: MakeAgent, make_incident: MakeIncident
) -> None:
    dead = make_agent("mailer", "unhealthy", next_attempt_at=NOW + timedelta(seconds=30))
    report = make_report(dead, incidents=(make_incident(agent="mailer"),), **how)
    assert page(report).text().lower().count("restart 11:02:14") == promised
    assert next_step(report.incidents[0], report).startswith("restart at 11:02:14") == promised


def test_a_page_that_nobody_renews_says_so_and_never_cries(make_report: MakeReport, make_agent: MakeAgent) -> None:
    data = render(make_report(make_agent()), title="x", interval=60, made="by hand")
    shown = Page(data)
    assert "Made by hand: nobody renews this page, it shows how things stood then." in shown.text()
    assert "out of date" not in re.sub("<(script|style).*?</", "", shown.raw, flags=re.DOTALL)
    assert "refresh" not in {meta.get("http-equiv") for meta in shown.tags("meta")}
    assert shown.tags("html")[0] == {"lang": "en"}


def test_what_is_out_of_date_says_so(make_report: MakeReport, make_agent: MakeAgent) -> None:
    said = "Nothing newer is known: by now it may be different."
    assert said in page(make_report(make_agent(), verdict="unknown", stale=True)).text()
    assert said not in page(make_report(make_agent())).text()


def test_what_nobody_could_be_told_stays_visible_the_newest_first(make_report: MakeReport, now: datetime) -> None:
    def lost(hours: int, **changes: Any) -> Undelivered:
        about: dict[str, Any] = {"dedup_key": "k", "sequence": 1, "incident_id": "i", "agent": "mailer", "error": ""}
        text = f"{HOSTILE} since 2026-11-22T0{hours}:00:00.000000Z"
        return Undelivered(**{**about, "text": text, "at": now - timedelta(hours=hours), **changes})

    shown = page(make_report(undelivered=(lost(3, error="no channel configured"), lost(1))))
    assert_nothing_runs(shown)
    text = shown.text()
    assert "Nobody could be told" in text
    newest, oldest = text.index("since 2026-11-22 01:00:00 UTC"), text.index("since 2026-11-22 03:00:00 UTC")
    assert text.index("10:01:44 1 h 00 min ago") < oldest
    assert newest < text.index("no reason known") < oldest < text.index("no channel configured")


def test_hostile_text_is_only_text(
    make_report: MakeReport, make_agent: MakeAgent, make_incident: MakeIncident, now: datetime
) -> None:
    hostile = make_agent(
        HOSTILE,
        "escalated",
        detail=HOSTILE,
        errors=(AgentError(timestamp=now, reason="y" * 10_000),),
        held=Held(reason=HOSTILE),
        last_exit=HOSTILE,
    )
    incident = make_incident(agent=HOSTILE, reason=HOSTILE, attempts=1, error=HOSTILE, next_at=None)
    report = make_report(hostile, verdict="degraded", incidents=(incident,), run_id=HOSTILE, version=HOSTILE)
    shown, harmless = page(report, title=HOSTILE, recipient=HOSTILE), page(make_report(make_agent(), verdict="degraded"))
    assert_nothing_runs(shown)
    assert {tag for tag, _ in shown.elements} - {tag for tag, _ in harmless.elements} <= {"article", "h3", "details", "summary"}
    assert "<script>alert(1)</script>\"'><b onmouseover=x>&amp;" in shown.text()
    assert "\u202e" not in shown.text() + shown.text("title")
    assert "y" * 299 + "…" in shown.text()
    assert "y" * 300 not in shown.text()


@settings(max_examples=25)
@given(st.text(max_size=400))
def test_no_text_breaks_the_page(text: str) -> None:
    report, agent, incident = samples()
    broken = report(
        agent(text, "escalated", detail=text, held=Held(reason=text)), incidents=(incident(agent=text, reason=text, error=text),)
    )
    shown = page(broken, title=text, recipient=text)
    assert_nothing_runs(shown)
    assert json.loads(data_of(shown)) == json.loads(encode_report(broken))


def samples() -> tuple[MakeReport, MakeAgent, MakeIncident]:
    """The makers of the fixtures, for a property: one fixture would serve all its examples."""
    from datetime import UTC

    at = datetime(2026, 11, 22, 11, tzinfo=UTC)
    unknown = {"last_heartbeat": None, "next_deadline": None, "incident": None, "last_exit": None, "next_attempt_at": None}
    counts = {"missed": 2, "restarts": 0, "restarts_24h": 0, "budget_left_24h": None, "errors": (), "paused": False}

    def agent(name: str, status: str, **changes: object) -> AgentReport:
        return AgentReport(**{"name": name, "status": status, **unknown, **counts, **changes})  # type: ignore[arg-type]

    def incident(**changes: object) -> IncidentReport:
        fields = {"id": "1", "kind": "agent", "opened_at": at, "missed": 2, "acknowledged_until": None, "delivered": False}
        return IncidentReport(**{**fields, "attempts": 1, "next_at": None, **changes})  # type: ignore[arg-type]

    def report(*agents: AgentReport, incidents: tuple[IncidentReport, ...]) -> Report:
        return Report(schema=1, generated_at=at, run_id="r", version="v", verdict="degraded", agents=agents, incidents=incidents)

    return report, agent, incident


def assert_nothing_runs(page: Page) -> None:
    """Only our own script, no handlers, no addresses but our own icon and shapes."""
    assert [script.get("type") for script in page.tags("script")] == ["application/json", None]
    for tag, attrs in page.elements:
        assert not [name for name in attrs if name.startswith("on") or name in ("src", "style", "action", "srcset")]
        href = attrs.get("href")
        local = tag == "a" and re.fullmatch("#[a-z]+", href or "")
        assert href is None or local or (tag, href[:7]) == ("use", "#shape-") or (tag, href[:10]) == ("link", "data:image")


def test_the_policy_names_exactly_our_own_script_and_style(make_report: MakeReport, make_agent: MakeAgent) -> None:
    shown = page(make_report(make_agent()))
    (policy,) = [meta["content"] for meta in shown.tags("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    script = re.search(r"<script>(.*?)</script>", shown.raw, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", shown.raw, re.DOTALL)
    assert script is not None
    assert style is not None
    for kind, text in (("script-src", script[1]), ("style-src", style[1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy


def test_every_state_has_a_shape_of_its_own_and_a_word(make_report: MakeReport, make_agent: MakeAgent) -> None:
    statuses = ["healthy", "late", "unhealthy", "restarting", "escalated", "paused", "unknown"]
    shown = page(make_report(*(make_agent(status, status) for status in statuses), verdict="degraded"))
    drawn = dict(re.findall(r'<symbol id="shape-(\w+)"[^>]*>(.*?)</symbol>', shown.raw))
    assert len({drawn[status] for status in statuses}) == len(statuses)
    for status in statuses:
        assert f'#shape-{status}"/></svg>{status}</span>' in shown.raw


def test_tables_say_what_their_headings_belong_to() -> None:
    shown = story(stories.bad_day())
    assert {heading.get("scope") for heading in shown.tags("th")} == {"col", "row", "rowgroup"}


def test_errors_stand_only_where_an_agent_is_not_healthy(make_report: MakeReport, make_agent: MakeAgent, now: datetime) -> None:
    errors = (AgentError(timestamp=now, reason="a fault"),)
    assert "a fault" not in page(make_report(make_agent(errors=errors))).text()
    late = page(make_report(make_agent("m", "late", errors=errors)))
    assert "Last errors: 1 11:01:44 now a fault" in late.text()
    assert len(late.tags("details")) == 1


def test_the_questions_come_in_the_order_of_their_weight() -> None:
    shown = story(stories.bad_day())
    asked = ["Open incidents", "Agents", "Money", "Findings by invoice", "Queues", "The last 24 hours", "Last changes"]
    headings = [data for tag, data in shown.said if tag in ("h2", "h3")]
    assert [heading for heading in headings if heading in asked] == asked
    assert headings[-2:] == ["Where this comes from", "What to do"]


def test_every_agent_and_queue_has_its_day() -> None:
    shown = story(stories.bad_day())
    spoken = [svg["aria-label"] for svg in shown.tags("svg") if svg.get("role") == "img"]
    assert spoken == [
        "24 hours: healthy 20 h 50 min, escalated 1 h 45 min, restarting 1 h, unhealthy 15 min, late 10 min",
        "24 hours: healthy 22 h 43 min, unhealthy 40 min, not watched 30 min, restarting 7 min",
        "24 hours: healthy 19 h, paused 3 h 20 min, unknown 1 h 40 min",
        "24 hours: from 0 to 118 waiting",
    ]


def test_money_changes_and_sources() -> None:
    text = story(stories.bad_day()).text()
    for words in (
        "unpaid 41 COP 12,400,000.00 12,400,000.00 0.00 USD 48,250.00 48,300.00 50.00 paid 212 USD 310,422.75",
        "review 1 USD 75.00 – not kept there –",
        "The books do not agree: 1 error in 2 findings. As of 10:57:44 4 min ago ; 257 files read anew.",
        "INV-2041 error amount mismatch the ledger says USD 1,450.00, the invoice file USD 1,400.00",
        "118 waiting, more than 100 118 of 100 1 h 27 min 1",
        "payment_queue healthy – no history yet 0 of 100 – nothing waits 0",
        "errors logged – nothing tells",
        "10:27:44 34 min ago the books do not agree: 1 error in 2 findings",
        "payment-watcher /home/novot/.cache/novotechno-collections/heartbeats/payment-watcher.log 11:01:40 4 s ago",
        "could not tell caine since 09:16:44 UTC: openclaw: gateway closed (1006) (4 tries, next at 11:03:14 UTC",
        "What it costs Since 08:01 UTC two payments over USD 2,450.00 were not detected",
        "Acknowledged until 2026-11-23 09:01:44 in 22 h 00 min",
    ):
        assert words in text, words


def test_what_was_not_looked_at_is_a_dash_with_its_reason(make_report: MakeReport, make_agent: MakeAgent) -> None:
    text = page(make_report(make_agent(), books_reason="there is no folder")).text()
    assert text.count("– not looked at: there is no folder") == 3
    nothing = page(make_report(make_agent())).text()
    assert nothing.count("– not looked at: no audit was made yet") == 3
    assert "– none on record" in nothing
    assert "– not recorded" in nothing


def test_two_hundred_agents_fit_into_300_kib() -> None:
    report, history = stories.many(200)
    assert len(render(report, history=history, title="x", interval=60)) <= 300 * 1024


@pytest.mark.parametrize("text", [stories.HOSTILE * 10, "<" * 900, "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 900, "so many words " * 70])
def test_the_worst_fits_into_a_mebibyte(text: str) -> None:
    report, history = stories.worst(text)
    data = render(report, history=history, title="x", interval=60)
    assert len(data) <= 1024 * 1024
    shown = Page(data)
    assert_nothing_runs(shown)
    assert shown.text("h1").startswith("200 escalated of 200 agents; the books do not agree, queue ")
    assert len([svg for svg in shown.tags("svg") if svg.get("role") == "img"]) == 300, "no history is left out"
    assert "collections-supervisor --dashboard --output dashboard.html" in shown.text(), "a command that is cut is none"
    assert len(json.loads(data_of(shown))["agents"]) == 200


def test_the_same_report_gives_the_same_page(make_report: MakeReport, make_agent: MakeAgent) -> None:
    report = make_report(make_agent())
    assert page(report).raw == page(report).raw


def test_a_thousand_agents_fit(make_report: MakeReport, make_agent: MakeAgent) -> None:
    names = [f"agent-{number:04d}" for number in range(1000)]
    sources = tuple(
        Source(name=name, path=f"/var/lib/agents/heartbeats/{name}.log", read_at=NOW, changed_at=NOW) for name in names
    )
    history = History(agents={name: (StateRun(status="healthy", since=NOW - timedelta(hours=1), until=NOW),) for name in names})
    report = make_report(*map(make_agent, names), sources=sources)
    page = Page(render(report, history=history, title="x", interval=60))
    assert page.text("h1") == "All 1000 agents are healthy"
    assert len([svg for svg in page.tags("svg") if svg.get("role") == "img"]) == 1000
    assert len(json.loads(data_of(page))["agents"]) == 1000
    assert len(page.raw.encode()) <= 1024 * 1024


def test_importing_the_room_does_not_load_the_template_engine() -> None:
    code = "import sys; import collections_supervisor.reporting.reporter; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0


def test_which_channels_have_proven_themselves(make_report: Callable[..., Report], now: datetime) -> None:
    proven = render(make_report(proven={"openclaw": now}), title="x", interval=60).decode()
    assert re.search(r"when last:\s*<bdi>openclaw</bdi> \d\d:", proven)
    assert "none has yet; doctor --notify-test tries them" in render(make_report(), title="x", interval=60).decode()
