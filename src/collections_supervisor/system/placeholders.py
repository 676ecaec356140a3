"""Words like `{agent}` inside the arguments of a configured command."""

import re
from collections.abc import Mapping
from typing import overload

_WORD = re.compile(r"\{([a-z_]+)\}")
# Linux refuses a single argument beyond 128 KiB; texts that agents wrote themselves end up in these values.
_LONGEST_VALUE = 4_000


@overload
def substitute(text: str, values: Mapping[str, str]) -> str: ...


@overload
def substitute(text: tuple[str, ...], values: Mapping[str, str]) -> tuple[str, ...]: ...


def substitute(text: str | tuple[str, ...], values: Mapping[str, str]) -> str | tuple[str, ...]:
    """The text, or each argument of a command, with every known `{name}` replaced by its value.

    Unknown names and all other braces stay as they are, so that JSON or an awk program can be an argument. What a value
    brings in is not looked at again. Values are made fit for an argument: no NUL, no lone surrogate, at most 4,000 characters.
    """
    if isinstance(text, str):
        return _WORD.sub(lambda word: _fit(values[word[1]]) if word[1] in values else word[0], text)
    return tuple(substitute(argument, values) for argument in text)


def _fit(value: str) -> str:
    return value[:_LONGEST_VALUE].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
