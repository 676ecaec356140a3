"""What people can ask of the running supervisor; an operator outranks all automation."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from collections_supervisor.agents.resuming import PREPARATION
from collections_supervisor.agents.state import Answer
from collections_supervisor.app.parts import Parts
from collections_supervisor.app.reload import ANEW, Reloader, summary
from collections_supervisor.config.changes import format_changes
from collections_supervisor.control.protocol import EVERYONE, REJECTED, UNKNOWN, Reply, Request, refused
from collections_supervisor.control.server import Operation
from collections_supervisor.coordination.encoding import ReportEncoder
from collections_supervisor.messages import Acknowledge, AgentCommand
from collections_supervisor.system.clock import Clock, stamp

LONGEST = timedelta(days=3660)
"""How far ahead the end of a pause may lie; one without end is what is meant then."""

NOT_KEPT = "; it is not on disk yet, and would be forgotten if the supervisor died now"

BUSY = "the supervisor is too busy to hear it: try again"

OVERTIME = 60.0
"""Seconds beyond its own deadlines in which the end of a restart is waited for."""


class Operator:
    """Does what the control socket takes in."""

    def __init__(self, parts: Parts, reloader: Reloader, clock: Clock) -> None:
        self._parts = parts
        self._reloader = reloader
        self._clock = clock
        self._encoder = ReportEncoder()

    def operations(self) -> Mapping[str, Operation]:
        """Everything that can be asked for, by name."""
        return {
            "status": Operation(run=self.status, looks=True),
            "restart": Operation(run=self.restart, within=3 * 86_400.0),  # it ends by the deadlines of the restart
            "pause": Operation(run=self.pause, within=20.0),
            "resume": Operation(run=self.resume, within=20.0),
            "stop": Operation(run=self.stop, within=20.0),
            "start": Operation(run=self.start, within=20.0),
            "ack": Operation(run=self.ack),
            "audit": Operation(run=self.audit),
            "reload": Operation(run=self.reload, within=60.0),
            "diff": Operation(run=self.diff, looks=True),
        }

    # --- Looking ---

    async def status(self, _request: Request) -> Reply:
        """What is known now."""
        members = self._encoder.members(self._parts.coordinator.report)
        return Reply(ok=True, report=msgspec.Raw(msgspec.json.encode(members)))

    async def diff(self, _request: Request) -> Reply:
        """What a reload would do; `report` names the file that it would read."""
        path = self._reloader.source.path
        outcome = await self._reloader.preview()
        told = msgspec.Raw(msgspec.json.encode({"path": str(path) if path is not None else None}))
        if outcome.fault:
            return Reply(ok=False, error=outcome.fault, code=REJECTED, report=told)
        lines = [format_changes(outcome.changes)] if outcome.changes or not outcome.again else []
        lines += [f"all of it would be {ANEW}"] * outcome.again
        return Reply(ok=True, message="\n".join(lines), report=told)

    # --- One agent, or all ---

    async def restart(self, request: Request) -> Reply:
        """Restart one agent now."""
        policy = self._parts.watchers.policy(request.agent)
        if policy is None:
            return self._unknown(request.agent)
        word = AgentCommand(what="restart", reason=request.reason)
        begun = await self._parts.watchers.ask(request.agent, word)
        if not begun.ok or not request.wait:
            return self._answered(request.agent, begun)
        settle = policy.startup_grace if policy.restart.kind == "process" else policy.restart.verify_within
        within = PREPARATION + policy.restart.timeout + settle + OVERTIME
        return self._answered(request.agent, await self._parts.watchers.ending(request.agent, begun.action_id, within))

    async def pause(self, request: Request) -> Reply:
        """No misses, restarts or notices meanwhile."""
        now = self._clock.now().wall
        if request.until is not None and not now < request.until <= now + LONGEST:
            return refused(f"a pause ends later than now, and within ten years: not at {stamp(request.until)}")
        word = AgentCommand(what="pause", until=request.until, reason=request.reason)
        return await self._say(request.agent, word)

    async def resume(self, request: Request) -> Reply:
        """The end of a pause: judged afresh."""
        return await self._say(request.agent, AgentCommand(what="resume", reason=request.reason))

    async def stop(self, request: Request) -> Reply:
        """End a process of ours, and leave it so."""
        return await self._say_to_one(request.agent, AgentCommand(what="stop", reason=request.reason))

    async def start(self, request: Request) -> Reply:
        """Start a process of ours that was stopped."""
        return await self._say_to_one(request.agent, AgentCommand(what="start", reason=request.reason))

    async def _say(self, agent: str, word: AgentCommand) -> Reply:
        if agent == EVERYONE:
            return await self._say_to_all(msgspec.structs.replace(word, everyone=True))
        return await self._say_to_one(agent, word)

    async def _say_to_one(self, agent: str, word: AgentCommand) -> Reply:
        if self._parts.watchers.policy(agent) is None:
            return self._unknown(agent)
        answer = await self._parts.watchers.ask(agent, word)
        kept = await self._parts.coordinator.kept()
        return self._answered(agent, answer, "" if kept else NOT_KEPT)

    async def _say_to_all(self, word: AgentCommand) -> Reply:
        """The word itself is kept first: whoever begins to be watched from here on, or cannot hear now, finds it there."""
        coordinator, watchers = self._parts.coordinator, self._parts.watchers
        if not await coordinator.tell(word):
            return refused(BUSY)
        kept = await coordinator.kept()
        answers = await watchers.ask_all(word)
        kept = await coordinator.kept() and kept
        return told_of_all(word, answers, "" if kept else NOT_KEPT)

    async def ack(self, request: Request) -> Reply:
        """No reminders of an open incident until then."""
        now = self._clock.now().wall
        until = request.until or now + timedelta(seconds=self._parts.config.escalation.ack_for)
        if not now < until <= now + LONGEST:
            return refused(f"an acknowledgement ends later than now, and within ten years: not at {stamp(until)}")
        coordinator = self._parts.coordinator
        if not coordinator.is_open(request.agent):
            return refused(nothing_open(request.agent, coordinator.incidents))
        if not await coordinator.tell(Acknowledge(subject=request.agent, until=until, reason=request.reason)):
            return refused(BUSY)
        kept = await coordinator.kept()
        return Reply(ok=True, message=acknowledged(request.agent, stamp(until)) + ("" if kept else NOT_KEPT))

    # --- All of it ---

    async def audit(self, _request: Request) -> Reply:
        """Look at the books now."""
        auditor = self._parts.auditor
        if auditor is None:
            return refused("books.enabled is false: there is nothing to look at")
        auditor.audit_now()
        return Reply(ok=True, message="the books are being looked at; status tells what is found, the log what is new")

    async def reload(self, _request: Request) -> Reply:
        """Read the configuration again."""
        outcome = await self._reloader.reload()
        if outcome.fault:
            return refused(f"the configuration cannot be used, and the one in force stays:\n{outcome.fault}", REJECTED)
        if outcome.bug:
            return refused(
                f"unexpected internal error, see the log: {outcome.bug}\nonly a part of it may be in force: reload again"
            )
        lines = [summary(outcome.changes, again=outcome.again), *([format_changes(outcome.changes)] if outcome.changes else [])]
        return Reply(ok=True, message="\n".join(lines))

    # --- Answers ---

    def _unknown(self, agent: str) -> Reply:
        return refused(nobody(agent, self._parts.watchers.names), UNKNOWN)

    @staticmethod
    def _answered(agent: str, answer: Answer, more: str = "") -> Reply:
        if answer.ok:
            return Reply(ok=True, message=answer.sentence + more)
        named = answer.sentence if agent in answer.sentence else f"{agent}: {answer.sentence}"
        return refused(named)


SHOWN = 10


def listed(names: tuple[str, ...] | list[str]) -> str:
    """The first few of many names."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def nobody(agent: str, names: tuple[str, ...]) -> str:
    """That no agent has this name."""
    return f"no agent is called {agent[:80]!r}; there are: {listed(names)}"


def nothing_open(subject: str, incidents: tuple[str, ...]) -> str:
    """That there is nothing to acknowledge."""
    there = f"open are: {listed(tuple(dict.fromkeys(incidents)))}" if incidents else "nothing is open at all"
    return f"no incident of {subject[:80]} is open; {there}"


def acknowledged(subject: str, until: str) -> str:
    """That a person knows."""
    return f"no reminders of {subject} until {until}; its end is told all the same"


def told_of_all(word: AgentCommand, answers: Mapping[str, Answer], more: str = "") -> Reply:
    """What came of a word to all agents."""
    deaf = [name for name, answer in answers.items() if not answer.ok]
    if word.what == "pause":
        until = f"until {stamp(word.until)}" if word.until is not None else "until they are resumed"
        sentence = f"all agents ({len(answers)}) are paused {until}, and so are those added later"
        busy = [name for name, answer in answers.items() if "the restart that runs" in answer.sentence]
        sentence += f"; restarts that run are given their time to end: {listed(busy)}" if busy else ""
    else:
        own = [name for name, answer in answers.items() if "stays paused" in answer.sentence]
        sentence = f"the pause of all agents ({len(answers)}) is over"
        sentence += f"; paused by themselves, and until they are resumed by name: {listed(own)}" if own else ""
    sentence += f"; not heard yet by {listed(deaf)}, who are told when their task begins again" if deaf else ""
    return Reply(ok=True, message=sentence + more)
