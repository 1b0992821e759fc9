"""What an engine sends to its database, looked at by the driver's own listener."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import mongod


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The commands that an engine sends, which is opened while this is in force."""
    mongod.require()
    from pymongo import monitoring

    from fhir_server.store.mongo import opening as own

    commands: list[dict[str, Any]] = []

    class Listener(monitoring.CommandListener):
        def started(self, event: Any) -> None:
            commands.append(dict(event.command))

        def succeeded(self, event: Any) -> None:
            return

        failed = succeeded

    connect = own.AsyncMongoClient
    monkeypatch.setattr(own, "AsyncMongoClient", lambda *a, **k: connect(*a, event_listeners=[Listener()], **k))
    yield commands
