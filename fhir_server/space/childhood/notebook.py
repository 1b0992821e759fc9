"""The notebook of one child, gathered from the record as far as who looks at it may see it.

It is made when it is looked at, of documents, appointments and resources; nothing of it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.fhir.nos import DOCUMENT_TYPES
from fhir_server.fhir.outcome import FhirError
from fhir_server.http.long_bodies import conversion
from fhir_server.space.acting import is_of_age, minute
from fhir_server.space.agenda.prevention.calendar import birth
from fhir_server.space.childhood import certificates, doses, examinations, measures
from fhir_server.space.childhood.certificates import Certificate
from fhir_server.space.childhood.doses import Dose, Given
from fhir_server.space.childhood.examinations import Examination
from fhir_server.space.childhood.measures import GROWTH, Grown
from fhir_server.space.profile.assertions import is_none
from fhir_server.space.profile.narrative import line
from fhir_server.space.profile.writing.measuring import ALIKE
from fhir_server.space.record.pages.asking import Asking

Tree = dict[str, Any]
#: Resources of a kind that are looked at, the newest.
MOST = 500
#: Type of the certificates, and of the measures of a child (CSE-MDE, LOINC).
_TYPES = f"{DOCUMENT_TYPES}|CERT_DECL,http://loinc.org|29274-8"
_LONG = 20_000
_GROWTH = tuple(code for code, row in ALIKE.items() if row in GROWTH)


@dataclass(frozen=True, slots=True)
class Notebook:
    """A child's notebook.

    Attributes:
        patient: the child's Patient.
        born: day of birth; None where it is not said, and then there is no calendar.
        sex: of the Patient; "" where it is not said.
        today: on which it was made.
        examinations, certificates, grown, doses, given: each in order; the newest measures first.
        allergies: each in one line; none: whether it is said that there are none.
    """

    patient: Tree
    born: date | None
    sex: str
    today: date
    examinations: list[Examination]
    certificates: list[Certificate]
    grown: list[Grown]
    doses: list[Dose]
    given: list[Given]
    allergies: list[str]
    none: bool


async def notebook(asked: Asking) -> Notebook | None:
    """The notebook of the patient in context; None of who is no child, or not for this caller to see."""
    patient = await asked.read("Patient", str(asked.grant.patient))
    if patient is None or is_of_age(patient, minute()):
        return None
    zone = ZoneInfo(asked.around.settings.default_timezone)
    today, born, sex = datetime.now(zone).date(), birth(patient), str(patient.get("gender") or "")
    filed = await _all(asked, "DocumentReference", [("status", "current"), ("type", _TYPES), ("_sort", "-date")])
    certified = certificates.certificates(list(filed))
    booked = await _all(asked, "Appointment", [("status:not", "cancelled,entered-in-error,noshow")])
    dated = examinations.appointments(booked, zone)
    had = doses.given(await _all(asked, "Immunization", []), zone)
    feared = await _all(asked, "AllergyIntolerance", [("verification-status:not", "entered-in-error,refuted")])
    return Notebook(
        patient,
        born,
        sex,
        today,
        examinations.examinations(patient, today, certified, await _said(asked), dated),
        sorted(certified, key=lambda one: one.number or 9),
        [] if born is None else await _grown(asked, certified, born, sex, zone),
        doses.doses(patient, today, had),
        had,
        [line(tree, {}, "fr") for tree in feared if not is_none(tree)],
        any(map(is_none, feared)) and all(map(is_none, feared)),
    )


async def _grown(asked: Asking, certified: list[Certificate], born: date, sex: str, zone: ZoneInfo) -> list[Grown]:
    """All measures, the newest first; what a certificate says beside an Observation of the day stands once."""
    pairs = [("code", ",".join(_GROWTH)), ("status:not", "entered-in-error,cancelled"), ("_sort", "-date")]
    trees = await _all(asked, "Observation", pairs)
    found = measures.observed(trees, born, sex, zone, asked.base)
    for one in certified[: certificates.MOST]:
        found += await _certified(asked, one, born, sex)
    once = {(one.code, one.day, one.value): one for one in reversed(found)}
    return sorted(once.values(), key=lambda one: one.day, reverse=True)


async def _certified(asked: Asking, one: Certificate, born: date, sex: str) -> list[Grown]:
    answer = await asked.content(one.content) if one.content else None
    if answer is None:
        return []
    if len(answer.body) < _LONG:
        return certificates.measured(answer.body, born, sex)
    try:
        return await conversion(certificates.measured, answer.body, born, sex)
    except FhirError:
        return []


async def _said(asked: Asking) -> dict[str, tuple[str, date | None]]:
    """What the patient's side says of their prevention; {} for a professional, to whom it is not shown."""
    try:
        answer = await asked.operate(
            ("Patient", str(asked.grant.patient), "$prevention"), query=[("from", "1900-01-01"), ("to", "2199-12-31")]
        )
    except FhirError:
        return {}
    found = {}
    for row in answer.get("parameter", ()):
        said = {one["name"]: next(value for key, value in one.items() if key != "name") for one in row["part"]}
        executed = said.get("executed")
        day = date.fromisoformat(executed) if executed else None
        found[f"{said['code']}|{said['start']}"] = (str(said["status"]), day)
    return found


async def _all(asked: Asking, type: str, pairs: list[tuple[str, str]]) -> list[Tree]:
    """What is found of a type for the patient in context; [] where this caller may not look."""
    whose = [("patient", f"Patient/{asked.grant.patient}"), *pairs, ("_count", str(MOST))]
    try:
        return list((await asked.find(type, whose)).trees)
    except FhirError:
        return []
