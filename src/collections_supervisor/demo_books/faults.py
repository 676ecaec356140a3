"""What can be wrong with books. Each fault befalls one invoice, one line or one file, and says what must be found of it."""

from collections.abc import Callable
from enum import StrEnum

from collections_supervisor.demo_books import faults_of_files as files
from collections_supervisor.demo_books import faults_of_ledger as ledger
from collections_supervisor.demo_books.records import Books


class Fault(StrEnum):
    """Everything that can be wrong."""

    CUT = "cut"
    EMPTY = "empty"
    NOT_UTF8 = "not_utf8"
    ARRAY = "array"
    DEEP = "deep"
    BOM = "bom"
    FIFO = "fifo"
    EDITED = "edited"
    EDITED_AMOUNT = "edited_amount"
    AMOUNT_STRING = "amount_string"
    AMOUNT_NULL = "amount_null"
    AMOUNT_TRUE = "amount_true"
    AMOUNT_NAN = "amount_nan"
    AMOUNT_INFINITE = "amount_infinite"
    AMOUNT_LIST = "amount_list"
    AMOUNT_NEGATIVE = "amount_negative"
    AMOUNT_HUGE = "amount_huge"
    AMOUNT_ABSENT = "amount_absent"
    STATUS_UNKNOWN = "status_unknown"
    STATUS_ABSENT = "status_absent"
    DUPLICATE = "duplicate"
    ARCHIVE_AND_ACTIVE = "archive_and_active"
    MISSING_IN_LEDGER = "missing_in_ledger"
    MISSING_IN_STATE = "missing_in_state"
    STATUS_MISMATCH = "status_mismatch"
    NOT_ARCHIVED = "not_archived"
    ARCHIVED_UNPAID = "archived_unpaid"
    AMOUNT_MISMATCH = "amount_mismatch"
    DUPLICATE_LEDGER_ENTRY = "duplicate_ledger_entry"
    SUMMARY_DRIFT = "summary_drift"
    UNPARSABLE_LINE = "unparsable_line"
    WRONG_SECTION = "wrong_section"
    PARTIAL_PAYMENT = "partial_payment"
    PARTIAL_IN_LEDGER = "partial_in_ledger"
    STALE_MESSAGE = "stale_message"
    STALE_DETECTION = "stale_detection"
    REMINDER_MISSED = "reminder_missed"
    REMINDER_REPEATED = "reminder_repeated"
    OVERDUE = "overdue"
    LEFT_OVER_TEMP = "left_over_temp"
    LEDGER_MISSING = "ledger_missing"
    STATE_MISSING = "state_missing"
    QUEUE_DEEP = "queue_deep"
    QUEUE_OLD = "queue_old"
    QUEUE_GARBAGE = "queue_garbage"


def inject(books: Books, fault: Fault) -> None:
    """Have the fault befall books that are not written yet."""
    if fault in _MANGLED:
        files.mangled(books, _MANGLED[fault], counted=fault is Fault.BOM)
    elif fault in _AMOUNTS:
        files.bad_amount(books, _AMOUNTS[fault])
    else:
        _OTHERS[fault](books)


_MANGLED: dict[Fault, Callable[[bytes], bytes]] = {
    Fault.CUT: lambda data: data[: len(data) // 2],
    Fault.EMPTY: lambda _: b"",
    Fault.NOT_UTF8: lambda data: data.replace(b'"due_date": "', b'"due_date": "M\xe4rz '),
    Fault.ARRAY: lambda data: b"[" + data + b"]",
    Fault.DEEP: lambda data: b'{"items": ' + b"[" * 100_000 + b"]" * 100_000 + b"," + data[1:],
    Fault.BOM: lambda data: b"\xef\xbb\xbf" + data,
}

_AMOUNTS: dict[Fault, str] = {
    Fault.AMOUNT_STRING: '"100.00"',
    Fault.AMOUNT_NULL: "null",
    Fault.AMOUNT_TRUE: "true",
    Fault.AMOUNT_NAN: "NaN",
    Fault.AMOUNT_INFINITE: "-Infinity",
    Fault.AMOUNT_LIST: "[1]",
    Fault.AMOUNT_NEGATIVE: "-5.0",
    Fault.AMOUNT_HUGE: "1e999999",
}

_OTHERS: dict[Fault, Callable[[Books], None]] = {
    Fault.FIFO: files.fifo,
    Fault.EDITED: files.edited,
    Fault.EDITED_AMOUNT: files.edited_amount,
    Fault.AMOUNT_ABSENT: files.amount_absent,
    Fault.STATUS_UNKNOWN: files.status_unknown,
    Fault.STATUS_ABSENT: files.status_absent,
    Fault.DUPLICATE: files.duplicate,
    Fault.ARCHIVE_AND_ACTIVE: files.archive_and_active,
    Fault.LEFT_OVER_TEMP: files.left_over_temp,
    Fault.NOT_ARCHIVED: files.not_archived,
    Fault.ARCHIVED_UNPAID: files.archived_unpaid,
    Fault.OVERDUE: files.overdue,
    Fault.STATE_MISSING: ledger.state_missing,
    Fault.LEDGER_MISSING: ledger.ledger_missing,
    Fault.MISSING_IN_LEDGER: ledger.missing_in_ledger,
    Fault.MISSING_IN_STATE: ledger.missing_in_state,
    Fault.STATUS_MISMATCH: ledger.status_mismatch,
    Fault.AMOUNT_MISMATCH: ledger.amount_mismatch,
    Fault.DUPLICATE_LEDGER_ENTRY: ledger.duplicate_ledger_entry,
    Fault.SUMMARY_DRIFT: ledger.summary_drift,
    Fault.UNPARSABLE_LINE: ledger.unparsable_line,
    Fault.WRONG_SECTION: ledger.wrong_section,
    Fault.PARTIAL_PAYMENT: ledger.partial_payment,
    Fault.PARTIAL_IN_LEDGER: ledger.partial_in_ledger,
    Fault.STALE_MESSAGE: ledger.stale_message,
    Fault.STALE_DETECTION: ledger.stale_detection,
    Fault.REMINDER_MISSED: ledger.reminder_missed,
    Fault.REMINDER_REPEATED: ledger.reminder_repeated,
    Fault.QUEUE_DEEP: ledger.queue_deep,
    Fault.QUEUE_OLD: ledger.queue_old,
    Fault.QUEUE_GARBAGE: ledger.queue_garbage,
}
