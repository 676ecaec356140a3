"""What a ledger may be taken for, by splitting lines: slow, and without a regular expression."""

from decimal import Decimal
from fractions import Fraction

from tests.books.oracle_invoices import BOM, check_texts

from collections_supervisor.books.ledger import FINDINGS_LIMIT, LINE_LIMIT, parse
from collections_supervisor.books.records import Entry, Ledger

SECTIONS = ("unpaid", "paid", "escalated")
STATUSES = {**{name: name for name in SECTIONS}, "pending": "unpaid", "paused": "unpaid"}


def read(data: bytes) -> Ledger:
    return parse(data, path="/books/ledger.md", check=lambda: None)


def check_ledger(data: bytes) -> None:
    """Fails if anything in the reading of these bytes is more than they say, or less."""
    found = read(data)
    check_texts(found.findings)
    if b"\0" in data:
        assert (found.state, found.entries, found.summary) == ("unreadable", (), {})
        return
    assert found.state == "ok"
    entries, told, claims = _expected(data)
    assert [_of(entry) for entry in found.entries] == entries
    if told > FINDINGS_LIMIT:
        assert found.findings[-1].detail == f"{told - FINDINGS_LIMIT} further lines cannot be read either"
    else:
        assert len(found.findings) == told
    for section, amount in found.summary.items():
        assert (section, Fraction(amount)) in claims
    _check_both_ways(data, found)


def _of(entry: Entry) -> tuple[int, str, str, Fraction]:
    return entry.line, entry.section, entry.number, Fraction(entry.amount)


def _check_both_ways(data: bytes, found: Ledger) -> None:
    """The quick way reads no line that ends in a blank; the patient way does not mind."""
    lines = data.split(b"\n")
    if all(len(line) < LINE_LIMIT for line in lines):
        assert read(b"\n".join(line if line.startswith(b"#") else line + b" " for line in lines)) == found


def _expected(data: bytes) -> tuple[list[tuple[int, str, str, Fraction]], int, set[tuple[str, Fraction]]]:
    entries = []
    claims = set()
    told = 0
    section = ""
    for index, raw in enumerate(data.removeprefix(BOM).split(b"\n"), 1):
        line = raw.decode(errors="backslashreplace")
        size = len(raw.decode(errors="surrogateescape"))
        text = line.strip()
        if line.startswith("#"):
            section = _section(line, section)
        elif section == "summary":
            claims |= _claims(text) if size <= LINE_LIMIT else set()
            told += _claims_in_vain(line if size > LINE_LIMIT else text)
        elif size <= LINE_LIMIT and (entry := _entry(text, section)):
            number, amount, status = entry
            where = section or STATUSES.get(status, "")
            if where and amount is not None and number:
                told += bool(status) and STATUSES.get(status) != where
                entries.append((index, where, number, amount))
            else:
                told += 1
        elif section and line.startswith("- ") and (size > LINE_LIMIT or _says_something(text)):
            told += 1
    return entries, told, claims


def _section(line: str, before: str) -> str:
    hashes = len(line) - len(line.lstrip("#"))
    if hashes > 6 or not line[hashes : hashes + 1].isspace():
        return before
    words = "".join(char if char.isalnum() or char == "_" else " " for char in line[hashes:]).split()
    name = words[0].lower() if words else ""
    if name in (*SECTIONS, "summary"):
        return name
    return "" if hashes <= 2 else before


def _entry(text: str, section: str) -> tuple[str, Fraction | None, str] | None:
    """Its number, amount and status."""
    if text[:1] not in {"-", "*", "+"} or text[1:2] != " ":
        return None
    rest = text[1:].lstrip(" ")
    for end in [at for at, char in enumerate(rest) if char == "`" and at >= 2 and rest[0] == "`"]:
        field, bar, others = rest[end + 1 :].lstrip(" ").removeprefix("|").partition("|")
        if rest[end + 1 :].lstrip(" ").startswith("|") and (amount := _written(field.strip(" "))):
            return _bare(rest[1:end]), _value(amount), _status(others) if bar else ""
    for at in [at for at, char in enumerate(rest) if char == ":" and at] if section else ():
        written, blank, client = rest[at + 1 :].lstrip(" ").partition(" ")
        if "|" not in rest[:at] and blank and (amount := _written(written)) and client.lstrip(" ").startswith("("):
            return (_bare(rest[:at]), _value(amount), "") if ")" in client else None
    return None


def _bare(number: str) -> str:
    return number.strip(" `\t\u00a0")


def _written(field: str) -> str | None:
    """What is meant as an amount, without its dollar sign."""
    sign = "-" if field.startswith("-") else ""
    rest = field.removeprefix("-")
    digits = rest[1:].removeprefix("-")
    if not rest.startswith("$") or not digits[:1] or digits[0] not in "0123456789" or set(digits) - set("0123456789.,"):
        return None
    return sign + rest[1:]


def _value(written: str) -> Fraction | None:
    sign = -1 if written.startswith("-") else 1
    whole, point, fraction = written.removeprefix("-").partition(".")
    groups = whole.split(",")
    grouped = len(groups) > 1
    sound = (1 <= len(groups[0]) <= (3 if grouped else 15)) and all(len(group) == 3 for group in groups[1:]) and len(groups) <= 5
    digits = "".join(groups)
    if not sound or not digits.isdigit() or (point and not (fraction.isdigit() and len(fraction) <= 20)):
        return None
    return sign * Fraction(Decimal(f"{digits}.{fraction or 0}")) * 100


def _status(rest: str) -> str:
    for field in reversed(rest.split("|")):
        if field.lstrip(" ").startswith("Status:"):
            return field.lstrip(" ").removeprefix("Status:").strip(" *_`").lower()
    return ""


def _says_something(text: str) -> bool:
    words = "".join(char if char.isalnum() else " " for char in text).lower().split()
    return words not in ([], ["none"])


def _claims(text: str) -> set[tuple[str, Fraction]]:
    """Every total that the line could be meant to claim."""
    amounts = set()
    for written in text.lower().partition("total")[2].split("$")[1:]:
        digits = written.rstrip("".join(char for char in written if not char.isalnum())).removeprefix("-")
        amounts |= {_value(digits), _value("-" + digits)}
    return {(name, amount) for name in SECTIONS if f"{name} total" in text.lower() for amount in amounts if amount is not None}


def _claims_in_vain(line: str) -> int:
    """Whether a total is claimed and cannot be read; only the reader itself can tell, but of one line as of many."""
    return len(read(b"## Summary\n" + line.encode()).findings)
