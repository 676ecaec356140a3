"""A provider that refuses all agents for a cause that is not theirs: a bill, a quota, an outage. Pure."""

from collections_supervisor.coordination import cluster
from collections_supervisor.coordination.cluster import Cluster, for_good
from collections_supervisor.coordination.incident import Incident
from collections_supervisor.coordination.state import Facts, Fleet, FleetState
from collections_supervisor.coordination.wording import listed
from collections_supervisor.messages import Trouble
from collections_supervisor.system.naming import PROVIDER


def provider(fleet: Fleet, facts: Facts, state: FleetState) -> Cluster | None:
    """The agents that are or were refused and are not well again; None if there are none and were none."""
    before = state.open.get(f"host/{PROVIDER}")
    refused = _refused(facts)
    if before is None and not refused:
        return None
    stay = [name for name in before.agents if _is_ill_still(name, before, fleet, facts)] if before is not None else []
    members = tuple(dict.fromkeys([*stay, *sorted(refused)]))
    since = before.opened_at if before is not None else min(trouble.since for trouble in refused.values())
    left = members or (cluster.paused(before, fleet, facts) if before is not None else ())
    was = cluster.trouble(left, facts, since, _reason(left, refused)) if left else cluster.unseen(before, fleet, facts)
    return Cluster(subject=PROVIDER, members=left, trouble=was, ending="takes requests again", paused=bool(left) and not members)


def _refused(facts: Facts) -> dict[str, Trouble]:
    return {
        name: changed.trouble
        for name, changed in facts.items()
        if changed.trouble is not None and changed.trouble.hold == "shared"
    }


def _is_ill_still(name: str, before: Incident, fleet: Fleet, facts: Facts) -> bool:
    """Whether an agent that was refused is not well yet, nor given up for another reason."""
    if name not in fleet.names:
        return False
    changed = facts.get(name)
    if changed is None or name in _refused({name: changed}):
        return True
    ill = changed.trouble is not None or changed.report.missed > 0 or cluster.is_unclear(before, changed)
    return ill and not changed.report.paused and not for_good(changed)


def _reason(members: tuple[str, ...], refused: dict[str, Trouble]) -> str:
    causes = [refused[name].reason for name in members if name in refused]
    cause = causes[0] if causes else "requests are taken again, but not all agents are back"
    return cause if len(members) == 1 else f"{len(members)} agents cannot be restarted: {listed(members)}; {cause}"
