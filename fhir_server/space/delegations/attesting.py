"""The attestation of a caregiver, as a PDF in both records: who cares for whom, since when, and until when.

Domain file §2.2. It is one of the administrative documents of a person (DOCPAT09 of TRE_A05), filed as by themself;
the same delegation has it once in each record.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.json import serialize
from fhir_server.fhir.nos import DOCUMENT_TYPES, NON_PROFESSIONAL
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import Request
from fhir_server.space.delegations import people
from fhir_server.space.delegations.delegation import Delegation
from fhir_server.space.names import name_of
from fhir_server.space.paris import PARIS
from fhir_server.space.pdfa import page
from fhir_server.space.record.pages.filing import Draft, to_resource, unless
from fhir_server.space.record.pages.people import SITE
from fhir_server.space.service import Surroundings

TITLE = "Attestation d’aidant"
_TYPE = {"system": DOCUMENT_TYPES, "code": "DOCPAT09"}
_PATIENT = {"coding": [{"system": NON_PROFESSIONAL, "code": "EXP_PATIENT"}]}
#: Of names that are made from a delegation.
_NAMES = uuid.UUID("0f7d0c8a-4c4b-4f0e-8a35-5d0b9c1f7e42")


async def attest(around: Surroundings, one: Delegation) -> None:
    """File it in both records; in one that takes nothing, since its space is closed, it is not."""
    own = around.repository()
    who = [await people.person(own, f"Patient/{id}") for id in (one.patient, one.delegate)]
    body = page("Attestation d’aidant", _lines(one, *who))
    for holder in (one.patient, one.delegate):
        draft = _draft(one, holder, body)
        context = {"facilityType": _PATIENT, "practiceSetting": _PATIENT}
        tree = to_resource(draft, holder, {"reference": f"Patient/{holder}"}, context=context)
        headers = {"if-none-exist": unless(draft)}
        request = Request("POST", ("DocumentReference",), body=serialize(tree), resource=tree, headers=headers)
        try:
            await around.exchange(request, _held_by(holder))
        except FhirError:
            continue


def _held_by(holder: str) -> Grant:
    """As the holder's own software would file it: the record's rules judge it, and it is theirs to delete."""
    scopes = (Scope("patient", "*", frozenset("cruds")),)
    return Grant(scopes, subject=f"Patient/{holder}", patient=holder, client=SITE)


def _draft(one: Delegation, holder: str, body: bytes) -> Draft:
    start = one.start or one.created
    number = str(uuid.uuid5(_NAMES, f"{one.id} {start.isoformat()} {holder}"))
    return Draft(number, TITLE, "", _TYPE, start.astimezone(PARIS).date(), "application/pdf", body, False)


def _lines(one: Delegation, patient: dict[str, Any], delegate: dict[str, Any]) -> list[str]:
    return [
        f"Titulaire de l’espace : {name_of(patient, given=1)}, né(e) le {patient.get('birthDate', '')}",
        f"Aidant : {name_of(delegate, given=1)}, né(e) le {delegate.get('birthDate', '')}",
        "",
        f"Invitation faite le {_day(one.created)}, acceptée le {_day(one.start)}.",
        f"Fin prévue : {_day(one.end)}." if one.end else "Sans date de fin : chacun peut y mettre fin à tout moment.",
        "",
        "L’aidant lit l’espace du titulaire, y ajoute et y modifie des données et des documents, et échange",
        "des messages, qui disent qu’il les a écrits. Il ne change ni les coordonnées ni les choix de partage",
        "du titulaire, et ne ferme pas son espace.",
    ]


def _day(when: datetime | None) -> str:
    return "" if when is None else f"{when.astimezone(PARIS):%d/%m/%Y}"
