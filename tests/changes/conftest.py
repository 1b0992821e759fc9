"""Workers over one store, each with a follower of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fhir_server.changes.cache import Cache
from fhir_server.changes.engine import followed
from fhir_server.changes.follower import Change, Follower
from fhir_server.store.engine import Engine
from fhir_server.store.notes import Noted
from tests.engines import an_engine


def named(change: Change) -> str:
    return f"{change.kind}/{change.key}" if isinstance(change, Noted) else f"{change.type}/{change.id}"


@dataclass
class Worker:
    """One of several processes on the same store: what it hears of patients, devices and clients."""

    engine: Engine
    follower: Follower
    cache: Cache
    heard: list[str] = field(default_factory=list)


def a_worker(folder: Path) -> Worker:
    engine, follower = followed(an_engine(folder))
    made = Worker(engine, follower, Cache(follower, ("Device", "Consent"), ("client", "account", "family", "access")))
    follower.subscribe(
        lambda changes: made.heard.extend(["everything"] if changes is None else map(named, changes)),
        types=("Patient", "Device"),
        kinds=("client",),
    )
    return made


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[tuple[Worker, Worker]]:
    found = a_worker(tmp_path), a_worker(tmp_path)
    for one in found:
        await one.follower.follow()
        one.heard.clear()
    yield found
    for one in found:
        one.follower.close()
        await one.engine.close()
