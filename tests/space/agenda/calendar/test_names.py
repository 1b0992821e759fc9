"""Whom and where an appointment is with, in a calendar that tells: RFC 5545 §3.8.1.7 (LOCATION), guide GAP 3.0.0 (mapping)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fhir_server.app import House
from tests.server.people import kept
from tests.space.agenda.calendar.test_feed import booked, events, subscribed
from tests.space.record.callers import BASE, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

DIRECTORY: list[Tree] = [
    {"resourceType": "Practitioner", "id": "named", "name": [{"family": "ROUX", "given": ["Inès", "Léa"], "prefix": ["DR"]}]},
    {"resourceType": "Practitioner", "id": "nameless"},
    {"resourceType": "PractitionerRole", "id": "named", "practitioner": {"reference": "Practitioner/named"}},
    {"resourceType": "PractitionerRole", "id": "alone"},
    {"resourceType": "HealthcareService", "id": "named", "name": "Kinésithérapie"},
    {"resourceType": "Location", "id": "named", "name": "Cabinet du Lac"},
]  # fmt: skip
#: With whom and where, beside the patient → what is told of whom, and of where; None where the property is not there.
WITH: dict[str, tuple[list[Tree], str | None, str | None]] = {
    "a doctor": ([{"reference": "Practitioner/named"}], "Avec : DR Inès ROUX", None),
    "by the server's own address": ([{"reference": f"{BASE}/Practitioner/named"}], "Avec : DR Inès ROUX", None),
    "by role": ([{"reference": "PractitionerRole/named"}], "Avec : DR Inès ROUX", None),
    "both, named once": (
        [{"reference": "Practitioner/named"}, {"reference": "PractitionerRole/named"}],
        "Avec : DR Inès ROUX",
        None,
    ),
    "a service, somewhere": (
        [{"reference": "HealthcareService/named"}, {"reference": "Location/named"}],
        "Avec : Kinésithérapie",
        "Cabinet du Lac",
    ),
    "as the appointment says itself": (
        [{"reference": "Practitioner/named", "display": "Dr Roux"}, {"reference": "Location/named", "display": "Chez vous"}],
        "Avec : Dr Roux",
        "Chez vous",
    ),
    "nobody who has a name": (
        [{"reference": f"{type}/{id}"} for type, id in (("Practitioner", "nameless"), ("Practitioner", "absent"), ("PractitionerRole", "alone"))],
        None,
        None,
    ),
    "somebody elsewhere": ([{"reference": "https://other.example/Practitioner/named"}], None, None),
    "a patient": ([{"reference": "Patient/b"}], None, None),
}  # fmt: skip


def participants(actors: list[Tree]) -> Tree:
    return {"participant": [{"actor": one, "status": "accepted"} for one in ({"reference": "Patient/a"}, *actors)]}


async def test_names_of_the_directory_stand_in_a_calendar_that_tells(house: House, web: httpx.AsyncClient) -> None:
    await kept(house, *DIRECTORY)
    ids = {name: await booked(house, **participants(actors)) for name, (actors, _, _) in WITH.items()}
    found = events(await web.get(await subscribed(house, content=True)))
    said: dict[str, Any] = {}
    for name, id in ids.items():
        text = [None if key not in found[id] else str(found[id][key]) for key in ("DESCRIPTION", "LOCATION")]
        if text != [*WITH[name][1:]]:
            said[name] = text
    assert not said
    silent = (await web.get(await subscribed(house))).text
    assert not [word for word in ("ROUX", "Lac", "Kin") if word in silent]
