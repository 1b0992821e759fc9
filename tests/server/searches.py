"""A server without the wire: the embedded store, a caller who may see all, and searches as a client writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fhir_server.access.grant import OPEN
from fhir_server.access.policy import Policy
from fhir_server.access.repository import Repository
from fhir_server.fhir.json import serialize
from fhir_server.search.answering.run import search
from fhir_server.search.asking.query import Query, parse
from fhir_server.search.kinds.reading import Terminology
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.space.collected import additions
from fhir_server.space.services import SERVICES
from tests.engines import an_engine

BASE = "http://localhost/fhir"
KEY = b"only for tests"


class SmallServer:
    """Resources go in as dicts and come out as searchset Bundles."""

    def __init__(self, engine: Any, settings: Settings | None = None) -> None:
        self.engine = engine
        self.settings = settings or Settings(default_page=20)
        self.registry = Registry(additions=additions(SERVICES))
        self.repository = Repository(engine.store, OPEN, self.registry, BASE, Policy())
        self.terminology: Terminology | None = None

    async def put(self, *resources: dict[str, Any]) -> None:
        writes = []
        for resource in resources:
            type, id = resource["resourceType"], resource["id"]
            before = await self.repository.current(type, id)
            writes.append(await self.repository.put(type, id, resource, serialize(resource), before))
        await self.repository.transact(writes)

    async def query(
        self,
        path: str,
        strict: bool = True,
        types: Sequence[str] | None = None,
        compartment: tuple[str, str] | None = None,
    ) -> Query:
        place, _, text = path.partition("?")
        return await parse(
            types if types is not None else ((place,) if place else ()),
            parse_qsl(text, keep_blank_values=True),
            self.registry,
            strict=strict,
            settings=self.settings,
            base=BASE,
            terminology=self.terminology,
            compartment=compartment,
        )

    async def search(self, path: str, strict: bool = True, **where: Any) -> dict[str, Any]:
        """The Bundle that answers `Type?query`, or the URL of one of its links."""
        if path.startswith(BASE):
            parts = urlsplit(path)
            path = parts.path.removeprefix("/fhir").lstrip("/") + "?" + parts.query
        query = await self.query(path, strict, **where)
        body = await search(query, self.repository, self.registry, BASE, self.settings, KEY)
        bundle: dict[str, Any] = json.loads(body)
        return bundle

    async def ids(self, path: str, **where: Any) -> list[str]:
        """The ids of the matches, in order."""
        return ids(await self.search(path, **where))


def entries(bundle: dict[str, Any], mode: str = "match") -> list[dict[str, Any]]:
    return [entry for entry in bundle.get("entry", ()) if entry["search"]["mode"] == mode]


def ids(bundle: dict[str, Any], mode: str = "match") -> list[str]:
    return [entry["resource"]["id"] for entry in entries(bundle, mode)]


def link(bundle: dict[str, Any], relation: str) -> str | None:
    return next((one["url"] for one in bundle["link"] if one["relation"] == relation), None)


def a_server(folder: Path, settings: Settings | None = None) -> SmallServer:
    return SmallServer(an_engine(folder), settings)
