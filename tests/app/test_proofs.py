"""What was proven by test notices, and how a supervisor that runs hears of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from collections_supervisor.app.proofs import FILE, ProofReader, keep_proofs, read_proofs
from collections_supervisor.coordination.deliveries import heard
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.messages import ChannelsProven

NOW = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
NAMES = ("command", "webhook")


async def test_what_is_kept_is_read_again_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    await keep_proofs(folder, NAMES, {"command": NOW})
    await keep_proofs(folder, NAMES, {"webhook": NOW + timedelta(hours=1)})
    assert await read_proofs(folder, NAMES) == {"command": NOW, "webhook": NOW + timedelta(hours=1)}
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_channels_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    await keep_proofs(tmp_path, NAMES, {"command": NOW})
    await keep_proofs(tmp_path, ("webhook",), {"webhook": NOW})
    assert await read_proofs(tmp_path, NAMES) == {"webhook": NOW}


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"channels":{"command":7}}', b'{"channels":{"command":"2026-11-22T11:00:00"}}', b"\xff", b"[" * 9999],
)
async def test_a_file_that_is_of_no_use_proves_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    assert await read_proofs(tmp_path, NAMES) == {}


async def test_no_file_proves_nothing(tmp_path: Path) -> None:
    assert await read_proofs(tmp_path, NAMES) == {}


async def test_a_supervisor_that_runs_is_told_of_what_is_new(tmp_path: Path) -> None:
    send, receive = anyio.create_memory_object_stream[ChannelsProven](10)
    deaf = [True]

    async def tell(word: ChannelsProven) -> bool:
        await send.send(word)
        return not deaf or not deaf.pop()

    with send, receive, anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ProofReader(tmp_path, lambda: NAMES, 0.01, tell).run)
            await keep_proofs(tmp_path, NAMES, {"command": NOW})
            first, again = await receive.receive(), await receive.receive()
            assert first == again == ChannelsProven(proven={"command": NOW}), "what was not heard is told again"
            await keep_proofs(tmp_path, NAMES, {"webhook": NOW})
            assert (await receive.receive()).proven == {"command": NOW, "webhook": NOW}
            tasks.cancel_scope.cancel()


async def test_a_supervisor_that_has_other_channels_now_is_told_of_those(tmp_path: Path) -> None:
    send, receive = anyio.create_memory_object_stream[ChannelsProven](10)
    names = ["command"]

    async def tell(word: ChannelsProven) -> bool:
        await send.send(word)
        return True

    await keep_proofs(tmp_path, NAMES, {"command": NOW, "webhook": NOW})
    with send, receive, anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ProofReader(tmp_path, lambda: names, 0.01, tell).run)
            assert (await receive.receive()).proven == {"command": NOW}
            names.append("webhook")
            assert (await receive.receive()).proven == {"command": NOW, "webhook": NOW}
            names.remove("command")
            assert (await receive.receive()).proven == {"webhook": NOW}
            tasks.cancel_scope.cancel()


def test_an_older_proof_does_not_replace_a_newer_one() -> None:
    state = heard(FleetState(), ChannelsProven(proven={"command": NOW}), NOW)
    state = heard(state, ChannelsProven(proven={"command": NOW - timedelta(days=1), "webhook": NOW}), NOW)
    assert state.proven == {"command": NOW, "webhook": NOW}
