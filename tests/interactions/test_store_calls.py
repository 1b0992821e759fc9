"""How often a FHIR request asks the store, whatever it is about many of: numbers that may only fall.

https://hl7.org/fhir/R4/http.html. Each call is a journey once the store is on another machine: a request that asks for
each of its references, entries or results apart takes as many. Requests are made twice, and the second is counted, so
that what a worker remembers (definitions, compiled rules) is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from fhir_server.access.grant import OPEN, VERBS, Grant, Scope
from fhir_server.app import House, opened
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.audited import audited
from fhir_server.interactions.exchange import FHIR_JSON, Request
from fhir_server.settings import Settings
from fhir_server.space.record.clinical_writers import WRITER
from tests.interactions.test_batch import asks, batch
from tests.server.people import a_care_team
from tests.store_calls import counted

BASE = "http://localhost/fhir"
#: Those who ask: software without a person in an open server, a patient's app, a professional; the latter leave traces.
CALLERS = {
    "open": OPEN,
    "patient": Grant((Scope("patient", "*", VERBS),), subject="Patient/p", patient="p", client="app"),
    "professional": Grant((Scope("user", "*", VERBS),), subject="Practitioner/d0", client="tool", purpose="TREAT"),
}


@dataclass(frozen=True)
class Asked:
    """One request, and whether references are held to what is there."""

    method: str
    url: str
    body: Any = None
    headers: Mapping[str, str] | None = None
    content_type: str = FHIR_JSON
    integrity: bool = False
    status: tuple[int, ...] = (200, 201, 204)


async def ask(house: House, grant: Grant, asked: Asked) -> Any:
    """What is answered, parsed."""
    path, _, query = asked.url.partition("?")
    body = b"" if asked.body is None else json.dumps(asked.body).encode()
    content_type = asked.content_type if body else ""
    segments, pairs = tuple(part for part in path.split("/") if part), tuple(parse_qsl(query))
    request = Request(asked.method, segments, pairs, body, content_type, asked.headers or {})
    context = house.context_of(await house.seen_by(grant, BASE), BASE, True, "representation", "")
    settings = context.settings.model_copy(update={"referential_integrity": asked.integrity})
    try:
        response = await audited(request, replace(context, settings=settings))
    except FhirError as error:
        raise AssertionError((asked, error.body())) from error
    assert response.status in asked.status, response.body
    return json.loads(response.body) if response.body else None


def refers(type: str, ids: Iterable[object]) -> list[dict[str, str]]:
    return [{"reference": f"{type}/{id}"} for id in ids]


def observation(id: str = "", **more: Any) -> dict[str, Any]:
    tree = {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "urn:c", "code": "c"}]}}
    return {**tree, "subject": {"reference": "Patient/p"}, **({"id": id} if id else {}), **more}


def identified(id: str) -> list[dict[str, str]]:
    return [{"system": "urn:i", "value": id}]


def document(id: str = "", url: str = "Binary/b0") -> dict[str, Any]:
    found = {"resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/p"}}
    return {**found, **({"id": id} if id else {}), "content": [{"attachment": {"url": url}}]}


CONTENT = "urn:uuid:00000000-0000-4000-8000-000000000001"
BINARY = {"resourceType": "Binary", "contentType": "text/plain", "data": "eA=="}


def written(tree: dict[str, Any]) -> dict[str, Any]:
    """As the patient's side wrote it, which therefore changes it."""
    if tree["resourceType"] != "Observation":
        return tree
    if "performer" not in tree:
        return {**tree, "performer": refers("Patient", ["p"])}
    tags = tree.get("meta", {}).get("tag", ())
    return {**tree, "meta": {"tag": [*tags, {"system": WRITER, "code": "patient"}]}} if tags else tree


def scene() -> Iterable[dict[str, Any]]:
    """A patient, three professionals, and ten of each of what is asked for."""
    yield {"resourceType": "Patient", "id": "p", "identifier": identified("p")}
    yield a_care_team("p", "Practitioner/d0")
    for n in range(3):
        yield {"resourceType": "Practitioner", "id": f"d{n}", "identifier": identified(f"d{n}")}
    yield {"resourceType": "Organization", "id": "o", "name": "O", "identifier": identified("o")}
    for n in range(10):
        yield observation(f"o{n}", performer=refers("Practitioner", [f"d{n % 3}"]), effectiveDateTime=f"2026-01-{n + 1:02}",
                          meta={"tag": [{"system": "urn:t", "code": f"t{n % 2}"}]})  # fmt: skip
        yield observation(f"v{n}", method={"text": "versioned"}, note=[{"text": "x"}],
                          code={"coding": [{"system": "urn:c", "code": "v"}]},
                          performer=refers("Practitioner", [f"d{n % 3}/_history/1"]))  # fmt: skip
        inside = {"resourceType": "Specimen", "id": "s", "subject": {"reference": "Patient/p"}}
        yield observation(f"s{n}", contained=[inside], specimen={"reference": "#s"})
        yield document(f"f{n}", f"Binary/b{n}")
        yield from (observation(f"x{turn}-{n}", code={"text": "to be deleted"}) for turn in range(2))
        yield {**BINARY, "id": f"b{n}", "securityContext": {"reference": f"DocumentReference/f{n}"}}
    yield {
        "resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "x"}, "date": "2026-01-01",
        "title": "x", "subject": {"reference": "Patient/p"}, "author": refers("Practitioner", ["d0"]),
        "section": [{"title": "x", "entry": refers("Observation", [f"o{n}" for n in range(10)])}],
    }  # fmt: skip
    yield {
        "resourceType": "ValueSet", "id": "vs", "url": "urn:vs", "status": "active",
        "compose": {"include": [{"system": "http://hl7.org/fhir/administrative-gender"}]},
    }  # fmt: skip


def transaction_of_thirty(turn: int) -> Asked:
    """Reports of observations that name one another, by criteria what is stored, and each made unless it is there."""
    rows = []
    for n in range(15):
        one = observation(identifier=identified(f"t{turn}-{n}"), subject={"reference": "Patient?identifier=urn:i|p"},
                          performer=[{"reference": f"Practitioner?identifier=urn:i|d{n % 3}"}])  # fmt: skip
        report = {
            "resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"},
            "subject": {"reference": "Patient/p"}, "result": [{"reference": f"urn:uuid:00000000-0000-4000-8000-0000000000{n:02}"}],
        }  # fmt: skip
        made = asks("POST", "Observation", one, ifNoneExist=f"identifier=urn:i|t{turn}-{n}")
        rows += [
            {**made, "fullUrl": f"urn:uuid:00000000-0000-4000-8000-0000000000{n:02}"},
            asks("POST", "DiagnosticReport", report),
        ]
    return Asked("POST", "", batch(*rows, type="transaction"))


def transaction_of_updates(turn: int) -> Asked:
    """Ten updates, ten of them by criteria, and ten deletions."""
    rows = [asks("PUT", f"Observation/o{n}", observation(f"o{n}", note=[{"text": str(turn)}])) for n in range(5)]
    rows += [asks("PUT", f"Observation?_id=o{n}", observation(note=[{"text": str(turn)}])) for n in range(5, 10)]
    rows += [asks("DELETE", f"Observation/x{turn}-{n}") for n in range(10)]
    rows += [asks("GET", f"DocumentReference/f{n}") for n in range(5)]
    return Asked("POST", "", batch(*rows, type="transaction"))


def transaction_that_files(turn: int) -> Asked:
    rows = [
        {**asks("POST", "Binary", BINARY), "fullUrl": CONTENT},
        asks("POST", "DocumentReference", document(url=CONTENT)),
    ]
    return Asked("POST", "", batch(*rows, type="transaction"))


def referring(turn: int) -> dict[str, Any]:
    return observation(
        performer=refers("Practitioner", ["d0", "d1", "d2"]),
        hasMember=refers("Observation", [f"o{n}" for n in range(6)]),
    )


LABEL = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "z"}]}}]}
CHANGE = [{"op": "add", "path": "/note", "value": [{"text": "x"}]}]

#: A professional without a patient in context is asked two things more: whether the record is open, and open to them.
#: What is asked, of the turn 0 or 1 → the most calls for each of `CALLERS`.
Row = tuple[Callable[[int], Asked], tuple[int, int, int]]
MOST: dict[str, Row] = {
    # Before anybody looked: what a trace names is referred to.
    "delete with integrity": (lambda n: Asked("DELETE", f"Observation/s{n + 8}", integrity=True), (3, 3, 5)),
    "read": (lambda _: Asked("GET", "Observation/o0"), (1, 2, 4)),
    "vread": (lambda _: Asked("GET", "Observation/o0/_history/1"), (1, 2, 4)),
    "history": (lambda _: Asked("GET", "Observation/o0/_history"), (1, 2, 2)),
    "search": (lambda _: Asked("GET", "Observation?patient=p&code=c&_count=5"), (1, 2, 2)),
    "include": (lambda _: Asked("GET", "Observation?code=c&_include=Observation:performer"), (2, 3, 3)),
    "include by version": (lambda _: Asked("GET", "Observation?code=v&_include=Observation:performer"), (2, 3, 3)),
    "revinclude": (lambda _: Asked("GET", "Patient?_id=p&_revinclude=Observation:subject"), (2, 3, 3)),
    "chain": (lambda _: Asked("GET", "Observation?patient.identifier=urn:i|p"), (1, 2, 2)),
    "contained": (lambda _: Asked("GET", "Specimen?_contained=true&patient.identifier=urn:i|p"), (2, 3, 3)),
    "search of Binaries": (lambda _: Asked("GET", "Binary?_count=10"), (1, 3, 3)),
    "read of a Binary": (lambda _: Asked("GET", "Binary/b0"), (1, 3, 5)),
    "create": (lambda _: Asked("POST", "Observation", observation()), (1, 1, 1)),
    "create unless there": (
        lambda n: Asked(
            "POST", "Observation", observation(), {"if-none-exist": f"identifier=urn:i|{n}"}
        ),
        (2, 2, 2),
    ),
    "create with integrity": (lambda n: Asked("POST", "Observation", referring(n), integrity=True), (2, 2, 4)),
    "update": (lambda _: Asked("PUT", "Observation/o0", observation("o0")), (2, 2, 4)),
    "update by criteria": (lambda _: Asked("PUT", "Observation?_id=o0", observation()), (2, 2, 4)),
    "patch": (
        lambda _: Asked("PATCH", "Observation/o0", CHANGE, content_type="application/json-patch+json"), (2, 2, 6)
    ),
    "transaction of 30": (transaction_of_thirty, (3, 3, 3)),
    "transaction of updates": (transaction_of_updates, (6, 7, 11)),
    "transaction that files": (transaction_that_files, (1, 1, 1)),
    "batch of reads": (
        lambda _: Asked("POST", "", batch(*[asks("GET", f"Observation/o{n}") for n in range(10)])), (2, 3, 5)
    ),
    # What is hidden is not named: whether the contents and documents that are named are shown is asked, all at once.
    "everything": (lambda _: Asked("GET", "Patient/p/$everything"), (3, 7, 9)),
    "lastn": (lambda _: Asked("GET", "Observation/$lastn?patient=p&code=c"), (1, 2, 2)),
    # What a patient writes has a tag that says so: one more to look past.
    "meta of a type": (lambda _: Asked("GET", "Observation/$meta"), (1, 3, 2)),
    "meta-add": (lambda n: Asked("POST", f"Observation/o{n}/$meta-add", LABEL), (2, 2, 4)),
    "validate": (lambda n: Asked("POST", "Observation/$validate", referring(n), integrity=True), (1, 2, 4)),
    "document": (lambda _: Asked("GET", "Composition/c/$document"), (2, 3, 5)),
    "expand": (lambda _: Asked("GET", "ValueSet/vs/$expand"), (2, 3, 3)),
}  # fmt: skip


@pytest.mark.parametrize("caller", CALLERS)
async def test_a_request_asks_the_store_this_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caller: str
) -> None:
    place = list(CALLERS).index(caller)
    with counted(monkeypatch) as calls:
        async with opened(Settings(data=tmp_path, open=True)) as house:
            rows = [asks("PUT", f"{tree['resourceType']}/{tree['id']}", tree) for tree in map(written, scene())]
            await ask(house, OPEN, Asked("POST", "", batch(*rows, type="transaction")))
            made: dict[str, list[str]] = {}
            for what, (make, _) in MOST.items():
                await ask(house, CALLERS[caller], make(0))
                calls.clear()
                await ask(house, CALLERS[caller], make(1))
                made[what] = calls[:]
    assert {what: found for what, found in made.items() if len(found) > MOST[what][1][place]} == {}
