"""Talking to the running supervisor: one request and one reply over a unix socket."""
