"""From `supervisor.toml` to settings: the structs in `schema`, everything that reads and checks in its siblings."""
