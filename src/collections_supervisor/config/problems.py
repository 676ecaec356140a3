"""What is wrong with a configuration, said so that the person who wrote it finds the place."""

import re
from collections.abc import Iterable

import msgspec

_LONGEST_TEXT = 80
_MOST_PROBLEMS = 200
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: where it was written (a file, `environment NAME`, `--agents`), which key, of which agent, and what it is."""

    source: str
    key: str = ""
    agent: str | None = None
    message: str
    suggestion: str = ""
    """What was probably meant; empty if nothing comes close."""

    def __str__(self) -> str:
        key = f": {self.key}" if self.key else ""
        agent = f" (agent {shortened(self.agent)})" if self.agent is not None else ""
        suggestion = f"; did you mean {quoted(self.suggestion)}?" if self.suggestion else ""
        return f"{self.source}{key}{agent}: {self.message}{suggestion}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds every fault found, and the text lists them one a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """Where a group of settings was written: the source, the key path they lie under, and the agent they belong to."""

    source: str
    prefix: str = ""
    agent: str | None = None


class Problems:
    """Collects faults so that they are reported together; beyond 200 they are only counted."""

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self._places: set[tuple[str, str | None]] = set()
        self._dropped = 0

    def add(self, where: Where, key: str, message: str, suggestion: str = "") -> None:
        """Record one fault of `key`, which is relative to `where`."""
        if self.full:
            self._dropped += 1
            return
        path = (where.prefix + key).rstrip(".")
        self._places.add((path, where.agent))
        self._found.append(Problem(source=where.source, key=path, agent=where.agent, message=message, suggestion=suggestion))

    def reported(self, key: str, wheres: Iterable[Where]) -> bool:
        """Whether a key has a fault already in one of these places; what follows from that need not be said."""
        return any((where.prefix + key, where.agent) in self._places for where in wheres)

    @property
    def full(self) -> bool:
        """Whether further faults will only be counted."""
        return len(self._found) >= _MOST_PROBLEMS

    def raise_if_any(self) -> None:
        """Raise ConfigError with everything recorded, if there is anything."""
        if self._dropped:
            last = Problem(source=self._found[-1].source, message=f"{self._dropped} further problems are not shown")
            raise ConfigError([*self._found, last])
        if self._found:
            raise ConfigError(self._found)


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one without regard to case, or nothing if none is close."""
    import difflib  # for a mistake only

    by_fold = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(word[:_LONGEST_TEXT].casefold(), by_fold, n=1)
    return by_fold[found[0]] if found else ""


def quoted(text: str) -> str:
    """A text as a TOML basic string; whatever does not print is escaped, so that it cannot drive a terminal."""
    return '"' + "".join(_ESCAPES.get(char) or (char if char.isprintable() else _escaped(char)) for char in text) + '"'


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


def shortened(text: str) -> str:
    """`quoted`, cut to a length that leaves a message readable."""
    return quoted(text) if len(text) <= _LONGEST_TEXT else quoted(text[:_LONGEST_TEXT] + "…")


def shown_key(key: str) -> str:
    """A key as it stands in a key path: bare where TOML allows it, else quoted."""
    return key if _BARE_KEY.fullmatch(key) and len(key) <= _LONGEST_TEXT else shortened(key)


def kind_of(value: object) -> str:
    """What a value is, for one that may be a secret, or hold one."""
    match value:
        case str():
            return "a text (not repeated here)"
        case list() | tuple():
            return "a list"
        case dict():
            return "a table"
        case _:
            return shown(value)


def without_texts(message: str, value: object) -> str:
    """The message with `kind_of` in place of each text of this value, the members of a list included."""
    match value:
        case str():
            return message.replace(shown(value), kind_of(value))
        case list() | tuple():
            # The longest first: one may be part of another.
            for text in sorted((each for each in value if isinstance(each, str)), key=len, reverse=True):
                message = without_texts(message, text)
            return message
        case _:
            return message


def shown(value: object) -> str:
    """A value as it would stand in the file, or its type where it is too big to be shown."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return shortened(value)
        # Converting an integer of thousands of digits to text raises ValueError.
        case int() if value.bit_length() > 64:
            return "a huge number"
        case int() | float():
            return str(value)
        case list() | tuple():
            return "a list" if value else "[]"
        case dict():
            return "a table" if value else "{}"
        case _:
            return f"a {type(value).__name__}"
