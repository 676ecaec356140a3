"""The end of our program while the real OpenClaw is at a turn for it."""

import pytest
from tests.openclaw.conftest import RealSite
from tests.openclaw.model import Hang

pytestmark = [pytest.mark.openclaw, pytest.mark.timeout(600)]

GRACE = 5.0
LAG = 5.0
"""Seconds that a slow, shared machine may add."""


def test_a_turn_ends_with_us_and_leaves_no_process_behind(real: RealSite) -> None:
    model = real.gateway.model
    before = len(model.prompts("payment-watcher"))
    model.plan("payment-watcher", Hang())
    real.beat("payment-watcher", ago=601)
    real.configure(
        [{"name": "payment-watcher"}],
        heartbeats={"dir": "heartbeats", "timeout": "10m", "miss_interval": "1h"},
        supervisor={"state_dir": "state", "shutdown_grace": f"{GRACE:g}s"},
        restart={"timeout": "100s"},
    )
    daemon = real.run()
    turn = model.wait_for("payment-watcher", before + 1)
    assert real.left_behind(), "the call that is to be gone afterwards"
    assert daemon.stop() == 0
    took = daemon.seconds(daemon.wait_for("supervisor.stopping"), daemon.wait_for("supervisor.stopped"))
    assert took < GRACE + LAG
    assert real.left_behind() == {}
    # The gateway has noticed, and the model is not asked any further: nobody pays for a turn that nobody waits for.
    assert model.wait_for_end(turn) == "hung up"
    assert len(model.prompts("payment-watcher")) == before + 1
    interrupted = daemon.wait_for("agent.restart.interrupted", agent="payment-watcher")
    assert (interrupted["attempt"], interrupted["tokens"]) == (1, None)
