"""What a caller is answered is the same whether what is hidden from them is there or not.

https://hl7.org/fhir/R4/security.html. Two servers, alike but for b's record: every request of the table is made of both
in the same order, and status, headers and body must agree. So a rule that is forgotten anywhere (a total, a page, a
condition, an identifier looked up for a refusal, the plan of a search) shows, whichever way leads there.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import VERBS, Grant, Scope
from fhir_server.access.record_owner import rows
from fhir_server.settings import Settings
from fhir_server.store.filters import Token
from tests.access.minimal import links, referring, resource
from tests.interactions.test_batch import asks, batch
from tests.server.calls import Answer, Server, serving

A, B = {"reference": "Patient/a"}, {"reference": "Patient/b"}
NAMED = {"system": "urn:system", "value": "b"}
OURS = {"security": [{"system": "urn:system", "code": "ours"}]}
RECORDS = sorted(type for type, row in rows().items() if row.kind == "record")
#: Types by which every caller is tried; the patient's app is by all.
SOME = ("Appointment", "Binary", "Communication", "Consent", "Device", "DocumentReference", "Observation", "Patient")

Call = tuple[str, str, Any, dict[str, Any]]


def grant(subject: str, *scopes: Scope, **more: Any) -> Grant:
    return Grant(scopes, subject=subject, client="app", traced=False, **more)


ALL, OWN = Scope("user", "*", VERBS), Scope("patient", "*", VERBS)
#: Everybody from whom b's record is hidden: by whose it is, by type, by verb, or by label.
CALLERS = {
    "patient's app": grant("Patient/a", OWN, patient="a"),
    "patient": grant("Patient/a", ALL),
    "caregiver of another": grant("RelatedPerson/r", ALL, OWN, wards=frozenset({"a", "c"})),
    "professional's tool opened on a": grant("Practitioner/d", OWN, patient="a"),
    "app for one type": grant("Patient/a", Scope("patient", "Observation", VERBS), patient="a"),
    "app that only writes": grant("Patient/a", Scope("patient", "*", frozenset("cud")), patient="a"),
    "tool for what is labelled": grant("Practitioner/d", Scope("user", "*", VERBS, Token("_security", "ours"))),
}


def owned(type: str, patient: dict[str, Any]) -> dict[str, Any]:
    """The smallest resource that every element of the table says to be of `patient`."""
    row, tree = rows()[type], resource(type)
    for path in (*row.whose, *row.among):
        tree = referring(tree, path, patient)
    return tree


async def peopled(server: Server, hidden: bool) -> None:
    """a's record, with links that lead to b's; b's too where `hidden` says so."""
    for id in "ab" if hidden else "a":
        named = {"identifier": [{"system": "urn:system", "value": id}], "name": [{"family": f"family{id}"}]}
        await server.put(f"Patient/{id}", {"resourceType": "Patient", "id": id, **named})
    for type in RECORDS:
        await server.put(f"{type}/own", {**owned(type, A), "id": "own", "meta": OURS})
        if hidden:
            meta = {"tag": [{"system": "urn:system", "code": "theirs"}]}
            await server.put(f"{type}/their", {**owned(type, B), "id": "their", "meta": meta})
            await server.put(f"{type}/their2", {**owned(type, B), "id": "their2", "meta": meta})
    links = {"hasMember": [{"reference": "Observation/their"}], "performer": [B]}
    await server.put("Observation/link", {**owned("Observation", A), **links, "id": "link", "meta": OURS})
    entry = [{"item": {"reference": f"Observation/{id}"}} for id in ("own", "their")]
    await server.put("List/link", {**owned("List", A), "id": "link", "entry": entry, "meta": OURS})
    if hidden:
        back = {"hasMember": [{"reference": "Observation/own"}], "focus": [A]}
        await server.put("Observation/back", {**owned("Observation", B), **back, "id": "back"})
        await server.put("List/their", {**owned("List", B), "id": "their", "entry": entry})
        context = {"contentType": "text/plain", "data": "eA==", "securityContext": {"reference": "Basic/their"}}
        await server.put("Binary/their", {"resourceType": "Binary", "id": "their", **context})
        await server.delete("Observation/their2")


@pytest.fixture
async def worlds(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Server, Server]]:
    async with serving(tmp_path / "with") as one, serving(tmp_path / "without") as other:
        await peopled(one, True)
        await peopled(other, False)
        # What refers to what is not there is made before references are held to what is.
        one.settings = other.settings = Settings(referential_integrity=request.param)
        yield one, other


def reads(type: str) -> Iterator[str]:
    for id in ("their", "their2"):
        yield from (f"{type}/{id}{more}" for more in ("", "/_history", "/_history/1", "/_history/2", "/$meta"))
    plain = ("_total=accurate", "_summary=count", "_count=1", "_contained=both", "_include=*", "_revinclude=*")
    named = ("_id=their", "_tag=theirs", "_content=theirs", "_list=their", "_list=link", "_filter=_id%20eq%20their",
             "_has:List:item:_id=their", "_has:Observation:has-member:_id=back")  # fmt: skip
    yield from (f"{type}?{query}" for query in (*plain, *named))
    yield from (f"{type}/$explain?{query}" for query in ("_id=their", "_tag=theirs", "_sort=_id"))
    yield from (f"Patient/b/{type}", f"Patient/a/{type}?_id=their", f"{type}/_history?_count=3", f"{type}/$meta")


def linking(type: str, params: list[str]) -> Iterator[str]:
    for code in params:
        yield from (
            f"{type}?{code}=Patient/b",
            f"{type}?{code}:Patient.identifier=b",
            f"{type}/$explain?{code}=Patient/b",
        )
        yield from (f"{type}?{code}:identifier=urn:system|b", f"{type}?_include={type}:{code}", f"{type}?_sort=-{code}")
        yield f"Observation?_revinclude={type}:{code}&_total=accurate"


def writes(type: str) -> Iterator[Call]:
    mine = owned(type, A) | {"meta": OURS}
    their, label = {**mine, "id": "their"}, {"resourceType": "Parameters", "parameter": [
        {"name": "meta", "valueMeta": {"tag": [{"code": "a"}]}}]}  # fmt: skip
    json_patch = {"content_type": "application/json-patch+json"}
    for match in ({}, {"if_match": 'W/"1"'}, {"if_match": 'W/"7"'}, {"if_none_match": "*"}):
        yield "PUT", f"{type}/their", their, match
        yield "PUT", f"{type}/their2", {**their, "id": "their2"}, match
        yield "DELETE", f"{type}/their", None, match
    for url in (f"{type}/their", f"{type}?_tag=theirs"):
        yield "PATCH", url, [{"op": "add", "path": "/language", "value": "fr"}], json_patch
    yield "PUT", f"{type}?_id=their", their, {}
    yield "DELETE", f"{type}?_tag=theirs", None, {}
    for name in ("$meta-add", "$meta-delete"):
        yield "POST", f"{type}/their/{name}", label, {}
    yield "POST", f"{type}/their/$validate?mode=delete", None, {}
    for condition in ("_id=their", "_tag=theirs"):
        yield "POST", type, mine, {"if_none_exist": condition}
    by_criteria = {"extension": [{"url": "urn:x", "valueReference": {"reference": "Patient?identifier=urn:system|b"}}]}
    for kind in ("batch", "transaction"):
        for entry in (asks("GET", f"{type}/their"), asks("DELETE", f"{type}/their"), asks("PUT", f"{type}/their", their),
                      asks("POST", type, mine | by_criteria)):  # fmt: skip
            yield "POST", "", batch(entry, type=kind), {}
    for path in links(type):
        for said in (B, B | {"identifier": NAMED}):
            yield "POST", type, referring(mine, path, said), {}
            yield "POST", type, referring(mine, path, A, said), {}


#: Of no type, or of several.
WHOLE: list[Call] = [
    *(("GET", url, None, {}) for url in (
        "?_type=Observation,Patient&_total=accurate", "_history?_count=5", "$meta", "Patient/b/$everything",
        "Patient/a/$everything", "Patient/$everything", "Patient/b/*", "AuditEvent?patient=b", "Provenance?target=Observation/their",
        "Observation/$lastn?patient=b&code:missing=false", "Observation?has-member.subject:Patient.identifier=b",
        "Observation?_id=link&_include=Observation:has-member&_include:iterate=Observation:subject",
    )),
    ("POST", "Binary", {**resource("Binary"), "securityContext": {"reference": "Basic/their"}}, {}),
]  # fmt: skip


def told(answer: Answer) -> tuple[Any, ...]:
    """All that is answered, but ids, instants and positions."""
    text = json.dumps([answer.response.location, sorted(answer.headers.items()), answer.json])
    for pattern in (
        r"[0-9a-z]*[0-9a-f]{18}",
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        r"20\d\d-\d\d-\d\dT[^\"]+",
        r"_cursor=[^\"&]+",
    ):
        text = re.sub(pattern, "…", text)
    return answer.status, answer.version, text


async def the_same(worlds: tuple[Server, Server], caller: Grant, calls: list[Call]) -> None:
    one, other = (server.as_caller(caller) for server in worlds)
    for method, url, body, headers in calls:
        there, absent = [await server.call(method, url, body, **headers) for server in (one, other)]
        assert there.status < 500, (method, url)
        assert told(there) == told(absent), (method, url, body, headers)


@pytest.mark.parametrize("worlds", [False], indirect=True)
@pytest.mark.parametrize("name", CALLERS)
async def test_nothing_tells_a_caller_what_is_hidden_from_them(worlds: tuple[Server, Server], name: str) -> None:
    calls = list(WHOLE)
    for type in SOME:
        params = [code for code, param in worlds[0].registry.of(type).items() if param.type == "reference"]
        calls += [("GET", url, None, {}) for url in (*reads(type), *linking(type, params))]
        calls += writes(type)
    await the_same(worlds, CALLERS[name], calls)


@pytest.mark.parametrize("worlds", [False], indirect=True)
async def test_no_type_tells_a_patients_app_what_is_hidden_from_it(worlds: tuple[Server, Server]) -> None:
    for type in RECORDS:
        calls = [*(("GET", url, None, {}) for url in reads(type)), *writes(type)]
        await the_same(worlds, CALLERS["patient's app"], calls)


@pytest.mark.parametrize("worlds", [True], indirect=True)
async def test_what_only_hidden_resources_refer_to_is_deleted_as_if_nothing_did(worlds: tuple[Server, Server]) -> None:
    """R4 http.html#integrity: a refusal would tell that there are some; it would name what nobody may name."""
    deletions: list[Call] = [("DELETE", f"Observation/{id}", None, {}) for id in ("link", "own")]
    await the_same(worlds, CALLERS["app for one type"], deletions)
    assert (await worlds[0].get("Observation/own")).status == 410
