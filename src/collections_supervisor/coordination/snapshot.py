"""The one file from which the next life of this program goes on: the report, and with it everything that must not be lost. Pure.

`snapshot.json` is the report as JSON with one more member, `state`: `version`, `boot_id`, `saved` (`mono`, `wall`, `slept`),
`fleet` and `agents` (by name, in a form that only the agents' own code reads). Unknown members are ignored.
"""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from collections_supervisor.coordination.incident import FURTHEST, Mono, Stamp
from collections_supervisor.coordination.state import VERSION, FleetState, key_of, shifted
from collections_supervisor.messages import Now, Report
from collections_supervisor.system.clock import LEAST_JUMP, jump
from collections_supervisor.system.plain import plain

JSON_ERRORS = (ValueError, RecursionError)
"""What decoding raises for bytes that somebody else may have written."""

SAME_BOOT = 60.0
"""Seconds by which the wall clock may have been set within what counts as one boot, where the system does not name its boots."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What an earlier life left."""

    fleet: FleetState | None = None
    """Its instants in the clocks of now; None if nothing is known."""
    agents: dict[str, msgspec.Raw] = {}
    """The state of each agent as it was written, its instants in the clocks of then."""
    shift: float = 0.0
    """Seconds to add to an instant of then: not 0 only if the machine was booted since."""
    excused: bool = False
    """The machine was off or asleep meanwhile, or may have been, so that nobody can have beaten."""
    report: Report | None = None
    set_aside: str = ""
    """Why what was found could not be used, wholly or in part; empty if it could, or nothing was there."""


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    mono: Mono
    wall: Stamp
    slept: float = 0.0


class _State(msgspec.Struct, frozen=True, kw_only=True):
    boot_id: str
    saved: _Saved
    fleet: msgspec.Raw
    agents: dict[str, msgspec.Raw] = {}


class _File(msgspec.Struct, frozen=True, kw_only=True):
    state: _State


def encode_snapshot(
    report: Mapping[str, object], fleet: FleetState, agents: Mapping[str, msgspec.Raw], boot_id: str, now: Now
) -> bytes:
    """The file as it is written at that instant; `report` is the members of the report in what JSON knows."""
    state = {
        "version": VERSION,
        "boot_id": boot_id,
        "saved": plain(now),
        "fleet": plain(fleet),
        "agents": dict(agents),
    }
    return msgspec.json.encode({**report, "state": state})


def decode_snapshot(data: bytes, boot_id: str, now: Now) -> Loaded:
    """What is in the file. Where only the fleet's part cannot be used, `set_aside` says why; raises ValueError for the rest."""
    try:
        data.decode()  # what is carried on without being read has to be text too
        state = msgspec.json.decode(data, type=_File).state
    except JSON_ERRORS as error:
        raise ValueError(str(error)) from None
    saved = Now(mono=state.saved.mono, wall=state.saved.wall, slept=state.saved.slept)
    same = _is_same_boot(state.boot_id, saved, boot_id, now)
    shift = 0.0 if same else _shift(saved, now)
    if abs(shift) > FURTHEST:
        raise ValueError(f"written at {state.saved.wall.isoformat()}, which cannot be")
    loaded = Loaded(
        # Copied, because each would keep the whole file in memory.
        agents={name: msgspec.Raw(bytes(raw)) for name, raw in state.agents.items()},
        shift=shift,
        excused=not same or now.slept - saved.slept > LEAST_JUMP,
        report=decode_report(data),
    )
    try:
        fleet = shifted(_keyed(msgspec.json.decode(state.fleet, type=FleetState)), shift, now.mono)
    except JSON_ERRORS as error:
        return msgspec.structs.replace(loaded, set_aside=f"its incidents: {error}")
    return msgspec.structs.replace(loaded, fleet=fleet)


def _is_same_boot(then: str, saved: Now, here: str, now: Now) -> bool:
    """Whether instants of then mean the same now. Where no system tells, its clocks do: they went on at the same pace."""
    if then != here or now.mono < saved.mono:
        return False
    return bool(here) or abs(jump(saved, now).stepped) <= SAME_BOOT


def _shift(saved: Now, now: Now) -> float:
    """Seconds from the clock of then to that of now.

    A machine may come up with its wall clock behind. Some time has passed all the same: nothing that happened is yet to come.
    """
    return now.mono - saved.mono - max(0.0, (now.wall - saved.wall) / timedelta(seconds=1))


def _keyed(fleet: FleetState) -> FleetState:
    """The state with every incident where it is looked for; whoever edits the file may have put it elsewhere."""
    return msgspec.structs.replace(
        fleet,
        open={key_of(incident): incident for incident in fleet.open.values()},
        closing={incident.id: incident for incident in fleet.closing.values()},
    )


def decode_report(data: bytes) -> Report | None:
    """The report in the file; None if it is none that this version understands."""
    try:
        return msgspec.json.decode(data, type=Report)
    except JSON_ERRORS:
        return None
