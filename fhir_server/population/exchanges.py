"""What passes between a person and those who care for them: messages, care team, measures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

from fhir_server.population.apps import writers
from fhir_server.population.codes import LOINC, OWN, UCUM, concept, reference
from fhir_server.population.districts import District, Professional
from fhir_server.population.people import Person
from fhir_server.population.tables import rows, wheel
from fhir_server.population.world import World, instant

CLOSED = f"{OWN}/StructureDefinition/ens-conversation-closed"
WRITTEN_BY = f"{OWN}/StructureDefinition/ens-written-by-caregiver"
MESSAGE = f"{OWN}/StructureDefinition/ens-message"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
CARE_TEAM = "https://interop.esante.gouv.fr/ig/fhir/cds/StructureDefinition/cds-ihe-careteam"


def conversations(world: World, person: Person, district: District) -> Iterator[dict[str, Any]]:
    """Conversations a professional opened: an opening, perhaps a reply and a closing; each answers the one before."""
    rng = world.rng("messages", person.number)
    if not person.activated:
        return
    doctors = district.of(["health-house", "practice"])
    for number in range(1, 1 + min(4, int(rng.expovariate(0.9)))):
        doctor = doctors[rng.randrange(len(doctors))]
        words = rows("messages")[rng.randrange(len(rows("messages")))]
        day = max(world.day - timedelta(days=rng.randint(5, 400)), person.born)
        length = rng.choice((1, 2, 2, 3))
        yield from conversation(world, rng, person, doctor, words, number, (day, world.day), length)


def conversation(
    world: World,
    rng: Random,
    person: Person,
    doctor: Professional,
    words: dict[str, str],
    number: int,
    days: tuple[date, date],
    length: int,
) -> Iterator[dict[str, Any]]:
    """So many messages, at most three, about what `words` (a row of `messages.csv`) say.

    Args:
        world: the run.
        rng: of it.
        person: who is written to.
        doctor: who writes first.
        words: what is said.
        number: of the conversation, among the person's.
        days: the first on which it may begin, and the last of all.
        length: 1 to 3.
    """
    day, last = days
    for turn in range(1, length + 1):
        day += timedelta(days=rng.randint(0, 2))
        yield _message(world, rng, person, doctor, words, number, turn, min(day, last))


def _message(
    world: World,
    rng: Random,
    person: Person,
    doctor: Professional,
    words: dict[str, str],
    number: int,
    turn: int,
    day: date,
) -> dict[str, Any]:
    holder = reference("Patient", world.id("pat", person.number))
    professional = reference("Practitioner", doctor.id)
    text = words[("opening", "reply", "closing")[turn - 1]]
    first = world.id("msg", person.number, number, 1)
    found: dict[str, Any] = {
        "resourceType": "Communication",
        "id": world.id("msg", person.number, number, turn),
        "meta": {"profile": [MESSAGE]},
    }
    # For a child a parent writes, and is answered.
    parent = reference("RelatedPerson", world.id("rel", person.number, 1)) if person.parents else None
    if turn == 3:
        found["extension"] = [{"url": CLOSED, "valueBoolean": True}]
    elif turn == 2 and parent is not None:
        found["extension"] = [{"url": WRITTEN_BY, "valueReference": parent}]
    if turn > 1:
        found["partOf"] = [reference("Communication", first)]
        found["inResponseTo"] = [reference("Communication", world.id("msg", person.number, number, turn - 1))]
    found |= {
        "status": "completed",
        "category": [concept(f"{OWN}/CodeSystem/ens-communication-category", "message", "Message")],
        "priority": "routine",
        "subject": holder,
        "topic": {"text": words["subject"]},
        "sent": instant(day, 8 + 3 * turn, rng.randrange(60)),
        "recipient": [professional if turn == 2 else parent or holder],
        "sender": parent or holder if turn == 2 else professional,
        "payload": [{"contentString": text}],
    }
    if turn == 1 and rng.random() < 0.7:
        found["received"] = instant(day, 21, rng.randrange(60))
    return found


def care_team(world: World, person: Person, district: District, attending: Professional) -> dict[str, Any]:
    """The people who follow someone: attending doctor, a nurse, the pharmacy; a child's parents."""
    rng = world.rng("team", person.number)
    start = max(world.day - timedelta(days=rng.randint(200, 1500)), person.born).isoformat()
    nurse = next(one for one in district.professionals if one.row["profession"] == "60")
    pharmacy = district.structures["pharmacy"]
    members = [
        reference("PractitionerRole", attending.role),
        reference("PractitionerRole", nurse.role),
        reference("Organization", pharmacy.id),
        *(
            reference("RelatedPerson", world.id("rel", person.number, order))
            for order, _ in enumerate(person.parents, 1)
        ),
    ]
    id = world.id("team", person.number)
    return {
        "resourceType": "CareTeam",
        "id": id,
        "meta": {"profile": [CARE_TEAM]},
        "identifier": [{"system": f"{OWN}/care-teams", "value": id}],
        "status": "active",
        "name": f"Cercle de soins de {person.given[0]} {person.usual_family}",
        "subject": reference("Patient", world.id("pat", person.number)),
        "period": {"start": start},
        "participant": [{"member": member, "period": {"start": start}} for member in members],
        "managingOrganization": [reference("Organization", attending.structure.id)],
    }


def measures(world: World, person: Person) -> Iterator[dict[str, Any]]:
    """What a person with an activated space measured, by hand or through an app they paired."""
    rng = world.rng("measures", person.number)
    if not person.activated or rng.random() > 0.42:
        return
    for number in range(1, 3 + int(rng.expovariate(0.25))):
        row = wheel("measures", "share").draw(rng)
        day = max(world.day - timedelta(days=1 + int(540 * rng.random() ** 1.3)), person.born)
        yield _measure(world, rng, person, row, min(number, 40), day)
        if number == 40:
            return


def _measure(world: World, rng: Random, person: Person, row: dict[str, str], number: int, day: date) -> dict[str, Any]:
    category = concept(CATEGORIES, row["category"], row["category"].replace("-", " ").title())
    holder = reference("Patient", world.id("pat", person.number))
    found: dict[str, Any] = {
        "resourceType": "Observation",
        "id": world.id("obs", person.number, number),
        "meta": {"source": "urn:oid:1.2.250.1.213.9999.1"},
        "status": "final",
        "category": [category],
        "code": concept(LOINC, row["code"], row["label"]),
        "subject": holder,
        "effectiveDateTime": instant(day, rng.randint(6, 21), rng.randrange(60)),
        "performer": [holder],
    }
    if row["code"] == "85354-9":
        systolic = round(rng.gauss(float(row["mean"]), float(row["deviation"])))
        found["component"] = [
            _component("8480-6", "Pression systolique", systolic),
            _component("8462-4", "Pression diastolique", round(systolic * 0.62)),
        ]
    else:
        found["valueQuantity"] = _quantity(rng, row, person.age(day))
    app = writers(world).get(row["code"])
    if app and rng.random() < 0.6:
        found["device"] = reference("Device", app)
    return found


def _component(code: str, label: str, value: int) -> dict[str, Any]:
    return {
        "code": concept(LOINC, code, label),
        "valueQuantity": {"value": value, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"},
    }


def _quantity(rng: Random, row: dict[str, str], age: int) -> dict[str, Any]:
    decimals = int(row["decimals"])
    value = abs(rng.gauss(float(row["mean"]), float(row["deviation"])))
    if row["code"] in ("29463-7", "8302-2") and age < 16:
        value *= (0.05 + age / 17) if row["code"] == "29463-7" else (0.3 + age / 24)
    if row["ucum"] == "%":
        value = min(value, 100.0)
    number: float | int = round(value, decimals) if decimals else round(value)
    return {"value": number, "unit": row["unit"], "system": UCUM, "code": row["ucum"]}
