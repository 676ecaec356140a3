"""Lines for a terminal: clean, no wider than it, in columns. Pure."""

import unicodedata
from collections.abc import Iterator, Sequence

from collections_supervisor.reporting import words

GAP = "  "

# What `words.clean` puts in place of things, in characters that any terminal has.
_PLAIN = str.maketrans({"…": "...", "\N{REPLACEMENT CHARACTER}": "?"})


def clean(text: str) -> str:
    """Text from outside as one line that cannot disturb a terminal."""
    return words.clean(text).translate(_PLAIN)


def filled(cells: Sequence[str], columns: Sequence[int], *, numbers: int | None = None) -> str:
    """One row of a table, its cells as wide as their columns; from the column `numbers` on they stand at the right."""
    padded = []
    for place, (cell, column) in enumerate(zip(cells, columns, strict=True)):
        space = " " * (column - columns_of(cell))
        padded.append(cell + space if numbers is None or place < numbers else space + cell)
    return GAP.join(padded).rstrip()


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes: most characters one, those of East Asia and pictures two, accents none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str, width: int, indent: int = 0) -> list[str]:
    """The text in lines of at most `width` columns, broken between words; what follows the first line stands further in.

    `width` must exceed `indent` by four: the two columns that later lines stand further in, and one wide character.
    """
    lines: list[str] = []
    line, used, empty = " " * indent, indent, True
    for word in text.split():
        for piece in _pieces(word, width - indent - 2):
            room = columns_of(piece) + (0 if empty else 1)
            if used + room > width:
                lines.append(line)
                line, used, empty, room = " " * (indent + 2), indent + 2, True, columns_of(piece)
            line += piece if empty else f" {piece}"
            used, empty = used + room, False
    return [*lines, line] if not empty else lines or [""]


def _pieces(word: str, most: int) -> Iterator[str]:
    """A word, cut where it is wider than a whole line."""
    while columns_of(word) > most:
        cut, used = 0, 0
        while used + _columns(word[cut]) <= most:
            used += _columns(word[cut])
            cut += 1
        yield word[:cut]
        word = word[cut:]
    yield word
