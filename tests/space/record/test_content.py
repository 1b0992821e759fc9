"""Content that people file: what it says it is, of a kind and a length that its author may file.

CSP, applications mobiles: files of patients are pdf, txt, rtf, jpeg, png or tiff of 5 MB at most, titles of 50 characters.
PDSm, DocumentReference.content.attachment. RFC 9110 §8.3: a media type is what the content is, not what it is called.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.access.grant import OPEN, Grant
from fhir_server.app import House, opened
from fhir_server.fhir.nos import DOCUMENT_TYPES
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import FHIR_JSON, Request
from fhir_server.interactions.routes import dispatch
from fhir_server.settings import Settings
from fhir_server.store.outside import INSIDE
from tests.server.people import kept
from tests.space.record import making
from tests.space.record.callers import ALL, OWN, SYSTEM, Caller, grant

pytestmark = pytest.mark.asyncio(loop_scope="module")

PDF, PNG, JPEG, TIFF = b"%PDF-1.7\n%abc", b"\x89PNG\r\n\x1a\nabc", b"\xff\xd8\xff\xe0abc", b"II*\0abc"
RTF, TEXT, XML = b"{\\rtf1 abc}", "Compte rendu du 3 mai, température 38°".encode(), b'<?xml version="1.0"?><a/>'
PAGE, ZIP, GZIP = b"<!DOCTYPE html><html>", b"PK\3\4abc", b"\x1f\x8b\x08abc"
CDA = b'\xef\xbb\xbf<ClinicalDocument xmlns="urn:hl7-org:v3">'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    settings = Settings(data=tmp_path_factory.mktemp("content"), open=True, patient_content_bytes=100_000)
    async with opened(settings) as found:
        await kept(found, making.PATIENT, making.OTHER)
        yield found


PATIENT = grant("Patient/1", OWN, patient="1")
PARENT = grant("RelatedPerson/r", OWN, patient="1", wards=frozenset({"1"}))
DOCTOR = grant("Practitioner/d", ALL)
SOFTWARE = Grant((SYSTEM,), client="lab", traced=False)


def binary(content: bytes, media_type: str) -> dict[str, Any]:
    return {"resourceType": "Binary", "contentType": media_type, "data": b64encode(content).decode()}


#: Who → what they file → which element is refused, None where nothing is.
FILED: list[tuple[Grant, bytes, str, str | None]] = [
    (PATIENT, PDF, "application/pdf", None),
    (PATIENT, TEXT, "text/plain; charset=utf-8", None),
    (PATIENT, RTF, "text/rtf", None),
    (PATIENT, JPEG, "image/jpg", None),
    (PATIENT, XML, "text/xml", "Binary.contentType"),
    (PATIENT, PAGE, "text/html", "Binary.contentType"),
    (PATIENT, ZIP, "application/zip", "Binary.contentType"),
    (PATIENT, ZIP, "application/pdf", "Binary.contentType"),
    (PATIENT, PAGE, "text/plain", "Binary.contentType"),
    (PATIENT, PDF + bytes(100_000), "application/pdf", "Binary.data"),
    (PARENT, PNG, "image/png", None),
    (PARENT, PDF, "image/png", "Binary.contentType"),
    (DOCTOR, XML, "text/xml", None),
    (DOCTOR, ZIP, "application/zip", None),
    (DOCTOR, PDF + bytes(100_000), "application/pdf", None),
    (DOCTOR, ZIP, "application/pdf", "Binary.contentType"),
    # What an administrator's software and an open server's callers store is content of any kind.
    (SOFTWARE, ZIP, "application/pdf", None),
    (OPEN, ZIP, "application/pdf", None),
]  # fmt: skip


@pytest.mark.parametrize("way", ["resource", "raw", "transaction", "long"])
@pytest.mark.parametrize(("who", "content", "media_type", "refused"), FILED)
async def test_content_is_what_it_says_and_what_its_author_may_file(
    house: House, who: Grant, content: bytes, media_type: str, refused: str | None, way: str
) -> None:
    ask = Caller(house, who)
    # Longer than what is kept in a row, and of the same kind.
    content = content + b" " * (INSIDE + 1) if way == "long" else content
    if way in ("raw", "long"):
        answer = await ask("POST", "Binary", content, media_type)
    elif way == "resource":
        answer = await ask("POST", "Binary", binary(content, media_type))
    else:
        entry = making.an_entry(binary(content, media_type))
        answer = await ask("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    if refused is None:
        assert answer.status in (200, 201), answer.json
        return
    assert answer.status == 422
    [issue] = answer.json["issue"]
    assert issue["expression"][0].rpartition(".")[2] == refused.partition(".")[2]


async def test_content_that_was_stored_already_is_judged_by_its_bytes(house: House) -> None:
    context = house.context_of(await house.seen_by(PATIENT), "http://127.0.0.1/fhir", True, "representation", "")
    for content, status in ((PDF, 201), (ZIP, 422)):
        stored = await house.blobs.put([content + bytes(20_000)], "Patient/1")
        request = Request("POST", ("Binary",), content_type="application/pdf", content=stored, streams=True)
        try:
            answered = (await dispatch(request, context)).status
        except FhirError as error:
            answered = error.status
        assert answered == status


@pytest.mark.parametrize(("length", "who", "status"), [(50, PATIENT, 201), (51, PATIENT, 422), (51, OPEN, 201)])
async def test_a_patients_title_has_fifty_characters(house: House, length: int, who: Grant, status: int) -> None:
    tree = making.a_simple()
    tree["content"][0]["attachment"]["title"] = "é" * length
    answer = await Caller(house, who)("POST", "DocumentReference", tree)
    words = json.dumps(answer.json)
    if status == 422:
        assert (answer.status, "content[0].attachment.title" in words) == (422, True), words
    else:
        assert "attachment.title" not in words or answer.status == 201, words


#: What a patient publishes with its content inside it (ITI-105) → the element that is told.
PUBLISHED = [
    ("application/zip", ZIP, "contentType"),
    ("application/pdf", ZIP, "contentType"),
    ("application/pdf", PDF + b" " * 100_000, "data"),
]


@pytest.mark.parametrize("way", ["alone", "transaction", "batch"])
@pytest.mark.parametrize(("media_type", "content", "told"), PUBLISHED)
async def test_what_is_wrong_with_content_inside_a_document_is_told_where_it_was_sent(
    house: House, media_type: str, content: bytes, told: str, way: str
) -> None:
    tree = making.a_simple(author=[{"reference": "Patient/1"}])
    for name in ("custodian", "context", "category", "authenticator"):
        tree.pop(name, None)
    tree.pop("meta")
    tree["type"] = {"coding": [{"system": DOCUMENT_TYPES, "code": "EXPPAT_1"}]}
    tree["content"] = [{"attachment": {"contentType": media_type, "data": b64encode(content).decode(), "title": "x"}}]
    ask, where = Caller(house, PATIENT), f"DocumentReference.content[0].attachment.{told}"
    if way == "alone":
        answer = await ask("POST", "DocumentReference", tree)
    else:
        bundle = {"resourceType": "Bundle", "type": way, "entry": [making.an_entry(tree)]}
        answer = await ask("POST", "", bundle)
        where = where.replace("DocumentReference", "Bundle.entry[0].resource", 1)
    outcome = answer.json["entry"][0]["response"]["outcome"] if way == "batch" else answer.json
    assert where in [one for issue in outcome["issue"] for one in issue.get("expression", ())], outcome


@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
@pytest.mark.parametrize("filed", ["in the lot", "before"])
async def test_a_document_of_a_guide_whose_content_is_another_kind_is_refused(
    house: House, filed: str, long: bool
) -> None:
    ask, content = Caller(house, OPEN), ZIP + bytes(INSIDE if long else 0)
    if filed == "before":
        made = await ask("POST", "Binary", content, "application/pdf")
        document = making.a_document(content, f"Binary/{made.json['id']}")
        answer = await ask("POST", "DocumentReference", document)
    else:
        lot = making.a_lot(making.a_document(content))
        [held] = [one["resource"] for one in lot["entry"] if one["resource"]["resourceType"] == "Binary"]
        held["data"] = b64encode(content).decode()
        answer = await ask("POST", "", lot)
    assert answer.status == 422, answer.json
    assert any("contentType" in issue.get("expression", [""])[0] for issue in answer.json["issue"]), answer.json


async def test_who_may_file_what_is_a_setting(tmp_path: Path) -> None:
    types: Any = {"professional": ["text/xml"]}
    async with opened(Settings(data=tmp_path, open=True, content_types=types)) as house:
        doctor, patient = Caller(house, DOCTOR), Caller(house, PATIENT)
        assert (await doctor("POST", "Binary", binary(XML, "application/xml"))).status == 201
        assert (await doctor("POST", "Binary", binary(PDF, "application/pdf"))).status == 422
        # Whom it does not name may file any.
        assert (await patient("POST", "Binary", binary(ZIP, "application/zip"))).status == 201
        assert (await patient("POST", "Binary", json.dumps({"a": 1}).encode(), "application/json")).status == 201
        assert (
            await patient("POST", "Binary", json.dumps(binary(PDF, "application/pdf")).encode(), FHIR_JSON)
        ).status == 201
