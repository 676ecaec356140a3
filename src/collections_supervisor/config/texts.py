"""Checkers of texts: paths, commands, names. What may be a secret is never repeated in a message."""

import glob
import re
from pathlib import Path
from urllib.parse import urlsplit

from collections_supervisor.config.checks import Check, Places, Refused
from collections_supervisor.config.problems import closest, shown

PLACEHOLDERS = ("agent", "python", "reason", "since", "last_heartbeat", "attempt")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_AGENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SECRET_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,127}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_MOST_ARGUMENTS = 256


def text(*, empty: bool = False, most: int = 200, placeholders: bool = False) -> Check:
    """Text of at most `most` characters; with `placeholders`, a `{word}` must be one that is replaced."""

    def check(value: object, _: Places) -> str:
        found = _string(value, most)
        if not found and not empty:
            raise Refused("must not be empty")
        if placeholders:
            _known_placeholders(found)
        return found

    return check


def _string(value: object, most: int = 4096) -> str:
    if not isinstance(value, str):
        raise Refused(f"must be text, not {shown(value)}")
    if len(value) > most:
        raise Refused(f"must be at most {most} characters, not {len(value)}")
    _encodable(value, shown(value))
    return value


def _encodable(value: str, what: str) -> None:
    # No argument, variable or path of an operating system can hold a NUL, and JSON cannot hold half a surrogate pair.
    if "\0" in value:
        raise Refused(f"must not contain a NUL character, as {what} does")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused(f"must be valid Unicode, unlike {what}") from None


def _known_placeholders(value: str) -> None:
    for word in _PLACEHOLDER.findall(value):
        if word not in PLACEHOLDERS:
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            suggestion = closest(word, PLACEHOLDERS)
            message = f"{{{word[:80]}}} is not replaced by anything; there are {known}, and braces around anything else are kept"
            raise Refused(message, f"{{{suggestion}}}" if suggestion else "")


def path(*, optional: bool = False) -> Check:
    """A path, made absolute; `optional` makes an empty text mean None."""

    def check(value: object, places: Places) -> Path | None:
        found = _string(value)
        if found:
            return places.absolute(found)
        if not optional:
            raise Refused("must not be empty")
        return None

    return check


def output(value: object, places: Places) -> Path | None:
    """`log`, which is None, or the file that a child writes into, made absolute; `{agent}` in it is replaced later."""
    found = _string(value)
    if not found:
        raise Refused('must be "log" or the path of a file, not empty')
    for word in _PLACEHOLDER.findall(found):
        if word != "agent":
            raise Refused(f"{{{word[:80]}}} is not replaced by anything; there is only {{agent}}")
    return None if found == "log" else places.absolute(found)


def pattern(value: object, places: Places) -> str:
    """A path or a glob, made absolute; what is put in front of it is taken literally."""
    found = _string(value)
    if not found:
        raise Refused("must not be empty")
    folder, rest = places.start(found)
    return str(Path(glob.escape(str(folder))) / rest)


def program(value: object, places: Places) -> str:
    """A program to look up on PATH, or a path to it where there is a slash in it."""
    found = _string(value)
    if not found:
        raise Refused("must not be empty")
    return str(places.absolute(found)) if "/" in found else found


def argv(*, empty: bool = False) -> Check:
    """A program and its arguments; `empty` allows none at all."""

    def check(value: object, places: Places) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            hint = f' (write it as a list: ["program", "argument"], not {shown(value)}; no shell is involved)'
            raise Refused("must be a list of texts" + (hint if isinstance(value, str) else f", not {shown(value)}"))
        if not value and not empty:
            raise Refused("must name a program")
        if len(value) > _MOST_ARGUMENTS:
            raise Refused(f"must be at most {_MOST_ARGUMENTS} texts, not {len(value)}")
        arguments = [_string(argument, 100_000) for argument in value]
        for argument in arguments:
            _known_placeholders(argument)
        return (program(arguments[0], places), *arguments[1:]) if arguments else ()

    return check


def environment(value: object, _: Places) -> dict[str, str]:
    """Environment variables for a child. Their values may be secrets."""
    if not isinstance(value, dict):
        raise Refused("must be a table of environment variables")
    for name, content in value.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise Refused(f"{shown(name)} is not the name of an environment variable")
        if not isinstance(content, str):
            raise Refused(f"the value of {name} must be text")
        if len(content) > 100_000:
            raise Refused(f"the value of {name} must be at most 100000 characters")
        _encodable(content, f"the value of {name}")
    return dict(value)


def secret_name(value: object, _: Places) -> str:
    """The name of the environment variable that holds a secret, or nothing. Often the secret itself is written here."""
    if value == "":
        return ""
    if not isinstance(value, str) or not _SECRET_NAME.fullmatch(value):
        raise Refused(
            'must be the NAME of an environment variable that holds the token, such as "OPENCLAW_TOKEN" (not repeated here)'
        )
    return value


def url(value: object, _: Places) -> str:
    """An HTTP address, or nothing. It is not repeated, since a part of it may be secret."""
    if value == "":
        return ""
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts and parts.scheme in {"http", "https"} and parts.hostname and isinstance(value, str):
            return _string(value)
    except (ValueError, Refused):
        pass
    raise Refused("must be an http:// or https:// address")


def currency(value: object, _: Places) -> str:
    """A currency code: three capital letters."""
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise Refused(f'must be a currency code of three capital letters, such as "USD", not {shown(value)}')
    return value


def agent_name(value: object, _: Places) -> str:
    """A name that is safe as a file name and as an argument."""
    if not isinstance(value, str) or not _AGENT_NAME.fullmatch(value):
        raise Refused(
            f"must be 1 to 64 letters, digits, dots, underscores or hyphens, the first a letter or digit, not {shown(value)}",
        )
    return value
