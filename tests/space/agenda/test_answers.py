"""AppointmentResponses: who gives one, and who reads it. https://hl7.org/fhir/R4/appointmentresponse.html"""

from __future__ import annotations

import pytest

from fhir_server.app import House
from tests.space.agenda.world import CALLERS, COLLEAGUE, DOCTOR, A, an_appointment, ask, own_entry
from tests.space.record.callers import Caller, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

B = "Patient/b"


def an_answer(appointment: str, actor: str = A) -> Tree:
    return {
        "resourceType": "AppointmentResponse",
        "appointment": {"reference": f"Appointment/{appointment}"},
        "participantStatus": "accepted",
        "actor": {"reference": actor},
        "comment": "secretword",
    }


#: Whose appointment, in whose name → who answers it. Everybody else is refused; who does not see it, as if it was absent.
GIVEN: dict[tuple[str, str], frozenset[str]] = {
    ("doctor", A): frozenset({"operator", "doctor", "patient", "referenced app"}),
    ("doctor", DOCTOR): frozenset({"operator", "doctor"}),
    ("doctor", COLLEAGUE): frozenset(),
    ("doctor", B): frozenset(),
    ("patient", A): frozenset({"operator", "patient", "referenced app"}),
    ("patient", DOCTOR): frozenset(),
    ("patient", B): frozenset(),
}


async def made(house: House, by: str) -> str:
    tree = own_entry() if by == "patient" else an_appointment()
    return (await ask(house, by, "POST", "Appointment", tree)).id


async def test_who_takes_part_answers_what_is_seen(house: House) -> None:
    wrong = []
    for (by, actor), expected in GIVEN.items():
        id = await made(house, by)
        for who in CALLERS.keys() - {"open"}:
            answer = await ask(house, who, "POST", "AppointmentResponse", an_answer(id, actor))
            absent = await ask(house, who, "POST", "AppointmentResponse", an_answer("nowhere", actor))
            sees = (await ask(house, who, "GET", f"Appointment/{id}")).status == 200
            if (answer.status == 201) != (who in expected) or answer.status not in (201, 403, 422):
                wrong.append((by, actor, who, answer.status))
            if not sees and (answer.status, answer.json) != (absent.status, absent.json):
                wrong.append((by, actor, who, "told of what is hidden", answer.status, absent.status))
    assert not wrong


async def test_an_answer_is_hidden_where_its_appointment_is(house: House) -> None:
    """It repeats when that is and of whom: read, found, counted, linked from, in history, and changed."""
    wrong = []
    for by in ("doctor", "patient"):
        id = await made(house, by)
        told = (await ask(house, "patient", "POST", "AppointmentResponse", an_answer(id))).id
        for who, grant in CALLERS.items():
            caller = Caller(house, grant)
            # Another patient's record is not theirs, whatever they may see of the appointment.
            expected = await caller.sees("Appointment", id) and who != "another patient"
            found = {
                "read": await caller.sees("AppointmentResponse", told),
                "history": (await caller("GET", f"AppointmentResponse/{told}/_history/1")).status == 200,
                "all": told in str((await caller("GET", "AppointmentResponse?_count=200")).json),
                "everything": told in str((await caller("GET", "Patient/a/$everything?_count=200")).json),
                "_has": bool(
                    (await caller("GET", f"Patient?_has:AppointmentResponse:patient:_id={told}")).json.get("entry")
                ),
                "patched": (
                    await caller(
                        "PATCH",
                        f"AppointmentResponse/{told}",
                        [{"op": "replace", "path": "/comment", "value": who}],
                        "application/json-patch+json",
                    )
                ).status
                in (200, 403),
            }
            if set(found.values()) != {expected}:
                wrong.append((by, who, expected, found))
    assert not wrong


async def test_an_answer_goes_with_its_appointment_in_one_transaction(house: House) -> None:
    full = "urn:uuid:9a1c2f60-7d0e-4c55-8a55-1f0b6f5f0a11"
    answer = {**an_answer("x"), "appointment": {"reference": full}}
    lot = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": full, "resource": an_appointment(), "request": {"method": "POST", "url": "Appointment"}},
            {"resource": answer, "request": {"method": "POST", "url": "AppointmentResponse"}},
        ],
    }
    assert (await ask(house, "doctor", "POST", "", lot)).status == 200
