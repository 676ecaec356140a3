"""Where settings are written: the file, environment variables, flags. Here they become checked values by key path."""

import tomllib
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from collections_supervisor.config.checks import Check, Places, Refused, choice
from collections_supervisor.config.keys import KEYS
from collections_supervisor.config.kinds import Key
from collections_supervisor.config.problems import Problems, Where, closest, kind_of, shown, shown_key, without_texts

PREFIX = "COLLECTIONS_SUPERVISOR__"
DEFAULT = "default"
_TABLES = {key.rpartition(".")[0] for key in KEYS if key.count(".") > 1}
_VARIABLES: Mapping[str, str] = {PREFIX + key.upper().replace(".", "__"): key for key in (*KEYS, *sorted(_TABLES))}


class Entry(msgspec.Struct, frozen=True):
    """A value as somebody wrote it, and where."""

    value: object
    origin: str
    where: Where


class Setting(msgspec.Struct, frozen=True):
    """A checked value, how it came about, and where to look if it does not fit another one."""

    value: Any
    origin: str
    where: Where | None = None


Settings = dict[str, Setting]
"""By key path, only what is set."""


def flatten(
    table: Mapping[str, object], known: Collection[str], where: Where, problems: Problems, prefix: str = ""
) -> dict[str, object]:
    """The values of a table and its sub-tables by key path; whatever is not known goes to `problems`."""
    below = [key.removeprefix(prefix) for key in known if key.startswith(prefix)]
    tables = {prefix + key.partition(".")[0] for key in below if "." in key}
    found: dict[str, object] = {}
    for name, value in table.items():
        key = prefix + name
        if "." not in name and key in known:
            found[key] = value
        elif "." in name or key not in tables:
            problems.add(where, prefix + shown_key(name), "unknown key", _likeliest(name, known, prefix, problems))
        elif isinstance(value, dict):
            found.update(flatten(value, known, where, problems, key + "."))
        else:
            problems.add(where, key, f"must be a table, not {shown(value)}")
    return found


def _likeliest(name: str, known: Collection[str], prefix: str, problems: Problems) -> str:
    if problems.full:  # looking for likenesses is slow, and a big file can hold very many unknown names
        return ""
    elsewhere = next((key for key in known if key.rpartition(".")[2] == name), "")
    here = {key.removeprefix(prefix).partition(".")[0] for key in known if key.startswith(prefix)}
    return elsewhere or closest(name, here)


def from_table(table: Mapping[str, object], known: Collection[str], where: Where, problems: Problems) -> dict[str, Entry]:
    """The entries of the file, or of one table in it."""
    return {key: Entry(value, "file", where) for key, value in flatten(table, known, where, problems).items()}


def from_environment(environ: Mapping[str, str], problems: Problems) -> dict[str, Entry]:
    """The entries of `COLLECTIONS_SUPERVISOR__SECTION__KEY` variables; the longer names last, since they are more exact."""
    found: dict[str, Entry] = {}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        where = Where(source=f"environment {shown_key(variable)}")
        if variable not in _VARIABLES:
            hint = "; agents are set in the file or by --agents" if variable.startswith(PREFIX + "AGENTS") else ""
            problems.add(where, "", f"unknown setting{hint}", "" if hint else _closest_variable(variable))
            continue
        nested = _nested(_VARIABLES[variable], _toml_value(environ[variable]))
        found |= {key: Entry(value, where.source, where) for key, value in flatten(nested, KEYS, where, problems).items()}
    return found


def _closest_variable(variable: str) -> str:
    # The prefix would make every name resemble every other.
    found = closest(variable.removeprefix(PREFIX), (name.removeprefix(PREFIX) for name in _VARIABLES))
    return found and PREFIX + found


def from_flags(flags: Mapping[str, object], problems: Problems) -> dict[str, Entry]:
    """The entries of settings by key path that the command line gives."""
    found: dict[str, Entry] = {}
    where = Where(source="command line")
    for key, value in flags.items():
        flat = flatten(_nested(key, value), KEYS, where, problems)
        found |= {name: Entry(each, "command line", where) for name, each in flat.items()}
    return found


def _nested(key: str, value: object) -> dict[str, object]:
    for name in reversed(key.split(".")):
        value = {name: value}
    return value if isinstance(value, dict) else {}


def _toml_value(text: str) -> object:
    """What the text means as a TOML value; the text itself if it is none."""
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # ValueError: not TOML, or a number of thousands of digits
        return text
    return document["value"] if list(document) == ["value"] else text


class Inspector(msgspec.Struct, frozen=True):
    """Turns entries into settings; what is wrong with them goes to `problems`."""

    places: Places
    problems: Problems
    discreet: bool = False
    """The values may be secrets, in whatever place they were written by mistake: no text of them is repeated."""

    def settings(self, entries: Mapping[str, Entry], keys: Mapping[str, Key]) -> Settings:
        """The entries whose values can be used."""
        found: Settings = {}
        for key, entry in entries.items():
            value = self.value(keys[key].check, entry.value, entry.where, key)
            if value is not msgspec.UNSET:
                found[key] = Setting(value, entry.origin, entry.where)
        return found

    def value(self, check: Check, value: object, where: Where, key: str) -> Any:
        """The checked value, or UNSET if it cannot be used."""
        try:
            return check(value, self.places)
        except Refused as refused:
            message = without_texts(refused.message, value) if self.discreet else refused.message
            self.problems.add(where, key, message, refused.suggestion)
            return msgspec.UNSET

    def variant(
        self,
        table: object,
        variants: Mapping[str, Mapping[str, Key]],
        where: Where,
    ) -> Settings | None:
        """The settings of a table whose `kind` says which keys it can have; None if there is no such kind."""
        if not isinstance(table, dict):
            self.problems.add(where, "", f"must be a table with a kind, not {kind_of(table) if self.discreet else shown(table)}")
            return None
        if "kind" not in table:
            self.problems.add(where, "kind", f"is missing; it is one of {', '.join(shown(kind) for kind in variants)}")
            return None
        kind = self.value(choice(*variants), table["kind"], where, "kind")
        if kind is msgspec.UNSET:
            return None
        return self.settings(from_table(table, variants[kind], where, self.problems), variants[kind])
