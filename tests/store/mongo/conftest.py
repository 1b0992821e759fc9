"""What an engine sends to its database, looked at by the driver's own listener."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import mongod, shards


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The commands that an engine sends, which is opened while this is in force."""
    mongod.require()
    commands: list[dict[str, Any]] = []
    shards.listened(monkeypatch, commands.append)
    yield commands
