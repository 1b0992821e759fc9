"""What all tests share: servers to ask, and where those opened in this process keep their data (`tests/engines.py`)."""

from __future__ import annotations

import faulthandler
import itertools
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as drawing
from joserfc.jwk import RSAKey

from fhir_server import app
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.smart.people import hashing
from fhir_server.smart.tokens import signing_keys
from fhir_server.validation.profiles import conformance, keywords
from tests import engines, mongod, shards
from tests.server import calls, closed
from tests.server.whole import asking

#: Where the tests' folders are when it has room: in memory, so that thousands of small stores wait for no disk.
IN_MEMORY, ROOM_BYTES = Path("/dev/shm"), 4_000_000_000
#: After how many seconds a slow test is ended and named; `faulthandler_timeout` in pyproject.toml is that of all others.
SLOW_SECONDS = 3_600
_ERRORS = pytest.StashKey[int]()
#: What was asked of MongoDB that no shard is named in, nor declared to be asked of all.
_astray: list[tuple[str, str]] = []
# A machine that runs much else is slow, not wrong. What stands in a file's own settings is of this too.
drawing.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
drawing.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    # Kept as it is now: while a test runs, what it prints goes elsewhere.
    config.stash[_ERRORS] = os.dup((sys.__stderr__ or sys.stderr).fileno())
    if os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free >= ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("slow") and float(item.config.getini("faulthandler_timeout") or 0):
        # In place of the one that is set already.
        faulthandler.dump_traceback_later(SLOW_SECONDS, file=item.config.stash[_ERRORS], exit=True)


@pytest.fixture(autouse=True, scope="session")
def _passwords_cost_little() -> Iterator[None]:
    """Hashed by the same function at its least cost; servers in processes of their own hash at its own (`COST`)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "COST", (1, 8, 1))
        yield


@pytest.fixture(autouse=True, scope="session")
def _signing_keys_are_made_once() -> Iterator[None]:
    """A server signs with one of a few real keys of this process: to find primes, and to check them, takes longest of all
    that a test of signing in does. A store that rotates its keys is handed another each time."""
    make = cache(lambda _, made=signing_keys._made: made())
    turns, imported, known = itertools.cycle(range(8)), RSAKey.import_key, {}

    def read_once(value: Any, *more: Any, **named: Any) -> RSAKey:
        if more or named or not isinstance(value, dict) or "d" not in value:
            return imported(value, *more, **named)
        text = msgspec.json.encode(value, order="sorted")
        if text not in known:
            known[text] = imported(value)
        return known[text]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing_keys, "_made", lambda: dict(make(next(turns))))
        patch.setattr(RSAKey, "import_key", read_once)
        yield


@pytest.fixture(autouse=True, scope="session")
def _profiles_are_made_ready_once() -> Iterator[None]:
    """What a profile's schema compiles to follows from the schema alone, and is the same in every server of this process."""
    compiled, known = keywords.compiled, {}

    def once(schema: keywords.Schema) -> Any:
        text = repr(schema)
        if text not in known:
            known[text] = compiled(schema)
        return known[text]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keywords, "compiled", once)
        patch.setattr(conformance, "ready", once)
        yield


@pytest.fixture(autouse=True, scope="session")
def _kept_where_tests_say() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "open_engine", engines.at)
        if engines.KIND == "mongo" and mongod.is_here():
            shards.listened(patch, lambda command: _astray.extend(shards.undeclared(command)))
        yield


@pytest.fixture(autouse=True)
def _what_is_sent_names_its_shard() -> Iterator[None]:
    yield
    found = [*_astray]
    _astray.clear()
    assert found == []


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open server, every room of it."""
    async with opened(Settings(data=tmp_path, open=True)) as found:
        yield found


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `house`, through ASGI."""
    async with asking(house) as found:
        yield found


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[closed.Space]:
    """A closed server, every room of it, and what software and browsers call it with."""
    async with closed.serving(tmp_path) as found:
        yield found


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[calls.Server]:
    """FHIR's verbs without HTTP."""
    async with calls.serving(tmp_path) as found:
        yield found
