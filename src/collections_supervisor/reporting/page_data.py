"""The report inside the page: JSON for programs, in characters that mean nothing in HTML. Pure."""

from typing import NamedTuple

import msgspec

from collections_supervisor.messages import AgentReport, Report
from collections_supervisor.reporting.report_json import encode_report

_MEANINGFUL = "<>&\u2028\u2029"
"""What could end a script, or a line of one."""


class _Cut(NamedTuple):
    """What is left of a report that is too large."""

    text: int
    """Bytes of each text, as they stand in the page, where some characters take six."""
    findings: int
    errors: int
    """Of each agent."""


_CUTS = (_Cut(200, 200, 5), _Cut(64, 50, 1), _Cut(40, 20, 1))


def page_data(report: Report, most: int) -> str:
    """The whole report; beyond `most` bytes with shorter texts, fewer errors and findings.

    What is cut can be told: a text then ends in "…", and `finding_counts` goes on counting all findings.
    """
    data = _in_script(encode_report(report))
    for cut in _CUTS:
        if len(data.encode()) <= most:
            break
        fewer = _fewer(report, cut)
        data = _in_script(msgspec.json.encode(_shortened(msgspec.json.decode(encode_report(fewer)), cut.text)))
    return data


def _in_script(encoded: bytes) -> str:
    data = encoded.decode()
    for character in _MEANINGFUL:
        data = data.replace(character, f"\\u{ord(character):04x}")
    return data


def _fewer(report: Report, cut: _Cut) -> Report:
    def last(agent: AgentReport) -> AgentReport:
        errors = sorted(agent.errors, key=lambda error: error.timestamp)
        return msgspec.structs.replace(agent, errors=tuple(errors[-cut.errors :]))

    books = report.books
    if books is not None:
        books = msgspec.structs.replace(books, findings=books.findings[: cut.findings])
    return msgspec.structs.replace(report, agents=tuple(last(agent) for agent in report.agents), books=books)


def _shortened(value: object, most: int) -> object:
    match value:
        case str():
            return _short(value, most)
        case list():
            return [_shortened(item, most) for item in value]
        case dict():
            return {key: _shortened(item, most) for key, item in value.items()}
        case _:
            return value


def _short(text: str, most: int) -> str:
    length = min(len(text), most)
    while _cost(text[:length]) > most:
        length -= max(1, length // 8)
    return text if length == len(text) else f"{text[:length]}…"


def _cost(text: str) -> int:
    return len(text.encode()) + 5 * sum(map(text.count, _MEANINGFUL))
