"""The agenda: a professional's Schedule with free Slots, and people's Appointments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

from fhir_server.fhir.nos import SPECIALTY
from fhir_server.population.codes import FR_CORE, OWN, concept, reference
from fhir_server.population.districts import District, Professional
from fhir_server.population.people import Person
from fhir_server.population.tables import Wheel
from fhir_server.population.world import World, instant, workday

#: Whether an appointment is past or to come → what became of it.
STATUSES = {
    True: Wheel([("fulfilled", 84), ("noshow", 6), ("cancelled", 10)]),
    False: Wheel([("booked", 80), ("proposed", 8), ("pending", 6), ("cancelled", 6)]),
}
REASONS = ("Consultation de suivi", "Première consultation", "Renouvellement", "Examen de contrôle", "Vaccination")
SERVICES = "http://terminology.hl7.org/CodeSystem/service-type"
CANCELLED = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason"
FREE_HOURS = (9, 10, 11, 14, 15, 16)
#: Whom the free slot of each of these hours is for (TRE_R314, guide SAS): everybody, professionals, regulators; of the
#: last nobody says so, and it is the professionals' own business.
LABELS = (("PUBLIC",), ("PUBLIC", "SNP"), ("PRO",), ("PUBLIC",), ("SNP",), ())
SLOT_LABELS = "https://mos.esante.gouv.fr/NOS/TRE_R314-TypeCreneau/FHIR/TRE-R314-TypeCreneau"
AGGREGATED = "http://sas.fr/fhir/StructureDefinition/FrSlotAgregateur"


def openings(world: World, district: District) -> Iterator[dict[str, Any]]:
    """The Schedule of each professional who takes appointments, and its free Slots of the coming days."""
    for order, professional in enumerate(district.with_agenda(), 1):
        yield _schedule(world, district, professional, order)
        for day in range(1, 4):
            for hour, labels in zip(FREE_HOURS, LABELS, strict=True):
                when = _coming(world.day, day)
                id = world.id("slo", district.number, order, day, hour)
                yield _offered(_slot(world, id, district, order, professional, when, hour, 0, "free"), labels)


def _coming(today: date, days: int) -> date:
    day = today + timedelta(days=days)
    return day + timedelta(days=(7 - day.weekday()) % 7) if day.weekday() > 4 else day


def _schedule(world: World, district: District, professional: Professional, order: int) -> dict[str, Any]:
    return {
        "resourceType": "Schedule",
        "id": world.id("sch", district.number, order),
        "meta": {"profile": ["https://interop.esante.gouv.fr/ig/fhir/gap/StructureDefinition/gap-fr-schedule"]},
        "extension": [
            {
                "url": f"{FR_CORE}/fr-core-service-type-duration",
                "extension": [
                    {"url": "serviceType", "valueCodeableConcept": concept(SERVICES, "124", "General Practice")},
                    {
                        "url": "duration",
                        "valueDuration": {
                            "value": 20,
                            "unit": "minute",
                            "system": "http://unitsofmeasure.org",
                            "code": "min",
                        },
                    },
                ],
            }
        ],
        "identifier": [{"system": f"{OWN}/schedules", "value": world.id("sch", district.number, order)}],
        "active": True,
        "specialty": _specialty(professional),
        "actor": [
            reference("PractitionerRole", professional.role),
            reference("Practitioner", professional.id),
            reference("Location", professional.structure.place),
        ],
        "planningHorizon": {"start": world.day.isoformat(), "end": (world.day + timedelta(days=180)).isoformat()},
    }


def _specialty(professional: Professional) -> list[dict[str, Any]]:
    return [concept(SPECIALTY, professional.row["specialty"], professional.row["specialty_label"])]


def _slot(
    world: World,
    id: str,
    district: District,
    order: int,
    professional: Professional,
    day: date,
    hour: int,
    minute: int,
    status: str,
) -> dict[str, Any]:
    return {
        "resourceType": "Slot",
        "id": id,
        "meta": {"profile": ["https://interop.esante.gouv.fr/ig/fhir/gap/StructureDefinition/gap-fr-slot"]},
        "identifier": [{"system": f"{OWN}/slots", "value": id}],
        "specialty": _specialty(professional),
        "schedule": reference("Schedule", world.id("sch", district.number, order)),
        "status": status,
        "start": instant(day, hour, minute),
        "end": instant(day, hour, minute + 20),
    }


def _offered(slot: dict[str, Any], labels: tuple[str, ...]) -> dict[str, Any]:
    """A free slot as platforms of access to care are offered it, where it has labels."""
    if not labels:
        return slot
    said = {
        "profile": [*slot["meta"]["profile"], AGGREGATED],
        "security": [{"system": SLOT_LABELS, "code": one} for one in labels],
    }
    ways = {
        "serviceType": [concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB", "ambulatory")],
        "appointmentType": concept("http://terminology.hl7.org/CodeSystem/v2-0276", "ROUTINE", "Routine appointment"),
        "comment": "https://agenda.example/rdv",
    }
    return {**slot, "meta": said, **ways}


def appointments(world: World, person: Person, district: District) -> Iterator[dict[str, Any]]:
    """A living person's appointments of the year around today, each with its busy Slot when it holds one."""
    rng = world.rng("agenda", person.number)
    if person.died:
        return
    there = district.with_agenda()
    for number in range(1, 1 + min(6, int(rng.expovariate(0.6)))):
        order = rng.randrange(len(there)) + 1
        day = workday(max(world.day + timedelta(days=rng.randint(-270, 90)), person.born + timedelta(days=3)))
        hour, minute = rng.choice((8, 12, 13, 17, 18)), rng.choice((0, 20, 40))
        status = STATUSES[day < world.day].draw(rng)
        slot = None
        if status in ("booked", "pending", "fulfilled", "noshow"):
            kind = "busy-tentative" if status == "pending" else "busy"
            slot = world.id("slb", person.number, number)
            yield _slot(world, slot, district, order, there[order - 1], day, hour, minute % 40, kind)
        yield _appointment(world, rng, person, there[order - 1], number, day, hour, minute % 40, status, slot)


def _appointment(
    world: World,
    rng: Random,
    person: Person,
    professional: Professional,
    number: int,
    day: date,
    hour: int,
    minute: int,
    status: str,
    slot: str | None,
) -> dict[str, Any]:
    id = world.id("app", person.number, number)
    answered = {"proposed": "needs-action", "pending": "needs-action", "cancelled": "declined"}.get(status, "accepted")
    found: dict[str, Any] = {
        "resourceType": "Appointment",
        "id": id,
        "meta": {"profile": ["https://interop.esante.gouv.fr/ig/fhir/gap/StructureDefinition/gap-fr-appointment"]},
        "identifier": [{"system": f"{OWN}/appointments", "value": id}],
        "status": status,
    }
    if status == "cancelled":
        found["cancelationReason"] = concept(CANCELLED, "pat", "Patient")
    found |= {
        "specialty": _specialty(professional),
        "priority": rng.choice((0, 0, 5)),
        "description": rng.choice(REASONS),
        "start": instant(day, hour, minute),
        "end": instant(day, hour, minute + 20),
        "minutesDuration": 20,
    }
    if slot:
        found["slot"] = [reference("Slot", slot)]
    found["created"] = instant(day - timedelta(days=rng.randint(2, 40)), 10, rng.randrange(60))
    found["participant"] = [
        _participant("Patient", world.id("pat", person.number), "accepted"),
        _participant("Practitioner", professional.id, answered),
        _participant("PractitionerRole", professional.role, answered),
        _participant("Location", professional.structure.place, "accepted"),
    ]
    return found


def _participant(type: str, id: str, status: str) -> dict[str, Any]:
    return {"actor": reference(type, id), "required": "required", "status": status}
