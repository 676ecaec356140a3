"""What must hold however often the supervisor was killed: nothing lost, nothing invented, nothing paid for twice."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

from tests.campaign.evidence import Evidence, Line, at
from tests.campaign.story import ATTEMPTS, PER_HOUR, SILENCES, STEADY

ROUNDING = 0.01
"""Seconds by which stamps of two programs may differ."""


def broken(evidence: Evidence) -> list[str]:
    """The promises that are broken by now."""
    return [*_of_actions(evidence), *_of_notices(evidence), *_of_outages(evidence)]


def broken_at_the_end(evidence: Evidence) -> list[str]:
    """The promises that are broken when everybody is well, and everything is told."""
    snapshot = evidence.snapshot()
    if snapshot is None:
        return ["there is no snapshot"]
    return [*broken(evidence), *_lost(evidence), *_unfinished(evidence, snapshot), *_uncounted(evidence, snapshot)]


# --- Restarts ---


def _of_actions(evidence: Evidence) -> Iterator[str]:
    actions = evidence.actions()
    for action in (*actions, *evidence.workers()):
        if not action["alone"]:
            yield f"two at one time: {action}"
    for name, count in Counter(action["action"] for action in (*actions, *evidence.workers())).items():
        if count > 1:
            yield f"action {name} was begun {count} times"
    begun = Counter(action["agent"] for action in actions)
    limits = {STEADY: 0, "fickle": 0, "returning": PER_HOUR, "dead": ATTEMPTS}
    for agent, limit in limits.items():
        if begun[agent] > limit:
            yield f"{agent} was restarted {begun[agent]} times, more than {limit}"
    yield from _not_silent(evidence, actions)


def _not_silent(evidence: Evidence, actions: list[Line]) -> Iterator[str]:
    beats = evidence.beats()
    well = evidence.site.well
    end = well.stat().st_mtime if well.exists() else None
    for action in actions:
        start = action["start"]
        if start is None or (end is not None and start > end):
            continue
        last = max((beat for beat in beats[action["agent"]] if beat < start), default=0.0)
        if start - last < evidence.site.silences[action["agent"]] - ROUNDING:
            yield f"restarted {start - last:.3f} s after a beat: {action}"


def _uncounted(evidence: Evidence, snapshot: Line) -> Iterator[str]:
    begun = Counter(action["agent"] for action in evidence.actions())
    for agent in snapshot["agents"]:
        if agent["restarts"] < begun[agent["name"]]:
            yield f"{agent['name']} was restarted {begun[agent['name']]} times, and says {agent['restarts']}"


# --- Notices ---


def _of_notices(evidence: Evidence) -> Iterator[str]:
    tries: defaultdict[tuple[str, int], list[Line]] = defaultdict(list)
    for notice in evidence.notices():
        tries[notice["dedup_key"], notice["sequence"]].append(notice)
    for key, repeats in tries.items():
        if any(later["attempt"] <= earlier["attempt"] for earlier, later in pairwise(repeats)):
            yield f"{key}: the attempts do not rise: {[each['attempt'] for each in repeats]}"
        if len({(each["notice"], each["incident_id"], each["agent"]) for each in repeats}) > 1:
            yield f"{key}: a repeat says something else: {repeats}"
    for event in evidence.of("escalation.delivered"):
        if any(each["attempt"] > event["attempt"] for each in tries[event["dedup_key"], event["sequence"]]):
            yield f"told again although it was known to be delivered: {event}"
    yield from _of_incidents(tries)


def _of_incidents(tries: Mapping[tuple[str, int], list[Line]]) -> Iterator[str]:
    told: defaultdict[str, dict[int, Line]] = defaultdict(dict)
    for (dedup_key, sequence), repeats in tries.items():
        told[dedup_key][sequence] = repeats[0]
    for dedup_key, notices in told.items():
        kinds = [notices[sequence]["notice"] for sequence in sorted(notices)]
        reasons = [notice["reason"] for notice in notices.values() if notice["notice"] == "reminder"]
        if kinds.count("opened") > 1 or "resolved" in kinds[:-1] or len(set(reasons)) < len(reasons):
            yield f"{dedup_key}: told as {kinds}, reminders because of {reasons}"
        if len({notice["incident_id"] for notice in notices.values()}) > 1:
            yield f"{dedup_key} belongs to more than one incident"


def _of_outages(evidence: Evidence) -> Iterator[str]:
    beats = evidence.beats()
    known: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for notice in evidence.notices():
        about = {notice["agent"]} | {each["agent"] for each in notice.get("incidents", ())}
        is_host = evidence.site.together and notice["kind"] == "host"
        if not is_host and not about <= SILENCES.keys():
            yield f"nothing is wrong with {about}: {notice}"
        elif not is_host and notice["last_heartbeat"] is None:
            yield f"it beat before, and nobody knows when: {notice}"
        elif notice["notice"] == "opened" and not is_host:
            known[notice["agent"], notice["last_heartbeat"]].add(notice["dedup_key"])
            last, since = at(notice["last_heartbeat"]).timestamp(), at(notice["since"]).timestamp()
            if any(last + ROUNDING < beat < since - ROUNDING for beat in beats[notice["agent"]]):
                yield f"it beat meanwhile: {notice}"
    for (agent, last_heartbeat), keys in known.items():
        if len(keys) > 1:
            yield f"the silence of {agent} since {last_heartbeat} was told as {len(keys)} incidents: {sorted(keys)}"


# --- In the end ---


def _lost(evidence: Evidence) -> Iterator[str]:
    notices = [each for notice in evidence.notices() for each in (notice, *notice.get("incidents", ()))]
    told = {notice["dedup_key"] for notice in notices}
    incidents = {notice["incident_id"] for notice in notices}
    for dedup_key, when in evidence.kept.items():
        if dedup_key not in told:
            yield f"{dedup_key} was in the snapshot of {when}, and nobody heard of it"
    beats = evidence.beats()
    for event in evidence.of("agent.escalated"):
        # It is logged before it is kept: whoever is back before the next life looks at it concerns nobody any more.
        since, kept = at(event["timestamp"]), evidence.kept_after(at(event["timestamp"]))
        is_back = any(since.timestamp() < beat <= kept.timestamp() for beat in beats[event["agent"]])
        # What many suffer from is told instead, unless it was told before that was known.
        if event["incident"] not in incidents and not is_back and not evidence.site.together:
            yield f"nobody heard of {event}"


def _unfinished(evidence: Evidence, snapshot: Line) -> Iterator[str]:
    fleet = snapshot["state"]["fleet"]
    for member in ("open", "closing", "undelivered"):
        if fleet[member]:
            yield f"still {member}: {fleet[member]}"
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for notice in evidence.notices():
        for each in (notice, *notice.get("incidents", ())):
            kinds[each["dedup_key"]].add(notice["notice"])
    for dedup_key, known in kinds.items():
        if "resolved" not in known:
            yield f"nobody was told that {dedup_key} is over"
