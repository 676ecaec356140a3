"""Finishing what is under way."""

import anyio
import pytest

from collections_supervisor.escalation.grace import finish


@pytest.fixture
def anyio_backend(virtual_backend: object) -> object:
    return virtual_backend


async def after(seconds: float) -> str:
    await anyio.sleep(seconds)
    return "done"


async def test_left_alone_it_runs_to_its_end() -> None:
    assert await finish(lambda: after(9), limit=10, grace=lambda: 2) == "done"
    assert anyio.current_time() == pytest.approx(9)


async def test_never_beyond_its_limit() -> None:
    assert await finish(lambda: after(11), limit=10, grace=lambda: 2) is None
    assert anyio.current_time() == pytest.approx(10)


@pytest.mark.parametrize(("needs", "ends", "result"), [(6, 6, ["done"]), (9, 7, [])])
async def test_cancelled_it_gets_its_grace_and_the_cancellation_goes_on(needs: float, ends: float, result: list[str]) -> None:
    finished: list[str] = []
    after_it: list[str] = []

    async def work() -> None:
        async def note() -> None:
            finished.append(await after(needs))

        await finish(note, limit=100, grace=lambda: 2)
        await anyio.sleep(0)
        after_it.append("not cancelled")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.sleep(5)
        tasks.cancel_scope.cancel()
    assert finished == result
    assert after_it == []
    assert anyio.current_time() == pytest.approx(ends)


async def test_grace_never_lengthens_the_limit() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: finish(lambda: after(99), limit=6, grace=lambda: 50))
        await anyio.sleep(5)
        tasks.cancel_scope.cancel()
    assert anyio.current_time() == pytest.approx(6)


async def test_an_error_of_the_work_comes_through() -> None:
    async def fail() -> None:
        raise LookupError("a bug")

    with pytest.raises(ExceptionGroup) as caught:
        await finish(fail, limit=1, grace=lambda: 1)
    assert isinstance(caught.value.exceptions[0], LookupError)
