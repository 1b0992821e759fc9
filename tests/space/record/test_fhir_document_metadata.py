"""The metadata of a FHIR document are made from its Composition (IHE MHD ITI-106), and share it as they stand.

https://profiles.ihe.net/ITI/MHD/ITI-106.html, https://hl7.org/fhir/R4/documents.html
"""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from hashlib import sha1
from typing import Any

import httpx
import pytest

from fhir_server.fhir.xml import to_xml
from tests.profiles import resources as r
from tests.space.record import making

pytestmark = pytest.mark.asyncio(loop_scope="module")
URL = "DocumentReference/$generate-metadata"
Tree = dict[str, Any]
RPPS = {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "899700218896"}
NAMES = {name: f"urn:uuid:bbbbbbbb-0000-4000-8000-00000000000{n}" for n, name in enumerate(("head", "patient", "role", "doctor", "house"))}  # fmt: skip


def refers(name: str) -> Tree:
    return {"reference": NAMES[name]}


def entry(called: str, /, **resource: Any) -> Tree:
    return {"fullUrl": NAMES[called], "resource": resource}


DOCUMENT: Tree = {
    "resourceType": "Bundle",
    "type": "document",
    "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:cccccccc-0000-4000-8000-000000000001"},
    "timestamp": "2026-01-04T11:00:00+01:00",
    "entry": [
        entry(
            "head",
            resourceType="Composition",
            status="final",
            confidentiality="R",
            type=r.concept("http://loinc.org", "60591-5"),
            subject=refers("patient"),
            date="2026-01-04T11:00:00+01:00",
            author=[refers("role")],
            attester=[{"mode": "legal", "party": refers("role")}],
            custodian=refers("house"),
            title="Synthèse",
            event=[{"period": {"start": "2026-01-04T10:00:00+01:00"}}],
            section=[{"title": "Synthèse", "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"}}],
        ),
        entry("patient", **{**making.PATIENT, "id": "elsewhere"}),
        entry("role", resourceType="PractitionerRole", practitioner=refers("doctor"), organization=refers("house")),
        entry("doctor", resourceType="Practitioner", identifier=[RPPS], name=[{"family": "MARTIN"}]),
        entry("house", resourceType="Organization", name="Maison de santé"),
    ],
}  # fmt: skip
JSON = json.dumps(DOCUMENT).encode()


def binary(content: bytes, kind: str) -> Tree:
    return {"resourceType": "Binary", "contentType": kind, "data": b64encode(content).decode()}


def parameters(resource: Tree) -> Tree:
    return {"resourceType": "Parameters", "parameter": [{"name": "document", "resource": resource}]}


XML = to_xml(JSON)
#: How it is handed over → the body, and the bytes and media type that the metadata speak of (None: of JSON as it is).
WAYS: dict[str, tuple[Tree, bytes | None, str]] = {
    "alone": (DOCUMENT, None, "application/fhir+json"),
    "a parameter": (parameters(DOCUMENT), None, "application/fhir+json"),
    "a Binary": (binary(JSON, "application/fhir+json"), JSON, "application/fhir+json"),
    "a parameter that is a Binary": (parameters(binary(JSON, "application/fhir+json")), JSON, "application/fhir+json"),
    "a Binary of XML": (binary(XML, "application/fhir+xml"), XML, "application/fhir+xml"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_metadata_say_what_the_composition_says(sharing: httpx.AsyncClient, way: str) -> None:
    body, content, kind = WAYS[way]
    answer = await sharing.post(URL, json=body)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    attachment = made["content"][0]["attachment"]
    assert made["masterIdentifier"] == DOCUMENT["identifier"]
    assert made["subject"] == {"reference": "Patient/1"}
    assert [made[name]["coding"][0]["code"] for name in ("type",)] == ["60591-5"]
    assert made["securityLabel"][0]["coding"][0]["code"] == "R"
    assert made["context"]["period"] == {"start": "2026-01-04T10:00:00+01:00"}
    assert (attachment["title"], attachment["contentType"], attachment["creation"]) == ("Synthèse", kind, "2026-01-04T11:00:00+01:00")  # fmt: skip
    if content is not None:
        assert attachment["size"] == len(content)
        assert attachment["hash"] == b64encode(sha1(content, usedforsecurity=False).digest()).decode()
    inside = {f"#{one['id']}": one for one in made["contained"]}
    role = inside[made["author"][0]["reference"]]
    assert inside[role["practitioner"]["reference"]]["identifier"] == [RPPS]
    assert inside[made["custodian"]["reference"]]["name"] == "Maison de santé"
    assert made["authenticator"] == made["author"][0]
    judged = (await sharing.post("DocumentReference/$validate", json=made)).json()["issue"]
    assert [one for one in judged if one["severity"] in ("error", "fatal")] == []


async def test_a_document_is_filed_with_the_metadata_that_were_made_of_it(sharing: httpx.AsyncClient) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["identifier"]["value"] = making.urn()
    content = json.dumps(document).encode()
    made = (await sharing.post(URL, json=binary(content, "application/fhir+json"))).json()
    url = made["content"][0]["attachment"]["url"]
    entries = [making.an_entry(made), making.an_entry(binary(content, "application/fhir+json"), full_url=url)]
    answer = await sharing.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    place = answer.json()["entry"][0]["response"]["location"].partition("/_history")[0]
    page = await sharing.get(f"{place}/$show")
    assert page.status_code == 200 and "Synthèse" in page.text


def without(*path: str | int) -> Tree:
    found = copy.deepcopy(DOCUMENT)
    *way, last = path
    inner: Any = found
    for step in way:
        inner = inner[step]
    del inner[last]
    return found


HEAD = ("entry", 0, "resource")
#: What is wrong → the status, and the element that is told.
WRONG: list[tuple[Tree, int, str]] = [
    (without("identifier"), 422, "Bundle.identifier"),
    (without(*HEAD, "type"), 422, "Composition.type"),
    (without(*HEAD, "author"), 422, "Composition.author"),
    (without(*HEAD, "subject"), 422, "Composition.subject"),
    (without("entry", 0), 422, "Bundle.entry[0].resource"),
    (without("entry"), 422, "Bundle.type"),
    ({**DOCUMENT, "type": "collection"}, 422, "Bundle.type"),
    ({"resourceType": "Patient"}, 422, "Bundle.type"),
    (without("entry", 1, "resource", "identifier"), 404, "Composition.subject"),
    (binary(b"{", "application/fhir+json"), 400, ""),
    (binary(b"<a/>", "application/fhir+xml"), 400, ""),
]


@pytest.mark.parametrize(("body", "status", "element"), WRONG)
async def test_what_is_no_document_is_refused(
    sharing: httpx.AsyncClient, body: Tree, status: int, element: str
) -> None:
    answer = await sharing.post(URL, json=body)
    assert answer.status_code == status, answer.text
    if element:
        assert answer.json()["issue"][0]["expression"] == [element]


async def test_a_fhir_document_is_not_filed_by_itself(sharing: httpx.AsyncClient) -> None:
    answer = await sharing.post(f"{URL}?persist=true", json=DOCUMENT)
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["http.persist"])
