"""A server without HTTP for tests: `dispatch` over the embedded engine on a file of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.policy import Policy
from fhir_server.access.repository import Repository
from fhir_server.changes.engine import followed
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request, Response
from fhir_server.interactions.pipeline import Pipeline
from fhir_server.interactions.routes import dispatch
from fhir_server.interactions.server_steps import SERVER
from fhir_server.operations.table import Operations
from fhir_server.search.activation.watch import Watch
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.store.engine import Engine
from tests.engines import an_engine

BASE = "http://example.org/fhir"
#: Those of the standard, and this server's own.
OPERATIONS = Operations({})


@dataclass(frozen=True)
class Answer:
    """What came back; an error has become the response the wire would make of it."""

    response: Response
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def json(self) -> Any:
        return json.loads(self.response.body) if self.response.body else None

    @property
    def id(self) -> str:
        assert self.response.location is not None
        return self.response.location.split("/")[1]

    @property
    def version(self) -> int | None:
        return self.response.version

    @property
    def resources(self) -> list[dict[str, Any]]:
        return [entry["resource"] for entry in self.json.get("entry", ())]

    @property
    def codes(self) -> list[str]:
        return [issue["code"] for issue in self.json["issue"]]

    @property
    def expressions(self) -> list[str]:
        return [expression for issue in self.json["issue"] for expression in issue.get("expression", ())]


class Server:
    """Calls as one caller."""

    #: What serves a request.
    door = staticmethod(dispatch)

    def __init__(self, engine: Engine, settings: Settings, registry: Registry, grant: Grant = OPEN) -> None:
        self.engine, follower = followed(engine)
        self.settings = settings
        self.registry = registry
        self.grant = grant
        self.watch = Watch(registry, engine.store, engine.records, follower)
        self.policy = Policy()
        self.pipeline = Pipeline(SERVER)

    def as_caller(self, grant: Grant) -> Server:
        """The same server, called by someone else."""
        return type(self)(self.engine, self.settings, self.registry, grant)

    def context(self, **changed: Any) -> Context:
        repository = Repository(self.engine.store, self.grant, self.registry, BASE, self.policy)
        found = Context(
            repository,
            self.settings,
            BASE,
            self.pipeline,
            cursor_key=b"k" * 32,
            watch=self.watch,
            operate=OPERATIONS.operate,
        )
        return replace(found, **{"records": self.engine.records, **changed})

    async def call(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        content_type: str = FHIR_JSON,
        context: Context | None = None,
        **headers: str,
    ) -> Answer:
        """One call. Keywords are headers, `if_match` for `If-Match`."""
        path, _, query = url.partition("?")
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        request = Request(
            method,
            tuple(unquote(part) for part in path.split("/") if part),
            tuple(parse_qsl(query, keep_blank_values=True)),
            raw,
            content_type if raw else "",
            {name.replace("_", "-"): value for name, value in headers.items()},
        )
        try:
            return Answer(await self.door(request, context or self.context()))
        except FhirError as error:
            return Answer(Response(error.status, error.body(), headers=error.headers), error.headers)

    async def get(self, url: str, **headers: str) -> Answer:
        return await self.call("GET", url, **headers)

    async def post(self, url: str, body: Any, **headers: str) -> Answer:
        return await self.call("POST", url, body, **headers)

    async def put(self, url: str, body: Any, **headers: str) -> Answer:
        return await self.call("PUT", url, body, **headers)

    async def delete(self, url: str, **headers: str) -> Answer:
        return await self.call("DELETE", url, **headers)


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Server]:
    """A server on a new file in `folder`."""
    engine = an_engine(folder)
    try:
        yield Server(engine, Settings(**settings), Registry())
    finally:
        await engine.close()
