"""Searches end to end, over the embedded store: what is written in is found by what is asked.

https://hl7.org/fhir/R4/search.html, clause by clause; synthetic people only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from fhir_server.search.kinds.reading import Coding
from tests.server.searches import SmallServer, a_server

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
INS = "urn:oid:1.2.250.1.213.1.4.10"


def observation(id: str, patient: str, code: str, value: Any = None, unit: str = "mg", **more: Any) -> dict[str, Any]:
    quantity = {} if value is None else {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}}
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code, "display": f"Display of {code}"}]},
        "subject": {"reference": f"Patient/{patient}"},
        **quantity,
        **more,
    }


WORLD: list[dict[str, Any]] = [
    {
        "resourceType": "Organization",
        "id": "chu",
        "name": "CHU de Démonstration",
        "identifier": [{"system": "urn:finess", "value": "750000001"}],
    },
    {"resourceType": "Organization", "id": "pole", "name": "Pôle", "partOf": {"reference": "Organization/chu"}},
    {"resourceType": "Organization", "id": "service", "name": "Service", "partOf": {"reference": "Organization/pole"}},
    {
        "resourceType": "Practitioner",
        "id": "house",
        "name": [{"family": "Maison", "given": ["Grégoire"]}],
    },
    {
        "resourceType": "Patient",
        "id": "anne",
        "meta": {
            "tag": [{"system": "http://tags", "code": "vip"}],
            "profile": ["http://x.org/p|1.2"],
            "source": "http://source.org/a",
        },
        "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>Bone &amp; metastases</div>"},
        "identifier": [
            {
                "system": INS,
                "value": "279035121518989",
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "NH"}]},
            }
        ],
        "name": [{"family": "Carreño Quiñones", "given": ["Ève", "Anne-Marie"]}],
        "gender": "female",
        "active": True,
        "birthDate": "1979-03-12",
        "generalPractitioner": [{"reference": "Practitioner/house"}],
        "managingOrganization": {"reference": "Organization/service"},
        "telecom": [{"system": "phone", "value": "01 02 03 04 05"}],
    },
    {
        "resourceType": "Patient",
        "id": "bob",
        "identifier": [{"value": "A,B|C$D"}],
        "name": [{"family": "O'Brien", "given": ["Bob"]}],
        "gender": "male",
        "birthDate": "1990",
        "managingOrganization": {"reference": "Organization/chu", "display": "Le grand CHU"},
        "link": [{"other": {"reference": "http://localhost/fhir/Patient/anne"}, "type": "seealso"}],
    },
    {
        "resourceType": "Patient",
        "id": "carl",
        "name": [{"text": "Carl sans sexe"}],
        "managingOrganization": {"identifier": {"system": "urn:finess", "value": "750000001"}},
    },
    observation("sodium", "anne", "2951-2", 5.4, effectiveDateTime="2020-05-01T10:00:00+02:00"),
    observation("sodium-g", "bob", "2951-2", 0.0054, "g", effectiveDateTime="2020-06"),
    observation("weight", "anne", "29463-7", 100, "kg", effectivePeriod={"start": "2013-01-21"}),
    observation(
        "pressure",
        "bob",
        "85354-9",
        effectivePeriod={"end": "2013-01-21"},
        component=[
            {
                "code": {"coding": [{"system": LOINC, "code": "8480-6"}]},
                "valueQuantity": {"value": 150, "system": UCUM, "code": "mm[Hg]"},
            },
            {
                "code": {"coding": [{"system": LOINC, "code": "8462-4"}]},
                "valueQuantity": {"value": 55, "system": UCUM, "code": "mm[Hg]"},
            },
        ],
    ),
    {**observation("plain", "carl", "x"), "code": {"text": "Head Ache"}},
    {
        "resourceType": "AuditEvent",
        "id": "trace",
        "type": {"code": "rest"},
        "recorded": "2020-01-01T00:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/house"}, "requestor": True}],
        "source": {"observer": {"display": "x"}},
        "entity": [{"what": {"reference": "Observation/sodium"}}],
    },
    {
        "resourceType": "List",
        "id": "mine",
        "status": "current",
        "mode": "working",
        "entry": [{"item": {"reference": "Patient/anne"}}, {"item": {"reference": "Patient/carl"}}],
    },
    {
        "resourceType": "Location",
        "id": "paris",
        "name": "Paris",
        "position": {"latitude": 48.8566, "longitude": 2.3522},
    },
    {
        "resourceType": "Location",
        "id": "versailles",
        "name": "Versailles",
        "position": {"latitude": 48.8049, "longitude": 2.1204},
    },
    {
        "resourceType": "ValueSet",
        "id": "v1",
        "url": "http://acme.org/fhir/ValueSet/123",
        "version": "1.0",
        "status": "active",
    },
    {
        "resourceType": "ValueSet",
        "id": "v2",
        "url": "http://acme.org/fhir/ValueSet/124",
        "version": "2.0",
        "status": "active",
    },
    {
        "resourceType": "Questionnaire",
        "id": "q",
        "url": "http://x.org/q",
        "version": "1.2.3",
        "status": "active",
    },
    {
        "resourceType": "QuestionnaireResponse",
        "id": "r",
        "questionnaire": "http://x.org/q|1.2.3",
        "status": "completed",
    },
    {
        "resourceType": "RiskAssessment",
        "id": "risk",
        "status": "final",
        "subject": {"reference": "Patient/anne"},
        "prediction": [{"probabilityDecimal": 0.8}],
    },
    {
        "resourceType": "DocumentReference",
        "id": "doc",
        "status": "current",
        "subject": {"reference": "Patient/anne"},
        "content": [{"attachment": {"contentType": "text/xml; charset=UTF-8"}}],
        "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/old/_history/3"}}],
    },
]


#: One world for all the tests here, which only read it, and one event loop for it.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SmallServer]:
    small = a_server(Path(tmp_path_factory.mktemp("world")))
    await small.put(*WORLD)
    yield small
    await small.engine.close()


class _Codes:
    async def members(self, url: str) -> list[Coding]:
        return [(LOINC, "2951-2")] if url == "http://x.org/vs" else []

    async def below(self, system: str, code: str) -> list[Coding]:
        return [(LOINC, code), (LOINC, "8480-6")]

    async def above(self, system: str, code: str) -> list[Coding]:
        return [(LOINC, code)]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        # string
        ("Patient?given=eve", "anne"),
        ("Patient?given=ÈVE", "anne"),
        ("Patient?family=carreno", "anne"),
        ("Patient?family=carreno quinones", "anne"),
        ("Patient?family:contains=quin", "anne"),
        ("Patient?family:contains=zzz", ""),
        ("Patient?family=obrien", "bob"),
        ("Patient?family=O'BRIEN", "bob"),
        ("Patient?family:exact=O'Brien", "bob"),
        ("Patient?family:exact=o'brien", ""),
        ("Patient?given=rie", ""),
        ("Patient?name=carl", "carl"),
        ("Patient?name=eve,bob", "anne bob"),
        ("Patient?given=eve&given=anne", "anne"),
        ("Patient?given=eve&given=bob", ""),
        ("Patient?name=-", ""),
        # token
        ("Patient?gender=female", "anne"),
        ("Patient?gender=FEMALE", "anne"),
        ("Patient?gender=http://hl7.org/fhir/administrative-gender|female", "anne"),
        ("Patient?gender:not=male", "anne carl"),
        ("Patient?gender:not=male,female", "carl"),
        ("Patient?gender:missing=true", "carl"),
        ("Patient?gender:missing=false", "anne bob"),
        ("Patient?active=true", "anne"),
        (f"Patient?identifier={INS}|279035121518989", "anne"),
        ("Patient?identifier=279035121518989", "anne"),
        ("Patient?identifier=|279035121518989", ""),
        (f"Patient?identifier={INS}|", "anne"),
        (r"Patient?identifier=A\,B\|C\$D", "bob"),
        (r"Patient?identifier=|a\,b\|c\$d", "bob"),
        (
            "Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|NH|279035121518989",
            "anne",
        ),
        ("Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|279035121518989", ""),
        ("Observation?code:text=head", "plain"),
        ("Observation?code:text=display of 2951", "sodium sodium-g"),
        ("Observation?code:missing=true", ""),
        ("Observation?code:in=http://x.org/vs", "sodium sodium-g"),
        ("Observation?code:not-in=http://x.org/vs", "plain pressure weight"),
        ("Observation?component-code:below=http://loinc.org|x", "pressure"),
        ("DocumentReference?contenttype:below=text/xml", "doc"),
        ("DocumentReference?contenttype=text/xml", ""),
        # reference
        ("Observation?subject=Patient/anne", "sodium weight"),
        ("Observation?subject=anne", "sodium weight"),
        ("Observation?patient=anne", "sodium weight"),
        ("Observation?subject:Patient=anne", "sodium weight"),
        ("Observation?subject:Group=anne", ""),
        ("Observation?subject=http://localhost/fhir/Patient/anne", "sodium weight"),
        ("Observation?subject=http://elsewhere.org/Patient/anne", ""),
        ("Patient?link=Patient/anne", "bob"),
        ("Patient?organization:identifier=urn:finess|750000001", "carl"),
        ("Patient?organization:text=le grand", "bob"),
        ("Patient?organization:missing=true", ""),
        ("DocumentReference?relatesto=DocumentReference/old", "doc"),
        ("DocumentReference?relatesto=DocumentReference/old/_history/3", "doc"),
        ("DocumentReference?relatesto=DocumentReference/old/_history/4", ""),
        ("QuestionnaireResponse?questionnaire=http://x.org/q", "r"),
        ("QuestionnaireResponse?questionnaire=http://x.org/q|1.2.3", "r"),
        ("QuestionnaireResponse?questionnaire=http://x.org/q|1", ""),
        ("QuestionnaireResponse?questionnaire:below=http://x.org/q|1", "r"),
        ("QuestionnaireResponse?questionnaire:below=http://x.org/q|1.2", "r"),
        ("QuestionnaireResponse?questionnaire:below=http://x.org/q|2", ""),
        ("Patient?organization:below=chu", "anne bob"),
        ("Patient?organization:below=pole", "anne"),
        ("Patient?organization:above=service", "anne bob"),
        ("Organization?partof:below=chu", "pole service"),
        # uri
        ("ValueSet?url=http://acme.org/fhir/ValueSet/123", "v1"),
        ("ValueSet?url=http://acme.org/fhir/ValueSet/123|1.0", "v1"),
        ("ValueSet?url=http://acme.org/fhir/ValueSet/123|2.0", ""),
        ("ValueSet?url:below=http://acme.org/fhir/", "v1 v2"),
        ("ValueSet?url:below=http://acme.org/fhir/ValueSet/12", ""),
        ("ValueSet?url:above=http://acme.org/fhir/ValueSet/123/_history/5", "v1"),
        # date
        ("Patient?birthdate=1979-03-12", "anne"),
        ("Patient?birthdate=1979", "anne"),
        ("Patient?birthdate=1990-05", ""),
        ("Patient?birthdate=gt1990-05", "bob"),
        ("Patient?birthdate=lt1980", "anne"),
        ("Patient?birthdate=ne1990", "anne"),
        ("Observation?date=2020-05-01", "sodium"),
        ("Observation?date=2020-05-01T08:00Z", "sodium"),
        ("Observation?date=ge2013-03-14", "sodium sodium-g weight"),
        ("Observation?date=le2013-03-14", "pressure weight"),
        ("Observation?date=sa2013-03-14", "sodium sodium-g"),
        ("Observation?date=eb2013-03-14", "pressure"),
        ("Observation?date=sa2013-01-20", "sodium sodium-g weight"),
        ("Observation?date=ge2020-05-01&date=lt2020-06-01", "sodium weight"),
        ("Observation?date:missing=true", "plain"),
        # number
        ("RiskAssessment?probability=gt0.8", ""),
        ("RiskAssessment?probability=ge0.8", "risk"),
        ("RiskAssessment?probability=gt8e-1", ""),
        ("RiskAssessment?probability=0.8", "risk"),
        ("RiskAssessment?probability=0.80", "risk"),
        ("RiskAssessment?probability=0.81", ""),
        ("RiskAssessment?probability=ap0.75", "risk"),
        ("RiskAssessment?probability=1", "risk"),
        # quantity
        (f"Observation?value-quantity=5.4|{UCUM}|mg", "sodium sodium-g"),
        (f"Observation?value-quantity=5.40e-3|{UCUM}|g", "sodium sodium-g"),
        (f"Observation?value-quantity=le5.4|{UCUM}|mg", "sodium sodium-g"),
        (f"Observation?value-quantity=lt5.4|{UCUM}|mg", ""),
        (f"Observation?value-quantity=gt99|{UCUM}|kg", "weight"),
        (f"Observation?value-quantity=100000|{UCUM}|g", "weight"),
        ("Observation?value-quantity=5.4||mg", "sodium"),
        ("Observation?value-quantity=5.4", "sodium"),
        ("Observation?value-quantity=100", "weight"),
        ("Observation?value-quantity=1e2", "weight"),
        ("Observation?value-quantity=ap95", "weight"),
        ("Observation?value-quantity=95", ""),
        # composite
        (f"Observation?component-code-value-quantity={LOINC}|8480-6$gt140", "pressure"),
        (f"Observation?component-code-value-quantity={LOINC}|8480-6$lt60", ""),
        (f"Observation?component-code-value-quantity={LOINC}|8462-4$lt60|{UCUM}|mm[Hg]", "pressure"),
        ("Observation?code-value-quantity=2951-2$5.4,29463-7$100", "sodium weight"),
        ("DocumentReference?relationship=replaces$DocumentReference/old", "doc"),
        # special
        ("Patient?_id=anne", "anne"),
        ("Patient?_id=anne,bob,nobody", "anne bob"),
        ("Patient?_id=ANNE", ""),
        ("Patient?_id:not=anne,bob", "carl"),
        ("Patient?_lastUpdated=gt2020", "anne bob carl"),
        ("Patient?_lastUpdated=lt2020", ""),
        ("Patient?_tag=http://tags|vip", "anne"),
        ("Patient?_tag:not=vip", "bob carl"),
        ("Patient?_profile=http://x.org/p", "anne"),
        ("Patient?_profile=http://x.org/p|1.2", "anne"),
        ("Patient?_profile=http://x.org/p|1", ""),
        ("Patient?_source=http://source.org/a", "anne"),
        ("Patient?_text=bone", "anne"),
        ("Patient?_text=(bone OR liver) and metastases", "anne"),
        ("Patient?_text=bone NOT metastases", ""),
        ("Patient?_content=quinones", "anne"),
        ("Patient?_list=mine", "anne carl"),
        ("Patient?_list=mine&gender=female", "anne"),
        ("Patient?_list=none", ""),
        ("Location?near=48.85|2.35|10|km", "paris"),
        ("Location?near=48.85|2.35|20", "paris versailles"),
        ("Location?near=48.85|2.35", "paris versailles"),
        # chains
        ("Observation?subject:Patient.name=carreno", "sodium weight"),
        ("Observation?subject.name=carreno", "sodium weight"),
        ("Observation?patient.birthdate=lt1980", "sodium weight"),
        ("Observation?patient.general-practitioner.name=maison", "sodium weight"),
        ("Observation?subject:Patient.organization:Organization.partof:Organization.name=pole", "sodium weight"),
        ("Observation?patient._id=anne", "sodium weight"),
        ("Observation?patient.gender:not=female", "plain pressure sodium-g"),
        ("Observation?patient.organization:missing=true", ""),
        ("QuestionnaireResponse?questionnaire.status=active", ""),
        # reverse chains
        (f"Patient?_has:Observation:patient:code={LOINC}|2951-2", "anne bob"),
        ("Patient?_has:Observation:patient:code=2951-2&_has:Observation:patient:code=29463-7", "anne"),
        ("Patient?_has:Observation:patient:code=29463-7,85354-9", "anne bob"),
        ("Patient?_has:Observation:patient:_has:AuditEvent:entity:agent=Practitioner/house", "anne"),
        ("Practitioner?_has:Patient:general-practitioner:_has:Observation:patient:code=29463-7", "house"),
        ("Observation?patient._has:List:item:_id=mine", "plain sodium weight"),
        ("Patient?_has:Observation:patient:patient.name=obrien", "bob"),
        # _filter
        ("Patient?_filter=given eq \"bob\" or birthdate lt 1980", "anne bob"),
        ("Patient?_filter=not (gender eq male)", "anne carl"),
        ("Patient?_filter=gender ne male", "anne"),
        ("Patient?_filter=name ew ones", "anne"),
        ("Patient?_filter=gender pr false", "carl"),
        ("Observation?_filter=patient[gender eq female].birthdate lt 1980", "sodium weight"),
        ("Observation?_filter=date po 2013-01-21", "pressure weight"),
        ("Observation?_filter=component-code-value-quantity[component-code eq 8480-6].component-value-quantity gt 140", "pressure"),
        ("Observation?_filter=code in http://x.org/vs", "sodium sodium-g"),
        ("Observation?_filter=code ni http://x.org/vs", "plain pressure weight"),
        ("Observation?_filter=subject re Patient/carl", "plain"),
    ],
)  # fmt: skip
async def test_what_is_asked_is_found(world: SmallServer, asked: str, found: str) -> None:
    world.terminology = _Codes()
    place, _, text = asked.partition("?")
    name_values = "&".join("=".join(quote(part, safe="") for part in pair.split("=", 1)) for pair in text.split("&"))
    assert " ".join(sorted(await world.ids(f"{place}?{name_values}"))) == found
