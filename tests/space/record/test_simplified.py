"""A document published alone is stored as any other: its content a Binary, what follows from it said by the server.

https://profiles.ihe.net/ITI/MHD/ITI-105.html, https://interop.esante.gouv.fr/ig/fhir/pdsm (flow 9, simplified publish)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.profiles import resources as r
from tests.profiles.resources import changed
from tests.server.people import kept
from tests.server.whole import asking
from tests.space.record import making
from tests.space.record.making import PDF, a_document, a_lot, a_simple, replacing, sha1
from tests.space.record.test_lots import count, filed, said

pytestmark = pytest.mark.asyncio(loop_scope="module")
Tree = dict[str, Any]


async def published(client: httpx.AsyncClient, tree: Tree) -> Tree:
    answer = await client.post("DocumentReference", json=tree)
    assert answer.status_code == 201, answer.text
    found: Tree = answer.json()
    return found


async def test_the_content_is_a_binary_that_the_document_names(sharing: httpx.AsyncClient) -> None:
    tree = await published(sharing, a_simple())
    attachment = tree["content"][0]["attachment"]
    assert (attachment["size"], attachment["hash"]) == (len(PDF), sha1(PDF))
    assert "data" not in attachment
    content = await sharing.get(attachment["url"], headers={"Accept": "application/pdf"})
    assert (content.status_code, content.content) == (200, PDF)
    binary = (await sharing.get(attachment["url"], headers={"Accept": "application/fhir+json"})).json()
    assert binary["securityContext"] == {"reference": f"DocumentReference/{tree['id']}"}


#: What is left out, or said → what is stored.
DERIVED: list[tuple[str, Tree, str, Any]] = [
    ("a label", {}, "securityLabel.0.coding.0.code", "N"),
    ("a label that is said", {"securityLabel": [r.concept(r.nos("TRE_A08-HL7Confidentiality"), "R")]}, "securityLabel.0.coding.0.code", "R"),
    ("a category by LOINC", {"type": r.concept("http://loinc.org", "11490-0")}, "category.0.coding.0.code", "10"),
    ("a category by TRE_A05", {"type": r.concept(r.nos("TRE_A05-TypeDocComplementaire"), "PRESC-BIO")}, "category.0.coding.0.code", "42"),
    ("a category that is said", {"type": r.concept("http://loinc.org", "11490-0"), "category": [r.concept(r.nos("TRE_A03-ClasseDocument"), "11")]}, "category.0.coding.0.code", "11"),
    ("the profile", {}, "meta.profile.0", r.MHD + "IHE.MHD.Minimal.DocumentReference"),
    ("a subject by INS", {"subject": {"identifier": {"system": r.DEMO, "value": "269054958815780"}}}, "subject.reference", "Patient/1"),
    ("a subject by criteria", {"subject": {"reference": f"Patient?identifier={r.DEMO}|269054958815780"}}, "subject.reference", "Patient/1"),
    ("a subject that is contained", {"subject": {"reference": "#p1"}, "contained": [a_document()["contained"][1]]}, "subject.reference", "Patient/1"),
    ("an absolute subject", {"subject": {"reference": "http://fhir.test/fhir/Patient/1"}}, "subject.reference", "http://fhir.test/fhir/Patient/1"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "path", "value"), [row[1:] for row in DERIVED], ids=[row[0] for row in DERIVED])
async def test_the_server_says_what_follows(sharing: httpx.AsyncClient, more: Tree, path: str, value: Any) -> None:
    node: Any = await published(sharing, a_simple(**more))
    for step in path.split("."):
        node = node[int(step) if step.isdigit() else step]
    assert node == value


async def test_where_the_guide_is_held_to_leniently_a_master_identifier_is_made(tmp_path: Path) -> None:
    # PDSm inherits 1..1 from MHD; DMP software leaves it out, and a size that its own example has wrong is put right.
    tree = changed(changed(a_simple(), "masterIdentifier"), "content.0.attachment.size", 250000)
    levels = {r.PDSM + "pdsm-simplified-publish": "lenient"}
    async with opened(Settings(data=tmp_path, open=True, profile_levels=levels)) as house, asking(house) as client:
        await kept(house, making.PATIENT)
        found = await published(client, tree)
    assert found["masterIdentifier"]["value"].startswith("urn:uuid:")
    assert found["content"][0]["attachment"]["size"] == len(PDF)


#: What is wrong → the element that is named.
WRONG: list[tuple[str, Tree, str]] = [
    ("no custodian", changed(a_simple(), "custodian"), "DocumentReference.custodian"),
    ("no master identifier", changed(a_simple(), "masterIdentifier"), "DocumentReference.masterIdentifier"),
    ("no date", changed(a_simple(), "date"), "DocumentReference.date"),
    ("no content", changed(a_simple(), "content.0.attachment.data"), "DocumentReference.content[0].attachment.data"),
    ("another size", changed(a_simple(), "content.0.attachment.size", 1), "DocumentReference.content[0].attachment.size"),
    ("another digest", changed(a_simple(), "content.0.attachment.hash", sha1(b"x")), "DocumentReference.content[0].attachment.hash"),
    ("content here and elsewhere", changed(a_simple(), "content.0.attachment.url", "Binary/1"), "DocumentReference.content[0].attachment.url"),
    ("a coding that is none", changed(a_simple(), "type", {"coding": True}), "DocumentReference.type.coding"),
    ("a category without a list", changed(a_simple(), "category", [{"coding": 7}]), "DocumentReference.category[0].coding"),
    ("content that is no base64", changed(a_simple(), "content.0.attachment.data", "?"), "DocumentReference.content[0].attachment.data"),
    ("superseded at once", changed(a_simple(), "status", "superseded"), "DocumentReference.status"),
    ("a patient who is not here", a_simple(subject={"identifier": {"system": r.DEMO, "value": "1"}}), "DocumentReference.subject"),
    ("a patient by criteria who is not here", a_simple(subject={"reference": f"Patient?identifier={r.DEMO}|1"}), "DocumentReference.subject"),
    ("a patient by reference who is not here", a_simple(subject={"reference": "Patient/none"}), "DocumentReference.subject"),
    ("a patient by a name alone", a_simple(subject={"display": "Nathalie DEMO"}), "DocumentReference.subject"),
    ("a replacement of what is not here", a_simple(relatesTo=replacing("none")), "DocumentReference.relatesTo[0].target"),
]  # fmt: skip


@pytest.mark.parametrize(("tree", "element"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
async def test_what_is_wrong_is_refused_by_element_and_leaves_nothing(
    sharing: httpx.AsyncClient, tree: Tree, element: str
) -> None:
    before = [await count(sharing, type) for type in ("DocumentReference", "Binary")]
    sent = {**tree, **({"masterIdentifier": a_document()["masterIdentifier"]} if "masterIdentifier" in tree else {})}
    answer = await sharing.post("DocumentReference", json=sent)
    assert answer.status_code == 422, answer.text
    assert element in said(answer)
    assert [await count(sharing, type) for type in ("DocumentReference", "Binary")] == before


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_it_may_stand_in_a_bundle(sharing: httpx.AsyncClient, kind: str) -> None:
    entries = [r.entry(a_simple()), r.entry(a_simple())]
    answer = await sharing.post("", json={"resourceType": "Bundle", "type": kind, "entry": entries})
    places = [one["response"]["location"].partition("/_history")[0] for one in answer.json()["entry"]]
    for place in places:
        url = (await sharing.get(place)).json()["content"][0]["attachment"]["url"]
        assert (await sharing.get(url, headers={"Accept": "application/pdf"})).content == PDF


async def test_it_supersedes_what_it_replaces(sharing: httpx.AsyncClient) -> None:
    old = await filed(sharing)
    await published(sharing, a_simple(relatesTo=replacing(old)))
    assert (await sharing.get(f"DocumentReference/{old}")).json()["status"] == "superseded"
    again = await sharing.post("DocumentReference", json=a_simple(relatesTo=replacing(old)))
    assert again.status_code == 409


async def test_a_document_of_r4_alone_keeps_its_data_inside(sharing: httpx.AsyncClient) -> None:
    tree = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": "Patient/1"},
        "content": [{"attachment": {"contentType": "text/plain", "data": "YWJj"}}],
    }
    stored = await published(sharing, tree)
    assert stored["content"] == tree["content"]


async def test_a_lot_of_it_is_found_by_what_was_derived(sharing: httpx.AsyncClient) -> None:
    tree = await published(sharing, a_simple(type=r.concept("http://loinc.org", "34874-8")))
    found = await sharing.get(f"DocumentReference?patient=Patient/1&category=10&_id={tree['id']}")
    assert found.json()["total"] == 1
    assert (await sharing.post("", json=a_lot())).status_code == 200


async def test_an_identifier_of_several_people_is_told(tmp_path: Path) -> None:
    """Whoever may see both is told that there are two (409), not that there is nobody."""
    named = making.PATIENT["identifier"][0]
    by_identifier = {"identifier": {name: named[name] for name in ("system", "value")}}
    contained = {"resourceType": "Patient", "id": "s", "identifier": [named]}
    async with opened(Settings(data=tmp_path, open=True)) as house, asking(house) as client:
        await kept(house, making.PATIENT, {**making.PATIENT, "id": "twin"})
        for more in (
            {"subject": by_identifier},
            {"subject": {"reference": "#s"}, "contained": [contained, *making.a_simple().get("contained", ())]},
        ):
            answer = await client.post("DocumentReference", json=making.a_simple(**more))
            assert answer.status_code == 409, answer.text
            [issue] = answer.json()["issue"]
            assert (issue["code"], issue["expression"]) == (
                "multiple-matches",
                ["DocumentReference.subject.identifier"],
            )
        lot = making.a_lot(making.a_document(subject=by_identifier))
        lot["entry"][0]["resource"]["subject"] = by_identifier
        answer = await client.post("", json=lot)
        told = {issue["expression"][0] for issue in answer.json()["issue"]}
        assert answer.status_code == 409 and told == {
            f"Bundle.entry[{n}].resource.subject.identifier" for n in (0, 1)
        }, answer.text
        assert (await client.get("DocumentReference")).json()["total"] == 0
