"""A record with something for each section of a summary, and what must be in none."""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]
LOINC = "http://loinc.org"
A, WROTE = {"reference": "Patient/a"}, {"reference": "Practitioner/author"}
_TERMS = "http://terminology.hl7.org/CodeSystem"
_WHEN = "2024-01-10T08:00:00+01:00"


def concept(system: str, code: str, **more: Any) -> Tree:
    return {"coding": [{"system": system, "code": code}], **more}


def called(text: str) -> Tree:
    return {"text": text}


def clinical(status: str) -> Tree:
    return {"clinicalStatus": concept(f"{_TERMS}/condition-clinical", status)}


def verified(type: str, status: str) -> Tree:
    return {"verificationStatus": concept(f"{_TERMS}/{type}", status)}


def observation(id: str, code: Tree, category: str = "", **more: Any) -> Tree:
    categories = {"category": [concept(f"{_TERMS}/observation-category", category)]} if category else {}
    head = {"resourceType": "Observation", "id": id, "status": "final", "subject": A, "effectiveDateTime": _WHEN}
    return {**head, "code": code, **categories, **more}


def medication(id: str, status: str, **more: Any) -> Tree:
    head = {"resourceType": "MedicationStatement", "id": id, "status": status, "subject": A}
    return {**head, "medicationCodeableConcept": called(f"{id}taken"), **more}


def condition(id: str, **more: Any) -> Tree:
    return {"resourceType": "Condition", "id": id, "subject": A, "code": called(f"{id}known"), **more}


def allergy(id: str, **more: Any) -> Tree:
    return {"resourceType": "AllergyIntolerance", "id": id, "patient": A, "code": called(f"{id}feared"), **more}


_KG = {"value": 71, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
_ACTIVE = clinical("active")
#: Code of a section → what stands in it, in order.
SECTIONS: dict[str, tuple[Tree, ...]] = {
    "11450-4": (condition("asthma", **_ACTIVE, recorder=WROTE), condition("unsaid")),
    "48765-2": (allergy("peanut", clinicalStatus=concept(f"{_TERMS}/allergyintolerance-clinical", "active")),),
    "10160-0": (
        medication("insulin", "active", informationSource=A),
        {"resourceType": "MedicationRequest", "id": "ordered", "status": "active", "intent": "order", "subject": A,
         "medicationReference": {"reference": "Medication/made"}, "requester": WROTE},
    ),
    "104605-1": ({"resourceType": "Flag", "id": "flag", "status": "active", "code": called("falls"), "subject": A},),
    "11369-6": ({"resourceType": "Immunization", "id": "dose", "status": "completed", "patient": A,
                 "vaccineCode": called("dTP"), "occurrenceDateTime": "2020-05-04"},),
    "47519-4": ({"resourceType": "Procedure", "id": "surgery", "status": "completed", "subject": A,
                 "code": called("appendix"), "performedPeriod": {"start": "2010-02-03"}},),
    "46264-8": ({"resourceType": "DeviceUseStatement", "id": "worn", "status": "active", "subject": A,
                 "device": {"reference": "Device/pump"}},),
    "10162-6": (observation("pregnant", concept(LOINC, "82810-3"), valueCodeableConcept=called("pregnant")),),
    "29762-2": (observation("smokes", concept(LOINC, "72166-2"), "social-history", valueCodeableConcept=called("no")),),
    "8716-3": (observation("weight", concept(LOINC, "29463-7"), "vital-signs", valueQuantity=_KG),),
    "30954-2": (
        observation("glucose", concept(LOINC, "2339-0"), "laboratory", valueString="5 < 6 & fine", performer=[WROTE]),
        observation("group", concept(LOINC, "882-1"), valueCodeableConcept=called("A+")),
        {"resourceType": "DiagnosticReport", "id": "report", "status": "final", "subject": A, "code": called("blood"),
         "result": [{"reference": "Observation/glucose"}]},
    ),
    "11348-0": (condition("measles", **clinical("resolved")),),
    "10157-6": ({"resourceType": "FamilyMemberHistory", "id": "mother", "status": "completed", "patient": A,
                 "relationship": called("mother"), "condition": [{"code": called("diabetes")}]},),
    "47420-5": ({"resourceType": "ClinicalImpression", "id": "walks", "status": "completed", "subject": A,
                 "summary": "walks with a stick"},),
    "18776-5": ({"resourceType": "CarePlan", "id": "plan", "status": "active", "intent": "plan", "subject": A,
                 "title": "kidneys"},),
}  # fmt: skip
#: What is of the patient and in no section: ended, taken back, refuted, and what another replaced.
ENDED: tuple[Tree, ...] = (
    condition("mistaken", **verified("condition-ver-status", "entered-in-error")),
    condition("refuted", **_ACTIVE, **verified("condition-ver-status", "refuted")),
    allergy("never", **verified("allergyintolerance-verification", "entered-in-error")),
    medication("nomore", "stopped"),
    medication("untaken", "not-taken"),
    observation("lighter", concept(LOINC, "29463-7"), "vital-signs", effectiveDateTime="2019-01-10"),
    observation("wrong", concept(LOINC, "8302-2"), "vital-signs", status="entered-in-error"),
    observation("other", called("of no section")),
)
#: What is of nobody, or of somebody else.
_TODAY = {"resourceType": "Practitioner", "id": "author", "name": [{"family": "Auteur"}]}
BESIDE: tuple[Tree, ...] = (
    _TODAY,
    {"resourceType": "Medication", "id": "made", "code": called("paracetamol")},
    {"resourceType": "Device", "id": "pump", "patient": A, "type": called("pump")},
    {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"}, "subject": A},
    condition("hers", subject={"reference": "Patient/b"}, recorder=A, asserter=A),
    condition("theirs", subject={"reference": "Patient/b"}),
)
INSIDE = {"Practitioner/author", "Medication/made", "Device/pump"}
