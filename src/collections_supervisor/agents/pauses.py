"""A person's word that an agent is to be left alone, or not any more. Pure.

An agent has a pause of its own and shares one with all others; it is watched again when it is in neither.
"""

from collections_supervisor.agents import tally
from collections_supervisor.agents.attempts import drop_waiting, skipped
from collections_supervisor.agents.silence import grace
from collections_supervisor.agents.state import Answer, Pause
from collections_supervisor.agents.turn import Turn
from collections_supervisor.messages import AgentCommand
from collections_supervisor.system.clock import stamp


def command(turn: Turn, word: AgentCommand) -> None:
    """Pause it or end a pause, as the person says."""
    if word.what == "pause":
        _pause(turn, word)
    else:
        _resume(turn, word)


def expire(turn: Turn) -> None:
    """End a pause whose time is over."""
    for everyone in (False, True):
        pause = turn.state.pause_all if everyone else turn.state.pause
        if pause is not None and pause.until is not None and turn.now.mono >= pause.until:
            resume(turn, "its time is over", everyone=everyone)


def _pause(turn: Turn, word: AgentCommand) -> None:
    until = turn.mono(word.until) if word.until is not None else None
    pause = Pause(since=turn.now.wall, until=until, reason=word.reason)
    lasts = f"until {stamp(word.until)}" if word.until is not None else "until it is resumed"
    sentence = f"{turn.policy.name} is paused {lasts}"
    if word.everyone:
        # Said once for all of them.
        turn.set(pause_all=pause)
    else:
        turn.set(pause=pause)
        turn.emit(
            "info",
            "agent.paused",
            f"{sentence}{f': {word.reason}' if word.reason else ''}",
            until=stamp(word.until) if word.until is not None else None,
            reason=word.reason or None,
        )
    attempt = turn.state.attempt
    if drop_waiting(turn):
        skipped(turn, "paused", "a person paused it")
    elif attempt is not None and attempt.phase == "proving":
        turn.state = tally.with_end(turn.state, "interrupted")
    elif attempt is not None:
        sentence += "; the restart that runs is given its time to end"
    turn.effects.append(Answer(ok=True, sentence=sentence))


def _resume(turn: Turn, word: AgentCommand) -> None:
    name = turn.policy.name
    was_paused = turn.state.paused is not None
    resume(turn, "a person said so", everyone=word.everyone)
    if turn.state.pause is not None:
        sentence = f"{name} stays paused by itself"
    elif turn.state.pause_all is not None:
        sentence = f"{name} stays paused with all others"
    else:
        sentence = f"{name} is watched again" if was_paused else f"{name} was not paused"
    turn.effects.append(Answer(ok=True, sentence=sentence))


def resume(turn: Turn, why: str, *, everyone: bool = False) -> None:
    """Judge it afresh, unless it is in the other pause too: it gets time to beat, and what was missed before does not count."""
    if (turn.state.pause_all if everyone else turn.state.pause) is None:
        return
    turn.set(**{"pause_all" if everyone else "pause": None})
    if turn.state.paused is not None:
        return
    turn.set(
        missed=0,
        recorded=0,
        afresh=turn.now.wall,
        grace_until=turn.now.mono + grace(turn.policy),
        next_attempt_at=None,
    )
    turn.emit("info", "agent.resumed", f"{turn.policy.name} is watched again: {why}", reason=why)


def drop_proof(turn: Turn) -> None:
    """Nobody waits for the proof of an action that ended during a pause, but for one that a person wanted."""
    attempt = turn.state.attempt
    if attempt is not None and attempt.phase == "proving" and not attempt.request.by_hand:
        turn.state = tally.with_end(turn.state, "interrupted")
