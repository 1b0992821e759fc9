"""Consumers of documents ask for lists (ITI-66) and documents (ITI-67) by every parameter of the guide.

https://profiles.ihe.net/ITI/MHD/ITI-66.html, https://profiles.ihe.net/ITI/MHD/ITI-67.html,
https://interop.esante.gouv.fr/ig/fhir/pdsm (flows 5 and 6; both spellings of names, which its CapabilityStatement and
its SearchParameters have)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from fhir_server.access.grant import VERBS, Grant, Scope
from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.profiles import resources as r
from tests.server.people import kept
from tests.server.whole import asking
from tests.space.record import making
from tests.space.record.callers import Caller
from tests.space.record.making import a_document, a_lot, replacing
from tests.space.record.test_lots import filed

pytestmark = pytest.mark.asyncio(loop_scope="module")
ARCHIVED = {"url": r.PDSM + "pdsm-ext-is-archived", "valueBoolean": True}
ORDER = {
    "type": {"coding": [{"system": "urn:ietf:rfc:3986", "code": "urn:ihe:iti:xds:2013:order"}]},
    "value": "order-7",
}
INS = f"{r.DEMO}|269054958815780"


#: A parameter of ITI-67, and a value that finds the document of `the_one`.
DOCUMENTS = [
    "patient=Patient/1",
    f"patient.identifier={INS}",
    f"patient:Patient.identifier={INS}",
    "identifier={master}",
    "identifier={entry}",
    "status=current",
    "type=http://loinc.org|11502-2",
    "category=10",
    "facility=SA25",
    "setting=AMBULATOIRE",
    "format=urn:ihe:iti:xds-sd:pdf:2008",
    "event=HHQE004",
    "security-label=R",
    "security-label=http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R",
    "date=ge2024-01-10&date=le2024-01-11",
    "creation=2024-01-10T09:30:00%2B01:00",
    "Creation=2024-01-10T09:30:00%2B01:00",
    "period=2024-01-10",
    "period-start=ge2024-01-10",
    "PDSm_DocumentReference_period-start=ge2024-01-10",
    "period-end=le2024-01-11",
    "PDSm_DocumentReference_period-end=le2024-01-11",
    "relatesto=DocumentReference/{old}",
    "relatesTo=DocumentReference/{old}",
    "related:identifier=order-7",
    # As PDSm's CapabilityStatement spells these two.
    "DocumentReference Patient=Patient/1",
    "DocumentRefence Author.family=DUPONT",
    "author.family=DUPONT",
    "author.given=Anne",
    "author.identifier=899700218896",
    "author:Practitioner.identifier=urn:oid:1.2.250.1.71.4.2.1|899700218896",
    "isArchived=true",
    "PDSm_isArchived=true",
]
#: The same of ITI-66, and of its submission set.
LISTS = [
    "patient=Patient/1",
    f"patient.identifier={INS}",
    "code=submissionset",
    "code=https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes|submissionset",
    # As the guide's own example misspells it.
    "code=http://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes|submissionset",
    "status=current",
    "date=ge2024-01-10",
    "identifier={uniqueId}",
    "title=Lot",
    "designationType=07",
    "DesignationType=07",
    "sourceId=S1",
    "SourceId=S1",
    "source:PractitionerRole.practitioner.family=MARTIN",
    "PDSm_List_PractitionerRoleAsSource:PractitionerRole.practitioner.family=MARTIN",
    "isArchived=true",
    "PDSm_isArchived=true",
]


@pytest.fixture(scope="module")
def known() -> dict[str, str]:
    return {}


async def the_one(client: httpx.AsyncClient, known: dict[str, str]) -> dict[str, str]:
    """Names of a document that every parameter finds, and of its set; filed once."""
    if known:
        return known
    practitioner = {"resourceType": "Practitioner", "id": "martin", "name": [{"family": "MARTIN"}]}
    assert (await client.put("Practitioner/martin", json=practitioner)).status_code == 201
    known["old"] = await filed(client)
    tree = a_document(relatesTo=replacing(known["old"]), extension=[ARCHIVED])
    tree["securityLabel"] = [r.concept(r.nos("TRE_A08-HL7Confidentiality"), "R")]
    tree["context"] |= {
        "event": [r.concept("urn:oid:1.2.250.1.213.2.5", "HHQE004")],
        "related": [{"identifier": ORDER}],
        "period": {"start": "2024-01-10T08:00:00+01:00", "end": "2024-01-10T09:00:00+01:00"},
    }
    lot = a_lot(tree)
    submission = lot["entry"][0]["resource"]
    role = {"resourceType": "PractitionerRole", "id": "r1", "practitioner": {"reference": "Practitioner/martin"}}
    submission |= {"title": "Lot d'une biologie", "contained": [role]}
    submission["extension"] = [*submission["extension"], ARCHIVED]
    answer = await client.post("", json=lot)
    assert answer.status_code == 200, answer.text
    places = [one["response"]["location"].split("/")[1] for one in answer.json()["entry"]]
    known |= {"List": places[0], "DocumentReference": places[1], "uniqueId": submission["identifier"][0]["value"]}
    known |= {"master": tree["masterIdentifier"]["value"], "entry": tree["identifier"][0]["value"]}
    return known


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("type", "asked"),
    [*(("DocumentReference", one) for one in DOCUMENTS), *(("List", one) for one in LISTS)],
)
async def test_every_parameter_finds_it(
    sharing: httpx.AsyncClient, known: dict[str, str], type: str, asked: str, method: str
) -> None:
    names = await the_one(sharing, known)
    query = asked.format(**names)
    if method == "GET":
        answer = await sharing.get(f"{type}?{query}&_count=200")
    else:
        form = dict[str, Any]()
        for name, value in [*parse_qsl(query), ("_count", "200")]:
            form.setdefault(name, []).append(value)
        answer = await sharing.post(f"{type}/_search", data=form)
    assert answer.status_code == 200, answer.text
    assert names[type] in [entry["resource"]["id"] for entry in answer.json().get("entry", ())]


#: What is asked, and the parameters that are missing.
ASKED = [
    ("DocumentReference?patient=Patient/1&status=current", []),
    (f"DocumentReference?patient.identifier={INS}&status=current", []),
    (f"DocumentReference?patient:Patient.identifier={INS}&status=current&type=11502-2", []),
    ("DocumentReference?patient=Patient/1", ["http.status"]),
    ("DocumentReference?status=current", ["http.patient"]),
    ("DocumentReference?type=11502-2", ["http.patient", "http.status"]),
    ("DocumentReference", ["http.patient", "http.status"]),
    ("List?patient=Patient/1&code=submissionset&status=current", []),
    ("List?patient=Patient/1&code=submissionset", ["http.status"]),
    ("List?patient=Patient/1&status=current", ["http.code"]),
    ("List?code=folder&status=current", ["http.patient"]),
    ("Observation?status=final", []),
]


@pytest.mark.parametrize("settings", [{"pdsm": "strict"}, {"pdsm_clients": {"app": "strict"}}, {"pdsm_clients": {"app": "lenient"}, "pdsm": "strict"}, {}])  # fmt: skip
async def test_what_the_guide_demands_is_demanded_where_it_is_held_to(tmp_path: Path, settings: dict[str, Any]) -> None:
    grant = Grant((Scope("system", "*", VERBS),), client="app", traced=False)
    strict = settings.get("pdsm_clients", {}).get("app", settings.get("pdsm", "lenient")) == "strict"
    async with opened(Settings(data=tmp_path, base_url="http://127.0.0.1/fhir", **settings)) as house:
        await kept(house, making.PATIENT)
        caller = Caller(house, grant)
        for asked, missing in ASKED:
            answer = await caller("GET", asked)
            assert answer.status == (400 if strict and missing else 200), asked
            if strict and missing:
                assert answer.expressions == missing
            posted = await caller("POST", asked.replace("?", "/_search?") if "?" in asked else f"{asked}/_search")
            assert posted.status == answer.status


async def test_a_page_is_gone_on_with_where_the_guide_is_held_to(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, open=True, pdsm="strict")) as house, asking(house) as client:
        await kept(house, making.PATIENT)
        for _ in range(3):
            await filed(client)
        page = (await client.get("DocumentReference?patient=Patient/1&status=current&_count=2")).json()
        link = next(one["url"] for one in page["link"] if one["relation"] == "next")
        assert len((await client.get(link)).json()["entry"]) == 1


async def test_software_asks_whether_somebody_has_a_record_by_ins(sharing: httpx.AsyncClient) -> None:
    # PDSm4DMP TD02: none or one, and whether the record is open.
    for value, number in (("269054958815780", 1), ("269054958815799", 0)):
        found = (await sharing.get(f"Patient?identifier={r.DEMO}|{value}")).json()
        assert found["total"] == number
