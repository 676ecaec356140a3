"""The report inside the page."""

import json

from tests.reporting.stories import HOSTILE, agent, bad_day, report, worst

from collections_supervisor.messages import Source
from collections_supervisor.reporting.page_data import PageData
from collections_supervisor.reporting.report_json import encode_report


def test_it_is_the_report_as_long_as_it_fits() -> None:
    shown, _ = bad_day()
    assert json.loads(PageData(shown).within(100_000)) == json.loads(encode_report(shown))


def test_nothing_in_it_means_anything_in_a_page() -> None:
    data = PageData(report(agent(HOSTILE))).within(100_000)
    assert not set("<>&\u2028\u2029") & set(data)
    assert json.loads(data)["agents"][0]["name"] == HOSTILE


def test_what_does_not_fit_is_cut_and_can_be_told() -> None:
    shown, _ = worst("many words " * 100)
    data = PageData(shown).within(400 * 1024)
    assert len(data.encode()) <= 400 * 1024
    told = json.loads(data)
    assert len(told["agents"]) == 200
    assert told["agents"][0]["detail"].startswith("many words")
    assert told["agents"][0]["detail"].endswith("…")
    assert told["agents"][0]["last_heartbeat"] == "2026-11-22T11:01:14.250000Z"
    assert told["books"]["finding_counts"] == {"amount_mismatch": 5000}
    assert 0 < len(told["books"]["findings"]) < 1000


def test_of_very_many_sources_only_the_first_are_kept_where_it_must_be_smaller() -> None:
    sources = tuple(Source(name=f"a{number}", path="/x" * 50, read_at=None) for number in range(1000))
    data = PageData(report(agent("a"), sources=sources))
    assert [len(json.loads(data.within(most))["sources"]) for most in (10**6, 40_000, 1)] == [1000, 200, 50]
    assert len(json.loads(data.within(10**6))["sources"]) == 1000, "what was cut for one page is whole for another"


def test_the_newest_errors_are_kept() -> None:
    shown, _ = worst("x" * 900)
    newest = max(error.timestamp for error in shown.agents[0].errors)
    (kept,) = json.loads(PageData(shown).within(1000))["agents"][0]["errors"]
    assert kept["timestamp"] == f"{newest:%Y-%m-%dT%H:%M:%S.%f}Z"
