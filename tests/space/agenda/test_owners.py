"""Who opens an agenda, and offers times of it: role by role, and whose by whose (ARCHITECTURE.md, Decisions).

https://hl7.org/fhir/R4/schedule.html (Schedule.actor), FR Core `fr-core-schedule`, guide GAP 3.0.0 (flows 2 and 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import pytest_asyncio

from fhir_server.access.grant import Grant
from fhir_server.app import House
from tests.server.people import kept
from tests.space.agenda.world import CALLERS, COLLEAGUE, DOCTOR, A, a_schedule, a_slot, an_appointment
from tests.space.messages.exchange import CLINIC, a_patient, an_organization, person
from tests.space.record.callers import BASE, Caller, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: The callers of `world`, an establishment itself, and an agenda's software of the catalogue.
WHO: Mapping[str, Grant] = {
    **CALLERS,
    "clinic": replace(person("system", CLINIC), client="clinic's"),
    "editor": replace(person("system", None), client="editor", referenced=True),
}
RESOURCES: list[Tree] = [
    an_organization("elsewhere", "750000009"),
    {"resourceType": "HealthcareService", "id": "ours", "providedBy": {"reference": CLINIC}},
    {"resourceType": "HealthcareService", "id": "theirs", "providedBy": {"reference": "Organization/elsewhere"}},
    {"resourceType": "Location", "id": "ours", "managingOrganization": {"reference": CLINIC}},
    {"resourceType": "Location", "id": "theirs", "managingOrganization": {"reference": "Organization/elsewhere"}},
    {"resourceType": "Device", "id": "ours", "owner": {"reference": CLINIC}},
]
#: By its scope.
SOFTWARE = frozenset({"open", "operator", "editor"})
STAFF = SOFTWARE | {"doctor", "colleague", "clinic"}
#: Whose agenda → who opens it, and changes one that nobody's software made. All others are refused.
OPENED: dict[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "the doctor's": ((DOCTOR,), SOFTWARE | {"doctor"}),
    "by the doctor's role": (("PractitionerRole/doctor",), SOFTWARE | {"doctor", "clinic"}),
    "both, as the guide SAS has it": ((DOCTOR, "PractitionerRole/doctor"), SOFTWARE | {"doctor"}),
    "the doctor's, somewhere else": ((DOCTOR, "Location/theirs"), SOFTWARE | {"doctor"}),
    "the doctor's, for a patient": ((DOCTOR, A), SOFTWARE | {"doctor"}),
    "the colleague's": ((COLLEAGUE,), SOFTWARE | {"colleague"}),
    "two doctors'": ((DOCTOR, COLLEAGUE), SOFTWARE),
    "a service of the clinic": (("HealthcareService/ours",), STAFF),
    "a place of the clinic": (("Location/ours",), STAFF),
    "a device of the clinic": (("Device/ours",), STAFF),
    "a service of another": (("HealthcareService/theirs",), SOFTWARE),
    "a place of another": (("Location/theirs",), SOFTWARE),
    "nobody's here": (("HealthcareService/absent",), SOFTWARE),
    "a patient alone": ((A,), frozenset({"open"})),
    "a patient and a relative": ((A, "RelatedPerson/absent"), frozenset({"open"})),
}


def unnamed(tree: Tree) -> Tree:
    return {name: one for name, one in tree.items() if name != "id"}


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def establishments(house: House) -> None:
    await kept(house, *RESOURCES)


async def test_who_opens_an_agenda_by_whose_it_is(house: House) -> None:
    wrong = []
    for name, (actors, expected) in OPENED.items():
        for who, grant in WHO.items():
            answer = await Caller(house, grant)("POST", "Schedule", unnamed(a_schedule("x", *actors)))
            if (answer.status == 201) != (who in expected) or answer.status not in (201, 403, 422):
                wrong.append((name, who, answer.status, answer.json))
    assert not wrong


async def test_an_agenda_is_handed_to_nobody_and_taken_from_nobody(house: House) -> None:
    """An update is held to whose it was and to whose it would be, and a deletion to whose it was."""
    wrong = []
    for who in WHO.keys() - SOFTWARE:
        caller = Caller(house, WHO[who])
        for id, before, after in (("give", DOCTOR, COLLEAGUE), ("take", COLLEAGUE, DOCTOR)):
            await kept(house, a_schedule(id, before))
            answer = await caller("PUT", f"Schedule/{id}", a_schedule(id, after))
            if answer.status not in (403, 404):
                wrong.append((who, id, answer.status))
            if who not in ("doctor", "colleague") and (await caller("DELETE", f"Schedule/{id}")).status not in (
                403,
                404,
            ):
                wrong.append((who, "deleted", id))
        await kept(house, a_schedule("give", DOCTOR))
    assert not wrong


#: Whose schedule → who offers a slot of it. Of patients and strangers nobody does.
OFFERED: dict[str, frozenset[str]] = {
    "Schedule/doctor": frozenset({"open", "operator", "doctor", "clinic"}),
    "Schedule/colleague": frozenset({"open", "operator", "colleague"}),
    "Schedule/service": frozenset({"open", "operator", "doctor", "colleague", "clinic"}),
    "the editor's": frozenset({"open", "operator", "editor", "doctor"}),
    # R4 lets a reference lead nowhere.
    "Schedule/absent": frozenset({"open", "operator"}),
}


async def test_who_offers_a_slot_by_whose_schedule_it_is_of(house: House) -> None:
    await kept(house, a_schedule("service", "HealthcareService/ours"))
    made = await Caller(house, WHO["editor"])("POST", "Schedule", unnamed(a_schedule("x", DOCTOR)))
    assert made.status == 201, made.json
    wrong = []
    for named, expected in OFFERED.items():
        schedule = f"Schedule/{made.id}" if named == "the editor's" else named
        for who, grant in WHO.items():
            tree = unnamed(a_slot("x", schedule))
            answer = await Caller(house, grant)("POST", "Slot", tree)
            if (answer.status == 201) != (who in expected) or answer.status not in (201, 403, 422):
                wrong.append((named, who, answer.status, answer.json))
            # Moved there, what is one's own is no more offered than made there.
            await kept(house, a_slot("moved", "Schedule/doctor"))
            moved = await Caller(house, grant)("PUT", "Slot/moved", a_slot("moved", schedule))
            may = who in expected and who in OFFERED["Schedule/doctor"]
            if (moved.status == 200) != may or moved.status not in (200, 403, 404, 422):
                wrong.append((named, who, "moved", moved.status, moved.json))
    assert not wrong


async def test_a_schedule_and_its_slots_come_in_one_transaction(house: House) -> None:
    full = "urn:uuid:1d0a8b58-6f0f-4a26-9a6e-4a0f34b9b3c1"
    slot = unnamed(a_slot("x", full))
    for actor, status in ((DOCTOR, 200), (COLLEAGUE, 403)):
        schedule = unnamed(a_schedule("x", actor))
        entries = [
            {"fullUrl": full, "resource": schedule, "request": {"method": "POST", "url": "Schedule"}},
            {"resource": slot, "request": {"method": "POST", "url": "Slot"}},
        ]
        lot = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        assert (await Caller(house, WHO["doctor"])("POST", "", lot)).status == status


#: How an appointment names its slots → the element that is refused.
NAMED: dict[str, tuple[tuple[str, ...], str | None]] = {
    "once": (("Slot/n1",), None),
    "two": (("Slot/n1", "Slot/n2"), None),
    "twice": (("Slot/n1", "Slot/n1"), "Appointment.slot[1]"),
    "twice, once with the server's address": (("Slot/n1", "Slot/n2", "{base}/Slot/n1"), "Appointment.slot[2]"),
    "twice, once with a version": (("Slot/n1", "Slot/n1/_history/1"), "Appointment.slot[1]"),
    "twice elsewhere": (("https://other.example/Slot/9", "https://other.example/Slot/9"), "Appointment.slot[1]"),
}


async def test_an_appointment_names_a_slot_once(house: House) -> None:
    for status in ("booked", "proposed"):
        for name, (slots, element) in NAMED.items():
            await kept(house, a_slot("n1"), a_slot("n2", start="09:20", end="09:40"))
            tree = an_appointment(status=status, slot=[{"reference": one.format(base=BASE)} for one in slots])
            answer = await Caller(house, WHO["open"])("POST", "Appointment", tree)
            if element is None:
                assert answer.status == 201, (name, answer.json)
                assert (await Caller(house, WHO["open"])("DELETE", f"Appointment/{answer.id}")).status in (200, 204)
            else:
                assert answer.status == 422, name
                [error] = [one for one in answer.json["issue"] if one["severity"] == "error"]
                assert error["expression"] == [element], name


async def test_answers_of_whoever_takes_part_are_read_as_the_appointment_is(house: House) -> None:
    """A patient reads their doctor's answer; where several patients take part, not each other's."""
    await kept(house, a_patient("c"))
    group = an_appointment()
    group["participant"].append({"actor": {"reference": "Patient/b"}, "status": "accepted"})
    made = await Caller(house, WHO["doctor"])("POST", "Appointment", group)
    assert made.status == 201, made.json
    told = {}
    for who, actor in (("doctor", DOCTOR), ("patient", A), ("operator", "Patient/b")):
        tree = {
            "resourceType": "AppointmentResponse",
            "appointment": {"reference": f"Appointment/{made.id}"},
            "participantStatus": "tentative",
            "actor": {"reference": actor},
        }
        answer = await Caller(house, WHO[who])("POST", "AppointmentResponse", tree)
        assert answer.status == 201, (who, answer.json)
        told[actor] = answer.id
    #: Of whom both answers are, beside the doctor's.
    shown = {"patient": {DOCTOR, A}, "referenced app": {DOCTOR, A}, "another patient": {DOCTOR, "Patient/b"}}
    shown |= {who: {*told} for who in ("open", "operator", "doctor")}
    for who, grant in WHO.items():
        caller = Caller(house, grant)
        read = {actor for actor, id in told.items() if await caller.sees("AppointmentResponse", id)}
        found = await caller("GET", f"AppointmentResponse?appointment=Appointment/{made.id}&_count=50")
        listed = {actor for actor, id in told.items() if id in str(found.json)}
        expected = shown.get(who, set())
        assert (read, listed) == (expected, expected), who
    # What is read is not for that written: who takes part answers for themself.
    url = f"AppointmentResponse/{told[DOCTOR]}"
    stored = (await Caller(house, WHO["patient"])("GET", url)).json
    refused = await Caller(house, WHO["patient"])("PUT", url, stored | {"participantStatus": "declined"})
    assert refused.status in (403, 404)
    assert (await Caller(house, WHO["patient"])("DELETE", url)).status in (403, 404)
