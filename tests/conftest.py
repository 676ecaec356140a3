"""Fixtures for every test."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Only asyncio: the loop that the program runs on."""
    return "asyncio"
