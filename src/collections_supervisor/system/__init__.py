"""The edges of the machine: clock, files, processes, logs, lock, signals."""
