"""Which notice goes over which channel, and when. Pure.

Channels stand on rungs, by how long an incident must last before they are used. The lowest is used at once; a higher one when
nobody below it could be told, or when the incident has lasted that long and still presses or nobody was told of it.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from collections_supervisor.escalation.entries import Entry, Key, Leg
from collections_supervisor.messages import Notice

NOW = -math.inf
NOT_YET = math.inf

Told = Callable[[str], Sequence[Entry]]
"""All notices that tell of an incident, oldest first, by its `dedup_key`."""

Spot = tuple[Key, str]
"""A notice on a channel."""


class Ladder:
    """The channels and their rungs."""

    def __init__(self, after: Mapping[str, float]) -> None:
        """`after`: by the name of the channel, the seconds that an incident lasts before it is used."""
        ages = sorted(set(after.values()))
        self.after = dict(after)
        self._rungs = {name: ages.index(seconds) for name, seconds in after.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """All channels, in their order."""
        return tuple(self.after)

    def rung(self, name: str) -> int:
        """How many groups of channels are used before this one; none where it is not configured any more."""
        return self._rungs.get(name, 0)


class Plan(msgspec.Struct, kw_only=True):
    """What is to be done."""

    start: list[tuple[Entry, str]] = []
    skip: list[tuple[Entry, str]] = []
    """Not needed any more."""
    unheard: list[tuple[Entry, str]] = []
    """The end of something whose beginning did not get through here."""
    wake_at: float = NOT_YET
    """The monotonic instant at which something else is to be done, if nothing changes before."""
    waiting: bool = False
    """Whether anything waits for what is under way, or for its time."""


def channels_for(notice: Notice, ladder: Ladder, told: Told) -> tuple[str, ...]:
    """The channels that are to have a notice: all of them, but of the end of an incident only those that had the alarm.

    Or may yet have it: an alarm goes on to later channels for any of the incidents that it tells of, also when others are over.
    """
    if notice.notice != "resolved" or notice.merged:
        return ladder.names
    alarms = _alarms(notice, told)
    heard = tuple(name for name in ladder.names if _may_have_heard(alarms, name, ladder) or _may_yet_hear(alarms, name))
    # If nothing is known of an alarm, those on the lowest rung are the likeliest to have had it.
    return heard or tuple(name for name in ladder.names if ladder.rung(name) == 0)


def plan(
    pending: Iterable[Entry],
    told: Told,
    ladder: Ladder,
    *,
    pressing: Collection[str],
    busy: Collection[Spot],
    now: float,
) -> Plan:
    """What is to be done at this monotonic instant with what is `pending`, oldest first.

    `pressing` are the incidents that a person must hear of more and more loudly. `busy` is what is under way, or must not be
    begun again. Of one incident a channel gets one notice at a time and in order: nobody is to read that it is over before
    reading what it was.
    """
    found = Plan()
    occupied: set[tuple[str, str]] = set()
    for entry in pending:
        for name in [name for name, leg in entry.legs.items() if leg.state == "pending"]:
            lanes = {(name, subject) for subject in entry.subjects}
            begin = NOW if (entry.key, name) in busy else _begin(entry, name, ladder, told, pressing)
            if begin is None:
                (found.unheard if _is_unheard(entry, name, told) else found.skip).append((entry, name))
                continue
            if begin > now:
                found.wake_at, found.waiting = min(found.wake_at, begin), True
                continue
            if (entry.key, name) not in busy:
                if lanes.isdisjoint(occupied):
                    found.start.append((entry, name))
                else:
                    found.waiting = True
            occupied |= lanes
    return found


def _begin(entry: Entry, name: str, ladder: Ladder, told: Told, pressing: Collection[str]) -> float | None:
    """The monotonic instant at which a channel is to be used; None if it is not needed any more."""
    if _tells_of_an_end(entry.notice):
        alarms = _alarms(entry.notice, told)
        if not alarms or _may_have_heard(alarms, name, ladder):
            return NOW
        return NOT_YET if _may_yet_hear(alarms, name) else None
    below = [leg for other, leg in entry.legs.items() if ladder.rung(other) < ladder.rung(name)]
    if entry.legs[name].attempts or all(leg.state == "expired" for leg in below):
        return NOW
    if entry.notice.merged:
        # An alarm that was just being sent when it ended may have got through all the same.
        if _may_have_heard(_alarms(entry.notice, told), name, ladder):
            return NOW
        return None if entry.taken_by else NOT_YET
    if entry.taken_by and _is_overtaken(entry, told):
        return None
    if entry.taken_by and entry.subjects.isdisjoint(pressing):
        return NOT_YET
    return min(other.put_at for other in told(entry.notice.dedup_key)) + ladder.after[name]


def _tells_of_an_end(notice: Notice) -> bool:
    return notice.notice == "resolved" and not notice.merged


def _alarms(notice: Notice, told: Told) -> list[Entry]:
    return [entry for entry in told(notice.dedup_key) if entry.notice.notice != "resolved"]


def _may_have_heard(alarms: Iterable[Entry], name: str, ladder: Ladder) -> bool:
    """Whether a channel had an alarm, or is still to have it before anything else."""
    legs = [entry.legs[name] for entry in alarms if name in entry.legs]
    return any(leg.state == "delivered" or _is_on_its_way(leg, ladder.rung(name)) for leg in legs)


def _may_yet_hear(alarms: Iterable[Entry], name: str) -> bool:
    """Whether a channel may still have an alarm for the sake of another incident that it tells of."""
    return any(name in entry.legs and entry.legs[name].state == "pending" for entry in alarms if len(entry.subjects) > 1)


def _is_unheard(entry: Entry, name: str, told: Told) -> bool:
    """Whether it is the end of something that was to be told this way and could not; where nothing was to be, none is missed."""
    if not _tells_of_an_end(entry.notice):
        return False
    return any(name in alarm.legs and alarm.legs[name].state != "skipped" for alarm in _alarms(entry.notice, told))


def _is_on_its_way(leg: Leg, rung: int) -> bool:
    return leg.state == "pending" and (leg.attempts > 0 or rung == 0)


def _is_overtaken(entry: Entry, told: Told) -> bool:
    """Whether there is later news of all that this notice tells of, which later channels are to get instead."""
    return all(told(subject)[-1].key != entry.key for subject in entry.subjects)
