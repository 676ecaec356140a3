"""What became of the notices: said in the log and to whoever wants them delivered."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime

import anyio
from structlog.typing import FilteringBoundLogger

from collections_supervisor.escalation.entries import Entry, Key
from collections_supervisor.messages import NoticeAttempted, NoticeDelivered, NoticeExpired
from collections_supervisor.system.clock import Clock, stamp
from collections_supervisor.system.naming import spoken_of

TELL_WITHIN = 5.0
ANSWER_AGAIN = 5.0
"""Seconds between two answers for the same settled notice, should its owner not stop asking."""

NO_CHANNEL = "no channel configured"

Message = NoticeAttempted | NoticeDelivered | NoticeExpired
Tell = Callable[[Message], Awaitable[bool]]
"""Hands a message over; False if it was not heard."""


class Outcomes:
    """Says what happened, to people in the log and to the owner of the notices by messages."""

    def __init__(self, clock: Clock, log: FilteringBoundLogger, tell: Tell) -> None:
        self._clock = clock
        self._log = log
        self._tell = tell
        self._answered: dict[Key, float] = {}

    def is_due_again(self, entry: Entry) -> bool:
        """Whether a settled notice that is still wanted should be answered now; an answer in the last seconds is enough."""
        now = self._clock.now().mono
        due = now - self._answered.get(entry.key, -ANSWER_AGAIN) >= ANSWER_AGAIN
        if due:
            self._answered[entry.key] = now
        return due

    def forget(self, wanted: Collection[Key]) -> None:
        """Keep in mind only what was answered of these."""
        self._answered = {key: at for key, at in self._answered.items() if key in wanted}

    async def tell_settled(self, entry: Entry) -> None:
        """Tell the owner that it is delivered, or that nobody could be told."""
        dedup_key, sequence = entry.key
        message: Message
        if entry.taken_at is not None:
            message = NoticeDelivered(
                dedup_key=dedup_key, sequence=sequence, channel=entry.taken_by, attempts=entry.attempts, at=entry.taken_at
            )
        else:
            error = entry.error or NO_CHANNEL
            message = NoticeExpired(dedup_key=dedup_key, sequence=sequence, attempts=entry.attempts, error=error)
        self._answered[entry.key] = self._clock.now().mono
        if not await self._heard(message):
            self._answered.pop(entry.key, None)

    async def tell_delivered(self, entry: Entry, channel: str, at: datetime) -> None:
        """Tell the owner that a channel took it: the first time for the notice's sake, later as a proof of that channel."""
        if channel == entry.taken_by:
            await self.tell_settled(entry)
        else:
            dedup_key, sequence = entry.key
            attempts = entry.legs[channel].attempts
            await self._heard(NoticeDelivered(dedup_key=dedup_key, sequence=sequence, channel=channel, attempts=attempts, at=at))

    async def tell_attempted(self, entry: Entry) -> None:
        """Tell the owner why it is not delivered yet; where one channel took it, only that another one has a problem."""
        dedup_key, sequence = entry.key
        await self._heard(
            NoticeAttempted(
                dedup_key=dedup_key,
                sequence=sequence,
                attempts=entry.attempts,
                error=entry.error,
                next_at=entry.next_at,
                taken=bool(entry.taken_by),
            )
        )

    async def _heard(self, message: Message) -> bool:
        """Hand it over. What is not heard is asked for again by the owner, or replaced by the next try."""
        with anyio.move_on_after(TELL_WITHIN):
            return await self._tell(message)
        return False

    def log_delivered(self, entry: Entry, channel: str, attempt: int) -> None:
        """One channel took it."""
        self._log.info(
            "escalation.delivered",
            message=f"{channel} took the notice of {_subject(entry)} ({entry.notice.notice})",
            channel=channel,
            attempt=attempt,
            **_fields(entry),
        )

    def log_failed(self, entry: Entry, channel: str, attempt: int, reason: str, *, here: bool = True) -> None:
        """One try on one channel failed; `here`: the next one, if there is any, is made by this run of the program."""
        next_at = entry.legs[channel].next_at
        if next_at is None:
            then = "no further try on it"
        else:
            then = f"next try at {stamp(next_at)}" if here else "tried again by the next run"
        self._log.warning(
            "escalation.failed",
            message=f"{channel} did not take the notice of {_subject(entry)}: {reason}; {then}",
            channel=channel,
            attempt=attempt,
            error=reason,
            next_at=stamp(next_at) if next_at is not None else None,
            **_fields(entry),
        )

    def log_expired(self, entry: Entry) -> None:
        """Nobody could be told."""
        reason = entry.error or NO_CHANNEL
        self._log.critical(
            "escalation.expired",
            message=f"nobody could be told of {_subject(entry)}: {reason}",
            attempts=entry.attempts,
            error=reason,
            **_fields(entry),
        )

    def log_undelivered(self, entries: Sequence[Entry]) -> None:
        """What nobody was told of when the program stopped."""
        names = ", ".join(_subject(entry) for entry in entries[:10])
        more = " and others" if len(entries) > 10 else ""
        self._log.warning(
            "escalation.undelivered",
            message=f"stopped before these notices were delivered ({len(entries)}): {names}{more}",
            notices=len(entries),
        )


def _subject(entry: Entry) -> str:
    return spoken_of(entry.notice.dedup_key, entry.notice.agent)


def _fields(entry: Entry) -> dict[str, str | int | None]:
    return {
        "agent": entry.notice.agent,
        "notice": entry.notice.notice,
        "incident": entry.notice.incident_id,
        "dedup_key": entry.notice.dedup_key,
        "sequence": entry.notice.sequence,
    }
