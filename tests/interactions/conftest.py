from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.interactions.calls import Server, serving


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path) as found:
        yield found
