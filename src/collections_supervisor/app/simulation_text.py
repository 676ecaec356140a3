"""A simulated silence for people, as a timeline, and for programs, as JSON. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from collections_supervisor.app.simulate import Moment, Simulation, Totals
from collections_supervisor.app.simulated_notices import DELIVERED
from collections_supervisor.app.simulated_world import FAILED, HELD, MISSED, RESTARTED, after
from collections_supervisor.reporting.text import wrap
from collections_supervisor.system import plain
from collections_supervisor.system.clock import span

# Which moments make one run, and how many of each are worth a line of their own.
_RUNS = {MISSED: "misses", RESTARTED: "restarts", FAILED: "restarts", HELD: "holds", "agent.exited": "ends"}
_TOLD_SINGLY = {"misses": 2, "restarts": 4, "holds": 2, "ends": 2}

_RESET = "\x1b[0m"
_COLORS = {"opened": "\x1b[1;31m", "reminder": "\x1b[31m", "resolved": "\x1b[32m", RESTARTED: "\x1b[33m"}

_NARROWEST = 40


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    when: str
    text: str
    color: str = ""


def encode(simulation: Simulation) -> bytes:
    """The simulation as one line of JSON."""
    return plain.encode(simulation)


def render(simulation: Simulation, width: int, color: bool) -> str:
    """The simulation as lines of at most `width` columns (never made for fewer than 40), runs of equal moments in one."""
    width = max(width, _NARROWEST)
    lines = wrap(_heading(simulation), width)
    lines += ["", *_timeline(simulation.events, width, color), ""]
    lines += wrap(f"{_figures(simulation.totals, _turns(simulation))}.", width)
    lines += wrap(_firsts(simulation.totals), width)
    for remark in simulation.remarks:
        lines += wrap(f"Note: {remark}.", width)
    if simulation.others:
        lines += ["", *wrap("The other agents, each as if it were silent alone:", width)]
        for other in simulation.others:
            cut = other.totals.cut_off_s
            more = f"; cut off {after(cut)}, more happens than can be told" if cut is not None else ""
            lines += wrap(f"{other.agent}: {_figures(other.totals, 'restarts')}{more}", width, indent=2)
    return "".join(f"{line}\n" for line in lines)


def _heading(simulation: Simulation) -> str:
    timeout = simulation.timeout_s
    first = f"after {span(timeout)}" if timeout is not None else "at the deadline learned from its beats"
    return (
        f"{simulation.agent} beats every {span(simulation.beats_every_s)}, falls silent for {span(simulation.outage_s)}, "
        f"and no restart helps. Its first miss is counted {first}, each further one "
        f"{span(simulation.miss_interval_s)} later; a human is told at miss {simulation.miss_threshold} at the latest."
    )


def _turns(simulation: Simulation) -> str:
    return "restarts (paid turns)" if simulation.restart == "openclaw" else "restarts"


def _figures(totals: Totals, restarts: str) -> str:
    notices = ", ".join(f"{count} {kind}" for kind, count in totals.notices.items())
    return (
        f"Misses: {totals.misses}; {restarts}: {totals.restarts}; notices: {sum(totals.notices.values())}"
        f"{f' ({notices})' if notices else ''}"
    )


def _firsts(totals: Totals) -> str:
    restart = f"{after(totals.first_restart_s)}" if totals.first_restart_s is not None else "none"
    told = f"{after(totals.told_s)}" if totals.told_s is not None else "nobody"
    return f"First restart: {restart}; first told: {told}."


# --- The timeline ------------------------------------------------------------------------------------------------------


def _timeline(events: Sequence[Moment], width: int, color: bool) -> Iterator[str]:
    lines = list(_lines(events))
    column = max((len(line.when) for line in lines), default=0) + 4
    for line in lines:
        # The text stands in its own column; where that gets too narrow, below its time.
        first, *rest = wrap(line.text, width - column)
        text = f"{line.color}{first}{_RESET}" if color and line.color else first
        yield f"  {line.when:<{column - 2}}{text}"
        yield from (" " * column + more for more in rest)


def _lines(events: Sequence[Moment]) -> Iterator[_Line]:
    told: Counter[str] = Counter()
    runs: dict[str, list[Moment]] = {}
    for moment in events:
        run = _RUNS.get(moment.kind)
        if run is not None and told[run] >= _TOLD_SINGLY[run]:
            runs.setdefault(run, []).append(moment)
            continue
        yield from _folded(runs)
        runs.clear()
        told.update([run] if run is not None else [])
        yield _single(moment)
    yield from _folded(runs)


def _single(moment: Moment) -> _Line:
    key = moment.fields["notice"] if moment.kind == DELIVERED else moment.kind
    return _Line(when=after(moment.at_s), text=moment.text, color=_COLORS.get(str(key), ""))


def _folded(runs: dict[str, list[Moment]]) -> Iterator[_Line]:
    """What came between two moments of note, a line for each kind, by when it began."""
    for run, moments in sorted(runs.items(), key=lambda kept: kept[1][0].at_s):
        # Of a restart there is its beginning and its end.
        few = 3 if run == "restarts" else 2
        if len(moments) <= few:
            yield from map(_single, moments)
        else:
            yield _Line(when=f"{after(moments[0].at_s)} …", text=_summary(run, moments))


def _summary(run: str, moments: Sequence[Moment]) -> str:
    first, last = moments[0], moments[-1]
    match run:
        case "misses":
            return f"misses {first.fields['missed']} to {last.fields['missed']}{_every(moments)}"
        case "restarts":
            started = [moment for moment in moments if moment.kind == RESTARTED]
            return f"{len(started)} restart attempts that do not help{_every(started)}"
        case "holds":
            return f"held {len(moments)} times{_every(moments)}, such as: {first.text}"
        case _:
            return f"{len(moments)} times: {first.text}"


def _every(moments: Sequence[Moment]) -> str:
    """How regular they are."""
    gaps = {round(later.at_s - earlier.at_s) for earlier, later in pairwise(moments)}
    return f", every {span(gaps.pop())}" if len(gaps) == 1 else f", until {after(moments[-1].at_s)}"
