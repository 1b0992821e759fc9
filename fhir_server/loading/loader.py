"""A loader over an opened server, for `load` and `seed`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec

from fhir_server.app import House
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request
from fhir_server.interactions.routes import dispatch
from fhir_server.loading.pump import Loader, preparing


@asynccontextmanager
async def loader(house: House, processes: int) -> AsyncIterator[Loader]:
    """A Loader that writes to the store of `house`, preparing in so many processes (0: one a core)."""
    context = replace(house.own_context(), restores=True)
    async with preparing(house, processes) as prepare:
        yield Loader(context, prepare, _Transactions(context))


class _Transactions:
    """Runs a Bundle as a POST to the FHIR base would."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, body: bytes) -> int:
        response = await dispatch(Request("POST", (), (), body, FHIR_JSON), self._context)
        entries = msgspec.json.decode(response.body).get("entry", [])
        return sum(entry["response"]["status"].startswith("2") for entry in entries)
