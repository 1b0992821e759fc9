"""The synthesis of a medical profile among the person's documents (DOCPAT08): what they said of themselves, as a PDF/A.

Domain file §2.5: class 11, author the patient, EXP_PATIENT. One is current: another replaces it (PDSm TD2.1) when what
is said has changed, and keeps its labels. It tells what the patient's side wrote, and nothing of professionals, so that
it shows nobody what the rest of the record hides. It is filed as by the holder, as an attestation of a caregiver is: so
whoever acts for them replaces the one before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.record_owner import owner
from fhir_server.fhir.json import parse
from fhir_server.fhir.nos import DOCUMENT_TYPES, NON_PROFESSIONAL
from fhir_server.fhir.outcome import FhirError
from fhir_server.search.asking.compartments import compartment_filter
from fhir_server.space.names import name_of
from fhir_server.space.paris import PARIS
from fhir_server.space.printing import printed_pages
from fhir_server.space.profile.writing.kinds import HABITS
from fhir_server.space.profile.writing.measuring import VITALS
from fhir_server.space.profile.writing.placing import TYPES, declared, words
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.filing import Draft, to_resource
from fhir_server.space.record.pages.measured import LOINC
from fhir_server.space.record.pages.people import SITE
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Token, both, either
from fhir_server.store.protocol import NEWEST

TITLE = "Profil médical"
#: System of the tag by which a synthesis is known, the digest of what it says: a simplified publish has no identifier.
SYNTHESIS = "https://fhir-server.example/NamingSystem/profile-synthesis"
_TYPE = {"system": DOCUMENT_TYPES, "code": "DOCPAT08"}
_PATIENT = {"coding": [{"system": NON_PROFESSIONAL, "code": "EXP_PATIENT"}]}
_CUSTODIAN = {"display": "Mon espace santé"}
#: Resources of a type that are looked through, the newest.
_MOST = 500
Tree = dict[str, Any]


async def shared(around: Surroundings, patient: str, base: str = "") -> Tree | None:
    """The current synthesis of a patient (id); None where none is shared."""
    return await _current(_asking(around, patient, base), patient)


async def said(around: Surroundings, patient: str, base: str = "") -> list[str]:
    """What the patient's side said, in lines; [] where nothing is."""
    whose = f"Patient/{patient}"
    asked = {type: compartment_filter("Patient", patient, type) for type in TYPES}
    # Results of laboratories are many, and none of them is an entry of a profile.
    asked["Observation"] = both(
        asked["Observation"], either([Token("code", code, LOINC) for code in (*VITALS, *HABITS)])
    )
    page = await around.repository().find(asked, NEWEST, count=_MOST)
    trees = [parse(version.body) for version in page.versions]
    own = (one for one in trees if owner(one["resourceType"], one, base).patient == whose)
    return [*words(declared(own, base))]


def digest(lines: list[str]) -> str:
    """What tells whether a synthesis says the same."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def is_of(document: Tree, lines: list[str]) -> bool:
    """Whether a synthesis says just this."""
    tags = document.get("meta", {}).get("tag", ())
    return any(one.get("code") == digest(lines) for one in tags if one.get("system") == SYNTHESIS)


async def share(around: Surroundings, patient: str, now: datetime, base: str = "") -> Tree:
    """The synthesis that is current then: the one before where it says the same, else one in its place.

    Raises:
        FhirError: the record takes no document, such as that of a space that is closed (422); another was made
            meanwhile (409).
    """
    asked, lines = _asking(around, patient, base), await said(around, patient, base)
    before = await _current(asked, patient)
    if before is not None and is_of(before, lines):
        return before
    person = parse((await around.repository().read("Patient", patient)).body)
    at = now.astimezone(PARIS)
    body = await printed_pages(f"{TITLE} de {name_of(person, given=1)}", _page(person, lines, f"{at:%d/%m/%Y}"))
    draft = Draft(str(uuid4()), TITLE, "", _TYPE, at.date(), "application/pdf", body, masked=False)
    context = {"facilityType": _PATIENT, "practiceSetting": _PATIENT}
    tree = to_resource(draft, patient, {"reference": f"Patient/{patient}"}, custodian=_CUSTODIAN, context=context)
    tree["meta"] = {"tag": [{"system": SYNTHESIS, "code": digest(lines)}]}
    if before is None:
        # Of two at once one is made: https://hl7.org/fhir/R4/http.html#ccreate
        return await asked.create(tree, f"patient={patient}&status=current&_tag={SYNTHESIS}|")
    tree["relatesTo"] = [{"code": "replaces", "target": {"reference": f"DocumentReference/{before['id']}"}}]
    tree["securityLabel"] = before.get("securityLabel") or tree["securityLabel"]
    return await asked.create(tree)


async def withdraw(around: Surroundings, patient: str, base: str = "") -> None:
    """Share it no more: the current one is deleted as its author deletes it.

    Raises:
        FhirError: as a write says.
    """
    asked = _asking(around, patient, base)
    before = await _current(asked, patient)
    if before is not None:
        await asked.patch(before, [{"op": "replace", "path": "/status", "value": "entered-in-error"}])


async def refreshed(around: Surroundings, patient: str, now: datetime) -> bool:
    """Whether a synthesis that is shared was replaced, since what is said has changed."""
    try:
        before = await shared(around, patient)
        return before is not None and (await share(around, patient, now))["id"] != before["id"]
    except FhirError:
        return False


def _asking(around: Surroundings, patient: str, base: str) -> Asking:
    scopes = (Scope("patient", "*", frozenset("cruds")),)
    return Asking(around, Grant(scopes, subject=f"Patient/{patient}", patient=patient, client=SITE), base)


async def _current(asked: Asking, patient: str) -> Tree | None:
    pairs = [("patient", f"Patient/{patient}"), ("status", "current"), ("_tag", f"{SYNTHESIS}|")]
    found = await asked.find("DocumentReference", [*pairs, ("_sort", "-_lastUpdated"), ("_count", "1")])
    return next(iter(found.trees), None)


def _page(person: Tree, lines: list[str], day: str) -> Iterator[str]:
    born = f", né(e) le {person['birthDate']}" if person.get("birthDate") else ""
    yield f"{name_of(person)}{born}. Établi le {day}."
    yield "Ce que cette personne, ou qui agit pour elle, a noté dans son espace. Aucun professionnel ne l’a établi."
    yield ""
    yield from lines or ["Rien n’est noté."]
