"""When everything had its turn: each agent looked at, the state saved, the page replaced. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

STATE = "state"
PAGE = "page"


def of_agent(name: str) -> str:
    """What the part of an agent is called; no other part is called like that."""
    return f"agent {name}"


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round as far as it has come."""

    parts: frozenset[str]
    waiting: frozenset[str]
    """Who had no turn yet."""
    failed: frozenset[str] = frozenset()
    """Whose turn was of no use: a disk refused, a task crashed."""
    crashed: frozenset[str] = frozenset()
    """Parts that nobody waits for before they are heard of again."""
    first: bool = True

    @property
    def is_over(self) -> bool:
        """Whether everybody had a turn."""
        return not self.waiting - self.crashed

    @property
    def is_complete(self) -> bool:
        """Whether it is over and nothing was amiss."""
        return self.is_over and not self.failed and not self.crashed


def begin(parts: Iterable[str]) -> Round:
    """The first round."""
    all_parts = frozenset(parts)
    return Round(parts=all_parts, waiting=all_parts)


def after(over: Round) -> Round:
    """The round behind one that is over."""
    return Round(parts=over.parts, waiting=over.parts, crashed=over.crashed, first=False)


def note(current: Round, part: str, *, useful: bool = True) -> Round:
    """The round once a part had its turn.

    In the first one what is saved and shown before every agent was looked at is no turn: it does not tell of all of them yet.
    Later the turns may come in any order, since each comes once in every cycle.
    """
    news = part in current.waiting or part in current.failed or part in current.crashed or not useful
    if part not in current.parts or not news or (current.first and part in (STATE, PAGE) and _unseen(current)):
        return current
    return msgspec.structs.replace(
        current,
        waiting=current.waiting - {part},
        failed=current.failed - {part} if useful else current.failed | {part},
        crashed=current.crashed - {part},
    )


def _unseen(current: Round) -> frozenset[str]:
    return current.waiting - current.crashed - {STATE, PAGE}


def note_crash(current: Round, part: str) -> Round:
    """The round once the task behind a part crashed: it begins again by itself, and the others need not wait for that."""
    return msgspec.structs.replace(current, crashed=current.crashed | ({part} & current.parts))


def parts_of(names: Iterable[str], *, page: bool) -> frozenset[str]:
    """Whoever has a turn in each round where these agents are watched, and a page is replaced or none."""
    return frozenset([*map(of_agent, names), STATE, *([PAGE] if page else [])])


def watching(current: Round, parts: frozenset[str]) -> Round:
    """The round with these parts instead of those it had; who is new has a turn to come."""
    return msgspec.structs.replace(
        current,
        parts=parts,
        waiting=(current.waiting & parts) | (parts - current.parts),
        failed=current.failed & parts,
        crashed=current.crashed & parts,
    )


def spoken(verdict: str, agents: int, incidents: int, states: Mapping[str, int]) -> str:
    """How things stand, in one line beside the name of the service."""
    unwell = ", ".join(f"{count} {state}" for state, count in states.items() if state not in ("healthy", "late"))
    watched = f"{agents} agent{'s' * (agents != 1)}"
    opened = f"; {incidents} open incident{'s' * (incidents != 1)}" if incidents else ""
    return f"{verdict}: {watched}{f', {unwell}' if unwell else ''}{opened}"
