from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.space.catalogue.filing import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(Settings(data=tmp_path, base_url="https://fhir.example/fhir")) as house:
        yield Desk(house)
