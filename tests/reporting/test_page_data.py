"""The report inside the page."""

import json

from tests.reporting.stories import HOSTILE, agent, bad_day, report, worst

from collections_supervisor.reporting.page_data import page_data
from collections_supervisor.reporting.report_json import encode_report


def test_it_is_the_report_as_long_as_it_fits() -> None:
    shown, _ = bad_day()
    assert json.loads(page_data(shown, 100_000)) == json.loads(encode_report(shown))


def test_nothing_in_it_means_anything_in_a_page() -> None:
    data = page_data(report(agent(HOSTILE)), 100_000)
    assert not set("<>&\u2028\u2029") & set(data)
    assert json.loads(data)["agents"][0]["name"] == HOSTILE


def test_what_does_not_fit_is_cut_and_can_be_told() -> None:
    shown, _ = worst("many words " * 100)
    data = page_data(shown, 400 * 1024)
    assert len(data.encode()) <= 400 * 1024
    told = json.loads(data)
    assert len(told["agents"]) == 200
    assert told["agents"][0]["detail"].startswith("many words")
    assert told["agents"][0]["detail"].endswith("…")
    assert told["agents"][0]["last_heartbeat"] == "2026-11-22T11:01:14.250000Z"
    assert told["books"]["finding_counts"] == {"amount_mismatch": 5000}
    assert 0 < len(told["books"]["findings"]) < 1000


def test_the_newest_errors_are_kept() -> None:
    shown, _ = worst("x" * 900)
    newest = max(error.timestamp for error in shown.agents[0].errors)
    (kept,) = json.loads(page_data(shown, 1000))["agents"][0]["errors"]
    assert kept["timestamp"] == f"{newest:%Y-%m-%dT%H:%M:%S.%f}Z"
