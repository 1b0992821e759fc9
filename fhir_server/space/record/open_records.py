"""Nothing is filed in a record that is closed.

CSP R1111-47: an open record is fed, and nobody's leave is asked; R1111-28: of who objected there is none; R1111-36: one
that is closed is an archive until it is erased or opened again. It holds for documents and for each clinical type
alike. Software sees by PDSm4DMP TD02 (`Patient.active`) whether a record is open, before it files.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.access.record_owner import owner, rows
from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.record.clinical import DOCUMENTS
from fhir_server.space.record.sharing.words import is_filed, patient_of
from fhir_server.space.record.standing import CLOSED
from fhir_server.store.filters import Id, both
from fhir_server.store.protocol import Guard

WORDS = "The record is closed: nothing is filed in it until it is opened again."


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """That the records stay open in which new documents are filed, until they are.

    Raises:
        Invalid: one is closed (422). Of a patient whom the caller may not see nothing is told.
    """
    guards: dict[str, Guard] = {}
    for change in changes:
        patient = _patient(change, context) if change.tree is not None and _is_new(change, context) else None
        if patient is None or patient in guards or patient in among.present:
            continue
        id = patient.removeprefix("Patient/")
        guard = Guard("Patient", both(Id((id,)), CLOSED), frozenset())
        # Nearly every record is open: it is looked at when the commit found that it is not.
        if guard not in context.repository.failed or not await _is_closed(context, id):
            guards[patient] = guard
        elif context.repository.grant.patient == id or await _shows(context, id):
            element = f"{change.type}.{rows()[change.type].whose[0]}"
            raise Invalid(WORDS, element, code="business-rule", key="record-closed")
    return Extra(guards=tuple(guards.values()))


async def _is_closed(context: Context, id: str) -> bool:
    version = await context.repository.as_server().current("Patient", id)
    return version is not None and not version.deleted and parse(version.body).get("active") is False


async def _shows(context: Context, id: str) -> bool:
    version = await context.repository.as_server().current("Patient", id)
    return version is not None and await context.repository.shows(version)


def _is_new(change: Change, context: Context) -> bool:
    if change.before is not None and not change.before.deleted:
        return False
    by_people = people(context.repository.grant)
    # An administrator's software brings whole records, of which the guides speak where they are documents.
    return is_filed(change, by_people) if change.type in DOCUMENTS else by_people and not change.as_server


def _patient(change: Change, context: Context) -> str | None:
    """Whose a new resource is ("Patient/1"); None where it does not say."""
    assert change.tree is not None
    if change.type in DOCUMENTS:
        return patient_of(change.tree)
    return owner(change.type, change.tree, context.base).patient
