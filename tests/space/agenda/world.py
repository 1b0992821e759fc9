"""A clinic whose doctors have agendas, people who come, and who asks; synthetic people only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fhir_server.access.grant import OPEN, Grant
from fhir_server.app import House
from tests.server.calls import Answer
from tests.server.people import kept
from tests.space.messages.exchange import a_patient, an_organization, of, person
from tests.space.record.callers import Caller, Tree
from tests.space.record.writers import a_practitioner, a_role

A, DOCTOR, COLLEAGUE = "Patient/a", "Practitioner/doctor", "Practitioner/colleague"

#: Who asks: software of the clinic's doctors, another's, an app of the catalogue, people, and an open server's caller.
CALLERS: Mapping[str, Grant] = {
    "open": OPEN,
    "operator": person("system", None),
    "doctor": person("user", DOCTOR, role="PractitionerRole/doctor"),
    "colleague": person("user", COLLEAGUE, role="PractitionerRole/colleague"),
    "stranger": replace(person("user", "Practitioner/stranger"), client="other"),
    "patient": replace(of(A), client="people's"),
    "another patient": replace(of("Patient/b", "b"), client="people's"),
    "referenced app": replace(of(A), client="catalogue's", referenced=True),
}  # fmt: skip


def a_schedule(id: str, *actors: str, **more: Any) -> Tree:
    return {
        "resourceType": "Schedule",
        "id": id,
        "active": True,
        "actor": [{"reference": one} for one in actors],
        **more,
    }


def a_slot(id: str, schedule: str = "Schedule/doctor", start: str = "09:00", end: str = "09:20", **more: Any) -> Tree:
    return {
        "resourceType": "Slot",
        "id": id,
        "schedule": {"reference": schedule},
        "status": "free",
        "start": f"2027-03-01T{start}:00+01:00",
        "end": f"2027-03-01T{end}:00+01:00",
        **more,
    }


def an_appointment(*slots: str, status: str = "booked", who: str = A, **more: Any) -> Tree:
    """Of a patient with the doctor, at nine."""
    tree: Tree = {
        "resourceType": "Appointment",
        "status": status,
        "start": "2027-03-01T09:00:00+01:00",
        "end": "2027-03-01T09:20:00+01:00",
        "participant": [
            {"actor": {"reference": who}, "status": "accepted"},
            {"actor": {"reference": DOCTOR}, "status": "accepted"},
        ],
        **more,
    }
    return tree | ({"slot": [{"reference": f"Slot/{one}"} for one in slots]} if slots else {})


def own_entry(**more: Any) -> Tree:
    """What a patient notes in their own agenda."""
    return an_appointment(participant=[{"actor": {"reference": A}, "status": "accepted"}], **more)


async def peopled(house: House) -> None:
    """Two doctors of one clinic and a stranger, two patients, a schedule each."""
    await kept(
        house,
        a_patient("a", "1980-01-01"),
        a_patient("b", "1981-01-01"),
        an_organization("clinic", "750000001"),
        *(a_practitioner(id, f"9970021889{n}") for n, id in enumerate(("doctor", "colleague", "stranger"))),
        a_role("doctor", "clinic"),
        a_role("colleague", "clinic"),
        a_schedule("doctor", DOCTOR, "PractitionerRole/doctor"),
        a_schedule("colleague", COLLEAGUE),
    )


async def ask(house: House, who: str, method: str, url: str, body: Any = None, **headers: str) -> Answer:
    """What somebody is answered."""
    return await Caller(house, CALLERS[who])(method, url, body, **headers)


async def status_of(house: House, slot: str) -> str:
    """Status of a Slot, as it is stored."""
    return str((await ask(house, "open", "GET", f"Slot/{slot}")).json["status"])
