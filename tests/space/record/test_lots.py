"""A lot of ITI-65 is stored whole or not at all, and each refusal names the entry's element.

https://profiles.ihe.net/ITI/MHD/ITI-65.html, https://interop.esante.gouv.fr/ig/fhir/pdsm (PDSm 3.1.1,
pdsm-comprehensive-provide-document-bundle), https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.profiles import resources as r
from tests.profiles.resources import changed
from tests.space.record.making import (
    PDF,
    a_binary,
    a_document,
    a_lot,
    a_set,
    a_simple,
    an_entry,
    replacing,
    sha1,
    superseding,
    urn,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
Bundle = dict[str, Any]


def said(answer: httpx.Response) -> list[str]:
    return [
        place
        for issue in answer.json()["issue"]
        for place in issue.get("expression", ())
        if issue["severity"] == "error"
    ]


async def count(client: httpx.AsyncClient, type: str) -> int:
    return int((await client.get(f"{type}?_summary=count")).json()["total"])


async def filed(client: httpx.AsyncClient, tree: dict[str, Any] | None = None) -> str:
    """The id of a document that was filed with a lot."""
    answer = await client.post("", json=a_lot(tree or a_document()))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["entry"][1]["response"]["location"].split("/")[1])


async def test_a_lot_is_stored_whole_and_answered_in_its_order(sharing: httpx.AsyncClient) -> None:
    answer = await sharing.post("", json=a_lot(a_document(), a_document()))
    assert answer.status_code == 200, answer.text
    entries = answer.json()["entry"]
    assert answer.json()["type"] == "transaction-response"
    assert [one["response"]["location"].split("/")[0] for one in entries] == [
        "List", "DocumentReference", "Binary", "DocumentReference", "Binary"
    ]  # fmt: skip
    document = (await sharing.get(entries[1]["response"]["location"].partition("/_history")[0])).json()
    url = document["content"][0]["attachment"]["url"]
    assert url == entries[2]["response"]["location"].partition("/_history")[0]
    content = await sharing.get(url, headers={"Accept": "application/pdf"})
    assert content.content == PDF
    named = (await sharing.get(entries[0]["response"]["location"])).json()["entry"]
    assert named[0]["item"]["reference"] == f"DocumentReference/{document['id']}"


async def test_a_lot_is_read_and_answered_in_xml(sharing: httpx.AsyncClient) -> None:
    import json

    from fhir_server.fhir.xml import to_xml

    xml = to_xml(json.dumps(a_lot()).encode())
    kinds = {"Content-Type": "application/fhir+xml", "Accept": "application/fhir+xml"}
    answer = await sharing.post("", content=xml, headers=kinds)
    assert answer.status_code == 200 and b"transaction-response" in answer.content


async def test_a_lot_brings_a_folder_and_names_documents_that_are_here(sharing: httpx.AsyncClient) -> None:
    old = await filed(sharing)
    lot = a_lot()
    name = lot["entry"][1]["fullUrl"]
    folder = {
        **copy.deepcopy(r.FOLDER),
        "entry": [{"item": {"reference": one}} for one in (name, f"DocumentReference/{old}")],
    }
    lot["entry"].append(an_entry(folder))
    lot["entry"][0]["resource"]["entry"].append({"item": {"reference": lot["entry"][-1]["fullUrl"]}})
    answer = await sharing.post("", json=lot)
    assert answer.status_code == 200, answer.text


async def test_a_document_is_replaced_in_the_same_transaction(sharing: httpx.AsyncClient) -> None:
    old = await filed(sharing)
    answer = await sharing.post("", json=a_lot(a_document(relatesTo=replacing(old)), further=[superseding(old)]))
    assert answer.status_code == 200, answer.text
    assert (await sharing.get(f"DocumentReference/{old}")).json()["status"] == "superseded"
    found = (await sharing.get(f"DocumentReference?relatesto=DocumentReference/{old}")).json()
    assert [one["resource"]["status"] for one in found["entry"]] == ["current"]


async def test_a_lot_that_leaves_out_the_update_has_what_it_replaces_superseded_all_the_same(
    sharing: httpx.AsyncClient,
) -> None:
    old = await filed(sharing)
    assert (await sharing.post("", json=a_lot(a_document(relatesTo=replacing(old))))).status_code == 200
    version = (await sharing.get(f"DocumentReference/{old}")).json()
    assert (version["status"], version["meta"]["versionId"]) == ("superseded", "2")


def _with(change: Callable[[Bundle], None]) -> Bundle:
    lot = a_lot()
    change(lot)
    return lot


def _document(**members: Any) -> Bundle:
    return a_lot(a_document(**members))


def _attachment(**members: Any) -> Bundle:
    def change(lot: Bundle) -> None:
        lot["entry"][1]["resource"]["content"][0]["attachment"] |= members

    return _with(change)


def _appended(entry: dict[str, Any]) -> Bundle:
    return _with(lambda lot: lot["entry"].append(entry))


def _same_name_twice() -> Bundle:
    name = urn()
    return a_lot(a_document(master=name), a_document(master=name))


def _loop() -> Bundle:
    lot = a_lot(a_document(), a_document())
    first, second = lot["entry"][1], lot["entry"][3]
    first["resource"]["relatesTo"] = [{"code": "replaces", "target": {"reference": second["fullUrl"]}}]
    second["resource"]["relatesTo"] = [{"code": "replaces", "target": {"reference": first["fullUrl"]}}]
    return lot


#: What is wrong with a lot, the lot, the status, and the element that is named.
WRONG: list[tuple[str, Callable[[], Bundle], int, str]] = [
    ("another digest", lambda: _attachment(hash=sha1(b"other")), 422, "entry[1].resource.content[0].attachment.hash"),
    ("a digest in hexadecimal", lambda: _attachment(hash="a9993e364706816aba3e25717850c26c9cd0d89d"), 422, "entry[1].resource.content[0].attachment.hash"),
    ("another size", lambda: _attachment(size=1), 422, "entry[1].resource.content[0].attachment.size"),
    ("another media type", lambda: _attachment(contentType="image/png"), 422, "entry[1].resource.content[0].attachment.contentType"),
    ("content of no document", lambda: _appended(an_entry(a_binary())), 422, "entry[3].resource"),
    ("content elsewhere on this server, not there", lambda: _attachment(url="Binary/none"), 422, "entry[2].resource"),
    ("content of no entry", lambda: _with(lambda lot: lot["entry"].pop(2)), 422, "entry[1].resource.content[0].attachment.url"),
    ("documents of two patients", lambda: a_lot(a_document(), a_document(subject={"reference": "Patient/2"})), 422, "entry[3].resource.subject"),
    ("a set of another patient", lambda: _with(lambda lot: lot["entry"][0]["resource"].update(subject={"reference": "Patient/2"})), 422, "entry[1].resource.subject"),
    ("a patient who is not here", lambda: _document(subject={"reference": "Patient/none"}), 422, "entry[1].resource.subject"),
    ("a source with another INS", lambda: a_lot(r.changed(a_document(), "contained.1.identifier.0.value", "279054958815736")), 422, "entry[1].resource.context.sourcePatientInfo"),
    ("an entry about another patient", lambda: _appended({"request": {"method": "GET", "url": "Patient/2"}}), 422, "entry[3].resource"),
    ("a foreign entry", lambda: _appended(an_entry({"resourceType": "Basic", "code": {"text": "x"}})), 422, "Bundle.entry[3].request.url"),
    ("a deletion", lambda: _appended({"request": {"method": "DELETE", "url": "DocumentReference/x"}}), 422, "Bundle.entry[3].request.url"),
    ("two sets", lambda: _with(lambda lot: lot["entry"].append(an_entry(a_set(lot["entry"][1]["fullUrl"])))), 422, "entry[3].resource.code"),
    ("no set", lambda: _with(lambda lot: lot["entry"].pop(0)), 422, "Bundle.entry"),
    ("no document", lambda: _with(lambda lot: lot["entry"].__delitem__(slice(1, None))), 422, "entry[0].resource.entry[0].item"),
    ("a document the set does not name", lambda: _with(lambda lot: (lot["entry"][0]["resource"]["entry"].pop() and lot["entry"][0]["resource"]["entry"].append({"item": {"reference": lot["entry"][1]["fullUrl"]}})) or lot["entry"].append(an_entry(a_document(url=lot["entry"][2]["fullUrl"])))), 422, "entry[3].resource"),
    ("a document that is not here in the set", lambda: _with(lambda lot: lot["entry"][0]["resource"]["entry"].append({"item": {"reference": "DocumentReference/none"}})), 422, "entry[0].resource.entry[1].item"),
    ("one name twice", _same_name_twice, 422, "entry[3].resource.masterIdentifier"),
    ("two documents that replace each other", _loop, 422, "entry[1].resource.relatesTo[0].target"),
    ("a replacement of what is not here", lambda: _document(relatesTo=replacing("none")), 422, "entry[1].resource.relatesTo[0].target"),
    ("no custodian", lambda: a_lot(r.changed(a_document(), "custodian")), 422, "entry[1].resource.custodian"),
    ("contained resources that are none", lambda: a_lot(changed(a_document(), "contained", 3)), 422, "entry[1].resource.contained"),
    ("content that is no base64", lambda: _with(lambda lot: lot["entry"][2]["resource"].update(data="?")), 422, "entry[2].resource.data"),
]  # fmt: skip


@pytest.mark.parametrize(("lot", "status", "element"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
async def test_a_lot_that_is_wrong_is_refused_by_element_and_leaves_nothing(
    sharing: httpx.AsyncClient, lot: Callable[[], Bundle], status: int, element: str
) -> None:
    before = [await count(sharing, type) for type in ("DocumentReference", "List", "Binary", "Basic")]
    sent = lot()
    answer = await sharing.post("", json=sent)
    assert answer.status_code == status, answer.text
    if said(answer)[-1] == "Bundle" and not any(place.endswith(element) for place in said(answer)):
        # The profile it claims says so of the Bundle; by its content it is a lot all the same, and told by entry.
        answer = await sharing.post("", json={name: value for name, value in sent.items() if name != "meta"})
        assert answer.status_code == status, answer.text
    assert any(place.endswith(element) for place in said(answer)), said(answer)
    assert [await count(sharing, type) for type in ("DocumentReference", "List", "Binary", "Basic")] == before


async def test_the_content_of_another_patient_is_not_filed_again(sharing: httpx.AsyncClient) -> None:
    other = a_document(subject={"reference": "Patient/2"}, contained=a_document()["contained"])
    other["contained"][1]["identifier"][0]["value"] = "279054958815736"
    lot = a_lot(other)
    lot["entry"][0]["resource"]["subject"] = {"reference": "Patient/2"}
    answer = await sharing.post("", json=lot)
    assert answer.status_code == 200, answer.text
    before = await count(sharing, "DocumentReference")
    url = answer.json()["entry"][2]["response"]["location"].partition("/_history")[0]
    for sent, path in ((a_lot(a_document(url=url)), ""), (a_document(url=url), "DocumentReference")):
        refused = await sharing.post(path, json=sent)
        assert (refused.status_code, said(refused)[0].endswith("content[0].attachment.url")) == (422, True)
    assert await count(sharing, "DocumentReference") == before


async def test_content_that_is_stored_is_held_to_what_the_document_says(sharing: httpx.AsyncClient) -> None:
    stored = (await sharing.post("Binary", json=a_binary())).headers["Location"]
    url = "Binary/" + stored.rpartition("Binary/")[2].partition("/")[0]
    refused = await sharing.post("DocumentReference", json=a_document(b"another", url=url))
    assert refused.status_code == 422
    assert {place.rpartition(".")[2] for place in said(refused)} == {"size", "hash"}
    assert (await sharing.post("DocumentReference", json=a_document(url=url))).status_code == 201


REPLACED: list[tuple[str, str, int]] = [
    ("superseded already", "superseded", 409),
    ("of another patient", "another", 422),
]


@pytest.mark.parametrize("simple", [False, True], ids=["in a lot", "alone"])
@pytest.mark.parametrize(("how", "status"), [row[1:] for row in REPLACED], ids=[row[0] for row in REPLACED])
async def test_what_cannot_be_replaced_is_refused(
    sharing: httpx.AsyncClient, how: str, status: int, simple: bool
) -> None:
    old = await filed(sharing)
    if how == "superseded":
        assert (await sharing.post("", json=a_lot(a_document(relatesTo=replacing(old))))).status_code == 200
    new = a_simple(relatesTo=replacing(old)) if simple else a_document(relatesTo=replacing(old))
    if how == "another":
        new["subject"] = {"reference": "Patient/2"}
        new["contained"] = a_document()["contained"] if not simple else []
        if not simple:
            new["contained"][1]["identifier"][0]["value"] = "279054958815736"
        else:
            del new["contained"]
    before = await count(sharing, "DocumentReference")
    lot = a_lot(new) if not simple else new
    if not simple and how == "another":
        lot["entry"][0]["resource"]["subject"] = {"reference": "Patient/2"}
    answer = await sharing.post("DocumentReference" if simple else "", json=lot)
    assert answer.status_code == status, answer.text
    assert said(answer)[0].endswith("relatesTo[0].target")
    assert await count(sharing, "DocumentReference") == before


async def test_of_many_that_replace_one_document_at_once_one_succeeds(sharing: httpx.AsyncClient) -> None:
    old = await filed(sharing)
    lots = [a_lot(a_document(relatesTo=replacing(old)), further=[superseding(old)]) for _ in range(4)]
    lots += [a_lot(a_document(relatesTo=replacing(old))) for _ in range(4)]
    answers = await asyncio.gather(*(sharing.post("", json=lot) for lot in lots))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    found = (await sharing.get(f"DocumentReference?relatesto=DocumentReference/{old}")).json()
    assert len(found["entry"]) == 1


async def test_of_many_that_file_one_master_identifier_at_once_one_succeeds(sharing: httpx.AsyncClient) -> None:
    name = urn()
    lots = [a_lot(a_document(master=name)) for _ in range(8)]
    answers = await asyncio.gather(*(sharing.post("", json=lot) for lot in lots))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    found = (await sharing.get(f"DocumentReference?identifier={name}")).json()
    assert len(found["entry"]) == 1
    again = await sharing.post(
        "DocumentReference", json=a_simple() | {"masterIdentifier": a_document(master=name)["masterIdentifier"]}
    )
    assert (again.status_code, said(again)) == (409, ["DocumentReference.masterIdentifier"])


async def test_a_document_goes_on_with_its_own_master_identifier(sharing: httpx.AsyncClient) -> None:
    id = await filed(sharing)
    tree = (await sharing.get(f"DocumentReference/{id}")).json()
    assert (await sharing.put(f"DocumentReference/{id}", json={**tree, "description": "x"})).status_code == 200
    freed = {**tree, "masterIdentifier": a_document()["masterIdentifier"]}
    assert (await sharing.put(f"DocumentReference/{id}", json=freed)).status_code == 200
    again = a_document(master=tree["masterIdentifier"]["value"])
    assert (await sharing.post("", json=a_lot(again))).status_code == 200


async def test_a_document_replaced_by_what_it_replaces_is_refused(sharing: httpx.AsyncClient) -> None:
    first = await filed(sharing)
    second = await filed(sharing, a_document(relatesTo=replacing(first)))
    tree = (await sharing.get(f"DocumentReference/{first}")).json()
    refused = await sharing.put(f"DocumentReference/{first}", json={**tree, "relatesTo": replacing(second)})
    assert (refused.status_code, said(refused)) == (422, ["DocumentReference.relatesTo[0].target"])
    itself = await sharing.put(
        f"DocumentReference/{second}",
        json={
            **tree,
            "id": second,
            "relatesTo": replacing(second),
            "masterIdentifier": a_document()["masterIdentifier"],
        },
    )
    assert itself.status_code == 422
