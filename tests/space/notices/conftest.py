"""A server with one patient who can be written to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.space.notices.space import Space, a_patient


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with opened(Settings(data=tmp_path, base_url="https://fhir.example/fhir", sms="folder")) as house:
        found = Space(house)
        await found.keep(a_patient(name=[{"family": "DEMO"}]))
        yield found
