"""Every event that the log can hold, as a type: what it means, which levels and which fields it has."""
