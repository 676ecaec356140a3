"""The page: one HTML file that needs nothing else and cannot be talked into running or fetching anything."""

import base64
import hashlib
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from collections_supervisor.messages import AgentError, AgentReport, Report
from collections_supervisor.reporting import book_words, words
from collections_supervisor.reporting.report_json import encode_report
from collections_supervisor.system.clock import stamp

if TYPE_CHECKING:
    from jinja2 import Template

_DASH = "\N{EN DASH}"
_ERRORS_PER_AGENT = 5
_SHOWN = 100
"""Findings on the page; its data holds the first thousand."""
_IN_SCRIPT = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
_SHAPES: dict[words.Tone, str] = {
    "alarm": "escalated",
    "bad": "unhealthy",
    "warn": "restarting",
    "idle": "unknown",
    "good": "healthy",
    "stopped": "stopped",
}
# The icon of the browser's tab: like the shapes of the page, it differs by more than its colour.
_ICONS: dict[words.Tone, str] = {
    "alarm": "<path fill='#cf222e' d='M5 1h6l4 4v6l-4 4H5l-4-4V5z'/>",
    "bad": "<path fill='#bc4c00' d='M8 1l7.5 14H.5z'/>",
    "warn": "<path fill='#9a6700' d='M8 1l7 7-7 7-7-7z'/>",
    "idle": "<circle cx='8' cy='8' r='5' fill='none' stroke='#57606a' stroke-width='4'/>",
    "good": "<circle cx='8' cy='8' r='7' fill='#1a7f37'/>",
    "stopped": "<path fill='#57606a' d='M2 2h12v12H2z'/>",
}


def render(report: Report, *, title: str, interval: float, recipient: str = "a human") -> bytes:
    """The whole page for one report; it is out of date when two `interval`s (seconds) have passed without a newer one.

    The result depends on nothing but the arguments: ages are reckoned from `generated_at`. `recipient` is who is told of
    incidents. Any text is safe in any argument.
    """
    from markupsafe import Markup

    tone = words.verdict_tone(report)
    data = encode_report(report).decode().translate(_IN_SCRIPT)
    page = _template().render(
        report=report,
        title=title,
        recipient=recipient,
        now=report.generated_at,
        stale_at=report.generated_at + timedelta(seconds=words.stale_after(interval)),
        refresh=words.refresh_after(interval),
        agents=words.worst_first(report),
        failing=_failing(report),
        shown=_SHOWN,
        shape_of_all=_SHAPES[tone],
        icon=Markup(_icon(tone)),  # noqa: S704 - made of constants
        data=Markup(data),  # noqa: S704 - JSON without a character that means something in HTML
    )
    return page.encode()


def _failing(report: Report) -> list[tuple[AgentReport, list[AgentError]]]:
    """The agents that have errors to show, each with its last ones, newest first."""
    return [
        (agent, sorted(agent.errors, key=lambda error: error.timestamp, reverse=True)[:_ERRORS_PER_AGENT])
        for agent in words.worst_first(report)
        if agent.errors
    ]


def _icon(tone: words.Tone) -> str:
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>{_ICONS[tone]}</svg>"
    return f"data:image/svg+xml,{svg.replace('<', '%3C').replace('>', '%3E').replace('#', '%23')}"


@cache
def _template() -> "Template":
    # Imported at first use: most commands of the program draw no page.
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_printable, trim_blocks=True)
    environment.globals.update(
        # Markup, because a stamp in an attribute is for programs and not to be made readable.
        stamp=lambda instant: Markup(stamp(instant)),  # noqa: S704 - digits
        activity=book_words.activity,
        ago=words.ago,
        agreement=book_words.agreement,
        book_rows=book_words.rows,
        finding_title=book_words.finding_title,
        has_books=book_words.has_books,
        queue_state=book_words.queue_state,
        queues_of=lambda report: report.queues.items,
        clock=words.clock,
        condition=words.condition,
        counts=words.counts,
        headline=words.headline,
        mark=words.mark,
        subject=words.subject,
        told=words.told,
        tone=words.tone,
        verdict_tone=words.verdict_tone,
        stale_words=words.STALE,
        unknown=None,
    )
    css, js = _asset("dashboard.css"), _asset("dashboard.js")
    sources = f"style-src '{_digest(css)}'; script-src '{_digest(js)}'; img-src data:"
    policy = f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"
    environment.globals.update(css=Markup(css), js=Markup(js), policy=Markup(policy))  # noqa: S704 - files of this package
    return environment.from_string(_asset("dashboard.html.j2"))


def _printable(value: object) -> object:
    """What every value goes through on its way into the page, so that none can be forgotten."""
    if value is None:
        return _DASH
    # Markup is a str too; it has been through here already, or is ours.
    return words.clean(value) if type(value) is str else value


def _asset(name: str) -> str:
    return (resources.files("collections_supervisor.reporting") / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """The name by which a content security policy knows one inline style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
