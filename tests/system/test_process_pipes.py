"""What is kept of a flood, and what is read of a pipe that others still hold."""

import os
from contextlib import closing

import anyio
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.system.process_pipes import Intake, Outlet, Pipes


@given(pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=20), limit=st.integers(0, 100))
def test_head_and_tail(pieces: list[bytes], limit: int) -> None:
    whole = b"".join(pieces)
    with closing(Intake(limit, "head")) as head, closing(Intake(limit, "tail")) as tail:
        for pipe in (head, tail):
            for piece in pieces:
                os.write(pipe.theirs, piece)
                pipe.drain_rest()
        assert head.kept == whole[:limit]
        assert tail.kept == whole[max(0, len(whole) - limit) :]
        assert head.dropped == tail.dropped == max(0, len(whole) - limit)


def test_the_rest_is_read_without_waiting_for_more() -> None:
    with closing(Intake(100, "tail")) as pipe:
        pipe.drain_rest()
        os.write(pipe.theirs, b"so far")
        pipe.drain_rest()
        assert pipe.kept == b"so far"


async def test_more_than_a_pipe_holds_is_fed_piece_by_piece_and_then_the_end() -> None:
    data = os.urandom(1 << 20)
    with closing(Outlet(data)) as outlet:
        received = bytearray()

        async def read() -> None:
            while piece := await anyio.to_thread.run_sync(os.read, outlet.theirs, 65536):
                received.extend(piece)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(read)
                group.start_soon(outlet.feed)
        assert received == data


async def test_what_was_said_last_is_read() -> None:
    """The end of the command may be noticed before its last words."""
    with Pipes(None, stdout_limit=100, stderr_limit=100) as pipes:

        async def work() -> str:
            os.write(pipes.stdout.theirs, b"answer")
            os.write(pipes.stderr.theirs, b"complaint")
            return "done"

        assert await pipes.pump_during(work) == "done"
        assert (pipes.stdout.kept, pipes.stderr.kept) == (b"answer", b"complaint")
