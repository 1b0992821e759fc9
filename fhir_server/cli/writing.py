"""A loader over an opened store, for `load` and `seed`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from fhir_server.access.grant import OPEN
from fhir_server.access.repository import Repository
from fhir_server.app import House, opened
from fhir_server.cli.loading import Loader, preparing
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request
from fhir_server.interactions.routes import dispatch
from fhir_server.settings import Settings


@asynccontextmanager
async def loader(settings: Settings, processes: int) -> AsyncIterator[Loader]:
    """A Loader that writes to the store of `settings`, preparing in so many processes."""
    async with opened(settings) as house:
        repository = house.repository(OPEN)
        async with preparing(settings, repository.registry, processes) as prepare:
            pump = Loader(repository, prepare, _Transactions(repository, house))
            yield pump
            if pump.defines:
                await house.watch.announce()


class _Transactions:
    """Runs a Bundle as a POST to the FHIR base would."""

    def __init__(self, repository: Repository, house: House) -> None:
        base = house.settings.base_url or "http://localhost/fhir"
        self._context = Context(repository, house.settings, base, prefer="minimal", watch=house.watch)

    async def __call__(self, body: bytes) -> int:
        response = await dispatch(Request("POST", (), (), body, FHIR_JSON), self._context)
        entries = msgspec.json.decode(response.body).get("entry", [])
        return sum(entry["response"]["status"].startswith("2") for entry in entries)
