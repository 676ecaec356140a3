"""The template of the page: ours, or one that somebody wrote in its place. jinja2 is imported at first use."""

import base64
import hashlib
import os
import traceback
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from pkgutil import get_data
from typing import TYPE_CHECKING, Any, NamedTuple

from collections_supervisor.messages import Report
from collections_supervisor.reporting import acts, book_words, timeline, words
from collections_supervisor.system.clock import span, stamp
from collections_supervisor.system.files_open import cause_of, open_regular

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_DASH = "\N{EN DASH}"
_MOST_TEMPLATE = 1024 * 1024


class Room(NamedTuple):
    """What a text from outside may take."""

    characters: int
    written: int
    """Bytes in the page, where a character can take six."""


class TemplateFaultError(Exception):
    """Somebody's own template cannot be used; the text names the file, the line where it is known, and what is wrong."""


def built_in(room: Room) -> "Template":
    """The template of this program, with texts no larger than `room`."""
    return _built_in(room)


def own(path: Path, room: Room) -> "Template":
    """The template in a file; raises TemplateFaultError where it cannot be read or is no template."""
    try:
        with open_regular(path.resolve(), os.O_RDONLY) as (fd, _), open(fd, "rb", closefd=False) as file:
            text = file.read(_MOST_TEMPLATE + 1).decode()
    except UnicodeDecodeError:
        raise TemplateFaultError(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise TemplateFaultError(f"{path}: {cause_of(error)}") from None
    if len(text) > _MOST_TEMPLATE:
        raise TemplateFaultError(f"{path}: is larger than {_MOST_TEMPLATE} bytes")
    try:
        return _compiled(str(path), text, room)
    except Exception as error:  # noqa: BLE001 - somebody else's text can raise anything
        raise fault(path, error) from None


def fault(path: Path, error: Exception) -> TemplateFaultError:
    """What an error in somebody's template is called: where it happened, and what it was."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
    line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
    where = f"{path}, line {line}" if line else str(path)
    return TemplateFaultError(f"{where}: {words.clean(str(error)) or type(error).__name__}")


@cache
def _built_in(room: Room) -> "Template":
    from jinja2 import Environment

    return _equipped(Environment, room).from_string(_asset("dashboard.html.j2"))


@lru_cache(maxsize=4)
def _compiled(name: str, text: str, room: Room) -> "Template":
    # In a sandbox: a template that is handed around may show what we know, and do nothing else.
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = _equipped(ImmutableSandboxedEnvironment, room)
    code = environment.compile(text, name, name)
    return environment.template_class.from_code(environment, code, environment.make_globals(None))


def _equipped(kind: "type[Environment]", room: Room) -> "Environment":
    from jinja2 import StrictUndefined
    from markupsafe import Markup

    environment = kind(
        autoescape=True, undefined=StrictUndefined, finalize=_printable(room), trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(_words())
    css, js = _asset("dashboard.css"), _asset("dashboard.js")
    sources = f"style-src '{_digest(css)}'; script-src '{_digest(js)}'; img-src data:"
    policy = f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"
    environment.globals.update(css=Markup(css), js=Markup(js), policy=Markup(policy))  # noqa: S704 - files of this package
    return environment


def _words() -> dict[str, Any]:
    """What a template can say; each takes what its own documentation says."""
    from markupsafe import Markup, escape

    def said(sentence: Callable[[Report], str]) -> Callable[[Report], Markup]:
        """The sentence on which all depends, which is cut no further on a page that must become smaller."""
        return lambda report: escape(words.clean(sentence(report)))

    def commands(report: Report, config: Path | None = None) -> list[tuple[str, Markup]]:
        """What to do; one that was cut could not be copied."""
        return [(what, escape(command)) for what, command in acts.acts(report, config)]

    def drawn(picture: Callable[..., str]) -> Callable[..., Markup]:
        return lambda *what: Markup(picture(*what))  # noqa: S704 - digits and words of our own

    def at(instant: Any, now: Any) -> Markup:
        """An instant, and on its own line how far away it is; a dash for none."""
        if instant is None:
            return Markup(_DASH)  # noqa: S704
        return Markup(f"{words.clock(instant, now)} <span>{words.ago(instant, now)}</span>")  # noqa: S704 - digits

    return {
        "acts": commands,
        "activity": book_words.numbers,
        "ago": words.ago,
        "agreement": book_words.agreement,
        "at": at,
        "bars": drawn(timeline.bars),
        "by_invoice": book_words.by_invoice,
        "clock": words.clock,
        "comes": words.comes,
        "condition": said(words.condition),
        "counts": words.counts,
        "details_id": words.details_id,
        "headline": said(words.headline),
        "heights": timeline.HEIGHTS,
        "line": drawn(timeline.line),
        "mark": words.mark,
        "misses": words.misses,
        "money": book_words.money,
        "names_config": acts.names_config,
        "newest_errors": words.newest_errors,
        "next_step": words.next_step,
        "queues_of": _queues_of,
        "span": span,
        "stale_words": words.STALE,
        # Markup, because a stamp in an attribute is for programs and not to be made readable.
        "stamp": lambda instant: Markup(stamp(instant)),  # noqa: S704 - digits
        "states": list(timeline.HEIGHTS),
        "subject": words.subject,
        "told": words.told,
        "tone": words.tone,
        "unknown": None,
        "verdict_tone": words.verdict_tone,
    }


def _queues_of(report: Report) -> object:
    # In a template `queues.items` could be taken for a method.
    return report.queues.items if report.queues is not None else ()


def _printable(room: Room) -> Callable[[object], object]:
    """What every value goes through on its way into the page, so that none can be forgotten."""

    least = room.written // 6

    def printable(value: object) -> object:
        if value is None:
            return _DASH
        # Markup is a str too; it has been through here already, or is ours.
        if type(value) is not str:
            return value
        # Most texts are short and harmless; only a stamp of ours ends in a Z that would have to be made readable.
        if len(value) <= least and "Z" not in value and value.isprintable():
            return value
        return _cut(words.clean(value, room.characters), room.written)

    return printable


def _cut(text: str, most: int) -> str:
    from markupsafe import escape

    length = len(text)
    while len(escape(text[:length]).encode()) > most:
        length -= max(1, length // 8)
    return text if length == len(text) else f"{text[:length]}…"


def _asset(name: str) -> str:
    data = get_data("collections_supervisor.reporting", name)
    if data is None:
        raise FileNotFoundError(f"{name} is missing: this program is not wholly installed")
    return data.decode()


def _digest(text: str) -> str:
    """The name by which a content security policy knows one inline style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
