"""Who may sign in to the demonstration: people of the invented population, and what it lacks of them.

The population of one seed is always the same (`population.generation`), so its people are named here by id. A
caregiver is a RelatedPerson for each of those they care for (https://hl7.org/fhir/R4/relatedperson.html), and a
professional with two exercises a Practitioner with two PractitionerRoles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from fhir_server.demo.conversations import conversations
from fhir_server.fhir.nos import ROLE_CLASS, ROLE_CODE
from fhir_server.population.codes import FR_CORE, INS_DEMO, reference, typed_identifier
from fhir_server.population.registration import ins
from fhir_server.smart.people.accounts import Duty
from fhir_server.space.record.choices import Choice, to_consent

#: The seed whose people these are, and how many of them are needed at least.
SEED, PEOPLE = 1, 31


#: The publisher of the sample app and its tools: the first of the invented catalogue.
PUBLISHER = "Organization/s1-pub-1"


def _role(id: str) -> str:
    return f"PractitionerRole/{id}"


@dataclass(frozen=True, slots=True)
class Role:
    """Somebody of the demonstration.

    Attributes:
        login: typed to sign in.
        who: shown beside their name.
        subject: "Patient/1".
        page: where they start: a path of the server.
        wards: ids of the patients they act for.
        exercises: PractitionerRole references.
        duties, organization: of staff of the catalogue.
    """

    login: str
    who: str
    subject: str
    page: str
    wards: tuple[str, ...] = ()
    exercises: tuple[str, ...] = ()
    duties: tuple[Duty, ...] = ()
    organization: str | None = None


CAST = (
    Role("patient", "patient", "Patient/s1-pat-21", "/mon-dossier"),
    Role("parent", "parent of two", "Patient/s1-pat-24", "/mon-dossier", ("s1-pat-25", "s1-pat-26")),
    Role("aidante", "cares for two", "RelatedPerson/demo-rel-1", "/mon-dossier", ("s1-pat-28", "s1-pat-31")),
    Role("medecin", "general practitioner", "Practitioner/s1-pra-1-1", "/outils", (), (_role("s1-rol-1-1"),)),
    Role(
        "cardiologue",
        "cardiologist with two exercises",
        "Practitioner/s1-pra-1-7",
        "/outils",
        exercises=(_role("demo-rol-1"), _role("s1-rol-1-7")),
    ),
    Role("pharmacie", "pharmacist", "Practitioner/s1-pra-1-24", "/outils", (), (_role("s1-rol-1-24"),)),
    Role("editeur", "publisher", "Person/s1-staff-1", "/referencement", duties=("publisher",), organization=PUBLISHER),
    Role("verification", "verifies apps", "Person/s1-staff-3", "/referencement", duties=("verifier",)),
    Role("commission", "gives its opinion on apps", "Person/s1-staff-4", "/referencement", duties=("commission",)),
    Role("administration", "decides on apps", "Person/s1-staff-5", "/referencement", duties=("administrator",)),
)

#: The exercise at the hospital is written like that of somebody who works there.
_HOSPITAL, _SPECIALIST = _role("s1-rol-1-15"), _role("s1-rol-1-7")
#: What of the population the rest is made from.
MODELS = (_HOSPITAL, _SPECIALIST)
#: Patients whose record the cast shows.
PATIENTS = tuple(f"s1-pat-{number}" for number in (21, 24, 25, 26, 28, 31))
_AGREED = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
_BORN, _PLACE = date(1968, 3, 14), "35238"


def additions(models: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Resources that the population does not have, each with its id; `models` by reference as in `MODELS`."""
    there, own = models[_HOSPITAL], models[_SPECIALIST]
    yield {
        **{name: value for name, value in there.items() if name != "meta"},
        "id": "demo-rol-1",
        "meta": {"profile": there["meta"]["profile"]},
        "practitioner": own["practitioner"],
        "specialty": own["specialty"],
    }
    # Who follows them is in their care team; these two they were asked by.
    for patient in PATIENTS:
        for professional in ("Practitioner/s1-pra-1-7", "Practitioner/s1-pra-1-24"):
            yield to_consent(Choice(patient, "authorised", professional, True, _AGREED, f"Patient/{patient}"))
    yield from conversations(PATIENTS)
    for order, ward in enumerate(("s1-pat-28", "s1-pat-31"), 1):
        yield _caregiver(f"demo-rel-{order}", ward)


def _caregiver(id: str, ward: str) -> dict[str, Any]:
    birth = {"url": f"{FR_CORE}/fr-core-patient-birth-list-given-name", "valueString": "Sylvie Anne"}
    return {
        "resourceType": "RelatedPerson",
        "id": id,
        "meta": {"profile": [f"{FR_CORE}/fr-core-related-person"]},
        "identifier": [typed_identifier("INS-NIR-DEMO", INS_DEMO, ins("F", _BORN, _PLACE, 901))],
        "active": True,
        "patient": reference("Patient", ward),
        "relationship": [
            {"coding": [{"system": ROLE_CLASS, "code": "CAREGIVER", "display": "Aidant"}]},
            {"coding": [{"system": ROLE_CODE, "code": "NBOR", "display": "Voisine"}]},
        ],
        "name": [{"use": "official", "extension": [birth], "family": "EXEMPLE", "given": ["Sylvie"]}],
        "gender": "female",
        "birthDate": _BORN.isoformat(),
    }
