"""What is kept of a flood, and what is read of a pipe that others still hold."""

import os

import anyio
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.system.process_pipes import Intake, Outlet


@given(pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=20), limit=st.integers(0, 100))
def test_head_and_tail(pieces: list[bytes], limit: int) -> None:
    whole = b"".join(pieces)
    with Intake(limit, "head") as head, Intake(limit, "tail") as tail:
        for pipe in (head, tail):
            for piece in pieces:
                os.write(pipe.theirs, piece)
                pipe.drain_rest()
        assert head.kept == whole[:limit]
        assert tail.kept == whole[max(0, len(whole) - limit) :]
        assert head.dropped == tail.dropped == max(0, len(whole) - limit)


async def test_drain_ends_when_the_other_end_closes() -> None:
    with Intake(100, "tail") as pipe:
        os.write(pipe.theirs, b"last words")
        pipe.close_theirs()
        with anyio.fail_after(10):
            await pipe.drain()
        assert pipe.kept == b"last words"


def test_the_rest_is_read_without_waiting_for_the_end() -> None:
    with Intake(100, "tail") as pipe:
        pipe.drain_rest()
        os.write(pipe.theirs, b"so far")
        pipe.drain_rest()
        assert pipe.kept == b"so far"


async def test_more_than_a_pipe_holds_is_fed_piece_by_piece() -> None:
    data = os.urandom(1 << 20)
    with Outlet(data) as outlet:
        received = bytearray()

        async def read() -> None:
            while piece := await anyio.to_thread.run_sync(os.read, outlet.theirs, 65536):
                received.extend(piece)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(read)
                group.start_soon(outlet.feed)
        assert received == data


async def test_a_reader_who_goes_away_is_no_error() -> None:
    with Outlet(b"x" * (1 << 20)) as outlet:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(outlet.feed)
                await anyio.wait_all_tasks_blocked()
                outlet.close_theirs()
        await outlet.feed()  # and nothing is left to do
