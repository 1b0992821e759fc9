"""Requests as they are sent, and the resources that heavy ones are made of."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

JSON, XML, PATCH = "application/fhir+json", "application/fhir+xml", "application/json-patch+json"
FORM = "application/x-www-form-urlencoded"
SYSTEM = "http://example.org/ids"
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request: body and headers as they are sent."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def as_json(tree: Any) -> bytes:
    return json.dumps(tree, separators=(",", ":")).encode()


def bundle(kind: str, entries: list[Tree]) -> bytes:
    """A batch or transaction."""
    return as_json({"resourceType": "Bundle", "type": kind, "entry": entries})


def entry(method: str, url: str, resource: Tree | None = None, **request: str) -> Tree:
    """An entry of one."""
    return {"request": {"method": method, "url": url, **request}} | ({"resource": resource} if resource else {})


def a_patient(n: int = 0, **more: Any) -> Tree:
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": f"{n}"}], **more}


def an_observation(reference: str) -> Tree:
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    return {"resourceType": "Observation", "status": "final", "code": code, "subject": {"reference": reference}}


def a_patch(path: str) -> Tree:
    part = [
        {"name": "type", "valueCode": "delete"},
        {"name": "path", "valueString": path},
    ]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}


def large_patient(n: int) -> Tree:
    names = [{"family": f"F{i}", "given": ["A", "B"]} for i in range(n)]
    return {"resourceType": "Patient", "id": "large", "name": names}


#: A path that visits a Patient's elements again and again.
COSTLY = "Patient.name.where(%resource.descendants().count() > 0).given"


def people(size: float) -> list[Call]:
    rows = [
        entry("PUT", f"Patient/p{i}", a_patient(i, id=f"p{i}", name=[{"family": f"F{i}"}]))
        for i in range(int(1000 * size))
    ]
    return [Call("POST", "", bundle("transaction", rows))]


def names(size: float) -> list[Call]:
    return [Call("PUT", "Patient/large", as_json(large_patient(int(400_000 * size))))]
