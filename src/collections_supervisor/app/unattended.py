"""What a person wants while no supervisor runs: written into what is kept, where the next one finds it."""

import os
from collections.abc import Iterable, Mapping
from datetime import timedelta

import anyio
import msgspec

from collections_supervisor import __version__
from collections_supervisor.agents import pauses
from collections_supervisor.agents.health import first_state
from collections_supervisor.agents.silence import grace
from collections_supervisor.agents.state import Answer
from collections_supervisor.agents.turn import Turn
from collections_supervisor.agents.view import view
from collections_supervisor.app.briefing import channels_of
from collections_supervisor.app.elsewhere import require_nobody_elsewhere
from collections_supervisor.app.launch import launched
from collections_supervisor.app.memory import Memory, recall
from collections_supervisor.app.operator import LONGEST, acknowledged, nobody, nothing_open, told_of_all
from collections_supervisor.app.run import Run
from collections_supervisor.config.schema import AgentConfig, Config
from collections_supervisor.control.protocol import EVERYONE, UNKNOWN, Reply, Request, refused
from collections_supervisor.coordination import deliveries, quiet
from collections_supervisor.coordination.report import blind, build
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.messages import Acknowledge, AgentCommand, AgentReport, Emit, Now, Report
from collections_supervisor.system.clock import stamp
from collections_supervisor.system.emit import write
from collections_supervisor.system.shutdown import Shutdown

LATER = "; no supervisor runs: the next one finds it"


def decide(config: Config, request: Request, environ: Mapping[str, str]) -> Reply:
    """Do what can be done without a supervisor: pause, resume and ack. Raises LockHeldError or ElsewhereError where one runs.

    A single sweep under way is waited for. Raises LaunchError and UnknownStateError where the state folder cannot be used.
    """
    require_nobody_elsewhere(config)
    with launched(config, environ, once=True) as (run, _):
        run.log.info(
            "control.request",
            message=f"{request.op} {request.agent}, while no supervisor runs",
            op=request.op,
            agent=request.agent,
            uid=os.getuid(),
            until=stamp(request.until) if request.until is not None else None,
            reason=request.reason or None,
        )
        if run.lock is None:
            return refused(f"{config.supervisor.state_dir} cannot be used: nothing would be kept")
        return anyio.run(_decide, run, request)


async def _decide(run: Run, request: Request) -> Reply:
    now = run.clock.now()
    # As a supervisor that starts would: what is owed stays owed by the ways that there are.
    channels = channels_of(run, Shutdown(run.config.supervisor.shutdown_grace, run.clock))
    names = tuple(channel.name for channel in channels)
    memory = await recall(run.config, names, clock=run.clock, log=run.log, boot_id=run.boot_id, dry=False)
    if request.until is not None and not now.wall < request.until <= now.wall + LONGEST:
        return refused(f"it ends later than now, and within ten years: not at {stamp(request.until)}")
    desk = _Desk(run, memory, now)
    reply = desk.acknowledge(request) if request.op == "ack" else desk.say(request)
    if not reply.ok:
        return reply
    if not await memory.store.save(desk.report(), desk.fleet):
        return refused("it could not be kept: see the log")
    return msgspec.structs.replace(reply, message=reply.message + LATER)


class _Desk:
    """What is kept, as it changes."""

    def __init__(self, run: Run, memory: Memory, now: Now) -> None:
        self._run = run
        self._memory = memory
        self._now = now
        self.fleet: FleetState = memory.fleet
        self._views: dict[str, AgentReport] = {}
        self._turns = {policy.name: self._turn(policy) for policy in run.config.agents}

    def _turn(self, policy: AgentConfig) -> Turn:
        """An agent's state, to which a person's word is added and nothing else: nobody has looked at its heartbeats."""
        kept = self._memory.states.load(policy.name)
        turn = Turn(policy, kept.state if kept is not None else first_state(self._now), self._now, 0.0)
        if kept is not None and kept.excused:
            # Whoever starts next takes it for having been looked at now, after the machine was off or asleep.
            turn.set(grace_until=self._now.mono + grace(policy))
            self._memory.states.save(policy.name, turn.state)
        return turn

    # --- Incidents ---

    def acknowledge(self, request: Request) -> Reply:
        """No reminders of an open incident."""
        until = request.until or self._now.wall + timedelta(seconds=self._run.config.escalation.ack_for)
        if not deliveries.is_known(self.fleet, request.agent):
            known = tuple(incident.agent or incident.subject for incident in self.fleet.open.values())
            return refused(nothing_open(request.agent, known))
        word = Acknowledge(subject=request.agent, until=until, reason=request.reason)
        self.fleet = deliveries.acknowledge(self.fleet, word)
        return Reply(ok=True, message=acknowledged(request.agent, stamp(until)))

    # --- Agents ---

    def say(self, request: Request) -> Reply:
        """Pause, or resume."""
        everyone = request.agent == EVERYONE
        what = "pause" if request.op == "pause" else "resume"
        word = AgentCommand(what=what, until=request.until, reason=request.reason, everyone=everyone)  # type: ignore[arg-type]
        if everyone:
            self.fleet, said = quiet.note(self.fleet, word, self._now.wall)
            self._tell([said] if said is not None else [])
            return told_of_all(word, {name: self._answer(turn, word) for name, turn in self._turns.items()})
        turn = self._turns.get(request.agent)
        if turn is None:
            return refused(nobody(request.agent, tuple(self._turns)), UNKNOWN)
        return Reply(ok=True, message=self._answer(turn, word).sentence)

    def _answer(self, turn: Turn, word: AgentCommand) -> Answer:
        pauses.expire(turn)
        pauses.command(turn, word)
        self._memory.states.save(turn.policy.name, turn.state)
        self._views[turn.policy.name] = view(turn.policy, turn.state, self._now)
        self._tell(effect for effect in turn.effects if isinstance(effect, Emit))
        return [effect for effect in turn.effects if isinstance(effect, Answer)][-1]

    def _tell(self, said: Iterable[Emit]) -> None:
        for emit in said:
            write(self._run.log, emit)

    def report(self) -> Report:
        """What was told last, with what is different now; it does not become any newer by that."""
        last = self._memory.report
        if last is None:
            blank = [self._views.get(policy.name) or blind(None, policy.name, None) for policy in self._run.config.agents]
            return build(blank, self.fleet, at=self._now.wall, run_id=self._run.run_id, version=__version__, stopped=True)
        agents = [self._views.get(agent.name, agent) for agent in last.agents]
        fresh = build(agents, self.fleet, at=last.generated_at, run_id=last.run_id, version=last.version)
        return msgspec.structs.replace(last, agents=fresh.agents, incidents=fresh.incidents)
