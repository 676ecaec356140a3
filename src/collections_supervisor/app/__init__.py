"""Wires the rooms together: the daemon, the single sweep, and what they share."""
