"""The flows of the guide GAP 3.0.0, one test each: https://interop.esante.gouv.fr/ig/fhir/gap

Flow 1: flux-gestion-ressources.html; 2 and 3: flux-gestion-agenda.html, flux-gestion-dispo.html (see `availability`);
4 and 5: flux-demande-consultation.html; 6: flux-gestion-rdv.html. What an actor does is its CapabilityStatement's:
GAP-GestionnaireRessources, GAP-GestionnaireAgenda, GAP-Consommateur, GAP-DeclarantRDV.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from tests.server.people import kept
from tests.space.agenda.world import DOCTOR, A, a_schedule, a_slot, an_appointment, ask, peopled, status_of
from tests.space.messages.exchange import a_patient
from tests.space.record.callers import BASE, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

_PROFILES = "https://interop.esante.gouv.fr/ig/fhir/gap/StructureDefinition"
_SPECIALTY = {
    "coding": [
        {
            "system": "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale",
            "code": "SM54",
        }
    ]
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path_factory.mktemp("gap"), base_url=BASE)) as found:
        await peopled(found)
        yield found


#: Flow 1: what a manager of resources keeps → by which it is looked for, and what it becomes.
KEPT: dict[str, tuple[Tree, str, Tree]] = {
    "Patient": ({"name": [{"family": "ESSAI"}]}, "family=essai", {"active": False}),
    "Practitioner": ({"name": [{"family": "ESSAI"}], "active": True}, "family=essai", {"active": False}),
    "PractitionerRole": ({"practitioner": {"reference": DOCTOR}, "specialty": [_SPECIALTY]}, "specialty=SM54", {"active": False}),
    "RelatedPerson": ({"patient": {"reference": A}, "name": [{"family": "ESSAI"}]}, "name=essai", {"active": False}),
    "Location": ({"name": "Cabinet d'essai", "position": {"longitude": -4.49, "latitude": 48.39}}, "near=48.39|-4.49|5|km", {"status": "inactive"}),
    "HealthcareService": ({"name": "Essai", "providedBy": {"reference": "Organization/clinic"}}, "organization=Organization/clinic", {"active": False}),
    "Organization": ({"name": "Essai"}, "name=essai", {"active": False}),
    "Device": ({"deviceName": [{"name": "Essai", "type": "user-friendly-name"}]}, "device-name=essai", {"status": "inactive"}),
}  # fmt: skip


async def test_flow_1_resources_are_made_changed_found_and_deleted(house: House) -> None:
    wrong = []
    for type, (tree, query, more) in KEPT.items():
        made = await ask(house, "operator", "POST", type, {"resourceType": type, **tree})
        found = await ask(house, "operator", "GET", f"{type}?{query}&_count=50")
        seen = made.id in [one["resource"]["id"] for one in found.json.get("entry", ())]
        after = {"resourceType": type, "id": made.id, **tree, **more}
        changed = await ask(house, "operator", "PUT", f"{type}/{made.id}", after)
        ended = await ask(house, "operator", "DELETE", f"{type}/{made.id}")
        gone = await ask(house, "operator", "GET", f"{type}/{made.id}")
        if (made.status, seen, changed.status, ended.status in (200, 204), gone.status) != (201, True, 200, True, 410):
            wrong.append((type, made.status, seen, changed.status, ended.status, gone.status))
    assert not wrong


async def test_flow_2_an_agenda_is_made_changed_and_ended_by_its_id(house: House) -> None:
    made = await ask(
        house, "doctor", "POST", "Schedule", {k: v for k, v in a_schedule("x", DOCTOR).items() if k != "id"}
    )
    assert made.status == 201
    named = a_schedule(made.id, DOCTOR, comment="Cabinet", planningHorizon={"start": "2027-01-01", "end": "2027-12-31"})
    assert (await ask(house, "doctor", "PUT", f"Schedule/{made.id}", named)).status == 200
    patch = [{"op": "replace", "path": "/active", "value": False}]
    answer = await ask(house, "doctor", "PATCH", f"Schedule/{made.id}", patch, type="application/json-patch+json")
    assert (answer.status, answer.json["active"], answer.json["comment"]) == (200, False, "Cabinet")
    assert (await ask(house, "doctor", "DELETE", f"Schedule/{made.id}")).status in (200, 204)


#: Flow 4a and its answer 5a: slots, with what is brought along where the guide asks for it in its own spelling.
SLOTS: dict[str, tuple[str, set[str], set[str]]] = {
    "free from when to when": ("status=free&start=ge2027-03-01T00:00:00%2B01:00&start=le2027-03-01T23:59:59%2B01:00", {"early", "late"}, set()),
    "by the guide's names": ("GAP_Slot_earliestStart=ge2027-03-01T10:00:00%2B01:00&GAP_Slot_latestStart=le2027-03-01T12:00:00%2B01:00", {"late"}, set()),
    "by identifier": ("identifier=urn:slots|early", {"early"}, set()),
    "whose": (f"schedule.actor={DOCTOR}&status=free", {"early", "late"}, set()),
    "by specialty": ("schedule.actor:PractitionerRole.specialty=SM54&status=free", {"early", "late"}, set()),
    "near": ("schedule.actor:Location.near=48.39|-4.49|5|km&status=free", {"early", "late"}, set()),
    "with agendas and who has them": ("identifier=urn:slots|late&_include=Slot:schedule&_include=Schedule:actor", {"late"}, {"gap", "doctor", "gap-role", "gap-place"}),
    "busy": ("status=busy&identifier=urn:slots|full", {"full"}, set()),
    "none": ("status=free&start=ge2031-01-01", set(), set()),
}  # fmt: skip


async def test_flow_4a_and_5a_availabilities_are_asked_for_and_answered(house: House) -> None:
    role = {
        "resourceType": "PractitionerRole",
        "id": "gap-role",
        "practitioner": {"reference": DOCTOR},
        "specialty": [_SPECIALTY],
    }
    place = {"resourceType": "Location", "id": "gap-place", "position": {"longitude": -4.49, "latitude": 48.39}}
    times = {
        "early": ("09:00", "09:20", "free"),
        "late": ("11:00", "11:20", "free"),
        "full": ("14:00", "14:20", "busy"),
    }
    await kept(house, role, place, a_schedule("gap", DOCTOR, "PractitionerRole/gap-role", "Location/gap-place"))
    for id, (start, end, status) in times.items():
        number = [{"system": "urn:slots", "value": id}]
        await kept(house, a_slot(id, "Schedule/gap", start, end, identifier=number) | {"status": status})
    wrong = {}
    for name, (query, matches, beside) in SLOTS.items():
        answer = await ask(house, "operator", "GET", f"Slot?{query.replace('%2B', '+')}&_count=50&_total=accurate")
        found = _modes(answer.json)
        if (answer.status, answer.json.get("total"), *found) != (200, len(matches), matches, beside):
            wrong[name] = (answer.status, found)
    assert not wrong


def _modes(bundle: Tree) -> tuple[set[str], set[str]]:
    """Ids of the matches, and of what comes with them."""
    found: dict[str, set[str]] = {"match": set(), "include": set(), "outcome": set()}
    for one in bundle.get("entry", ()):
        found[one["search"]["mode"]].add(one["resource"]["id"])
    return found["match"], found["include"]


def rdv(value: str, **more: Any) -> Tree:
    """An appointment of the guide's profile."""
    claim = {"profile": [f"{_PROFILES}/gap-fr-appointment"]}
    number = [{"system": "urn:rdv", "value": value}]
    return an_appointment(meta=claim, identifier=number, specialty=[_SPECIALTY], **more)


#: Flow 4b and its answer 5b: what is asked of appointments → those found.
ASKED: dict[str, tuple[str, set[str]]] = {
    "by identifier": ("identifier=urn:rdv|one", {"one"}),
    "on a day": ("date=2027-03-01", {"one"}),
    "from when": ("start=ge2027-03-02", {"two"}),
    "from when to when, by the guide's names": ("GAP_Appointment_earliestStart=ge2027-03-01&GAP_Appointment_latestStart=lt2027-03-02", {"one"}),
    "when it was made": ("created=2026-12-01", {"one"}),
    "made, by the guide's name": ("GAP_Appointment_created=ge2026-12-02", {"two"}),
    "its service": ("service-type=urn:s|suivi", {"one"}),
    "its status": ("status=booked", {"one"}),
    "its words": ("description=bilan", {"one"}),
    "its words, by the guide's name": ("GAP_Appointment_description=contrôle", {"two"}),
    "its words in the comment": ("description=a%20jeun", {"two"}),
    "what supports it": ("supporting-info=DocumentReference/d", {"one"}),
    "how urgent it is": ("priority=1", {"two"}),
    "how urgent, by the guide's name": ("GAP_Appointment_priority=0", {"one"}),
    "with whom": (f"actor={DOCTOR}", {"one", "two"}),
    "whose, by identifier": ("patient.identifier=urn:ins|a", {"one"}),
    "with whom, by identifier": ("practitioner.identifier=urn:oid:1.2.250.1.71.4.2.1|899700218890", {"one", "two"}),
    "by who takes part, and of which type": ("actor:Patient.birthdate=1980-01-01", {"one"}),
    "where, by identifier": ("location.identifier=urn:places|1", {"two"}),
}  # fmt: skip


async def test_flow_4b_and_5b_appointments_are_asked_for_and_answered(house: House) -> None:
    await kept(
        house,
        a_patient("a", "1980-01-01", identifier=[{"system": "urn:ins", "value": "a"}]),
        {"resourceType": "Location", "id": "gap-here", "identifier": [{"system": "urn:places", "value": "1"}]},
        {"resourceType": "DocumentReference", "id": "d", "status": "current", "subject": {"reference": A}},
    )
    one = rdv("one", created="2026-12-01", description="Bilan", priority=0, supportingInformation=[{"reference": "DocumentReference/d"}],
              serviceType=[{"coding": [{"system": "urn:s", "code": "suivi"}]}])  # fmt: skip
    two = rdv("two", who="Patient/b", status="proposed", created="2026-12-03", description="Contrôle", comment="À jeun", priority=1,
              start="2027-03-03T09:00:00+01:00", end="2027-03-03T09:20:00+01:00")  # fmt: skip
    two["participant"].append({"actor": {"reference": "Location/gap-here"}, "status": "accepted"})
    ids = {}
    for name, tree in (("one", one), ("two", two)):
        made = await ask(house, "operator", "POST", "Appointment", tree)
        assert made.status == 201, made.json
        ids[made.id] = name
    wrong = {}
    for name, (query, expected) in ASKED.items():
        answer = await ask(house, "operator", "GET", f"Appointment?{query}&_count=50")
        matches = {ids[id] for id in _modes(answer.json)[0] if id in ids} if answer.status == 200 else set()
        if (answer.status, matches) != (200, expected):
            wrong[name] = (answer.status, matches, answer.json.get("issue"))
    assert not wrong


#: Flow 6a: how an appointment comes → its participants, and what its slot is then. After slots were looked for it names
#: one; pushed without, it names whom it is with.
BROUGHT: dict[str, tuple[str, str, bool, str]] = {
    "asked for, with a slot": ("proposed", "needs-action", True, "free"),
    "asked for, without": ("proposed", "needs-action", False, "free"),
    "held": ("pending", "needs-action", True, "busy-tentative"),
    "declared, with a slot": ("booked", "accepted", True, "busy"),
    "declared, without": ("booked", "accepted", False, "free"),
}


async def test_flow_6a_an_appointment_is_asked_for_or_declared(house: House) -> None:
    for n, (name, (status, answered, named, becomes)) in enumerate(BROUGHT.items()):
        await kept(house, a_slot(f"brought{n}", start=f"1{n}:00", end=f"1{n}:20"))
        actors = [{"actor": {"reference": one}, "status": answered} for one in (A, DOCTOR)]
        times = {"start": f"2027-03-01T1{n}:00:00+01:00", "end": f"2027-03-01T1{n}:20:00+01:00"}
        slot = {"slot": [{"reference": f"Slot/brought{n}"}]} if named else {}
        made = await ask(
            house, "operator", "POST", "Appointment", rdv(f"b{n}", status=status, participant=actors, **times, **slot)
        )
        assert (made.status, made.json["status"]) == (201, status), (name, made.json)
        assert made.response.location is not None
        assert await status_of(house, f"brought{n}") == becomes, name
        # Flow 6b: what was asked for is declared, by its identifier.
        after = rdv(f"b{n}", status="booked", **times, **slot)
        answer = await ask(house, "operator", "PUT", f"Appointment?identifier=urn:rdv|b{n}", after)
        assert (answer.status, answer.json["id"]) == (200, made.id), name
        assert await status_of(house, f"brought{n}") == ("busy" if named else "free"), name
