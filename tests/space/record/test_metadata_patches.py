"""Metadata of a document are patched by identifier, in every format, and nothing but status, labels and archive.

https://interop.esante.gouv.fr/ig/fhir/pdsm (flows 3 and 4): 405 for another element, 422 refused by rule, 404 for none,
412 for several; domain file §1.2.7 and §1.3: the guides' own paths of the archive flag, read where they are held to
leniently. https://hl7.org/fhir/R4/http.html#patch
"""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.access.grant import VERBS, Scope
from fhir_server.app import opened
from fhir_server.settings import Settings
from fhir_server.space.record.labels import LABELS
from tests.examples import shared_data
from tests.profiles import resources as r
from tests.server.people import kept
from tests.server.whole import asking
from tests.space.record import making
from tests.space.record.callers import Caller, document, grant, labelled
from tests.space.record.making import a_document, a_lot
from tests.space.record.test_lots import said

pytestmark = pytest.mark.asyncio(loop_scope="module")
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
URL = r.PDSM + "pdsm-ext-is-archived"
SEARCH = "https://interop.esante.gouv.fr/ig/fhir/pdsm/SearchParameter/PDSm-isArchived"


async def a_name(client: httpx.AsyncClient, **more: Any) -> str:
    """The identifier of a document that was just filed, as a criterion."""
    tree = a_document(**more)
    answer = await client.post("", json=a_lot(tree))
    assert answer.status_code == 200, answer.text
    return f"urn:ietf:rfc:3986|{tree['masterIdentifier']['value']}"


def operation(path: str, value: Any, op: str = "replace") -> dict[str, Any]:
    return {"op": op, "path": path, "value": value}


def parameters(*parts: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": "operation", "part": [*parts]}],
    }


def part(name: str, **value: Any) -> dict[str, Any]:
    return {"name": name, **value}


MASKED = labelled("MASQUE_PS")[0]
#: A patch by JSON Patch → the status, and what then stands in the document: status, first label, archived.
PATCHES: list[tuple[str, list[dict[str, Any]], int, tuple[str, str, Any]]] = [
    ("superseded", [operation("/status", "superseded")], 200, ("superseded", "N", None)),
    ("masked", [operation("/securityLabel/0", MASKED)], 200, ("current", "MASQUE_PS", None)),
    ("archived by RFC 6902", [operation("/extension", [{"url": URL, "valueBoolean": True}], "add")], 200, ("current", "N", True)),
    ("archived as DMP writes it", [operation(f"/extension[url:'{URL}']/valueBoolean", True)], 200, ("current", "N", True)),
    ("archived as PDSm's example writes it", [operation(f"/extension[url:\u201d{SEARCH}\u201d]/valueBoolean", "true")], 200, ("current", "N", True)),
    ("archived and taken back", [operation(f"/extension[url:'{URL}']/valueBoolean", True), operation(f"/extension[url='{URL}']/valueBoolean", False)], 200, ("current", "N", False)),
    ("archived and removed", [operation(f"/extension[url:'{URL}']/valueBoolean", True), {"op": "remove", "path": f"/extension[url:'{URL}']/valueBoolean"}], 200, ("current", "N", None)),
    ("archived at the end of no list", [operation("/extension/-", {"url": URL, "valueBoolean": True}, "add")], 200, ("current", "N", True)),
    ("archived and removed by RFC 6902", [operation("/extension", [{"url": URL, "valueBoolean": True}], "add"), {"op": "remove", "path": "/extension/0"}], 200, ("current", "N", None)),
    ("the last label", [{"op": "remove", "path": "/securityLabel/0"}], 422, ("current", "N", None)),
    ("archived by what is no boolean", [operation(f"/extension[url:'{URL}']/valueBoolean", "perhaps")], 422, ("current", "N", None)),
    ("archived and something else", [operation(f"/extension[url:'{URL}']/valueBoolean", True), operation("/description", "x", "add")], 405, ("current", "N", None)),
    ("another extension by a path like it", [operation("/extension[url:'http://example.org/x']/valueBoolean", True)], 422, ("current", "N", None)),
    ("a label that is a string", [operation("/securityLabel", "restricted")], 422, ("current", "N", None)),
    ("a label nobody defined", [operation("/securityLabel/0", {"coding": [{"system": labelled("MASQUE_PS")[0]["coding"][0]["system"], "code": "MASQUE_PSOCIAL"}]})], 422, ("current", "N", None)),
    ("a thousand labels", [operation("/securityLabel", [MASKED] * 1000)], 422, ("current", "N", None)),
    ("a status with a blank", [operation("/status", "superseded ")], 422, ("current", "N", None)),
    ("the description", [operation("/description", "x", "add")], 405, ("current", "N", None)),
    ("the description and the status", [operation("/status", "superseded"), operation("/description", "x", "add")], 405, ("current", "N", None)),
    ("the title", [operation("/content/0/attachment/title", "x")], 405, ("current", "N", None)),
    ("the subject", [operation("/subject/reference", "Patient/2")], 405, ("current", "N", None)),
    ("a tag", [operation("/meta/tag", [{"code": "x"}], "add")], 405, ("current", "N", None)),
    ("the id", [operation("/id", "x")], 422, ("current", "N", None)),
    ("a test that fails", [operation("/status", "superseded", "test")], 422, ("current", "N", None)),
    ("no list", {"op": "replace"}, 400, ("current", "N", None)),  # type: ignore[list-item]
]  # fmt: skip


@pytest.mark.parametrize(("sent", "status", "after"), [row[1:] for row in PATCHES], ids=[row[0] for row in PATCHES])
async def test_a_patch_by_identifier(
    sharing: httpx.AsyncClient, sent: Any, status: int, after: tuple[str, str, Any]
) -> None:
    name = await a_name(sharing)
    answer = await sharing.patch(f"DocumentReference?identifier={name}", json=sent, headers=JSON_PATCH)
    assert answer.status_code == status, answer.text
    stored = (await sharing.get(f"DocumentReference?identifier={name}")).json()["entry"][0]["resource"]
    archived = [one["valueBoolean"] for one in stored.get("extension", ()) if one["url"] == URL]
    assert (stored["status"], stored["securityLabel"][0]["coding"][0]["code"], *(archived or [None])) == after
    if status == 200:
        assert answer.json()["meta"] == stored["meta"]
        assert (answer.headers["ETag"], stored["meta"]["versionId"]) == ('W/"2"', "2")
        assert "Last-Modified" in answer.headers
    else:
        assert stored["meta"]["versionId"] == "1"


async def test_a_fhirpath_patch_archives_and_supersedes(sharing: httpx.AsyncClient) -> None:
    name = await a_name(sharing, extension=[{"url": URL, "valueBoolean": False}])
    path = f"DocumentReference.extension.where(url='{URL}').value"
    for sent in (
        parameters(part("type", valueCode="replace"), part("path", valueString=path), part("value", valueBoolean=True)),
        parameters(
            part("type", valueCode="replace"),
            part("path", valueString="DocumentReference.status"),
            part("value", valueCode="superseded"),
        ),
    ):
        answer = await sharing.patch(f"DocumentReference?identifier={name}", json=sent)
        assert answer.status_code == 200, answer.text
    assert answer.json()["extension"] == [{"url": URL, "valueBoolean": True}]
    assert answer.json()["status"] == "superseded"


async def test_a_flag_that_is_the_only_extension_is_taken_back_in_every_format(sharing: httpx.AsyncClient) -> None:
    deleting = parameters(
        part("type", valueCode="delete"),
        part("path", valueString=f"DocumentReference.extension.where(url='{URL}')"),
    )
    for sent, kind in (
        (json.dumps([{"op": "remove", "path": "/extension/0"}]), "application/json-patch+json"),
        (json.dumps(deleting), "application/fhir+json"),
        ('<diff xmlns:f="http://hl7.org/fhir"><remove sel="f:DocumentReference/f:extension[1]"/></diff>', "application/xml-patch+xml"),
    ):  # fmt: skip
        name = await a_name(sharing, extension=[{"url": URL, "valueBoolean": True}])
        answer = await sharing.patch(
            f"DocumentReference?identifier={name}", content=sent, headers={"Content-Type": kind}
        )
        assert answer.status_code == 200, answer.text
        assert "extension" not in answer.json()


async def test_deletion_is_answered_with_the_resource(tmp_path: Path) -> None:
    """PDSm, flows 3 and 4: the body is the resource; and then it is nowhere."""
    author = grant("Practitioner/author", Scope("user", "*", VERBS))
    async with opened(Settings(data=tmp_path, base_url="http://127.0.0.1/fhir")) as house:
        await kept(house, making.PATIENT, {"resourceType": "Practitioner", "id": "author"})
        await kept(house, *(document(id, "N", patient="1") for id in ("d1", "d2")))
        ask = Caller(house, author)
        sent = [operation("/status", "entered-in-error")]
        for address in ("DocumentReference/d1", "DocumentReference?_id=d2"):
            answer = await ask("PATCH", address, sent, JSON_PATCH["Content-Type"])
            assert (answer.status, answer.json["status"], answer.json["meta"]["versionId"]) == (
                200,
                "entered-in-error",
                "2",
            )
        for id in ("d1", "d2"):
            assert not await ask.sees("DocumentReference", id)
            assert (await ask("PATCH", f"DocumentReference/{id}", sent, JSON_PATCH["Content-Type"])).status == 404


@pytest.mark.parametrize("code", ["R", "V", "MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"])
async def test_a_label_that_is_patched_in_has_the_words_of_its_value_set(sharing: httpx.AsyncClient, code: str) -> None:
    bare = [{"coding": [{**LABELS[code].coding}]}]
    del bare[0]["coding"][0]["display"]
    name = await a_name(sharing)
    answer = await sharing.patch(
        f"DocumentReference?identifier={name}", json=[operation("/securityLabel/0", bare[0])], headers=JSON_PATCH
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["securityLabel"][0]["coding"] == [LABELS[code].coding]
    # What a patch leaves alone is as it was.
    name = await a_name(sharing)
    answer = await sharing.patch(
        f"DocumentReference?identifier={name}", json=[operation("/status", "superseded")], headers=JSON_PATCH
    )
    assert "display" not in answer.json()["securityLabel"][0]["coding"][0]
    # Who says other words keeps them.
    named = {"coding": [{**LABELS["N"].coding, "display": "normal"}]}
    name = await a_name(sharing)
    answer = await sharing.patch(
        f"DocumentReference?identifier={name}", json=[operation("/securityLabel", [named])], headers=JSON_PATCH
    )
    assert answer.json()["securityLabel"][0]["coding"][0]["display"] == "normal"


async def test_an_xml_patch_masks_and_changes_nothing_else(sharing: httpx.AsyncClient) -> None:
    name = await a_name(sharing)
    coding = MASKED["coding"][0]
    for operations, status in (
        (
            '<replace sel="f:DocumentReference/f:securityLabel[1]/f:coding"><coding><system value="'
            f'{coding["system"]}"/><code value="{coding["code"]}"/></coding></replace>',
            200,
        ),
        ('<replace sel="f:DocumentReference/f:status/@value">superseded</replace>', 200),
        ('<add sel="f:DocumentReference"><description value="x"/></add>', 405),
    ):
        answer = await sharing.patch(
            f"DocumentReference?identifier={name}",
            content=f'<diff xmlns:f="http://hl7.org/fhir">{operations}</diff>',
            headers={"Content-Type": "application/xml-patch+xml"},
        )
        assert answer.status_code == status, answer.text
    stored = (await sharing.get(f"DocumentReference?identifier={name}")).json()["entry"][0]["resource"]
    assert (stored["status"], stored["securityLabel"][0]["coding"][0]["code"]) == ("superseded", "MASQUE_PS")


async def test_none_is_404_and_several_412(sharing: httpx.AsyncClient) -> None:
    await a_name(sharing)
    await a_name(sharing)
    for criteria, status in (("identifier=none", 404), ("type=11502-2", 412), ("", 412)):
        sent = [operation("/status", "superseded")]
        answer = await sharing.patch(f"DocumentReference?{criteria}", json=sent, headers=JSON_PATCH)
        assert answer.status_code == status, answer.text


async def test_a_json_patch_in_a_transaction_is_held_to_the_same(sharing: httpx.AsyncClient) -> None:
    name = await a_name(sharing)
    for sent, status in (
        ([operation("/description", "x", "add")], 405),
        ([operation(f"/extension[url:'{URL}']/valueBoolean", True)], 200),
    ):
        data = b64encode(json.dumps(sent).encode()).decode()
        binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
        entry = {"resource": binary, "request": {"method": "PATCH", "url": f"DocumentReference?identifier={name}"}}
        answer = await sharing.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        assert answer.status_code == status, answer.text


async def test_where_the_guide_is_held_to_its_misspellings_are_errors(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, open=True, pdsm="strict")) as house, asking(house) as client:
        await kept(house, making.PATIENT)
        name = await a_name(client)
        sent = [operation(f"/extension[url:'{URL}']/valueBoolean", True)]
        answer = await client.patch(f"DocumentReference?identifier={name}", json=sent, headers=JSON_PATCH)
        assert answer.status_code == 422


async def test_a_document_of_r4_alone_is_patched_as_any_resource(sharing: httpx.AsyncClient) -> None:
    tree = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": {"title": "x"}}]}
    made = (await sharing.post("DocumentReference", json=tree)).json()
    sent = [operation("/description", "x", "add")]
    answer = await sharing.patch(f"DocumentReference/{made['id']}", json=sent, headers=JSON_PATCH)
    assert answer.status_code == 200


EXAMPLES = "ans.fhir.fr.pdsm4dmp-0.1.0.tgz"
#: An example of the guides, whether it is held to leniently, and what becomes of it: the status, elements of errors.
GUIDES: list[tuple[str, str, str, bool, int]] = [
    ("ans.fhir.fr.pdsm4dmp-0.1.0.tgz", "Bundle-example-td2-iti65-lot-soumission.json", "", False, 422),
    ("ans.fhir.fr.pdsm4dmp-0.1.0.tgz", "Bundle-example-td2-iti65-lot-soumission.json", "", True, 200),
    ("ans.fhir.fr.pdsm4dmp-0.1.0.tgz", "Bundle-example-td2-1-remplacement.json", "", False, 422),
    ("ans.fhir.fr.pdsm4dmp-0.1.0.tgz", "Bundle-example-td2-1-remplacement.json", "", True, 200),
    ("ans.fhir.fr.pdsm4dmp-0.1.0.tgz", "DocumentReference-example-td2-iti105-publication-simplifiee.json", "DocumentReference", False, 422),
    ("ans.fhir.fr.pdsm4dmp-0.1.0.tgz", "DocumentReference-example-td2-iti105-publication-simplifiee.json", "DocumentReference", True, 201),
    ("ans.fhir.fr.pdsm-3.1.1.tgz", "DocumentReference-PDSmSimplifiedExample.json", "DocumentReference", False, 422),
    ("ans.fhir.fr.pdsm-3.1.1.tgz", "DocumentReference-PDSmSimplifiedExample.json", "DocumentReference", True, 201),
]  # fmt: skip


@pytest.mark.parametrize(("package", "name", "path", "lenient", "status"), GUIDES)
async def test_the_guides_examples_are_filed_when_lenient_and_refused_when_strict(
    tmp_path: Path, package: str, name: str, path: str, lenient: bool, status: int
) -> None:
    from fhir_server.validation.profiles import packages

    data = shared_data()
    if data is None or not (data / "ig" / package).is_file():
        pytest.skip("the national guides are not beside the checkout")
    examples = packages.load(data / "ig" / package).examples
    levels: dict[str, Any] = {"profile_levels": {"*": "lenient"}} if lenient else {}
    async with opened(Settings(data=tmp_path, open=True, **levels)) as house, asking(house) as client:
        demo = {**making.PATIENT, "id": "fr-patient-123"}
        ins = {"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "123456789012345"}
        await kept(house, {"resourceType": "Patient", "id": "ins", "identifier": [ins]}, demo)
        if "remplacement" in name:
            old = a_document(subject={"reference": "Patient/ins"}, id="doc-x-id")
            await kept(house, old)
        answer = await client.post(path, json=examples[name])
        assert answer.status_code == status, answer.text
        if status == 422:
            assert said(answer)
        elif "remplacement" in name:
            assert (await client.get("DocumentReference/doc-x-id")).json()["status"] == "superseded"
