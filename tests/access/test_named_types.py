"""No scope, no answer: whatever names a type asks for the scope that a direct search of it asks for.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html, https://hl7.org/fhir/R4/search.html#has, #chaining,
#include. An empty or shorter answer would say something false; 403 says what is missing.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import VERBS, Grant, Scope
from fhir_server.fhir.definitions import resource_types
from fhir_server.search.parameters.registry import Registry
from fhir_server.search.parameters.targets import targets_of
from tests.access.minimal import resource
from tests.interactions.test_batch import asks, batch
from tests.server.calls import Server, serving

REGISTRY = Registry()
#: (type, its reference parameter, the types it may refer to) of all of R4.
REFERENCES = [
    (type, code, targets_of(param, type))
    for type in sorted(resource_types())
    for code, param in sorted(REGISTRY.of(type).items())
    if param.type == "reference" and targets_of(param, type)
]


def only(*types: str) -> Grant:
    return Grant(tuple(Scope("system", type, VERBS) for type in types), client="software", traced=False)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path) as found:
        for tree in (
            {"resourceType": "Patient", "id": "p", "name": [{"family": "Exemple"}]},
            {**resource("Observation"), "id": "o", "subject": {"reference": "Patient/p"}},
            {**resource("Provenance"), "id": "q", "target": [{"reference": "Observation/o"}]},
            {**resource("List"), "id": "l", "entry": [{"item": {"reference": "Patient/p"}}]},
        ):
            assert (await found.put(f"{tree['resourceType']}/{tree['id']}", tree)).status == 201
        yield found


#: How it is asked, the types it names, and what is left out of the scopes.
NAMED: list[tuple[str, tuple[str, ...]]] = [
    ("Patient?_has:Observation:subject:status=final", ("Patient", "Observation")),
    ("Patient?_has:Observation:patient:_has:Provenance:target:_id=q", ("Patient", "Observation", "Provenance")),
    ("Observation?subject:Patient._has:List:item:status=current", ("Observation", "Patient", "List")),
    ("Observation?subject:Patient.family=exemple", ("Observation", "Patient")),
    ("Observation?patient.family=exemple", ("Observation", "Patient")),
    ("Observation?subject.family=exemple", ("Observation", "Patient")),
    ("Provenance?target:Observation.subject:Patient.family=exemple", ("Provenance", "Observation", "Patient")),
    ("Observation?_filter=patient.family%20eq%20exemple", ("Observation", "Patient")),
    ("Observation?_filter=subject:Patient.family%20eq%20exemple%20or%20status%20eq%20final", ("Observation", "Patient")),
    ("Patient?_list=l", ("Patient", "List")),
    ("Observation?_include=Observation:subject:Patient", ("Observation", "Patient")),
    ("Observation?_include=Observation:patient", ("Observation", "Patient")),
    ("Provenance?_include=Provenance:target:Observation&_include:iterate=Observation:patient",
     ("Provenance", "Observation", "Patient")),
    ("Observation?_revinclude=Provenance:target", ("Observation", "Provenance")),
    ("Patient?_revinclude=Observation:patient&_revinclude:iterate=Provenance:target",
     ("Patient", "Observation", "Provenance")),
    ("?_type=Observation,Patient", ("Observation", "Patient")),
    ("Patient/p/*?_type=Observation,List", ("Observation", "List")),
    ("Patient/p/Observation", ("Observation",)),
    ("Patient/p/Observation?patient.family=exemple", ("Observation", "Patient")),
    ("Patient/p/$everything?_type=Observation", ("Patient", "Observation")),
    ("Patient/$everything?_type=Observation", ("Patient", "Observation")),
    ("Observation/$lastn?patient.family=exemple&category=a", ("Observation", "Patient")),
    ("Observation/$explain?patient.family=exemple", ("Observation", "Patient")),
    ("Observation/$meta", ("Observation",)),
    ("Observation/_history", ("Observation",)),
]  # fmt: skip


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
@pytest.mark.parametrize(("url", "types"), NAMED, ids=[url for url, _ in NAMED])
async def test_a_type_that_is_named_needs_its_scope(
    server: Server, url: str, types: tuple[str, ...], strict: bool
) -> None:
    async def asked(caller: Server) -> list[int]:
        context = replace(caller.context(), strict=strict)
        path, _, query = url.partition("?")
        found = [(await caller.call("GET", url, context=context)).status]
        if "$" not in url and path and "_history" not in url:
            found.append((await caller.call("POST", f"{path}/_search?{query}", context=context)).status)
        for kind in ("batch", "transaction"):
            answer = await caller.call("POST", "", batch(asks("GET", url), type=kind), context=context)
            told = answer.json["entry"][0]["response"]["status"] if answer.status == 200 else str(answer.status)
            found.append(int(told[:3]))
        return found

    assert set(await asked(server.as_caller(only(*types)))) == {200}
    for missing in types:
        rest = [type for type in types if type != missing]
        assert set(await asked(server.as_caller(only(*rest)))) == {403}, missing


#: Conditions of writes on Observation.
CONDITIONS: list[tuple[str, str, Any, dict[str, str]]] = [
    ("POST", "Observation", resource("Observation"), {"if_none_exist": "patient.family=exemple"}),
    ("POST", "Observation", resource("Observation"), {"if_none_exist": "_has:Provenance:target:_id=q"}),
    ("PUT", "Observation?patient.family=exemple", resource("Observation"), {}),
    ("PATCH", "Observation?patient.family=exemple", [], {"content_type": "application/json-patch+json"}),
    ("DELETE", "Observation?patient.family=exemple", None, {}),
    (
        "POST",
        "",
        batch(asks("POST", "Observation", resource("Observation"), ifNoneExist="patient.family=a"), type="transaction"),
        {},
    ),
    (
        "POST",
        "",
        batch(
            asks("POST", "Observation", resource("Observation") | {"subject": {"reference": "Patient?family=exemple"}}),
            type="transaction",
        ),
        {},
    ),
]


@pytest.mark.parametrize(("method", "url", "body", "headers"), CONDITIONS)
async def test_a_condition_needs_the_scope_of_what_it_names(
    server: Server, method: str, url: str, body: Any, headers: dict[str, str]
) -> None:
    assert (await server.as_caller(only("Observation")).call(method, url, body, **headers)).status == 403
    allowed = server.as_caller(only("Observation", "Patient", "Provenance"))
    assert (await allowed.call(method, url, body, **headers)).status in (200, 201, 204)


@pytest.mark.parametrize("type", sorted({type for type, _, _ in REFERENCES}))
async def test_every_reference_of_r4_asks_for_the_scope_of_where_it_leads(server: Server, type: str) -> None:
    for source, code, targets in REFERENCES:
        if source != type:
            continue
        for target in targets if len(targets) < 20 else targets[:3]:
            if target == source:
                continue
            here, there = server.as_caller(only(source)), server.as_caller(only(target))
            for caller, url in (
                (here, f"{source}?{code}:{target}._id=x"),
                (here, f"{source}?_include={source}:{code}:{target}"),
                (there, f"{target}?_has:{source}:{code}:_id=x"),
                (there, f"{target}?_revinclude={source}:{code}"),
            ):
                answer = await caller.get(url)
                assert (answer.status, answer.codes) == (403, ["forbidden"]), url


async def test_a_reference_to_many_types_leads_to_those_there_is_a_scope_for(server: Server) -> None:
    caller = server.as_caller(only("Observation", "Patient"))
    for url in ("Observation?subject.family=exemple", "Observation?_include=Observation:subject"):
        assert {one["resourceType"] for one in (await caller.get(url)).resources} <= {"Observation", "Patient"}
    assert [one["id"] for one in (await caller.get("Observation?subject.family=exemple")).resources] == ["o"]


@pytest.mark.parametrize("url", ["Observation?_include=*", "Observation?_include=Observation:*", "Observation?_revinclude=*",
                                 "_history", "Patient/p/*", "Patient/p/$everything"])  # fmt: skip
async def test_what_names_no_type_brings_what_there_is_a_scope_for(server: Server, url: str) -> None:
    caller = server.as_caller(only("Observation", "Patient"))
    answer = await caller.get(url)
    assert answer.status == 200
    assert {one["resourceType"] for one in answer.resources} <= {"Observation", "Patient"}


async def test_a_parameter_that_does_not_exist_is_told_as_such_whatever_the_scopes(server: Server) -> None:
    caller = server.as_caller(only("Observation"))
    for url in ("Observation?subject:Patient.nothing=a", "Observation?nothing:Patient.family=a"):
        assert (await caller.get(url)).status == 400


#: Changes whose answer, or refusal, could show what stood there before.
CHANGES: list[tuple[str, str, Any, str]] = [
    ("PATCH", "Observation/o", [{"op": "replace", "path": "/status", "value": "final"}], "application/json-patch+json"),
    (
        "PATCH",
        "Observation/o",
        {
            "resourceType": "Parameters",
            "parameter": [
                {
                    "name": "operation",
                    "part": [
                        {"name": "type", "valueCode": "replace"},
                        {"name": "path", "valueString": "Observation.status"},
                        {"name": "value", "valueCode": "final"},
                    ],
                }
            ],
        },
        "application/fhir+json",
    ),
]


@pytest.mark.parametrize(("method", "url", "body", "kind"), CHANGES, ids=["json", "fhirpath"])
async def test_to_change_is_not_to_read(server: Server, method: str, url: str, body: Any, kind: str) -> None:
    """SMART's letter `u` gives no `r`: a patch is done, and what was there before is not shown."""
    for letters, shown in (("u", False), ("ru", True)):
        caller = server.as_caller(Grant((Scope("system", "Observation", frozenset(letters)),), traced=False))
        answer = await caller.call(method, url, body, content_type=kind)
        assert (answer.status, bool(answer.json)) == (200, shown)
        content = {"resourceType": "Binary", "contentType": kind, "data": b64encode(json.dumps(body).encode()).decode()}
        entry = asks(method, url, content if isinstance(body, list) else body)
        for type in ("batch", "transaction"):
            done = await caller.post("", batch(entry, type=type), prefer="return=representation")
            assert done.json["entry"][0]["response"]["status"][:3] == "200", done.json
            assert ("resource" in done.json["entry"][0]) == shown
    tag = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "a"}]}}]}
    for name in ("$meta-add", "$meta-delete"):
        caller = server.as_caller(Grant((Scope("system", "Observation", frozenset("u")),), traced=False))
        assert (await caller.post(f"Observation/o/{name}", tag)).status == 404
