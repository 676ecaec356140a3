"""What people are told an incident is about. Pure."""

PROVIDER = "provider"
"""The subject of an incident whose cause lies with whoever runs the models."""


def subject_of(dedup_key: str) -> str:
    """The subject in `kind/subject/opened_at`; a subject may hold slashes."""
    return dedup_key.partition("/")[2].rpartition("/")[0]


def spoken_of(dedup_key: str, agent: str | None) -> str:
    """What the incident of that key is about, as it stands in a sentence."""
    return spoken(dedup_key.partition("/")[0], subject_of(dedup_key), agent)


def spoken(kind: str, subject: str, agent: str | None = None) -> str:
    """The subject as it stands in a sentence; an `agent` is known by its name, whatever the kind of the incident.

    An agent and its queue have the same name, so that a queue is always called one.
    """
    if agent is not None:
        return agent
    if kind == "books":
        return "bookkeeping"
    if kind == "queue":
        return f"queue {subject}"
    if kind == "host":
        return "the model provider" if subject == PROVIDER else f"host {subject}"
    return subject
