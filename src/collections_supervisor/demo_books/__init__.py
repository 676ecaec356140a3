"""Books as a collections system writes them, made up: invoices, ledger, queues and logs, with the truth about them.

Standard library only. The same arguments give the same bytes.
"""

from collections_supervisor.demo_books.faults import Fault
from collections_supervisor.demo_books.making import Manifest, QueueTruth, make
from collections_supervisor.demo_books.records import Expected

__all__ = ["Expected", "Fault", "Manifest", "QueueTruth", "make"]
