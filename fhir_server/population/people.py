"""Households: adults, couples and their children, each with a name, a birth and a national identity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

from fhir_server.fhir.nos import ROLE_CLASS, ROLE_CODE
from fhir_server.population.codes import FR_CORE, INS_DEMO, reference, typed_identifier
from fhir_server.population.tables import Wheel, first_names, wheel
from fhir_server.population.world import World, address, family_name, insee, phone, plain, street

#: Kind of household → how common; (adults, children at most).
HOUSEHOLDS = Wheel([((1, 0), 42), ((2, 0), 29), ((2, 3), 20), ((1, 2), 9)])
MAJORITY_YEARS = 18
CIVIL = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"


@dataclass(slots=True)
class Person:
    """One invented person. `number` counts patients from 1; `order` of the parents in a child's `parents` is theirs."""

    number: int
    sex: str
    birth_family: str
    usual_family: str
    given: tuple[str, ...]
    born: date
    birth_place: tuple[str, str]
    ins: str
    home: str
    commune: dict[str, str]
    died: date | None = None
    activated: bool = False
    opposed: bool = False
    parents: list[Person] = field(default_factory=list)

    @property
    def gender(self) -> str:
        """The code of FHIR's administrative gender: male or female."""
        return "male" if self.sex == "M" else "female"

    def age(self, day: date) -> int:
        """Full years on `day`."""
        return day.year - self.born.year - ((day.month, day.day) < (self.born.month, self.born.day))


def households(world: World, towns: list[dict[str, str]], number: int) -> list[Person]:
    """The people of the household whose first patient has that number; children last."""
    rng = world.rng("home", number)
    adults, children = HOUSEHOLDS.draw(rng)
    commune = towns[rng.randrange(len(towns))]
    home = street(rng)
    oldest = 52 if children else 96
    age = rng.randint(24 if children else 19, oldest)
    family = family_name(rng)
    first = _person(world, rng, number, rng.choice("FM"), family, _birthday(world, rng, age), home, commune)
    people = [first]
    if adults == 2:
        sex = "M" if first.sex == "F" else "F"
        near = max(19, min(96, age + rng.randint(-5, 5)))
        other = _person(world, rng, number + 1, sex, family_name(rng), _birthday(world, rng, near), home, commune)
        woman, man = (first, other) if first.sex == "F" else (other, first)
        if rng.random() < 0.55:
            woman.usual_family = man.birth_family
        people.append(other)
    for _ in range(rng.randint(1, children) if children else 0):
        child_age = rng.randint(0, min(17, age - 20)) if age > 20 else 0
        parent = people[-1] if people[-1].sex == "M" else first
        born = _birthday(world, rng, child_age)
        child = _person(
            world, rng, number + len(people), rng.choice("FM"), parent.birth_family, born, home, commune, local=True
        )
        child.parents = people[:adults]
        people.append(child)
    return people


def _birthday(world: World, rng: Random, age: int) -> date:
    return world.day - timedelta(days=age * 365 + age // 4 + rng.randint(1, 364))


def _person(
    world: World,
    rng: Random,
    number: int,
    sex: str,
    family: str,
    born: date,
    home: str,
    commune: dict[str, str],
    local: bool = False,
) -> Person:
    place = _birth_place(rng, born, commune, local)
    names = first_names(sex, born.year)
    given = tuple(dict.fromkeys(names.draw(rng) for _ in range(rng.randint(1, 3))))
    age = (world.day - born).days / 365
    died = world.day - timedelta(days=rng.randint(5, 900)) if rng.random() < max(0.0, (age - 55) / 500) else None
    return Person(
        number,
        sex,
        family,
        family,
        given,
        born,
        place,
        world.ins(sex, born, place[0]),
        home,
        commune,
        died=died,
        activated=died is None and rng.random() < 0.35,
        opposed=rng.random() < 0.02,
    )


def _birth_place(rng: Random, born: date, commune: dict[str, str], local: bool) -> tuple[str, str]:
    if not local and rng.random() < 0.10:
        country = wheel("countries").draw(rng)
        return country["insee"], country["name"]
    place = commune if rng.random() < 0.4 else wheel("communes").draw(rng)
    # Before 1976 Corsica was one department, numbered 20: its communes then had other codes than today's.
    while place["insee"].startswith("2") and place["insee"][1] in "AB" and born.year < 1976:
        place = wheel("communes").draw(rng)
    return place["insee"], place["name"]


def patient(world: World, person: Person, general_practitioner: str, practice: str) -> dict[str, Any]:
    """The Patient of a person, in the shape of the national profile for identities with an INS.

    Args:
        world: the run.
        person: whose.
        general_practitioner: id of the attending doctor's Practitioner.
        practice: id of the organization that looks after the record.
    """
    rng = world.rng("contact", person.number)
    found: dict[str, Any] = {
        "resourceType": "Patient",
        "id": world.id("pat", person.number),
        "meta": {"profile": [f"{FR_CORE}/fr-core-patient-ins"]},
        "extension": [_reliability(), _birth_place_extension(person)],
        "identifier": [typed_identifier("INS-NIR-DEMO", INS_DEMO, person.ins)],
        "active": not (person.opposed or person.died),
        "name": _names(person),
        "telecom": _telecom(rng, person, world.day),
        "gender": person.gender,
        "birthDate": person.born.isoformat(),
    }
    if person.died:
        found["deceasedDateTime"] = person.died.isoformat()
    found["address"] = [address(person.home, person.commune, "home")]
    if person.age(world.day) >= MAJORITY_YEARS:
        married = person.usual_family != person.birth_family
        found["maritalStatus"] = {"coding": [{"system": CIVIL, "code": "M" if married else "U"}]}
    found["communication"] = [
        {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "fr"}]}, "preferred": True}
    ]
    found["generalPractitioner"] = [reference("Practitioner", general_practitioner)]
    found["managingOrganization"] = reference("Organization", practice)
    return found


def related(world: World, child: Person) -> Iterator[dict[str, Any]]:
    """One RelatedPerson for each parent of a minor, carrying the parent's own INS."""
    for order, parent in enumerate(child.parents, 1):
        mother = parent.sex == "F"
        yield {
            "resourceType": "RelatedPerson",
            "id": world.id("rel", child.number, order),
            "meta": {"profile": [f"{FR_CORE}/fr-core-related-person"]},
            "identifier": [typed_identifier("INS-NIR-DEMO", INS_DEMO, parent.ins)],
            "active": True,
            "patient": reference("Patient", world.id("pat", child.number)),
            "relationship": [
                {"coding": [{"system": ROLE_CLASS, "code": "GUARD", "display": "Responsable légal"}]},
                {
                    "coding": [
                        {
                            "system": ROLE_CODE,
                            "code": "MTH" if mother else "FTH",
                            "display": "Mère" if mother else "Père",
                        }
                    ]
                },
            ],
            "name": _names(parent),
            "telecom": [phone(world.rng("contact", parent.number))],
            "gender": parent.gender,
            "birthDate": parent.born.isoformat(),
            "address": [address(parent.home, parent.commune, "home")],
        }


def town_pool(world: World, block: int) -> list[dict[str, str]]:
    """The five communes in which a block of patients lives."""
    rng = world.rng("towns", block)
    return [wheel("communes").draw(rng) for _ in range(5)]


def _names(person: Person) -> list[dict[str, Any]]:
    official: dict[str, Any] = {
        "use": "official",
        "extension": [
            {"url": f"{FR_CORE}/fr-core-patient-birth-list-given-name", "valueString": " ".join(person.given)}
        ],
        "family": person.birth_family.upper(),
        "given": [person.given[0]],
    }
    usual = {"use": "usual", "family": person.usual_family.upper(), "given": [person.given[0]]}
    return [official, usual]


def _telecom(rng: Random, person: Person, day: date) -> list[dict[str, Any]]:
    found = [phone(rng)]
    if person.age(day) >= MAJORITY_YEARS and rng.random() < 0.8:
        local = f"{plain(person.given[0])}.{plain(person.usual_family)}{person.number}"
        found.append({"system": "email", "value": f"{local}@example.org", "use": "home"})
    return found


def _reliability() -> dict[str, Any]:
    status = {"system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445", "code": "VALI"}
    return {
        "extension": [{"url": "identityStatus", "valueCoding": status}],
        "url": f"{FR_CORE}/fr-core-identity-reliability",
    }


def _birth_place_extension(person: Person) -> dict[str, Any]:
    code, name = person.birth_place
    key = "country" if code.startswith("99") else "city"
    return {
        "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
        "valueAddress": {"extension": [insee(code)], key: name},
    }
