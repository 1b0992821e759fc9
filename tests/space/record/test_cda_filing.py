"""Software that has nothing but CDA shares documents: metadata on demand, and one call that files a document whole.

https://profiles.ihe.net/ITI/MHD/ITI-106.html; OperationDefinition DocumentReference-file-cda; codes 900 to 905 of the
national guide for documents that arrive by mail.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import House
from fhir_server.fhir.xml import to_xml
from fhir_server.space.record.cda import reading
from fhir_server.space.record.cda.patient import subject
from tests.server import closed
from tests.server.whole import whole
from tests.space.record.cda_documents import PIECES, SERIES, cda, patient, published, replacing

_XML = {"Content-Type": "application/xml"}
_FILE, _GENERATE = "DocumentReference/$file-cda", "DocumentReference/$generate-metadata"


@pytest.fixture
async def somebody(client: httpx.AsyncClient) -> str:
    """The id of the person whom the documents are about."""
    answer = await client.post("Patient", json=patient())
    return str(answer.json()["id"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def refusing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A client of one server, for what is refused: nothing is stored there but the person."""
    async with whole(tmp_path_factory.mktemp("refusing")) as found:
        assert (await found.post("Patient", json=patient())).status_code == 201
        yield found


async def _filed(client: httpx.AsyncClient, file: bytes, query: str = "", **headers: str) -> httpx.Response:
    return await client.post(f"{_FILE}{query}", content=file, headers={**_XML, **headers})


async def _total(client: httpx.AsyncClient, path: str) -> int:
    return int((await client.get(f"{path}{'&' if '?' in path else '?'}_summary=count")).json()["total"])


async def _stored(client: httpx.AsyncClient) -> list[int]:
    return [await _total(client, type) for type in ("DocumentReference", "Binary", "List")]


def _binary(file: bytes) -> dict[str, Any]:
    return {"resourceType": "Binary", "contentType": "text/xml", "data": base64.b64encode(file).decode()}


def _parameters(resource: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": "document", "resource": resource}]}


_JSON = "application/fhir+json"
#: How a document is handed over: media type, body.
WAYS = {
    "the body, application/xml": ("application/xml", cda()),
    "the body, text/xml; charset": ("text/xml; charset=utf-8", cda()),
    "the body, as HL7 calls it": ("application/hl7-v3+xml", cda()),
    "the body, as IHE calls it": ("application/cda+xml; charset=UTF-8", cda()),
    "a Binary in JSON": (_JSON, json.dumps(_binary(cda())).encode()),
    "a Binary in XML": ("application/fhir+xml", to_xml(json.dumps(_binary(cda())).encode())),
    "a Binary in XML that calls itself application/xml": (
        "application/xml",
        to_xml(json.dumps(_binary(cda())).encode()),
    ),
    "a parameter": (_JSON, json.dumps(_parameters(_binary(cda()))).encode()),
}


@pytest.mark.parametrize("operation", [_FILE, _GENERATE])
@pytest.mark.parametrize("way", WAYS)
async def test_a_document_is_the_body_or_stands_in_a_binary(
    client: httpx.AsyncClient, somebody: str, operation: str, way: str
) -> None:
    media_type, body = WAYS[way]
    answer = await client.post(operation, content=body, headers={"Content-Type": media_type})
    assert answer.status_code == (201 if operation == _FILE else 200), answer.text
    assert answer.json()["masterIdentifier"]["value"] == f"urn:oid:{SERIES}.1"
    assert answer.json()["subject"]["reference"] == f"Patient/{somebody}"


async def test_metadata_alone_store_nothing_and_are_right_under_the_national_profile(
    client: httpx.AsyncClient, somebody: str
) -> None:
    answer = await client.post(_GENERATE, content=cda(), headers=_XML)
    assert await _stored(client) == [0, 0, 0]
    found = await client.post("DocumentReference/$validate", json=answer.json())
    assert [one for one in found.json()["issue"] if one["severity"] in ("error", "fatal")] == []


async def test_metadata_persist_when_that_is_asked_and_the_answer_says_where(
    client: httpx.AsyncClient, somebody: str
) -> None:
    answer = await client.post(f"{_GENERATE}?persist=true", content=cda(), headers=_XML)
    [parameter] = answer.json()["parameter"]
    assert answer.status_code == 200
    assert (await client.get(parameter["valueReference"]["reference"])).status_code == 200


async def test_a_filed_document_is_found_read_and_comes_back_byte_for_byte(
    client: httpx.AsyncClient, somebody: str
) -> None:
    answer = await _filed(client, cda())
    assert answer.headers["location"].endswith(f"DocumentReference/{answer.json()['id']}/_history/1")
    found = await client.get(f"DocumentReference?patient={somebody}&status=current&type=http://loinc.org|11502-2")
    assert [one["resource"]["id"] for one in found.json()["entry"]] == [answer.json()["id"]]
    file = await client.get(answer.json()["content"][0]["attachment"]["url"], headers={"Accept": "text/xml"})
    assert file.content == cda()
    lot = (await client.get(f"List?patient={somebody}&code=submissionset&status=current")).json()["entry"][0][
        "resource"
    ]
    assert lot["entry"] == [{"item": {"reference": f"DocumentReference/{answer.json()['id']}"}}]
    valid = await client.post("List/$validate", json=lot)
    assert [one for one in valid.json()["issue"] if one["severity"] in ("error", "fatal")] == []


@pytest.mark.parametrize(
    ("labels", "stored"),
    [
        ("", ["N"]),
        ("?securityLabel=MASQUE_PS", ["MASQUE_PS"]),
        (
            "?securityLabel=INVISIBLE_PATIENT&securityLabel=INVISIBLE_REP_LEGAUX",
            ["INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"],
        ),
    ],
)
async def test_who_is_not_to_see_it_is_said_beside_the_document(
    client: httpx.AsyncClient, somebody: str, labels: str, stored: list[str]
) -> None:
    answer = await _filed(client, cda(), labels)
    assert [one["coding"][0]["code"] for one in answer.json()["securityLabel"]] == stored


async def test_what_was_made_of_a_document_is_told_to_whom_prefers_it(client: httpx.AsyncClient, somebody: str) -> None:
    file = cda(time='<effectiveTime value="20260701134745"/>')
    answer = await _filed(client, file, Prefer="return=OperationOutcome")
    assert answer.status_code == 201
    assert ["zone" in one["diagnostics"] for one in answer.json()["issue"]] == [True]


# Versions that follow one another

_SECOND: dict[str, str] = {"id": f'<id root="{SERIES}.2"/>', "version": '<versionNumber value="2"/>'}


@pytest.mark.parametrize("says_so", [True, False], ids=["relatedDocument", "setId and version"])
async def test_a_later_version_replaces_the_earlier_one(
    client: httpx.AsyncClient, somebody: str, says_so: bool
) -> None:
    first = (await _filed(client, cda())).json()["id"]
    related = replacing(f"{SERIES}.1") if says_so else ""
    second = (await _filed(client, cda(**_SECOND, related=related))).json()
    assert second["relatesTo"] == [{"code": "replaces", "target": {"reference": f"DocumentReference/{first}"}}]
    assert (await client.get(f"DocumentReference/{first}")).json()["status"] == "superseded"


async def test_the_first_version_that_arrives_late_is_refused(client: httpx.AsyncClient, somebody: str) -> None:
    await _filed(client, cda(**_SECOND))
    answer = await _filed(client, cda())
    assert answer.status_code == 409
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "mss-900"


async def test_of_two_that_replace_the_same_document_at_once_one_succeeds(
    client: httpx.AsyncClient, somebody: str
) -> None:
    await _filed(client, cda())
    ids = [f'<id root="{SERIES}.{number}"/>' for number in (8, 9)]
    files = [cda(id=id, series="", related=replacing(f"{SERIES}.1")) for id in ids]
    answers = await asyncio.gather(*(_filed(client, file) for file in files))
    assert sorted(one.status_code for one in answers) == [201, 409]
    [late] = [one for one in answers if one.status_code == 409]
    assert late.json()["issue"][0]["details"]["coding"][0]["code"] == "mss-900"
    assert await _total(client, f"DocumentReference?patient={somebody}&status=current") == 1


async def test_what_is_replaced_and_not_here_is_refused_or_told_as_the_caller_prefers(
    client: httpx.AsyncClient, somebody: str
) -> None:
    file = cda(related=replacing("1.2.3.4"))
    refused = await _filed(client, file)
    assert (refused.status_code, await _stored(client)) == (422, [0, 0, 0])
    filed = await _filed(client, file, Prefer="handling=lenient")
    target = filed.json()["relatesTo"][0]["target"]
    assert target["identifier"]["value"] == "urn:oid:1.2.3.4"
    assert "reference" not in target


async def test_another_persons_document_is_not_there_to_be_replaced(client: httpx.AsyncClient, somebody: str) -> None:
    other = {"identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.10", "value": "190054958815799"}]}
    await client.post("Patient", json=patient(**other))
    theirs = PIECES["record_target"].replace("269054958815780", "190054958815799")
    assert (await _filed(client, cda(record_target=theirs))).status_code == 201
    answer = await _filed(client, cda(**_SECOND, related=replacing(f"{SERIES}.1")))
    assert answer.status_code == 422


# What is refused: nothing is stored, and the answer names the element


#: The piece that is written otherwise · what stands there · what is written · the element that is named.
WRONG = [
    ("language", "fr-FR", "zz-zz-zz", "languageCode"),
    ("encounter", "SA25", "SA99", "componentOf"),
    ("encounter", "SA25", "sa25", "componentOf"),
    ("act", "AMBULATOIRE", "AMBULANT", "documentationOf"),
    ("code", '11502-2" displayName="CR d\'examens biologiques" codeSystem="2.16.840.1.113883.6.1',
     'INCONNU" codeSystem="1.2.250.1.213.1.1.4.12', "code"),
]  # fmt: skip


@pytest.mark.parametrize("operation", [_FILE, _GENERATE])
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_wrong_with_metadata_is_said_of_the_document(refusing: httpx.AsyncClient, operation: str) -> None:
    for piece, was, other, element in WRONG:
        assert was in PIECES[piece]
        file = cda(**{piece: PIECES[piece].replace(was, other)})
        answer = await refusing.post(operation, content=file, headers=_XML)
        assert answer.status_code == 422, other
        errors = [one["expression"] for one in answer.json()["issue"] if one["severity"] == "error"]
        assert errors == [[f"ClinicalDocument.{element}"]], other


_TARGET = PIECES["record_target"]
#: Why · the file · status · the element that is named · the code.
REFUSED = [
    ("nobody has the INS", cda(record_target=_TARGET.replace("269054", "169054")), 404, "id", "mss-902"),
    ("no INS", cda(record_target=_TARGET.replace("1.2.250.1.213.1.4.10", "1.2.3")), 422, "id", "mss-903"),
    (
        "another sex",
        cda(record_target=_TARGET.replace('"F"', '"M"')),
        422,
        "patient.administrativeGenderCode",
        "mss-904",
    ),
    ("another name", cda(record_target=_TARGET.replace("DEMO", "AUTRE")), 422, "patient.name.family", "mss-904"),
    ("another birth date", cda(record_target=_TARGET.replace("1969", "1970")), 422, "patient.birthTime", "mss-904"),
    (
        "no birth date",
        cda(record_target=_TARGET.replace("birthTime", "deathTime")),
        422,
        "patient.birthTime",
        "mss-905",
    ),
]


@pytest.mark.parametrize("operation", [_FILE, _GENERATE])
@pytest.mark.parametrize(
    ("file", "status", "element", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_document_that_is_not_surely_of_somebody_here_is_refused(
    refusing: httpx.AsyncClient, operation: str, file: bytes, status: int, element: str, code: str
) -> None:
    answer = await refusing.post(operation, content=file, headers=_XML)
    assert answer.status_code == status
    [issue] = answer.json()["issue"]
    assert issue["expression"] == [f"ClinicalDocument.recordTarget.patientRole.{element}"]
    assert issue["details"]["coding"][0]["code"] == code
    assert issue["location"][0].startswith("line ")
    assert await _stored(refusing) == [0, 0, 0]


_DOCTYPE = b'<!DOCTYPE x [<!ENTITY a "b">]>' + cda().partition(b"?>")[2]
#: Why · media type · body · query · status.
TURNED_AWAY = [
    ("a document type", "application/xml", _DOCTYPE, "", 400),
    ("no XML", "application/xml", b"%PDF-1.7", "", 400),
    ("another standard's XML", "text/xml", b'<a xmlns="urn:b"/>', "", 422),
    ("a PDF that says so", "application/pdf", b"%PDF-1.7", "", 415),
    ("nothing", "application/xml", b"", "", 400),
    ("no base64", _JSON, b'{"resourceType":"Binary","contentType":"text/xml","data":"*"}', "", 400),
    ("an empty Binary", _JSON, b'{"resourceType":"Binary","contentType":"text/xml"}', "", 400),
    ("another resource", _JSON, json.dumps(_parameters({"resourceType": "Patient"})).encode(), "", 400),
    ("a label nobody defined", "application/xml", cda(), "?securityLabel=SECRET", 422),
    ("a parameter nobody defined", "application/xml", cda(), "?mask=1", 400),
    ("an author 100,000 times", "application/xml", cda(author="<author/>" * 100_000), "", 422),
    ("an author 1,000 times", "application/xml", cda(author=PIECES["author"] * 1_000), "", 422),
]


@pytest.mark.parametrize(
    ("media_type", "body", "query", "status"), [row[1:] for row in TURNED_AWAY], ids=[row[0] for row in TURNED_AWAY]
)
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_no_document_is_turned_away(
    refusing: httpx.AsyncClient, media_type: str, body: bytes, query: str, status: int
) -> None:
    answer = await refusing.post(f"{_FILE}{query}", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == status, answer.text[:500]
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert await _stored(refusing) == [0, 0, 0]


async def test_xml_of_another_standard_is_no_body_of_other_operations(client: httpx.AsyncClient) -> None:
    answer = await client.post("Patient/$validate", content=cda(), headers=_XML)
    assert answer.status_code == 400


async def test_a_call_that_would_change_something_is_no_get(client: httpx.AsyncClient) -> None:
    assert (await client.get(_FILE)).status_code == 405


async def test_a_token_that_may_not_write_documents_files_none(space: closed.Space) -> None:
    await space.put({**patient(), "id": "p1"})
    await space.backend()
    token = await space.backend_token("system/Patient.rs system/DocumentReference.rs")
    answer = await space.http.post(
        f"{closed.BASE}/{_FILE}", content=cda(), headers={**_XML, "Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 403


@pytest.mark.skipif(not published(), reason="the published documents are not on this machine")
async def test_the_documents_of_the_ans_are_filed_and_come_back_byte_for_byte(client: httpx.AsyncClient) -> None:
    known: set[Any] = set()
    for name, file in published():
        about = subject(reading.read(file))
        if about.ins not in known:
            known.add(about.ins)
            assert (await client.post("Patient", json=about.tree)).status_code == 201
        # Three replace documents that are not published.
        answer = await _filed(client, file, Prefer="handling=lenient")
        assert answer.status_code == 201, (name, answer.text)
        url = answer.json()["content"][0]["attachment"]["url"]
        assert (await client.get(url, headers={"Accept": "text/xml"})).content == file, name


async def test_the_server_says_that_it_has_the_operations(house: House, client: httpx.AsyncClient) -> None:
    statement = (await client.get("metadata")).json()
    row = next(one for one in statement["rest"][0]["resource"] if one["type"] == "DocumentReference")
    assert {"generate-metadata", "file-cda"} <= {one["name"] for one in row["operation"]}
