"""The report as JSON: the same bytes for every reader, on the page and off it. Pure."""

import msgspec

from collections_supervisor.messages import Report
from collections_supervisor.system.plain import plain


def encode_report(report: Report) -> bytes:
    """The report as one line of UTF-8 JSON, members in the order of the struct, every instant with `Z` and six digits."""
    return msgspec.json.encode(plain(report))
