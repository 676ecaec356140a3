"""The fleet: what is in trouble, who must be told, the report everything renders."""
