"""The whole program under virtual time: random beats, hangs, failing actions, deaths of ours, suspends, clock steps, bad disks.

`SIMULATION_SEED=17 pytest tests/simulation -n 0` tells one history again;
`SIMULATION_HISTORIES=500 pytest -m slow tests/simulation -n 0 -s` goes on for longer.
"""

import gc
import os

import pytest
from tests.simulation.rules import HOUR
from tests.simulation.story import Shape, Told, tell

MINUTE = 60.0

# A life that is killed cannot close anything.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

STORM = Shape(agents=4, period=MINUTE, lasts=2 * HOUR, gap=90.0)
"""A fault every minute and a half: what two of them do to each other."""

SEEDS = [int(os.environ["SIMULATION_SEED"])] if "SIMULATION_SEED" in os.environ else list(range(1, 9))
HISTORIES = int(os.environ.get("SIMULATION_HISTORIES", "25"))


def expect_no_broken_promise(told: Told) -> None:
    # What killed lives left open is to be complained of here, and not in whatever test comes next.
    gc.collect()
    assert not told.broken, "\n".join([f"seed {told.seed}: {told.broken}", *told.trail[-60:]])
    assert told.lives > 1


KNOWN = {5: "a wall clock set back by an hour, then a death of ours: misses are counted that were none"}
"""Seeds that break a promise still, and why."""


@pytest.mark.parametrize(
    "seed",
    [pytest.param(seed, marks=pytest.mark.xfail(strict=True, reason=KNOWN[seed])) if seed in KNOWN else seed for seed in SEEDS],
)
def test_a_storm_breaks_no_promise(seed: int) -> None:
    expect_no_broken_promise(tell(seed, STORM))


@pytest.mark.slow
@pytest.mark.timeout(60 * HISTORIES)
def test_many_storms_break_no_promise(capsys: pytest.CaptureFixture[str]) -> None:
    first = SEEDS[0] + len(SEEDS)
    told = [tell(seed, STORM) for seed in range(first, first + HISTORIES)]
    for history in told:
        expect_no_broken_promise(history)
    with capsys.disabled():
        days = 365 * sum(history.agent_years for history in told)
        lives, turns = sum(history.lives for history in told), sum(history.counts["turns"] for history in told)
        print(
            f"\nsimulated {days:.1f} agent-days in {lives} lives with {turns} restarts, seeds {first} to {first + HISTORIES - 1}"
        )
