"""The gateway as it is served, on a real SQLite store, with tenants, users and nodes to talk to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gateway_world import World, opened


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """One gateway, and one enrolled node of tenant `lab` that said it is there."""
    async with opened(tmp_path) as made:
        await made.enroll("lab")
        yield made
