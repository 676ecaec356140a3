"""What this release only parses. A value it cannot follow is refused where somebody sets it, and ignored as a default.

Each line goes when its feature comes; nothing else knows of them.
"""

from collections.abc import Mapping

NOT_YET: Mapping[str, tuple[object, ...]] = {
    "restart.output": ("log",),
    "restart.max_rss": ("",),
    "deadman.url": ("",),
    "deadman.command": ((),),
}
"""By key: the values that can be followed."""

AGENT_NOT_YET: Mapping[str, tuple[object, ...]] = {
    key.removeprefix("heartbeats."): values for key, values in NOT_YET.items() if key.startswith(("heartbeats.", "restart."))
}
