"""The door of the generator: `population` streams the resources of so many invented people."""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import date, timedelta
from itertools import islice
from typing import Any

from fhir_server.population.agenda import appointments, openings
from fhir_server.population.apps import apps, consents
from fhir_server.population.districts import District, district, resources
from fhir_server.population.documents import month, record
from fhir_server.population.exchanges import care_team, conversations, measures
from fhir_server.population.people import Person, households, patient, related, town_pool
from fhir_server.population.record_choices import record_choices
from fhir_server.population.today import REFERENCE_DAY
from fhir_server.population.traces import traces
from fhir_server.population.world import World

#: Patients who share the same five communes and their professionals.
BLOCK = 1000


def population(patients: int, random_seed: int = 1, day: date = REFERENCE_DAY) -> Iterator[dict[str, Any]]:
    """Resources of `patients` invented people and of those who care for them, each with its own id.

    The same arguments give the same resources, byte for byte, in the same order. The first people of a larger
    population are those of a smaller one with the same seed. What a resource refers to comes before it, but for a
    Binary and its sheet, which refer to each other.

    Args:
        patients: how many Patient resources, 0 or more.
        random_seed: of all randomness; also in every id, so that populations of two seeds can share a store.
        day: today: documents are before it, appointments around it.
    """
    world = World(random_seed, day)
    yield from apps(world)
    districts: dict[tuple[int, str], District] = {}
    for person in islice(people(world), patients):
        key = (person.number // BLOCK, person.commune["insee"])
        if key not in districts:
            districts[key] = district(world, len(districts) + 1, person.commune)
            yield from resources(world, districts[key])
            yield from openings(world, districts[key])
        yield from _life(world, person, districts[key])


def lately(
    patients: int, random_seed: int, today: date, without: Container[str], day: date = REFERENCE_DAY
) -> Iterator[dict[str, Any]]:
    """What was filed since `day` for those whom `population` makes: in each month after it that is over.

    A month gives the same, whenever it is asked for.

    Args:
        patients, random_seed, day: as of `population`.
        today: the real one.
        without: ids of Patients who are left as they are.
    """
    world = World(random_seed, day)
    ends = [*_ends(day, today)]
    districts: dict[tuple[int, str], District] = {}
    for person in islice(people(world), patients):
        key = (person.number // BLOCK, person.commune["insee"])
        if key not in districts:
            districts[key] = district(world, len(districts) + 1, person.commune)
        if world.id("pat", person.number) not in without:
            for end in ends:
                yield from month(World(random_seed, end), person, districts[key])


def _ends(day: date, today: date) -> Iterator[date]:
    """The last day of each month that begins after a day and is over."""
    first = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    while (following := (first + timedelta(days=32)).replace(day=1)) <= today:
        yield following - timedelta(days=1)
        first = following


def people(world: World) -> Iterator[Person]:
    """Invented people without end, household by household."""
    number = 1
    while True:
        home = households(world, town_pool(world, number // BLOCK), number)
        yield from home
        number += len(home)


def _life(world: World, person: Person, district: District) -> Iterator[dict[str, Any]]:
    doctors = district.of(["health-house"], "SM54")
    attending = doctors[person.number % len(doctors)]
    yield patient(world, person, attending.id, attending.structure.id)
    yield from related(world, person)
    if not person.died:
        yield care_team(world, person, district, attending)
    yield from record_choices(world, person, district)
    sheets = []
    for resource in record(world, person, district):
        if resource["resourceType"] == "DocumentReference":
            sheets.append(resource)
        yield resource
    yield from traces(world, person, district, sheets)
    yield from appointments(world, person, district)
    yield from measures(world, person)
    yield from conversations(world, person, district)
    yield from consents(world, person)
