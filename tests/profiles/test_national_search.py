"""The search parameters of the national guides, under their codes and the names guides call them by, over HTTP.

https://interop.esante.gouv.fr/ig/fhir/pdsm (flows 5 and 6), https://interop.esante.gouv.fr/ig/fhir/gap (flows 4 and 5),
https://interop.esante.gouv.fr/ig/fhir/cds, https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.search.activation.reindex import Indexing
from fhir_server.search.activation.watch import STANDING
from fhir_server.search.parameters.shipped import definitions
from fhir_server.settings import Settings
from tests.profiles import resources as r
from tests.profiles.resources import MHD, PDSM, changed, nos

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADERS = {"content-type": "application/fhir+json"}
PATIENT = {"reference": "Patient/1"}
ARCHIVED = {"url": PDSM + "pdsm-ext-is-archived", "valueBoolean": True}
KEPT = {**ARCHIVED, "valueBoolean": False}
N = nos("TRE_A08-HL7Confidentiality")


def document(id: str, day: str, **more: Any) -> dict[str, Any]:
    """A comprehensive document of a day of January 2024."""
    found = changed(r.DOCUMENT, "masterIdentifier.value", f"urn:oid:1.2.250.1.213.1.1.9.{day}")
    found["subject"] = PATIENT
    found = changed(found, "content.0.attachment.creation", f"2024-01-{day}T09:30:00+01:00")
    period = {"start": f"2024-01-{day}T08:00:00+01:00", "end": f"2024-01-{day}T09:00:00+01:00"}
    return {**changed(found, "context.period", period), "id": id, **more}


def submission(id: str, source: str, contained: dict[str, Any], code: str, **more: Any) -> dict[str, Any]:
    found = changed(r.SUBMISSION, "extension.0.valueCodeableConcept.coding.0.code", code)
    found = changed(found, "extension.1.valueIdentifier.value", source)
    contained = {**contained, "id": "s"}
    return {**found, "id": id, "subject": PATIENT, "contained": [contained], "source": {"reference": "#s"}, **more}


def appointment(id: str, day: str, **more: Any) -> dict[str, Any]:
    start = f"2024-01-{day}T10:00:00+01:00"
    return {**r.APPOINTMENT, "id": id, "start": start, "end": start.replace("T10", "T11"), **more}


AUTHOR_ORG = {"extension": [{"url": MHD + "ihe-authorOrg", "valueReference": {"reference": "Organization/1"}}]}
BORN = {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace", "valueAddress": {"city": "Quimper"}}
OTHERS = {"resourceType": "Practitioner", "name": [{"family": "MARTIN", "given": ["Paul"]}]}
OF_MARTIN = {"resourceType": "PractitionerRole", "practitioner": {"reference": "Practitioner/1"}}
IN_ROLE: list[dict[str, Any]] = [
    {
        "resourceType": "PractitionerRole",
        "id": "r1",
        "identifier": [{"value": "role-7"}],
        "practitioner": {"reference": "#q1"},
    },
    {
        "resourceType": "Practitioner",
        "id": "q1",
        "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "810009999997"}],
        "name": [{"family": "LEBRUN", "given": ["Zoé"]}],
    },
]
RESOURCES: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "1",
        "extension": [BORN],
        "identifier": [{"system": "urn:ins", "value": "1"}],
        "name": [{"family": "DEMO", "given": ["Nathalie"]}],
    },
    {"resourceType": "Patient", "id": "2", "name": [{"family": "AUTRE"}]},
    {"resourceType": "Organization", "id": "1", "name": "Laboratoire"},
    {**OTHERS, "id": "1", "identifier": [{"system": "https://rpps.esante.gouv.fr", "value": "99700218896"}]},
    {"resourceType": "PractitionerRole", "id": "1", "practitioner": {"reference": "Practitioner/1"}},
    {"resourceType": "Schedule", "id": "1", "actor": [{"reference": "PractitionerRole/1"}]},
    document("a", "10", extension=[ARCHIVED]),
    document(
        "b", "20", extension=[KEPT], relatesTo=[{"code": "replaces", "target": {"reference": "DocumentReference/a"}}]
    ),
    {**document("c", "30"), "contained": [{**OTHERS, "id": "a1"}, *r.DOCUMENT["contained"][1:]]},
    {
        **document("d", "01", extension=[KEPT]),
        "author": [{"reference": "#r1"}],
        "contained": [*IN_ROLE, *r.DOCUMENT["contained"][1:]],
    },
    {
        **document("e", "02", extension=[KEPT]),
        "contained": [{**OF_MARTIN, "id": "a1"}, *r.DOCUMENT["contained"][1:]],
        "authenticator": {"reference": "#a1"},
    },
    submission("s1", "S1", {"resourceType": "PractitionerRole", "practitioner": {"reference": "Practitioner/1"}}, "07"),
    submission("s2", "S2", {"resourceType": "Patient", "name": [{"family": "DEMO"}]}, "04", title="Lot d'octobre"),
    {
        **submission("s3", "S3", {"resourceType": "Device"}, "04"),
        "extension": [*submission("s3", "S3", {}, "04")["extension"], ARCHIVED],
        "source": {"reference": "#s", **AUTHOR_ORG},
    },
    appointment("p1", "10", created="2024-01-02", comment="À jeun", priority=5),
    appointment("p2", "20", created="2024-01-03", description="Contrôle annuel", priority=1),
    {**r.SLOT, "id": "1"},
    {
        **changed(r.TEAM, "period.end", "2024-12-31"),
        "id": "1",
        "managingOrganization": [{"reference": "Organization/1"}],
    },
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(data=tmp_path_factory.mktemp("search"), open=True)
    async with opened(settings) as house, caller(house) as client:
        entries = [
            {"resource": x, "request": {"method": "PUT", "url": f"{x['resourceType']}/{x['id']}"}} for x in RESOURCES
        ]
        answer = await client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
        assert answer.status_code == 200, answer.text
        yield client


def caller(house: House) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(house.asgi), base_url="http://example.org/fhir/", headers=HEADERS
    )


def found(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {entry["resource"]["id"] for entry in answer.json().get("entry", ())}


#: What is asked → the ids found.
QUERIES: list[tuple[str, set[str]]] = [
    ("DocumentReference?isArchived=true", {"a"}),
    # What says nothing is not archived: the extension tells the archived from the active.
    ("DocumentReference?isArchived=false", {"b", "c", "d", "e"}),
    ("DocumentReference?PDSm_isArchived=false", {"b", "c", "d", "e"}),
    ("DocumentReference?isArchived:not=false", {"a"}),
    ("DocumentReference?isArchived=true,false", {"a", "b", "c", "d", "e"}),
    ("DocumentReference?isArchived:missing=true", {"c"}),
    ("DocumentReference?isArchived:not=true", {"b", "c", "d", "e"}),
    ("DocumentReference?PDSm_isArchived=true", {"a"}),
    ("DocumentReference?PDSm_isArchived:missing=true", {"c"}),
    ("DocumentReference?creation=2024-01-20", {"b"}),
    ("DocumentReference?creation=ge2024-01-20", {"b", "c"}),
    ("DocumentReference?Creation=lt2024-01-20", {"a", "d", "e"}),
    ("DocumentReference?period-start=gt2024-01-15", {"b", "c"}),
    ("DocumentReference?period-end=le2024-01-15", {"a", "d", "e"}),
    ("DocumentReference?PDSm_DocumentReference_period-start=2024-01-30", {"c"}),
    ("DocumentReference?PDSm_DocumentReference_period-end=2024-01-30", {"c"}),
    ("DocumentReference?relatesto=DocumentReference/a", {"b"}),
    ("DocumentReference?relatesTo=DocumentReference/a", {"b"}),
    ("DocumentReference?author.family=DUPONT", {"a", "b"}),
    ("DocumentReference?author.given=Paul", {"c", "e"}),
    ("DocumentReference?author:Practitioner.family=MARTIN", {"c"}),
    # The author of "e" is in the directory by their RPPS, which that number is with its prefix (IdNatPS).
    ("DocumentReference?author.identifier=urn:oid:1.2.250.1.71.4.2.1|899700218896", {"a", "b", "e"}),
    # Of a role, contained or not, the person in it: MHD ITI-67 asks of the author, whichever resource that is.
    ("DocumentReference?author.family=LEBRUN", {"d"}),
    ("DocumentReference?author.family:exact=LEBRUN", {"d"}),
    ("DocumentReference?author.family:contains=EBR", {"d"}),
    ("DocumentReference?author.given=Zoé", {"d"}),
    ("DocumentReference?author.name=lebrun", {"d"}),
    ("DocumentReference?author.identifier=810009999997", {"d"}),
    ("DocumentReference?author.identifier=role-7", {"d"}),
    ("DocumentReference?author:PractitionerRole.practitioner.family=LEBRUN", {"d"}),
    ("DocumentReference?author:Practitioner.family=LEBRUN", set()),
    ("DocumentReference?author.family=MARTIN", {"c", "e"}),
    ("DocumentReference?authenticator.family=MARTIN", {"e"}),
    ("DocumentReference?patient:identifier=urn:ins|1", {"a", "b", "c", "d", "e"}),
    ("DocumentReference?subject:identifier=urn:ins|2", set()),
    ("List?patient:identifier=urn:ins|1", {"s1", "s2", "s3"}),
    ("DocumentReference?patient=Patient/1&status=current&isArchived=false&period-start=ge2024-01-02", {"b", "c", "e"}),
    ("DocumentReference?patient.identifier=x|y&status=current", set()),
    (
        "DocumentReference?setting=AMBULATOIRE&facility=SA25&format=urn:ihe:iti:xds-sd:pdf:2008",
        {"a", "b", "c", "d", "e"},
    ),
    (f"DocumentReference?security-label={N}|N&_sort=-date", {"a", "b", "c", "d", "e"}),
    (
        "DocumentReference?identifier=urn:ietf:rfc:3986|urn:uuid:6a0f6e0d-7b0e-4f9b-8e3c-2f7b9e1d0c22",
        {"a", "b", "c", "d", "e"},
    ),
    ("List?designationType=07", {"s1"}),
    (f"List?designationType={nos('TRE_R209-TypeActivite')}|04", {"s2", "s3"}),
    ("List?DesignationType=07", {"s1"}),
    ("List?sourceId=S2", {"s2"}),
    ("List?sourceId=urn:oid:1.2.250.1.213.1.1.1|S1", {"s1"}),
    ("List?SourceId=S3", {"s3"}),
    ("List?authorOrg=Organization/1", {"s3"}),
    ("List?PDSm_authorOrg=Organization/1", {"s3"}),
    ("List?authorOrg.name=Laboratoire", {"s3"}),
    ("List?isArchived=true", {"s3"}),
    ("List?PDSm_isArchived=true", {"s3"}),
    ("List?title=lot&code=submissionset&status=current&patient=1", {"s2"}),
    ("List?source:Patient.family=DEMO", {"s2"}),
    ("List?PDSm_List_PatientAsSource:Patient.family=DEMO", {"s2"}),
    ("List?source:PractitionerRole.practitioner.family=MARTIN", {"s1"}),
    ("List?source:PractitionerRole.practitioner.given=Paul", {"s1"}),
    # As PDSm spells it, whose chain passes an element that R4 has not.
    ("List?source:PractitionerRole.partOf.family=MARTIN", {"s1"}),
    ("List?source:PractitionerRole.partOf.given:exact=Paul", {"s1"}),
    ("List?source:PractitionerRole.partOf.practitioner.family=MARTIN", {"s1"}),
    ("List?PDSm_List_PractitionerRoleAsSource:PractitionerRole.partOf.familyEx=MARTIN", {"s1"}),
    ("List?source.family=MARTIN", {"s1"}),
    ("List?source.family=DEMO", {"s2"}),
    ("List?isArchived=false", {"s1", "s2"}),
    ("Appointment?start=ge2024-01-15", {"p2"}),
    ("Appointment?start=ge2024-01-01&start=le2024-01-15", {"p1"}),
    ("Appointment?GAP_Appointment_earliestStart=ge2024-01-15", {"p2"}),
    ("Appointment?GAP_Appointment_latestStart=le2024-01-15", {"p1"}),
    ("Appointment?created=2024-01-02", {"p1"}),
    ("Appointment?GAP_Appointment_created=gt2024-01-02", {"p2"}),
    ("Appointment?description=contrôle", {"p2"}),
    ("Appointment?description=a jeun", {"p1"}),
    ("Appointment?GAP_Appointment_description:contains=annuel", {"p2"}),
    ("Appointment?priority=1", {"p2"}),
    ("Appointment?GAP_Appointment_priority=5", {"p1"}),
    ("Appointment?GAP_Appointment_Actor=Patient/1", {"p1", "p2"}),
    ("Slot?GAP_Slot_earliestStart=ge2024-01-10&GAP_Slot_latestStart=le2024-01-11&status=free", {"1"}),
    ("Slot?schedule.actor:PractitionerRole.practitioner.family=MARTIN", {"1"}),
    ("CareTeam?start=2024-01-10", {"1"}),
    ("CareTeam?CDSCareTeamEnd=gt2024", set()),
    ("CareTeam?end=2024-12-31&participant-start=2024-01-10", {"1"}),
    ("CareTeam?managingOrganization=Organization/1", {"1"}),
    ("CareTeam?CareTeamManagingOrganization=Organization/2", set()),
    ("Patient?birthplace=quimper", {"1"}),
]


@pytest.mark.parametrize(("query", "ids"), QUERIES)
async def test_what_the_guides_ask_is_found(server: httpx.AsyncClient, query: str, ids: set[str]):
    answer = await server.get(query, headers={"prefer": "handling=strict"})
    assert found(answer) == ids


@pytest.mark.parametrize(("query", "ids"), [q for q in QUERIES if q[0].startswith("List?")])
async def test_and_by_post(server: httpx.AsyncClient, query: str, ids: set[str]):
    type, _, asked = query.partition("?")
    form = {"content-type": "application/x-www-form-urlencoded", "prefer": "handling=strict"}
    assert found(await server.post(f"{type}/_search", content=asked.encode(), headers=form)) == ids


async def test_slots_come_with_their_agenda_and_whose_it_is(server: httpx.AsyncClient):
    """GAP flow 4a: the guide writes the second hop without `:iterate`."""
    for second in ("_include=Schedule:actor", "_include:iterate=Schedule:actor"):
        answer = await server.get(f"Slot?status=free&_include=Slot:schedule&{second}")
        kinds = {entry["resource"]["resourceType"] for entry in answer.json()["entry"]}
        assert kinds == {"Slot", "Schedule", "PractitionerRole"}


async def test_the_statement_publishes_the_codes(server: httpx.AsyncClient):
    rows = {row["type"]: row for row in (await server.get("metadata")).json()["rest"][0]["resource"]}
    for definition in definitions():
        for type in definition["base"]:
            named = [p for p in rows[type]["searchParam"] if p["name"] == definition["code"]]
            assert named == [{"name": definition["code"], "definition": definition["url"], "type": definition["type"]}]


async def test_what_was_stored_without_them_is_indexed_before_they_can_be_asked(tmp_path: Path):
    """A store that was filled by a server that did not have them."""
    settings = Settings(data=tmp_path, open=True)
    one = {**document("a", "10", extension=[ARCHIVED])}
    async with opened(settings) as house, caller(house) as client:
        await client.put(
            "DocumentReference/a", json=changed(one, "subject", {"reference": "http://example.com/Patient/1"})
        )
        for url in [definition["url"] for definition in definitions()]:
            await house.engine.records.take(STANDING, url)
    async with opened(settings) as house, caller(house) as client:
        strict = {"prefer": "handling=strict"}
        assert (await client.get("DocumentReference?isArchived=true", headers=strict)).status_code == 400
        assert set(house.watch.pending()) == {d["url"] for d in definitions() if "DocumentReference" in d["base"]}
        assert await Indexing(house.engine.store, house.engine.records, house.watch, settle_seconds=0).run()
        assert found(await client.get("DocumentReference?isArchived=true", headers=strict)) == {"a"}
