"""Traces name the professional who acts as the directory does: name, RPPS, profession, and establishment of the role.

CSP R1111-43; https://interop.esante.gouv.fr/ig/fhir/annuaire (identifiers), https://mos.esante.gouv.fr (IdNat_PS, IdNat_Struct)
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import Grant, Scope
from fhir_server.app import House, opened
from fhir_server.interactions.audited import audited
from fhir_server.interactions.exchange import Request
from fhir_server.settings import Settings
from fhir_server.store.filters import EVERYTHING
from tests.server.people import kept

BASE = "https://fhir.example/fhir"
ID_NAT_PS, ID_NAT_STRUCT = "urn:oid:1.2.250.1.71.4.2.1", "urn:oid:1.2.250.1.71.4.2.2"
MEDECIN = {
    "system": "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante",
    "code": "10",
}


def identified(system: str, value: str) -> list[dict[str, str]]:
    return [{"system": "urn:other", "value": "x"}, {"system": system, "value": value}]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as house:
        for tree in (
            {"resourceType": "Patient", "id": "p"},
            {"resourceType": "Practitioner", "id": "bare"},
            {
                "resourceType": "Practitioner",
                "id": "d",
                "identifier": identified("https://rpps.esante.gouv.fr", "99700000012"),
                "name": [{"family": "DEMO", "given": ["Anne"]}],
                "qualification": [{"code": {"coding": [MEDECIN]}}],
            },
            {
                "resourceType": "Organization",
                "id": "o",
                "identifier": identified(ID_NAT_STRUCT, "1990000001"),
                "name": "Maison de santé du Port",
            },
            {"resourceType": "PractitionerRole", "id": "r", "organization": {"reference": "Organization/o"}},
            {"resourceType": "PractitionerRole", "id": "lost", "organization": {"reference": "Organization/none"}},
        ):
            await kept(house, tree)
        yield house


async def trace(house: House, subject: str, role: str | None) -> dict[str, Any]:
    """What is left by one read of the patient."""
    grant = Grant((Scope("user", "Patient", frozenset("r")),), subject=subject, role=role, client="tool")
    seen = await house.seen_by(grant, BASE)
    context = house.context_of(seen, BASE, True, "minimal", "")
    assert (await audited(Request("GET", ("Patient", "p")), context)).status == 200
    [version] = (await house.engine.store.find({"AuditEvent": EVERYTHING}, count=1)).versions
    event: dict[str, Any] = json.loads(version.body)
    return event


async def test_a_professional_in_a_role_is_named_with_all_that_the_directory_knows(house: House) -> None:
    event = await trace(house, "Practitioner/d", "PractitionerRole/r")
    person, software = event["agent"]
    assert person == {
        "role": [{"coding": [MEDECIN], "text": "PractitionerRole/r"}],
        "who": {"reference": "Practitioner/d", "identifier": {"system": ID_NAT_PS, "value": "899700000012"}},
        "name": "Anne DEMO",
        "requestor": True,
    }
    assert software["who"] == {"identifier": {"value": "tool"}}
    organization = event["entity"][-1]
    assert organization["what"] == {
        "reference": "Organization/o",
        "identifier": {"system": ID_NAT_STRUCT, "value": "1990000001"},
    }
    assert organization["name"] == "Maison de santé du Port"


@pytest.mark.parametrize("role", [None, "PractitionerRole/none", "PractitionerRole/lost"])
async def test_what_the_directory_does_not_know_is_left_out(house: House, role: str | None) -> None:
    for subject in ("Practitioner/d", "Practitioner/bare", "Practitioner/none"):
        event = await trace(house, subject, role)
        assert event["agent"][0]["who"]["reference"] == subject
        assert [one["what"]["reference"] for one in event["entity"]] == ["Patient/p/_history/1", "Patient/p"]


@pytest.mark.parametrize("subject", ["Patient/p", "Person/p", "RelatedPerson/p"])
async def test_nobody_else_is_looked_up(house: House, subject: str) -> None:
    grant = Grant((Scope("user", "Patient", frozenset("r")),), subject=subject, client="tool")
    assert (await house.seen_by(grant, BASE)).touched.party is None
