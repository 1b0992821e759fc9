"""The clinical part of a record, beside its documents: which types, and who says in them that they wrote or did it.

CSP R1111-46, L1110-12: what a professional is let in to is the record, whatever it is written as. What they wrote
themselves stays theirs; https://hl7.org/fhir/R4/fivews.html calls it author and actor, each type by its own elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.access.record_owner import rows
from fhir_server.space.record.rows import authors
from fhir_server.store.filters import Word

#: Documents and their lots and folders: they have rows of their own, and rules by type and label besides.
DOCUMENTS = frozenset({"DocumentReference", "List"})
#: Of everything that is somebody's, what is no part of their medical record: who meets, writes, pays and consents.
_ADMINISTRATIVE = frozenset(
    """Account Appointment AppointmentResponse Basic ChargeItem Claim ClaimResponse Communication CommunicationRequest
    Consent Contract Coverage CoverageEligibilityRequest CoverageEligibilityResponse Device EnrollmentRequest
    ExplanationOfBenefit Invoice ResearchSubject Schedule SupplyDelivery SupplyRequest Task""".split()
)
CLINICAL = frozenset(type for type, row in rows().items() if row.kind == "record") - _ADMINISTRATIVE - DOCUMENTS

#: Type → the elements of whoever wrote it or did what it tells. Of a type without a row nobody is the author, nor by
#: being asked to do something, by receiving it or by being named in a team.
_TABLE = """
AdverseEvent              recorder contributor
AllergyIntolerance        recorder asserter
CarePlan                  author contributor
ClinicalImpression        assessor
Composition               author
Condition                 recorder asserter
DetectedIssue             author
DeviceRequest             requester
DeviceUseStatement        source
DiagnosticReport          performer resultsInterpreter
DocumentManifest          author
Encounter                 participant.individual
EpisodeOfCare             careManager
Flag                      author
Goal                      expressedBy
ImagingStudy              interpreter series.performer.actor
Immunization              performer.actor
MeasureReport             reporter
Media                     operator
MedicationAdministration  performer.actor
MedicationDispense        performer.actor
MedicationRequest         requester recorder
MedicationStatement       informationSource
NutritionOrder            orderer
Observation               performer
Procedure                 recorder asserter performer.actor
QuestionnaireResponse     author
RequestGroup              author
RiskAssessment            performer
ServiceRequest            requester
Specimen                  collection.collector
VisionPrescription        prescriber
"""
AUTHORS: Mapping[str, tuple[str, ...]] = {
    type: tuple(paths) for type, *paths in (line.split() for line in _TABLE.strip().splitlines())
}
#: Clinical types of which the patient is found by another search parameter than `patient`.
_OTHERWISE = {"AdverseEvent": "subject"}


def patient_param(type: str) -> str:
    """The search parameter by which a type of the record, or a trace, names its patient and nobody else."""
    return _OTHERWISE.get(type, "patient")


def wrote(tree: dict[str, Any], base: str) -> Iterator[Word]:
    """The rows of a clinical resource that say who wrote it, as those of documents do; `base` is the server's own."""
    named = (one for path in AUTHORS.get(tree["resourceType"], ()) for one in values(tree, path.split(".")))
    yield from authors(tree, named, base)


def values(node: Any, path: list[str]) -> Iterator[dict[str, Any]]:
    """Each element that stands at a path, names of one level each, lists gone through."""
    for one in node if isinstance(node, list) else [node]:
        if isinstance(one, dict):
            if not path:
                yield one
            elif path[0] in one:
                yield from values(one[path[0]], path[1:])
