"""The settings of the file's sections, with defaults where nothing is set, and what an agent inherits from them."""

from pathlib import Path

import msgspec

from collections_supervisor.config.defaults import PROCESS_DEFAULTS, default
from collections_supervisor.config.durations import format_duration
from collections_supervisor.config.keys import SECTIONS
from collections_supervisor.config.layers import DEFAULT, Inspector, Setting, Settings
from collections_supervisor.config.problems import Problems, Where

_ONE_SIDED = ("command", "attempts_per_incident", "per_hour", "per_day", "backoff.")
"""Keys of `[restart]` that mean another thing for a child of our own than for a paid action."""


class Sections:
    """Every section's settings by key path. A default that cannot be had is a problem, reported once."""

    def __init__(self, explicit: Settings, inspector: Inspector, nowhere: Where) -> None:
        self.explicit = explicit
        self.inspector = inspector
        self.nowhere = nowhere
        """Where problems with values are said to be that nobody wrote."""
        self._defaults: Settings = {}

    def get(self, key: str) -> Setting:
        """The setting of a key, as set or by default."""
        return self.explicit.get(key) or self.default(key)

    def default(self, key: str) -> Setting:
        """The setting of a key that nobody set."""
        if key not in self._defaults:
            value = self.inspector.value(lambda _, places: default(key, places), None, self.nowhere, key)
            # Only a path below a missing home fails, and the program does not start with it.
            self._defaults[key] = Setting(Path("/") if value is msgspec.UNSET else value, DEFAULT)
        return self._defaults[key]


def heartbeats(own: Settings, sections: Sections, restart: Settings) -> Settings:
    """`[heartbeats]` for an agent with settings of its own, and for the section itself with none.

    A period tells a better deadline than the plain default; anything that somebody set is left as it is.
    """
    names = SECTIONS["heartbeats"]
    found = {name: own[name] if name in own else sections.get(f"heartbeats.{name}") for name in names}
    period = own["period"].value if "period" in own else None
    if period is not None:
        proof = restart["restart.timeout"].value + restart["restart.verify_within"].value
        _derive(found, "timeout", max(1.5 * period, 300.0), "period")
        _derive(found, "miss_interval", max(period, proof), "period, restart.timeout and restart.verify_within")
    _derive(found, "startup_grace", found["timeout"].value, "timeout")
    return found


def _derive(found: Settings, name: str, value: float, source: str) -> None:
    if found[name].origin == DEFAULT:
        found[name] = Setting(value, f"derived from {source}")


def restart(own: Settings, sections: Sections) -> Settings:
    """`[restart]` for an agent with settings of its own, and for the section itself with none.

    What the section sets for paid actions does not limit a child of our own, nor the other way round.
    """
    section_kind = sections.get("restart.kind").value
    kind = own["restart.kind"].value if "restart.kind" in own else section_kind
    same_side = (kind == "process") == (section_kind == "process")
    found: Settings = {}
    for name in SECTIONS["restart"]:
        key = f"restart.{name}"
        inherits = same_side or not name.startswith(_ONE_SIDED)
        if key in own:
            found[key] = own[key]
        elif key in sections.explicit and inherits:
            found[key] = sections.explicit[key]
        elif kind == "process" and name in PROCESS_DEFAULTS:
            found[key] = Setting(PROCESS_DEFAULTS[name], "derived from restart.kind")
        else:
            found[key] = sections.default(key)
    if "restart.env" in own and "restart.env" in sections.explicit:
        inherited = sections.explicit["restart.env"].value
        found["restart.env"] = msgspec.structs.replace(own["restart.env"], value={**inherited, **own["restart.env"].value})
    return found


def judge_backoff(restart: Settings, where: Where, problems: Problems) -> None:
    """A first delay above the longest one is a contradiction."""
    initial, longest = restart["restart.backoff.initial"].value, restart["restart.backoff.max"].value
    if initial > longest:
        message = f"{format_duration(initial)} is longer than backoff.max, which is {format_duration(longest)}"
        problems.add(where, "restart.backoff.initial", message)
