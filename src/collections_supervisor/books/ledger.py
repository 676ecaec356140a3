"""The ledger: a Markdown list of invoices below the headings Unpaid, Paid and Escalated, and a Summary. Pure.

An entry is ``- `NUM` | $A | …[ | Status: S]``, or in an older form `- NUM: $A (CLIENT) - date`. Nothing is escaped, so that what
lies between the amount and the status may hold anything; only the ends of a line can be relied on.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal

from collections_supervisor.books.faults import Check
from collections_supervisor.books.money import parse_ledger_amount
from collections_supervisor.books.records import Claim, Entry, Hundredths, Ledger, Section
from collections_supervisor.messages import Finding, Severity
from collections_supervisor.system.visible import one_line

CHUNK = 1 << 16
"""Bytes that are parsed between two calls of `check`."""

LINE_LIMIT = 1 << 13
"""Characters; a longer line is no entry."""

ENTRIES_LIMIT = 1_000_000
"""A ledger of more entries is not read, as it would fill the memory."""

NOTHING_KNOWN: Mapping[str, str] = MappingProxyType({})

_LONGEST_DETAIL = 300

FINDINGS_LIMIT = 1000
"""Lines that get a finding of their own; the rest get one together."""

# Nothing below gives back what it took (`++`, `*+`), so that no line costs more than its length, whoever wrote it.
# No letter, no digit, and no byte that is no text: `take` says how those come in.
_MARK = r"[^\w\udc80-\udcff]"
_AMOUNT = r"(-?)\$(-?[0-9][0-9.,]*+)"
# As the agents write it. What follows reads more, and costs three times as much: noticed where there are hundreds of thousands.
_WRITTEN = re.compile(
    r"- `([^`]+)` \| \$([0-9]{1,3}(?:,[0-9]{3}){0,4}|[0-9]{1,15})\.([0-9]{2}) \| (?:.*\| )?Status: (unpaid|paid|escalated)$"
)
_ENTRY = re.compile(rf"[-*+] ++`(.+?)` *+\| *+{_AMOUNT} *+(?:\|(.*))?$")
_OLDER = re.compile(rf"[-*+] ++([^|]+?): *+{_AMOUNT} ++\(")
_CLAIM = re.compile(rf"(?:[-*+] |(?=\*\*)){_MARK}*+(\w++) total{_MARK}*?{_AMOUNT}{_MARK}*+$", re.IGNORECASE)
_CLAIMED = re.compile(rf"(?:[-*+] |(?=\*\*)){_MARK}*+(?:unpaid|paid|escalated|grand) total\b", re.IGNORECASE)
_HEADING = re.compile(rf"(#{{1,6}})\s+{_MARK}*(\w*)")
_NOTHING = re.compile(rf"-(?:{_MARK}|_)*+(?:none(?:{_MARK}|_)*+)?$", re.IGNORECASE)
_NUMBER = re.compile(r"- ++`(.+?)`")

_STATUS = re.compile(r"(?:.*\|)? *+Status:([^|]*)", re.DOTALL)

_AROUND = " `\t\N{NO-BREAK SPACE}"
"""What may stand around a number and is no part of it."""

_SECTIONS: dict[str, Section] = {"unpaid": "unpaid", "paid": "paid", "escalated": "escalated"}
_CLAIMS: dict[str, Claim] = {**_SECTIONS, "grand": "grand"}
_STATUSES: dict[str, Section] = {**_SECTIONS, "pending": "unpaid", "paused": "unpaid"}


def parse(
    data: bytes, *, path: str, check: Check, at_most: int = ENTRIES_LIMIT, known: Mapping[str, str] = NOTHING_KNOWN
) -> Ledger:
    """What a whole ledger says. What is neither an entry nor a heading nor a claim is prose, and nothing.

    A line `- …` below one of the three headings that is no entry is a finding, and so is a status that contradicts its heading;
    the heading is believed. An entry below no such heading counts by its status. `path` is how findings name the file. `known`
    gives each number of an invoice as the one object that is kept of it.
    """
    reader = _Reader(path, known)
    if b"\0" in data:
        return reader.unreadable("it is not text in UTF-8")
    for chunk in _chunks(data):
        check()
        # Each byte that is no text is half a character for now: to write out all of them would take a hundred times as long.
        reader.take(chunk.decode("utf-8", "surrogateescape"))
        if len(reader.entries) > at_most:
            return reader.unreadable(f"it has more than {at_most} entries")
    return reader.ledger()


def _chunks(data: bytes) -> Iterator[bytes]:
    """Whole lines, and of a longer line as much as shows that it is too long."""
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + CHUNK) + 1
        yield data[start : end or start + CHUNK]
        start = end or data.find(b"\n", start + CHUNK) + 1 or len(data)


class _Reader:
    def __init__(self, path: str, known: Mapping[str, str]) -> None:
        self.entries: list[Entry] = []
        self._path = path
        self._known = known
        self._section: Section | Literal["summary"] | None = None
        self._line = 0
        self._claims: dict[Claim, Hundredths] = {}
        self._findings: list[Finding] = []
        self._dropped = 0

    def ledger(self) -> Ledger:
        findings = self._findings
        if self._dropped:
            findings = [*findings, self._finding(f"{self._dropped} further lines cannot be read either", None, "error")]
        return Ledger(state="ok", entries=self.entries, summary=self._claims, findings=tuple(findings))

    def unreadable(self, why: str) -> Ledger:
        finding = Finding(
            kind="unreadable_file",
            severity="error",
            path=self._path,
            invoice=None,
            detail=f"cannot be read: {why}",
            advice="restore the ledger, or correct its path in the configuration",
        )
        return Ledger(state="unreadable", findings=(finding,))

    def take(self, chunk: str) -> None:
        lines = chunk.split("\n")
        if not lines[-1]:
            lines.pop()
        match, add, section, known = _WRITTEN.match, self.entries.append, self._section, self._known.get
        for line in lines:
            self._line += 1
            if not line:
                continue
            if len(line) <= LINE_LIMIT and (found := match(line)):
                number, units, cents, status = found.groups()
                if section and status == section != "summary" and (number := number.strip(_AROUND)):
                    number = number if number.isascii() else _written_out(number)
                    amount = int(units.replace(",", "") + cents)
                    add(Entry(number=known(number, number), section=section, amount=amount, line=self._line))
                    continue
            if line[0] == "#":
                self._head(line)
                section = self._section
            elif not line.isspace():
                self._read(line.strip() if len(line) <= LINE_LIMIT else line[:LINE_LIMIT], line)

    def _head(self, line: str) -> None:
        found = _HEADING.match(line)
        name = found[2].lower() if found else ""
        if name == "summary":
            self._section = "summary"
        elif name in _SECTIONS:
            self._section = _SECTIONS[name]
        elif found and len(found[1]) <= 2:
            self._section = None

    def _read(self, text: str, line: str) -> None:
        section = self._section
        whole = len(line) <= LINE_LIMIT
        if section == "summary":
            self._claim(text, whole=whole)
        elif whole and self._enter(text, section):
            return
        elif section and line.startswith("- ") and not (whole and _NOTHING.match(text)):
            number = _NUMBER.match(text)
            self._find("a line is no entry", text, number=number[1] if number else None)

    def _claim(self, text: str, *, whole: bool) -> None:
        found = _CLAIM.match(text) if whole else None
        claim = _CLAIMS.get(found[1].lower()) if found else None
        amount = parse_ledger_amount(found[2] + found[3]) if found else None
        if claim and amount is not None:
            self._claims[claim] = amount
        elif _CLAIMED.match(text):
            # No entry is lost, so that the books are as good as before.
            self._find("a line claims a total that cannot be read", text, severity="warning")

    def _enter(self, text: str, section: Section | None) -> bool:
        """Whether the line is about an invoice."""
        if "$" not in text:
            return False
        if found := _ENTRY.match(text):
            number, minus, digits, rest = found.groups()
        elif section and (found := _OLDER.match(text)) and ")" in text[found.end() :]:
            number, minus, digits = found.groups()
            rest = None
        else:
            return False
        status = _status(rest) if rest else ""
        section = section or _STATUSES.get(status)
        amount = parse_ledger_amount(minus + digits)
        number = number.strip(_AROUND)
        if section is None:
            self._find("a line stands below no heading that says what it is", text, number=number)
        elif amount is None or not number:
            self._find("a line is no entry", text, number=number)
        else:
            if status and _STATUSES.get(status) != section:
                self._find(f"the line stands below {section.title()}, but its status is {status}", text, number=number)
            self.entries.append(Entry(number=_written_out(number), section=section, amount=amount, line=self._line))
        return True

    def _find(self, what: str, text: str, *, number: str | None = None, severity: Severity = "error") -> None:
        if len(self._findings) < FINDINGS_LIMIT:
            detail = one_line(_written_out(f"{what}: {text}"))[:_LONGEST_DETAIL]
            self._findings.append(self._finding(detail, _written_out(number) if number else None, severity))
        else:
            self._dropped += 1

    def _finding(self, detail: str, number: str | None, severity: Severity) -> Finding:
        return Finding(
            kind="ledger_unparsable_line",
            severity=severity,
            path=self._path,
            invoice=one_line(number) or None if number else None,
            detail=detail,
            advice="correct the line in the ledger",
        )


def _status(rest: str) -> str:
    """The last field that is a status; the client or the reason before it may look like another one."""
    found = _STATUS.match(rest)
    return found[1].strip(" *_`").lower() if found else ""


def _written_out(text: str) -> str:
    r"""The text with each byte that was none as `\xff`."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
