"""One agent that falls silent, and its surroundings, all made up: the product's own judgement moved from event to event. Pure."""

import heapq
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from collections_supervisor.agents.backoff import DAY
from collections_supervisor.agents.health import first_state, next_due, step
from collections_supervisor.agents.silence import is_owned
from collections_supervisor.agents.state import (
    ActionEnded,
    ActionStarted,
    AgentState,
    Answer,
    AskForSlot,
    ChildExited,
    Effect,
    EndChild,
    Event,
    GiveSlotBack,
    HeartbeatRead,
    RecordMiss,
    RunAction,
    SlotGranted,
)
from collections_supervisor.agents.view import view
from collections_supervisor.app.simulated_notices import Notices
from collections_supervisor.config.schema import ActiveHours, AgentConfig, EscalationConfig
from collections_supervisor.messages import ActionOutcome, Beat, Emit, Now, Reading, StaleLine, Value
from collections_supervisor.system.clock import span

MOST_MOMENTS = 5_000
"""Moments after which a story is cut off: nobody reads more, and it must end."""

MOST_TURNS = 20_000
"""Turns of judgement after which it is cut off too, where next to nothing happens very often."""

PATIENCE = 2 * DAY
"""Seconds after the outage within which everything must be well again: the restart budget may need one day."""

ACTION = 10.0
"""Seconds that a restart runs, if it may run that long."""

SHORT_LIFE = 1.0
"""Seconds that a process lives while the agent is down, where its life is all that is known of it."""

JITTER = 0.5
"""Delays are spread at random; here they are what they are on average."""

BEATS_BEFORE = 3
BEATS_LEARNED = 200
"""Beats before the silence, where its deadline is learned from them."""

MISSED = "agent.heartbeat.missed"
RESTARTED = "agent.restart.started"
FAILED = "agent.restart.failed"
HELD = "agent.restart.skipped"

_STAMP = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened."""

    at_s: float
    """Seconds since the last beat before the silence."""
    kind: str
    """The event that the log would have; `simulation.…` for what no log can tell."""
    text: str
    fields: dict[str, Value]


def beats_every(policy: AgentConfig) -> float:
    """Seconds between the beats of an agent that is well."""
    return policy.period or policy.timeout / 3


def beginning(hours: ActiveHours | None) -> datetime:
    """When the silence begins: on a Monday, at noon or with the agent's active hours."""
    if hours is None:
        return datetime(2026, 1, 5, 12, tzinfo=UTC)
    return datetime(2026, 1, 5, hours.start // 60, hours.start % 60, tzinfo=ZoneInfo(hours.zone)).astimezone(UTC)


def after(seconds: float) -> str:
    """A moment as people read it."""
    return f"+{span(seconds)}"


class World:
    """The story of one agent that beats, is silent for `outage` seconds whatever is done about it, and beats again."""

    def __init__(self, policy: AgentConfig, escalation: EscalationConfig, outage: float) -> None:
        self.moments: list[Moment] = []
        self.cut_off = False
        self.false_alarms = 0
        """Misses counted while the agent was well."""
        self.stays_down = False
        """Although nothing stands in its way any more."""
        self.notices = Notices(escalation, self._note)
        self._policy = policy
        self._outage = outage
        self._start = beginning(policy.active_hours)
        before = BEATS_LEARNED if policy.adaptive else BEATS_BEFORE
        self._now = -before * beats_every(policy)
        self._state: AgentState = first_state(self._clock())
        self._beat: Beat | None = None
        self._lines: tuple[StaleLine, ...] = ()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        for number in range(-before, 1):
            self._at(number * beats_every(policy), self._beats)
        self._at(0.0, self._falls_silent)
        self._at(outage, self._comes_back)

    def run(self) -> None:
        """Tell the story, until the incident is resolved and the agent well again."""
        turns = 0
        while not self._is_over() and not self.cut_off:
            turns += 1
            self.cut_off = turns > MOST_TURNS or len(self.moments) > MOST_MOMENTS
            # Before anything else is judged, as the program does it.
            self._handle(HeartbeatRead(reading=self._reading()))
            due = min(next_due(self._policy, self._state, self._clock()), self.notices.due())
            if self._queue and self._queue[0][0] <= due:
                at, _, happen = heapq.heappop(self._queue)
                self._now = max(self._now, at)
                happen()
            elif due < math.inf:
                self._now = max(self._now, due)
            else:
                break

    def _is_over(self) -> bool:
        if self._now <= self._outage:
            return False
        patience = max(PATIENCE, 3 * beats_every(self._policy) + self._policy.timeout)
        self.stays_down = self._now > self._outage + patience
        # One that counts as silent while it is well would never come to its end.
        if self.stays_down or self.false_alarms:
            return True
        well = view(self._policy, self._state, self._clock()).status in ("healthy", "late")
        return well and self.notices.calm and self._state.attempt is None

    def _clock(self) -> Now:
        return Now(mono=self._now, wall=self._start + timedelta(seconds=self._now))

    def _at(self, instant: float, happen: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (instant, self._count, happen))

    # --- The agent ---

    def _reading(self) -> Reading:
        missing = self._policy.sources and self._beat is None
        return Reading(status="missing" if missing else "ok", beat=self._beat, trailing=self._lines)

    def _beats(self) -> None:
        if self._policy.sources:
            self._beat = Beat(stamp=self._clock().wall)
            self._lines = ()

    def _falls_silent(self) -> None:
        if self._policy.sources:
            self._note("simulation.silent", "the last heartbeat")
        else:
            self._note("simulation.silent", "it ends, and so does each new start of it, at once")
            self._dies()

    def _comes_back(self) -> None:
        if self._policy.sources:
            self._note("simulation.well", "it beats again")
            self._beats_on()
        else:
            self._note("simulation.well", "from now on it stays up when it is started")

    def _beats_on(self) -> None:
        self._beats()
        self._at(self._now + beats_every(self._policy), self._beats_on)

    def _dies(self) -> None:
        child = self._state.child
        if child is not None and 0.0 <= self._now < self._outage:
            self._handle(ChildExited(exit_code=1, signal=None, uptime_s=self._now - child.started_at))

    # --- Judgement ---

    def _handle(self, event: Event) -> None:
        self._state, effects = step(self._policy, self._state, event, self._clock(), JITTER)
        for effect in effects:
            self._carry_out(effect)
        self.notices.keep(view(self._policy, self._state, self._clock()), self._state.trouble, self._clock())

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Emit():
                self._tell(effect)
            case RecordMiss(missed=missed, last_heartbeat=last):
                line = StaleLine(stamp=self._clock().wall, ours=True, missed=missed, last_heartbeat=last)
                self._lines = (*self._lines, line)[-10:]
            case AskForSlot(request=request):
                granted = SlotGranted(action_id=request.action_id)
                self._at(self._now, lambda: self._handle(granted))
            case RunAction():
                self._at(self._now, self._act)
            case GiveSlotBack() | EndChild() | Answer():  # pragma: no cover - nobody waits for a slot here, and no person acts
                pass

    def _act(self) -> None:
        self._handle(ActionStarted(at=self._clock().wall))
        takes = 0.0 if is_owned(self._policy) else min(ACTION, self._policy.restart.timeout)
        self._at(self._now + takes, lambda: self._end(takes))

    def _end(self, took: float) -> None:
        self._handle(ActionEnded(outcome=ActionOutcome(result="ok", exit_code=0, duration_s=took)))
        if not self._policy.sources:
            self._at(self._now + SHORT_LIFE, self._dies)

    # --- The story ---

    def _tell(self, entry: Emit) -> None:
        said = entry.fields
        match entry.event:
            case "agent.heartbeat.missed":
                self.false_alarms += self._now < 0.0
                self._note(MISSED, f"miss {said['missed']}", missed=said["missed"])
            case "agent.restart.started":
                fresh = ", with a new session" if said["fresh"] else ""
                self._note(RESTARTED, f"restart attempt {said['attempt']}{fresh}", attempt=said["attempt"])
            case "agent.restart.failed":
                text = f"restart attempt {said['attempt']} failed: {said['reason']}"
                self._note(FAILED, text, attempt=said["attempt"], reason=said["reason"])
            case "agent.restart.skipped":
                self._note(HELD, entry.message, reason=said["reason"])
            case "agent.exited" | "agent.restart.succeeded":
                self._note(entry.event, entry.message)
            case _:
                pass

    def _note(self, kind: str, text: str, **fields: Value) -> None:
        if self._now >= 0.0:
            self.moments.append(Moment(at_s=round(self._now, 3), kind=kind, text=_STAMP.sub(self._relative, text), fields=fields))

    def _relative(self, found: re.Match[str]) -> str:
        """The made-up calendar means nothing to the reader: only how long after the beginning."""
        return after((datetime.fromisoformat(found[0]) - self._start).total_seconds())
