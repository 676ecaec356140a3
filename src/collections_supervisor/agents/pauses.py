"""A person's word that an agent is to be left alone, or not any more. Pure."""

from collections_supervisor.agents import by_hand, tally
from collections_supervisor.agents.attempts import skipped
from collections_supervisor.agents.silence import grace, is_owned
from collections_supervisor.agents.state import GiveSlotBack, Pause
from collections_supervisor.agents.turn import Turn
from collections_supervisor.messages import AgentCommand
from collections_supervisor.system.clock import stamp


def command(turn: Turn, word: AgentCommand) -> None:
    """Do what the person says."""
    match word.what:
        case "pause":
            _pause(turn, word)
        case "resume":
            resume(turn, "a person said so")
        case "stop":
            by_hand.stop(turn, word)
        case "start":  # pragma: no branch - there is no other
            by_hand.start(turn, word)


def expire(turn: Turn) -> None:
    """End a pause whose time is over."""
    pause = turn.state.pause
    if pause is not None and pause.until is not None and turn.now.mono >= pause.until:
        resume(turn, "its time is over")


def _pause(turn: Turn, word: AgentCommand) -> None:
    until = turn.mono(word.until) if word.until is not None else None
    turn.set(pause=Pause(since=turn.now.wall, until=until, reason=word.reason))
    lasts = f"until {stamp(word.until)}" if word.until is not None else "until it is resumed"
    turn.emit(
        "info",
        "agent.paused",
        f"{turn.policy.name} is paused {lasts}{f': {word.reason}' if word.reason else ''}",
        until=stamp(word.until) if word.until is not None else None,
        reason=word.reason or None,
    )
    attempt = turn.state.attempt
    if attempt is not None and attempt.phase == "waiting":
        turn.set(attempt=None)
        if not is_owned(turn.policy):
            turn.effects.append(GiveSlotBack())
        skipped(turn, "paused", "a person paused it")
    else:
        drop_proof(turn)


def resume(turn: Turn, why: str) -> None:
    """Judge it afresh: it gets time to beat, and what was missed before does not count any more."""
    if turn.state.pause is None:
        return
    turn.set(
        pause=None,
        missed=0,
        recorded=0,
        afresh=turn.now.wall,
        grace_until=turn.now.mono + grace(turn.policy),
        next_attempt_at=None,
    )
    turn.emit("info", "agent.resumed", f"{turn.policy.name} is watched again: {why}", reason=why)


def drop_proof(turn: Turn) -> None:
    """Nobody waits for the proof of an action that ended during a pause."""
    attempt = turn.state.attempt
    if attempt is not None and attempt.phase == "proving":
        turn.state = tally.with_end(turn.state, "interrupted")
