"""The report as JSON: the same bytes for every reader, on the page and off it. Pure."""

import msgspec

from collections_supervisor.messages import Report
from collections_supervisor.system.plain import plain


def encode_report(report: Report) -> bytes:
    """The report as one line of UTF-8 JSON, members in the order of the struct, every instant with `Z` and six digits."""
    # One agent after the other: as Python objects a thousand at once would take tens of megabytes for a moment.
    members = plain(msgspec.structs.replace(report, agents=()))
    members["agents"] = [msgspec.Raw(msgspec.json.encode(plain(agent))) for agent in report.agents]
    return msgspec.json.encode(members)
