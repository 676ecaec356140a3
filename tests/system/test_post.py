"""A place for one actor that may be replaced."""

from typing import Any

import anyio
import pytest

from collections_supervisor.system.post import Post


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    return virtual_backend


class Worker:
    def __init__(self, lives: float = 1e9, bug: Exception | None = None) -> None:
        self.spans: list[list[float]] = []
        self._lives = lives
        self._bug = bug

    async def run(self) -> None:
        self.spans.append([anyio.current_time()])
        try:
            await anyio.sleep(self._lives)
            if self._bug is not None:
                raise self._bug
        finally:
            self.spans[-1].append(anyio.current_time())


async def test_one_follows_the_other() -> None:
    first, second, third = Worker(), Worker(lives=2.0), Worker()
    post = Post(first)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(post.run)
        await anyio.sleep(5)
        post.give(second)
        await anyio.sleep(5)
        assert second.spans == [[5.0, 7.0]], "one that is done is not run again"
        post.give(None)
        await anyio.sleep(5)
        post.give(third)
        await anyio.sleep(5)
        tasks.cancel_scope.cancel()
    assert (first.spans, third.spans) == ([[0.0, 5.0]], [[15.0, 20.0]])


async def test_who_is_given_it_before_it_runs_is_the_one() -> None:
    first, second = Worker(), Worker()
    post = Post(first)
    post.give(second)
    with anyio.move_on_after(1):
        await post.run()
    assert (first.spans, second.spans) == ([], [[0.0, 1.0]])


async def test_a_bug_of_the_holder_is_for_whoever_supervises() -> None:
    post = Post(Worker(lives=1.0, bug=RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        await post.run()
