"""A small server with a small world in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.searches import SmallServer, a_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SmallServer]:
    """An empty server."""
    small = a_server(tmp_path)
    yield small
    await small.engine.close()
