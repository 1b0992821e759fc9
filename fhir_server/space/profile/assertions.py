"""That somebody has none of what a section is of, said by a resource: absent is not none.

https://hl7.org/fhir/uv/ips/STU2/CodeSystem-absent-unknown-uv-ips.html; R4 allergyintolerance.html and condition.html,
on negation. The codes are those of the free set; SNOMED CT's of the same meaning is known where it is met.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Tree = dict[str, Any]
ABSENT = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
_TERMS = "http://terminology.hl7.org/CodeSystem"
_ABSENCE = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
#: Codes that speak of all of a section. "No known food allergy" stands beside other allergies, and is none of these.
_WHOLE = frozenset(
    f"{said}-{what}"
    for what in ("allergies", "allergy-info", "problems", "problem-info", "medications", "medication-info",
                 "immunizations", "immunization-info", "procedures", "procedure-info", "devices", "device-info")
    for said in ("no-known", "no")
)  # fmt: skip
_SNOMED = frozenset({"716186003"})


@dataclass(frozen=True, slots=True)
class Assertion:
    """How it is said of one section.

    Attributes:
        section: LOINC code of the section.
        type: of the resource.
        code: of `ABSENT`.
        display: its words, in French.
        coded: the element that has the code; with `parameter`, how it is searched.
        whose: the element that names the patient.
        by: the element that names who says so; "" where the type has none.
        when: the element of when it was said.
        void: a search that leaves out what was taken back.
        more: what the type needs beside.
    """

    section: str
    type: str
    code: str
    display: str
    coded: str
    parameter: str
    whose: str
    by: str
    when: str
    void: tuple[str, str]
    more: Mapping[str, Any]

    def said(self, patient: str, by: str, now: str) -> Tree:
        """The resource: of a patient (id), by somebody ("Patient/1"; "" for nobody who can be named), at an instant."""
        concept = {"coding": [{"system": ABSENT, "code": self.code}], "text": self.display}
        named = {self.by: {"reference": by}} if self.by and by else {}
        own = {self.whose: {"reference": f"Patient/{patient}"}, self.coded: concept, self.when: now}
        return {"resourceType": self.type, **own, **named, **self.more}

    def search(self, patient: str) -> list[tuple[str, str]]:
        """What finds it of a patient (id)."""
        return [("patient", patient), (self.parameter, f"{ABSENT}|{self.code}"), self.void]


_ALLERGY = {"clinicalStatus": {"coding": [{"system": f"{_TERMS}/allergyintolerance-clinical", "code": "active"}]}}
_PROBLEM = {"clinicalStatus": {"coding": [{"system": f"{_TERMS}/condition-clinical", "code": "active"}]}}
_VERIFIED, _STATUS = ("verification-status:not", "entered-in-error"), ("status:not", "entered-in-error")
_DOSE = {"status": "not-done",
         "_occurrenceDateTime": {"extension": [{"url": _ABSENCE, "valueCode": "not-applicable"}]}}  # fmt: skip
#: What a caller calls a section → how it is said that there is none.
ASSERTIONS: Mapping[str, Assertion] = {
    "allergies": Assertion("48765-2", "AllergyIntolerance", "no-known-allergies", "Aucune allergie connue", "code",
                           "code", "patient", "asserter", "recordedDate", _VERIFIED, _ALLERGY),
    "problems": Assertion("11450-4", "Condition", "no-known-problems", "Aucune maladie connue", "code",
                          "code", "subject", "asserter", "recordedDate", _VERIFIED, _PROBLEM),
    "medications": Assertion("10160-0", "MedicationStatement", "no-known-medications", "Aucun traitement connu",
                             "medicationCodeableConcept", "code", "subject", "informationSource", "dateAsserted",
                             _STATUS, {"status": "unknown"}),
    "immunizations": Assertion("11369-6", "Immunization", "no-known-immunizations", "Aucune vaccination connue",
                               "vaccineCode", "vaccine-code", "patient", "", "recorded", _STATUS, _DOSE),
    "procedures": Assertion("47519-4", "Procedure", "no-known-procedures", "Aucune intervention connue", "code",
                            "code", "subject", "asserter", "performedDateTime", _STATUS, {"status": "unknown"}),
}  # fmt: skip


def is_none(tree: Tree) -> bool:
    """Whether a resource says that there is none, or that nothing is known, of all of its section."""
    concepts = (tree.get(name) for name in ("code", "medicationCodeableConcept", "vaccineCode"))
    codings = [coding for one in concepts if isinstance(one, dict) for coding in one.get("coding", ())]
    return any(
        (one.get("system") == ABSENT and one.get("code") in _WHOLE)
        or (one.get("system") == "http://snomed.info/sct" and one.get("code") in _SNOMED)
        for one in codings
    )
