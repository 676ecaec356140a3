"""The log of a running daemon: whoever reads it, and whatever becomes of them, the work goes on."""

from pathlib import Path
from typing import Any

TELL_ONLY = {"restart": {"kind": "none"}}

FLOODERS = 8
# A hundred lines of 4000 bytes a second is what becomes of events; eight of these fill every buffer in three of five seconds.
FLOOD = 'yes "$(printf %3990s x)" | head -n 100; sleep 1; '
ROUNDS = 5


def owned(name: str, script: str, *arguments: str) -> dict[str, Any]:
    restart = {"kind": "process", "command": ["sh", "-c", script, *arguments], "backoff": {"initial": "100ms"}}
    return {"name": name, "heartbeat": {"kind": "none"}, "restart": restart}


def test_a_reader_that_hangs_and_then_dies_holds_nothing_up(site: Any) -> None:
    pid, go = site.root / "pid", site.root / "go"
    flood = 'until [ -e "$0" ]; do sleep 0.1; done; ' + FLOOD * ROUNDS + 'touch "$1"; exec sleep 300'
    done = [site.root / f"done-{number}" for number in range(FLOODERS)]
    site.configure(
        [
            owned("watched", 'echo $$ > "$0.new"; mv "$0.new" "$0"; exec sleep 300', str(pid)),
            *(owned(f"talker-{number}", flood, str(go), str(path)) for number, path in enumerate(done)),
        ]
    )
    daemon = site.run()
    first = int(site.until(lambda: pid.exists() and pid.read_text()))
    daemon.wait_for("agent.started", count=FLOODERS + 1)
    daemon.deafen()
    go.touch()
    site.until(done[0].exists)
    pid.unlink()
    site.kill(first)
    second = int(site.until(lambda: pid.exists() and pid.read_text()))
    assert site.is_running(second)
    site.until(lambda: all(path.exists() for path in done))

    # What was lost is accounted for; that the numbers leave no other gap is seen to at the end.
    daemon.listen()
    lost = daemon.wait_for("log.dropped")
    assert lost["dropped"] > 0
    pid.unlink()
    site.kill(second)
    daemon.wait_for("agent.exited", agent="watched", after=lost["seq"])
    third = int(site.until(lambda: pid.exists() and pid.read_text()))
    daemon.wait_for("agent.restart.started", agent="watched", after=lost["seq"])

    daemon.hang_up()
    daemon.logs.append(site.state / "fallback.log")
    site.kill(third)
    site.until(lambda: any(event["event"] == "log.sink_failed" for event in site.read_lines(daemon.logs[0])))
    assert daemon.stop() == 0
    assert site.read_lines(daemon.logs[0])[-1]["event"] == "supervisor.stopped"


def test_without_a_standard_output_the_log_is_kept_beside_the_state(site: Any) -> None:
    site.beat("dead", ago=60)
    site.configure([{"name": "dead", **TELL_ONLY}])
    daemon = site.run(closed_stdout=True)
    daemon.logs.append(site.state / "fallback.log")
    site.until(lambda: site.notices("dead"))
    assert daemon.stop() == 0
    assert (site.state / "supervisor.lock").read_text() == f"{daemon.process.pid}\n"
    events = [event["event"] for event in site.read_lines(daemon.logs[0])]
    assert {"supervisor.started", "log.sink_failed", "agent.escalated"} <= set(events)


def test_a_log_file_may_be_renamed_under_its_writer(site: Any) -> None:
    log, rotated = site.root / "logs" / "supervisor.log", site.root / "logs" / "supervisor.log.1"
    site.configure([{"name": "beating", **TELL_ONLY}], logging={"file": str(log), "level": "debug"})
    daemon = site.run()
    daemon.logs += [rotated, log]

    def told(path: Path, stamp: str) -> bool:
        seen = (event for event in site.read_lines(path) if event["event"] == "agent.heartbeat.seen")
        return any(event["last_heartbeat"] == stamp for event in seen)

    before = site.beat("beating")
    site.until(lambda: told(log, before))
    log.rename(rotated)
    between = site.beat("beating")
    site.until(lambda: told(rotated, between) or told(log, between))
    site.until(log.exists)
    after = site.beat("beating")
    site.until(lambda: told(log, after))
    assert daemon.stop() == 0
    assert daemon.events == []
    assert log.stat().st_mode & 0o777 == 0o600
