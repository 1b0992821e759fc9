"""Who an establishment's software asks for, in its assertion: national claims, and https://profiles.ihe.net/ITI/IUA/."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.closed import BASE, Space
from tests.smart.federated import RPPS, a_doctor, an_exercise

IUA = {"extensions": {"ihe_iua": {"person_id": f"8{RPPS}^^^&1.2.250.1.71.4.2.1&ISO"}}}


async def grant_of(space: Space, **claims: Any) -> Any:
    answer = await space.ask_token(space.assertion(**claims))
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    return await space.house.authorization.authenticate({"authorization": f"Bearer {token}"}, BASE)


async def prepared(space: Space) -> None:
    await space.put(a_doctor())
    finess = [{"system": "https://finess.esante.gouv.fr", "value": "350000001"}]
    await space.put({"resourceType": "Organization", "id": "h", "name": "Hôpital", "identifier": finess})
    await space.put(an_exercise("a", organization={"reference": "Organization/h"}))
    await space.put(an_exercise("b"))
    await space.backend()


#: Claims → (subject, role, purpose, reason) of the Grant.
PEOPLE: list[tuple[dict[str, Any], tuple[str | None, str | None, str, str | None]]] = [
    ({}, (None, None, "HOPERAT", None)),
    ({"rpps": RPPS}, ("Practitioner/d1", None, "TREAT", None)),
    ({"rpps": f"8{RPPS}", "purpose_of_use": "ETREAT"}, ("Practitioner/d1", None, "ETREAT", None)),
    (
        {"rpps": RPPS, "structure_id": "350000001", "purpose_of_use": "BTG", "reason": "Coma"},
        ("Practitioner/d1", "PractitionerRole/a", "BTG", "Coma"),
    ),
    (IUA, ("Practitioner/d1", None, "TREAT", None)),
    (
        {"extensions": {"ihe_iua": {"person_id": RPPS, "purpose_of_use": [{"system": "urn:oid:1", "code": "ETREAT"}]}}},
        ("Practitioner/d1", None, "ETREAT", None),
    ),
]


@pytest.mark.parametrize(("claims", "expected"), PEOPLE)
async def test_the_grant_names_the_professional_and_why_they_ask(
    space: Space, claims: dict[str, Any], expected: tuple[str | None, str | None, str, str | None]
) -> None:
    await prepared(space)
    grant = await grant_of(space, **claims)
    assert (grant.subject, grant.role, grant.purpose, grant.reason) == expected


#: Claims that are not whole, or name nobody.
WRONG: list[dict[str, Any]] = [
    {"rpps": RPPS, "purpose_of_use": "BTG"},
    {"rpps": RPPS, "purpose_of_use": "BTG", "reason": "  "},
    {"rpps": RPPS, "purpose_of_use": "HMARKT"},
    {"rpps": RPPS, "reason": "x" * 501},
    {"rpps": "10003456780"},
    {"rpps": 8},
    {"rpps": "1|2,3"},
    {"purpose_of_use": "TREAT"},
    {"reason": "Coma"},
    {"rpps": RPPS, "purpose_of_use": ["TREAT", "BTG"]},
]


@pytest.mark.parametrize("claims", WRONG)
async def test_a_person_or_purpose_that_is_not_understood_gets_no_token(space: Space, claims: dict[str, Any]) -> None:
    await prepared(space)
    answer = await space.ask_token(space.assertion(**claims))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_trace_names_the_professional_the_software_and_the_reason(space: Space) -> None:
    await prepared(space)
    claims = {"rpps": RPPS, "purpose_of_use": "BTG", "reason": "Coma"}
    answer = await space.ask_token(space.assertion(**claims))
    token = answer.json()["access_token"]
    await space.fhir("GET", "Organization/h", token)
    found = (await space.fhir("GET", "AuditEvent?agent=Practitioner/d1&_count=10", token)).json()
    events = [entry["resource"] for entry in found["entry"]]
    # DCM 110127 is emergency override; what was done stands beside it.
    assert {event["subtype"][0]["code"] for event in events} == {"authorization-granted", "110127"}
    assert all(event["purposeOfEvent"][0]["text"] == "Coma" for event in events)
    assert all({"who": {"identifier": {"value": "lab"}}, "requestor": False} in event["agent"] for event in events)
