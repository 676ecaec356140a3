"""Watching and restarting one agent."""
