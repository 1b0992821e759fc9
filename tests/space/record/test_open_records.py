"""Nothing is filed in a record that is closed, by whomever and in whichever way; what is in it stays.

CSP R1111-36, R1111-47; PDSm4DMP TD02: `Patient.active` says whether the record is open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.fhir.nos import DOCUMENT_TYPES
from fhir_server.settings import Settings
from fhir_server.space.record.open_records import WORDS
from tests.server.people import kept
from tests.space.record import making
from tests.space.record.callers import ALL, BASE, OWN, SYSTEM, Caller, grant
from tests.space.record.cda_documents import cda, patient

pytestmark = pytest.mark.asyncio(loop_scope="module")
Tree = dict[str, Any]
HL7 = "http://terminology.hl7.org/CodeSystem"
DOCTOR, LABORATORY = grant("Practitioner/d", ALL), grant(None, SYSTEM)
CATALOGUE = replace(LABORATORY, referenced=True)
PATIENT = grant("Patient/1", OWN, patient="1")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path_factory.mktemp("open"), base_url=BASE)) as found:
        await kept(found, making.OTHER, {"resourceType": "Practitioner", "id": "d"})
        yield found


def own(**more: Any) -> Tree:
    """A patient's own document."""
    kind = {"coding": [{"system": DOCUMENT_TYPES, "code": "EXPPAT_1"}]}
    content = [{"attachment": {"contentType": "application/pdf", "data": "JVBERi0xLjQ=", "title": "Mon document"}}]
    subject = {"reference": "Patient/1"}
    return {"resourceType": "DocumentReference", "status": "current", "type": kind, "subject": subject, "content": content, **more}  # fmt: skip


def plain() -> Tree:
    """What R4 alone speaks of."""
    return {**own(), "type": {"text": "x"}, "content": [{"attachment": {"title": "x"}}]}


def a_finding() -> Tree:
    """What a professional observed."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/1"},
    }


def an_allergy() -> Tree:
    active = {"coding": [{"system": f"{HL7}/allergyintolerance-clinical", "code": "active"}]}
    patient = {"reference": "Patient/1"}
    return {"resourceType": "AllergyIntolerance", "clinicalStatus": active, "code": {"text": "x"}, "patient": patient}


def among_others(make: Any) -> Any:
    """The same in a transaction."""
    entry = {"resource": make(), "request": {"method": "POST", "url": make()["resourceType"]}}
    return lambda: {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}


#: Who files what, in which way → whether it is refused where the record is closed.
FILED: dict[str, tuple[Any, str, Any, str, bool]] = {
    "a doctor publishes": (DOCTOR, "DocumentReference", making.a_simple, "application/fhir+json", True),
    "a doctor files a lot": (DOCTOR, "", making.a_lot, "application/fhir+json", True),
    "a doctor files CDA": (DOCTOR, "DocumentReference/$file-cda", cda, "application/xml", True),
    "a laboratory files a lot": (LABORATORY, "", making.a_lot, "application/fhir+json", True),
    "a laboratory publishes": (LABORATORY, "DocumentReference", making.a_simple, "application/fhir+json", True),
    "the patient files": (PATIENT, "DocumentReference", own, "application/fhir+json", True),
    "a doctor writes a finding": (DOCTOR, "Observation", a_finding, "application/fhir+json", True),
    "a doctor writes an allergy": (DOCTOR, "AllergyIntolerance", an_allergy, "application/fhir+json", True),
    "a doctor writes some": (DOCTOR, "", among_others(a_finding), "application/fhir+json", True),
    "an app of the catalogue writes": (CATALOGUE, "Observation", a_finding, "application/fhir+json", True),
    "an administrator writes a finding": (LABORATORY, "Observation", a_finding, "application/fhir+json", False),
    "an administrator stores what R4 has": (LABORATORY, "DocumentReference", plain, "application/fhir+json", False),
}


async def active(house: House, said: bool | None) -> None:
    person = patient(id="1", **({} if said is None else {"active": said}))
    person["identifier"] = [*person["identifier"], *making.PATIENT["identifier"]]
    await kept(house, person, base=BASE)


@pytest.mark.parametrize("way", FILED)
async def test_nothing_is_filed_in_a_closed_record(house: House, way: str) -> None:
    who, url, make, media_type, refused = FILED[way]
    ask, everybody = Caller(house, who), Caller(house)
    await active(house, False)
    before = [(await everybody("GET", f"{type}?_summary=count")).json["total"] for type in TYPES]
    answer = await ask("POST", url, make(), media_type)
    after = [(await everybody("GET", f"{type}?_summary=count")).json["total"] for type in TYPES]
    if refused:
        assert (answer.status, after) == (422, before), answer.json
        assert WORDS in answer.json["issue"][0]["diagnostics"]
    else:
        assert answer.status == 201, answer.json


TYPES = ("DocumentReference", "Binary", "List", "Observation", "AllergyIntolerance")


@pytest.mark.parametrize("said", [True, None])
@pytest.mark.parametrize("way", [one for one in FILED if "CDA" not in one])
async def test_it_is_filed_once_the_record_is_open(house: House, way: str, said: bool | None) -> None:
    who, url, make, media_type, _ = FILED[way]
    await active(house, said)
    answer = await Caller(house, who)("POST", url, make(), media_type)
    assert answer.status in (200, 201), answer.json


async def test_a_record_that_is_closed_keeps_what_is_in_it(house: House) -> None:
    await active(house, True)
    filed = (await Caller(house, LABORATORY)("POST", "DocumentReference", making.a_simple())).json
    await active(house, False)
    assert await Caller(house, LABORATORY).sees("DocumentReference", filed["id"])
    assert not await Caller(house, DOCTOR).sees("DocumentReference", filed["id"])
    # A new version of it is a new document.
    newer = making.a_simple(relatesTo=making.replacing(filed["id"]))
    assert (await Caller(house, LABORATORY)("POST", "DocumentReference", newer)).status == 422
