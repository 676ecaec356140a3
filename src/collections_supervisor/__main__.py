"""`python -m collections_supervisor`."""

from collections_supervisor.cli import main

main()
