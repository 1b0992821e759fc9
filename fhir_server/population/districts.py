"""Districts: the establishments and professionals who look after the people of a commune."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from fhir_server.fhir.nos import FACILITY, PROFESSION, SPECIALTY
from fhir_server.population.codes import (
    FINESS,
    FR_CORE,
    ID_NAT_PS,
    ID_NAT_ST,
    RPPS,
    concept,
    reference,
    typed_identifier,
)
from fhir_server.population.mailboxes import of_professional, of_structure
from fhir_server.population.tables import first_names, rows
from fhir_server.population.world import World, address, family_name, phone, street

SAINTS = ("Saint-Roch", "Sainte-Anne", "Saint-Joseph", "Sainte-Claire", "Saint-Éloi", "Sainte-Marthe", "Saint-Vincent")
DAYS = ["mon", "tue", "wed", "thu", "fri"]


@dataclass(slots=True)
class Structure:
    """An establishment: its row of `structures.csv`, ids, name and FINESS number."""

    row: dict[str, str]
    id: str
    place: str
    service: str
    name: str
    finess: str
    line: str


@dataclass(slots=True)
class Professional:
    """Someone who works there: their row of `specialities.csv`, ids, names and RPPS number."""

    row: dict[str, str]
    id: str
    role: str
    structure: Structure
    family: str
    given: str
    sex: str
    rpps: str

    @property
    def title(self) -> str:
        """As patients read it: "Dr Anne Petit"."""
        return f"{'Dr ' if self.row['profession'] in ('10', '40') else ''}{self.given} {self.family}"

    @property
    def id_nat(self) -> str:
        """National identifier: 8 and the RPPS."""
        return "8" + self.rpps


@dataclass(slots=True)
class District:
    """One commune's care, for the people of one block."""

    number: int
    commune: dict[str, str]
    structures: dict[str, Structure] = field(default_factory=dict)
    professionals: list[Professional] = field(default_factory=list)

    def of(self, structures: list[str], specialty: str = "") -> list[Professional]:
        """Who works in one of these kinds of structure, of a specialty when some are (else anyone there)."""
        there = [one for one in self.professionals if one.structure.row["kind"] in structures]
        return [one for one in there if one.row["specialty"] == specialty] or there

    def with_agenda(self) -> list[Professional]:
        """Who takes appointments here."""
        return [one for one in self.professionals if one.row["agenda"] == "yes"]


def district(world: World, number: int, commune: dict[str, str]) -> District:
    """The district with that number, complete."""
    rng = world.rng("district", number, commune["insee"])
    found = District(number, commune)
    for order, row in enumerate(rows("structures"), 1):
        found.structures[row["kind"]] = _structure(world, rng, number, order, row, commune)
    for row in rows("specialities"):
        for _ in range(int(row["count"])):
            found.professionals.append(_professional(world, rng, found, row))
    return found


def _department(insee: str) -> str:
    # FINESS writes the overseas departments 97x as 97.
    return insee[:2]


def _structure(
    world: World, rng: Random, number: int, order: int, row: dict[str, str], commune: dict[str, str]
) -> Structure:
    line = street(rng)
    named = rng.choice(row["names"].split("|"))
    name = named.format(city=commune["name"], saint=rng.choice(SAINTS), street=line.split(" ", 1)[1])
    return Structure(
        row,
        world.id("org", number, order),
        world.id("loc", number, order),
        world.id("svc", number, order),
        name,
        world.finess(_department(commune["insee"])),
        line,
    )


def _professional(world: World, rng: Random, district: District, row: dict[str, str]) -> Professional:
    order = len(district.professionals) + 1
    sex = rng.choice("FM")
    return Professional(
        row,
        world.id("pra", district.number, order),
        world.id("rol", district.number, order),
        district.structures[row["structure"]],
        family_name(rng),
        first_names(sex, world.day.year - rng.randint(30, 64)).draw(rng),
        sex,
        world.rpps(),
    )


def resources(world: World, district: District) -> Iterator[dict[str, Any]]:
    """Each structure's Organization, Location and HealthcareService; each person's Practitioner and role."""
    rng = world.rng("district-details", district.number)
    for structure in district.structures.values():
        yield _organization(rng, structure, district.commune)
        yield _location(rng, structure, district.commune)
        yield _service(structure)
    for professional in district.professionals:
        yield _practitioner(professional)
        yield _role(rng, professional)


def _organization(rng: Random, structure: Structure, commune: dict[str, str]) -> dict[str, Any]:
    row = structure.row
    return {
        "resourceType": "Organization",
        "id": structure.id,
        "meta": {"profile": [f"{FR_CORE}/fr-core-organization"]},
        "identifier": [
            typed_identifier("FINEG", FINESS, structure.finess),
            typed_identifier("IDNST", ID_NAT_ST, "1" + structure.finess),
        ],
        "active": True,
        "type": [concept(FACILITY, row["facility"], row["facility_label"])],
        "name": structure.name,
        "telecom": [phone(rng, mobile=False), *of_structure(structure.row["kind"], structure.finess)],
        "address": [address(structure.line, commune, "work")],
    }


def _location(rng: Random, structure: Structure, commune: dict[str, str]) -> dict[str, Any]:
    return {
        "resourceType": "Location",
        "id": structure.place,
        "status": "active",
        "name": structure.name,
        "mode": "instance",
        "telecom": [phone(rng, mobile=False)],
        "address": address(structure.line, commune, "work"),
        "position": {
            "longitude": round(float(commune["longitude"]) + rng.uniform(-0.02, 0.02), 5),
            "latitude": round(float(commune["latitude"]) + rng.uniform(-0.02, 0.02), 5),
        },
        "managingOrganization": reference("Organization", structure.id),
    }


def _service(structure: Structure) -> dict[str, Any]:
    return {
        "resourceType": "HealthcareService",
        "id": structure.service,
        "active": True,
        "providedBy": reference("Organization", structure.id),
        "location": [reference("Location", structure.place)],
        "name": f"{structure.row['label']} — accueil",
        "appointmentRequired": structure.row["kind"] not in ("pharmacy", "laboratory"),
        "availableTime": [
            {"daysOfWeek": DAYS, "availableStartTime": "08:30:00", "availableEndTime": "18:30:00"},
        ],
    }


def _practitioner(professional: Professional) -> dict[str, Any]:
    row = professional.row
    return {
        "resourceType": "Practitioner",
        "id": professional.id,
        "meta": {"profile": [f"{FR_CORE}/fr-core-practitioner"]},
        "identifier": [
            typed_identifier("IDNPS", ID_NAT_PS, professional.id_nat),
            typed_identifier("RPPS", RPPS, professional.rpps),
        ],
        "active": True,
        "name": [
            {
                "use": "official",
                "family": professional.family.upper(),
                "given": [professional.given],
                "prefix": ["MME" if professional.sex == "F" else "M"],
            }
        ],
        "telecom": [of_professional(professional.given, professional.family, professional.rpps)],
        "gender": "female" if professional.sex == "F" else "male",
        "qualification": [{"code": concept(PROFESSION, row["profession"], row["profession_label"])}],
    }


def _role(rng: Random, professional: Professional) -> dict[str, Any]:
    row, structure = professional.row, professional.structure
    found: dict[str, Any] = {
        "resourceType": "PractitionerRole",
        "id": professional.role,
        "meta": {"profile": [f"{FR_CORE}/fr-core-practitioner-role"]},
        "active": True,
        "practitioner": reference("Practitioner", professional.id),
        "organization": reference("Organization", structure.id),
        "code": [
            concept(PROFESSION, row["profession"], row["profession_label"]),
            concept(FACILITY, structure.row["facility"], structure.row["facility_label"]),
        ],
        "location": [reference("Location", structure.place)],
        "healthcareService": [reference("HealthcareService", structure.service)],
        "telecom": [phone(rng, mobile=False)],
    }
    if row["specialty"]:
        found["specialty"] = [concept(SPECIALTY, row["specialty"], row["specialty_label"])]
    return found
