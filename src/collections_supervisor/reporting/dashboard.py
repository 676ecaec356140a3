"""The page: one HTML file that needs nothing else and cannot be talked into running or fetching anything."""

from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from collections_supervisor.messages import History, Report
from collections_supervisor.reporting import page_template, words
from collections_supervisor.reporting.page_data import page_data
from collections_supervisor.reporting.page_template import Room, TemplateFaultError

__all__ = ["TemplateFaultError", "render"]

MOST = 1024 * 1024
"""Bytes of a page whose texts need not be cut further."""


class _Scale(NamedTuple):
    """How much of everything the page shows."""

    text: Room
    findings: int
    """Their data holds the first thousand."""
    errors: int
    """For each agent that is not healthy."""
    sources: int
    data: int
    """Bytes of the report as JSON."""


_SCALES = (
    _Scale(Room(300, 1800), 100, 5, 1000, 400 * 1024),
    _Scale(Room(120, 400), 60, 5, 200, 400 * 1024),
    _Scale(Room(40, 64), 20, 1, 50, 270 * 1024),
)
"""The next one is taken where the page gets too large: a text full of characters that must be escaped grows to six times."""

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
_NO_HISTORY = History()


def render(
    report: Report,
    *,
    history: History = _NO_HISTORY,
    title: str,
    interval: float,
    recipient: str = "a human",
    made: str = "",
    template: Path | None = None,
) -> bytes:
    """The whole page for one report; it is out of date when two `interval`s (seconds) have passed without a newer one.

    The result depends on nothing but the arguments: ages are reckoned from `generated_at`. `recipient` is who is told of
    incidents. `made` is how, for a page that nobody renews (`by hand`, `by a single check`): it says so, and is never out of
    date. `template` is a file that takes the place of our own template; TemplateFaultError says what is wrong with it. Any text
    is safe in any argument.
    """
    from markupsafe import Markup

    tone = words.verdict_tone(report)
    now = report.generated_at
    kept = bool(made) or report.stopped_at is not None
    given = {
        "report": report,
        "history": history,
        "title": title,
        "recipient": recipient,
        "made": made,
        "now": now,
        "renewed": not kept,
        "next_at": now + timedelta(seconds=interval),
        "stale_at": now + timedelta(seconds=words.stale_after(interval)),
        "lost_at": now + timedelta(seconds=words.lost_after(interval)),
        "refresh": words.refresh_after(interval),
        "agents": words.worst_first(report),
        "shape_of_all": _SHAPES[tone],
        "icon": Markup(_icon(tone)),  # noqa: S704 - made of constants
        "icon_unknown": Markup(_icon("idle")),  # noqa: S704 - made of constants
    }
    for scale in _SCALES:
        data = Markup(page_data(report, scale.data))  # noqa: S704 - JSON without a character that means something in HTML
        page = _drawn(template, scale, {**given, "data": data, "shown": scale})
        if len(page) <= MOST:
            break
    return page


def _drawn(template: Path | None, scale: _Scale, given: dict[str, object]) -> bytes:
    if template is None:
        return page_template.built_in(scale.text).render(given).encode()
    found = page_template.own(template, scale.text)
    try:
        return found.render(given).encode()
    except Exception as error:  # noqa: BLE001 - somebody else's code can raise anything
        raise page_template.fault(template, error) from None


def _icon(tone: words.Tone) -> str:
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>{_ICONS[tone]}</svg>"
    return f"data:image/svg+xml,{svg.replace('<', '%3C').replace('>', '%3E').replace('#', '%23')}"
