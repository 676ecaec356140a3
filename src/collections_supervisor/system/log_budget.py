"""How much of one event may be shown, and texts that fit and that UTF-8 can carry."""

from typing import TypeAlias

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

MAX_NODES = 1000
SHORT_TEXT = 64


class Budget:
    """What one event may still hold. `truncated` tells whether something had to go."""

    __slots__ = ("_left", "_longest", "_nodes", "inside", "truncated")

    def __init__(self, longest: int) -> None:
        """`longest` is the length of the longest text worth keeping, in characters."""
        self._longest = longest
        self._left = 4 * longest
        self._nodes = MAX_NODES
        self.inside: set[int] = set()
        self.truncated = False

    def text(self, value: str) -> str:
        """The text, or its beginning, in a form that UTF-8 can carry."""
        if type(value) is not str:
            value = str.__str__(value)  # an instance of a subclass may be anything, and its `__str__` too
        size = len(value)
        if size > SHORT_TEXT:
            limit = max(SHORT_TEXT, min(self._longest, self._left))
            if size > limit:
                value = clip(value, limit)
                self.truncated = True
            self._left -= len(value)
        return value if value.isascii() else _encodable(value)

    def take(self) -> bool:
        """Whether one more member of a container may be shown."""
        self._nodes -= 1
        if self._nodes < 0:
            self.truncated = True
        return self._nodes >= 0


def clip(text: str, limit: int) -> str:
    """At most `limit` characters; the last one shows that something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text
