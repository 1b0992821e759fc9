from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.smart.space import Space, serving


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        yield found
