"""The money: invoices, ledger, queues and activity of the collections system, and whether they agree."""
