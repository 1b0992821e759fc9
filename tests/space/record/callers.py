"""Callers of a server with every service, each with a grant of their own, and the documents that they ask for.

As over HTTP, without the wire: the facts by which rules judge a caller are read for each call.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from fhir_server.access.grant import OPEN, VERBS, Grant, Scope
from fhir_server.app import House
from fhir_server.fhir.nos import CONFIDENTIALITY, VISIBILITY
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.audited import audited
from fhir_server.interactions.exchange import FHIR_JSON, Request, Response
from tests.server.calls import Answer

BASE = "http://127.0.0.1/fhir"
ALL, OWN, SYSTEM = (Scope(level, "*", VERBS) for level in ("user", "patient", "system"))  # type: ignore[arg-type]
Tree = dict[str, Any]


def grant(subject: str | None, *scopes: Scope, **more: Any) -> Grant:
    return Grant(scopes, subject=subject, client="app", traced=False, **more)


@dataclass(frozen=True)
class Caller:
    """One caller of a server."""

    house: House
    grant: Grant = OPEN

    async def __call__(self, method: str, url: str, body: Any = None, type: str = FHIR_JSON, **headers: str) -> Answer:
        path, _, query = url.partition("?")
        request = Request(
            method,
            tuple(unquote(part) for part in path.split("/") if part),
            tuple(parse_qsl(query, keep_blank_values=True)),
            b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode(),
            "" if body is None else type,
            {name.replace("_", "-"): value for name, value in headers.items()},
        )
        await self.house.follow()
        seen = await self.house.seen_by(self.grant, BASE)
        context = self.house.context_of(seen, BASE, True, "representation", "")
        try:
            return Answer(await audited(request, context))
        except FhirError as error:
            return Answer(Response(error.status, error.body()), dict(error.headers))

    async def put(self, tree: Tree) -> Tree:
        """What is stored of a resource that is put under its id."""
        answer = await self("PUT", f"{tree['resourceType']}/{tree['id']}", tree)
        assert answer.status in (200, 201), answer.json
        return dict(answer.json)

    async def sees(self, type: str, id: str) -> bool:
        """Whether a resource is read, and found."""
        read = await self("GET", f"{type}/{id}")
        assert read.status in (200, 404), read.json
        found = await self("GET", f"{type}?_id={id}&_total=accurate")
        assert found.json["total"] == (read.status == 200), "read, and not found, or found, and not read"
        return read.status == 200


def spelt(system: str, code: str, **more: Any) -> Tree:
    """A label."""
    return {"coding": [{"system": system, "code": code, **more}]}


def labelled(*codes: str) -> list[Tree]:
    """Labels as they are stored, but for their words."""
    return [spelt(CONFIDENTIALITY if len(code) == 1 else VISIBILITY, code) for code in codes]


def document(id: str, *codes: str, patient: str = "a", author: Any = None, **more: Any) -> Tree:
    """The smallest document, of a patient, with such labels."""
    tree: Tree = {
        "resourceType": "DocumentReference",
        "id": id,
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "author": [author or {"reference": "Practitioner/author"}],
        "content": [{"attachment": {"contentType": "text/plain", "url": f"Binary/{id}"}}],
    }
    return {**tree, **({"securityLabel": labelled(*codes)} if codes else {}), **more}
