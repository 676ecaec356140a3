"""Telling a human."""
