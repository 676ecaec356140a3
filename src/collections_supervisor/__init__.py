"""Supervise AI agents that collect invoices."""

__version__ = "0.1.0"
