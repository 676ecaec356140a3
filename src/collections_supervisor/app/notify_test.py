"""A test notice through every channel, past the outbox: nothing happened that would have to be told again."""

from collections.abc import Mapping
from datetime import datetime

import anyio
import msgspec

from collections_supervisor.app.run import secrets_of
from collections_supervisor.config.schema import Config
from collections_supervisor.escalation.channels import Channel, open_channels
from collections_supervisor.escalation.courier import OVERTIME
from collections_supervisor.escalation.delivery import Delivery, brief
from collections_supervisor.messages import Notice
from collections_supervisor.system.clock import Clock, stamp


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """How one channel fared."""

    name: str
    problem: str
    """Why it did not take the notice; empty if it did."""
    seconds: float
    at: datetime


async def try_channels(config: Config, environ: Mapping[str, str], clock: Clock) -> tuple[Tested, ...]:
    """Send one marked notice through all channels at once, each with its own deadline; later rungs too, and without waiting."""
    channels = open_channels(config.escalation, dict(environ), secrets=secrets_of(config))
    notice = notice_of_test(clock.now().wall)
    found: dict[str, Tested] = {}

    async def send(channel: Channel) -> None:
        found[channel.name] = await _tested(channel, notice, clock)

    async with anyio.create_task_group() as tasks:
        for channel in channels:
            tasks.start_soon(send, channel)
    return tuple(found[channel.name] for channel in channels)


async def _tested(channel: Channel, notice: Notice, clock: Clock) -> Tested:
    begun = clock.now().mono
    delivery = Delivery("transient", "no answer")
    try:
        with anyio.move_on_after(channel.timeout + OVERTIME):
            delivery = await channel.send(notice, 1)
    except Exception as error:  # noqa: BLE001 - a bug in one channel is an answer too, and says nothing about the others
        delivery = Delivery("permanent", brief(repr(error)))
    now = clock.now()
    problem = "" if delivery.result == "ok" else delivery.reason or delivery.result
    return Tested(name=channel.name, problem=problem, seconds=now.mono - begun, at=now.wall)


def notice_of_test(now: datetime) -> Notice:
    """A notice that nobody can take for an alarm, under a name that no incident ever has."""
    return Notice(
        dedup_key=f"supervisor/notify-test/{stamp(now)}",
        sequence=1,
        notice="opened",
        incident_id=f"{now:%Y%m%dT%H%M%S%f}Z-notify-test",
        kind="supervisor",
        agent=None,
        missed=0,
        created_at=now,
        since=now,
        last_heartbeat=None,
        restarts=0,
        reason="a test of this channel",
        text="TEST: collections-supervisor proves that its notices arrive here. Nothing is wrong, and nothing is to be done.",
        test=True,
    )
