"""Why somebody may or may not read a document, or a record: the rule that decides, and the row it goes by.

https://fhir-server.example/OperationDefinition/Record-access-explain. For professionals about themselves, for whoever
decides for the patient and for administrators about a professional by name. What the caller does not see answers as if
it were not there, so that nothing is told of it: whoever is not let in learns that of the record, never of a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fhir_server.access.grant import Grant
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Forbidden, InvalidParameter, NotFound
from fhir_server.fhir.references import parse as reference
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, answered
from fhir_server.space.record import choosing, matrix, standing
from fhir_server.space.record.choices import choice_id
from fhir_server.space.record.labels import MASKED, codes
from fhir_server.space.record.matrix import Matrix
from fhir_server.space.record.rows import documents
from fhir_server.space.record.standing import Standing
from fhir_server.store.filters import Word

_PURPOSES = ("TREAT", "ETREAT", "BTG")


@dataclass(frozen=True, slots=True)
class Why:
    """What is decided, and by what.

    Attributes:
        outcome: "allowed"; "masked", as if it were not there.
        rule: its name.
        reason: in words, without anything of the document.
        row: what it goes by: "Consent/1", "CareTeam/1", a row of the matrix; "" where there is none.
    """

    outcome: Literal["allowed", "masked"]
    rule: str
    reason: str
    row: str = ""


async def explain(here: object, call: Invocation, context: Context) -> Response:
    """200 with Parameters: what is decided of the professional, and by which rule and row.

    Raises:
        NotFound, Gone: what is asked about is not there, or hidden from the caller (404, 410).
        Forbidden: the caller may not ask about this professional (403).
        InvalidParameter: there is no such Practitioner, role or purpose (400).
    """
    version, given = await call.stored(context), call.inputs
    tree = parse(version.body)
    own, grant = context.repository.as_server(), context.repository.grant
    patient = version.id if version.type == "Patient" else _patient(tree, context.base)
    purpose = given.one("purpose") or (grant.purpose if grant.patient else None) or "TREAT"
    if given.one("purpose") is not None and purpose not in _PURPOSES:
        raise InvalidParameter(f"A purpose is one of {', '.join(_PURPOSES)}.", "http.purpose")
    subject, role = await _asked(call, context, patient)
    held = matrix.held(context.settings.record_matrix)
    if not subject:
        return _answer(Why("allowed", "scopes", "the caller reads it by what their token reaches"), held)
    emergency = purpose if purpose in standing.REFUSALS else None
    found = await standing.read(own, standing.key(subject, role, patient or None, emergency))
    why = of_record(found) if version.type == "Patient" else of_document(found, tree, context.base, held)
    return _answer(why, held)


def of_record(found: Standing) -> Why:
    """Why a professional is let in to the record of the patient in context."""
    who, here = found.who, found.context
    if who.ended:
        return Why("masked", "ended", "the directory says that they, or their role, are no longer active", who.role)
    if here is None:
        return Why("masked", "no-patient", "it is in the record of nobody here")
    named = f"Patient/{here.patient}"
    blocked = f"Consent/{choice_id(here.patient, 'blocked', who.practitioner)}"
    for holds, why in (
        (here.closed, Why("masked", "closed", "the record is closed", named)),
        (here.blocked, Why("masked", "blocked", "the patient blocked them", blocked)),
        (here.team, Why("allowed", "care-team", "they are of the patient's care team", here.team)),
        (here.authorised, Why("allowed", "authorised", "the patient authorised them", here.authorised)),
        (here.refused, Why("masked", "emergency-refused", "the patient refused such an emergency", here.refused)),
        (found.emergency, Why("allowed", "emergency", "it is an emergency that the patient did not refuse")),
    ):
        if holds:
            return why
    return Why("masked", "no-agreement", "they are not of the care team, and the patient did not authorise them")


def of_document(found: Standing, tree: Mapping[str, Any], base: str, held: Matrix) -> Why:
    """Why a professional reads a document of the patient in context."""
    record = of_record(found)
    if tree.get("status") == "entered-in-error":
        return Why("masked", "deleted", "it was deleted by its author")
    mine = sorted(_authors(tree, base) & found.who.authors)
    if mine and record.rule not in ("ended", "closed", "blocked"):
        return Why("allowed", "author", "they wrote it", mine[0])
    if record.outcome == "masked":
        return record
    for type in _types(tree):
        for professions in found.who.professions:
            row = held.row(professions, type)
            if not row.read:
                return Why("masked", "matrix", "their profession does not read this type", row.text)
    if MASKED in codes(tree) and not _shows_masked(found):
        return Why("masked", "masked", "it is masked to professionals, and they did not write it")
    return record


def _shows_masked(found: Standing) -> bool:
    here = found.context
    return found.emergency is not None and here is not None and here.sees_masked and not here.refused


async def _asked(call: Invocation, context: Context, patient: str) -> tuple[str, str | None]:
    """The professional who is asked about, and their role; "" for a caller who is none and names none.

    Raises:
        Forbidden: another professional is named by who decides nothing for the patient.
        InvalidParameter: there is no such professional or role.
    """
    own, grant = context.repository.as_server(), context.repository.grant
    mine = grant.subject if standing.is_professional(grant) else ""
    practitioner, role = call.inputs.one("practitioner"), call.inputs.one("role")
    named = practitioner or role
    if named is None:
        return mine or "", grant.role
    found = await choosing.practitioner_of(own, named) if named.count("/") == 1 else ""
    for one, type in ((practitioner, "Practitioner"), (role, "PractitionerRole")):
        if one is not None and not await choosing.is_there(own, one, type):
            raise InvalidParameter(f"There is no such {type}.", f"http.{type.lower()}", code="not-found")
    if not mine or found != await choosing.practitioner_of(own, mine):
        await _require_decider(context, grant, patient)
    return found, role


async def _require_decider(context: Context, grant: Grant, patient: str) -> None:
    words = "Only who decides for the patient, or administers, asks about another."
    try:
        who = await choosing.decider(context.repository.as_server(), grant, patient)
    except NotFound:
        raise Forbidden(words) from None
    if who == "professional":
        raise Forbidden(words)


def _patient(tree: Mapping[str, Any], base: str) -> str:
    subject = tree.get("subject")
    said = subject.get("reference") if isinstance(subject, dict) else None
    target = reference(said, base).target if isinstance(said, str) else ""
    return target.removeprefix("Patient/") if target.startswith("Patient/") else ""


def _authors(tree: Mapping[str, Any], base: str) -> set[str]:
    return {row.value for row in documents(dict(tree), base) if isinstance(row, Word) and row.param == "_author"}


def _types(tree: Mapping[str, Any]) -> list[str]:
    """Its types as the matrix has them: without one, the type of nothing."""
    coded = (tree.get("type") or {}).get("coding", ())
    return [f"{one.get('system', '')}|{one.get('code', '')}" for one in coded] or [""]


def _answer(why: Why, held: Matrix) -> Response:
    parts = [
        {"name": "outcome", "valueCode": why.outcome},
        {"name": "rule", "valueCode": why.rule},
        {"name": "reason", "valueString": why.reason},
        *([{"name": "row", "valueString": why.row}] if why.row else []),
        {"name": "matrix", "valueString": held.version},
    ]
    return answered(parts)
