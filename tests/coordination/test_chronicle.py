"""When the history is written, and what a report makes of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from collections_supervisor.coordination.chronicle import Chronicle
from collections_supervisor.coordination.state import Fleet
from collections_supervisor.messages import AgentReport, BooksAudited, History, Now, QueueReport, QueuesReport, Report

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
MakeFleet = Callable[..., Fleet]
MakeReport = Callable[..., AgentReport]


class Disk:
    def __init__(self) -> None:
        self.saved: list[History] = []

    async def save(self, history: History) -> bool:
        self.saved.append(history)
        return True


@pytest.fixture
def disk() -> Disk:
    return Disk()


def at(seconds: float) -> Now:
    return Now(mono=1000.0 + seconds, wall=EPOCH + timedelta(seconds=seconds))


def report(seconds: float, *agents: AgentReport, queues: QueuesReport | None = None) -> Report:
    return Report(
        schema=1,
        generated_at=at(seconds).wall,
        run_id="r",
        version="1",
        verdict="healthy",
        agents=agents,
        incidents=(),
        queues=queues,
    )


async def test_it_is_written_once_a_cycle_and_at_the_stop(disk: Disk, make_fleet: MakeFleet, make_report: MakeReport) -> None:
    chronicle = Chronicle(make_fleet("mailer"), disk)
    times = []
    for second in range(0, 130, 10):
        chronicle.note(report(second, make_report()), ["mailer"], None)
        await chronicle.save(at(second), stopped=False)
        times.append(len(disk.saved))
    assert times == [1] * 6 + [2] * 6 + [3]
    await chronicle.save(at(121), stopped=True)
    assert disk.saved[-1] is chronicle.history
    assert len(disk.saved) == 4


async def test_a_sweep_writes_it_at_its_end_only(disk: Disk, make_fleet: MakeFleet, make_report: MakeReport) -> None:
    chronicle = Chronicle(make_fleet("mailer", once=True), disk)
    for second in (0, 100):
        chronicle.note(report(second, make_report()), ["mailer"], None)
        await chronicle.save(at(second), stopped=False)
    assert disk.saved == []
    await chronicle.save(at(100), stopped=True)
    assert disk.saved == [chronicle.history]


async def test_it_may_be_kept_nowhere(make_fleet: MakeFleet, make_report: MakeReport) -> None:
    chronicle = Chronicle(make_fleet("mailer"), None)
    assert chronicle.note(report(0, make_report()), ["mailer"], None) is chronicle.history
    await chronicle.save(at(0), stopped=True)
    assert list(chronicle.history.agents) == ["mailer"]


@pytest.mark.parametrize(("cycle", "apart", "watched"), [(60, 120, True), (60, 121, False), (1, 10, True), (1, 11, False)])
def test_two_cycles_without_a_report_were_not_watched(
    make_fleet: MakeFleet, make_report: MakeReport, cycle: float, apart: float, watched: bool
) -> None:
    chronicle = Chronicle(make_fleet("mailer", cycle=cycle), None)
    chronicle.note(report(0, make_report()), ["mailer"], None)
    runs = chronicle.note(report(apart, make_report()), ["mailer"], None).agents["mailer"]
    assert ("not_watched" not in [run.status for run in runs]) == watched


def test_queues_are_as_old_as_the_audit(make_fleet: MakeFleet, make_report: MakeReport) -> None:
    item = QueueReport(name="mail", depth=3, oldest_age_s=None, invalid=0, healthy=True)
    queues = QueuesReport(healthy=True, limit=100, items=(item,))
    chronicle = Chronicle(make_fleet("mailer"), None)
    history = chronicle.note(report(60, make_report(), queues=queues), ["mailer"], BooksAudited(at=EPOCH, queues=queues))
    assert [(sample.at, sample.depth) for sample in history.queues["mail"]] == [(EPOCH, 3)]
