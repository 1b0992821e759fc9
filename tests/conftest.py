"""What all tests share: servers opened in this process keep their data where `tests/engines.py` says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fhir_server import app
from tests import engines


@pytest.fixture(autouse=True, scope="session")
def _kept_where_tests_say() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "open_engine", engines.at)
        yield
