"""Whose a resource is: one row for each of R4's 146 types, and what a resource itself says of it.

https://hl7.org/fhir/R4/compartmentdefinition-patient.html puts a resource into a patient's compartment by *any* of many
links: who performed, recorded, asserted, sent. That is what a compartment search asks; it is not whose record it is.
Here are the elements that say whose, by which writes are judged, and the few other links that count for reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

from fhir_server.fhir.references import Reference, parse
from fhir_server.store.filters import NOTHING, Filter, Id, Refers, either

Kind = Literal["record", "work", "shared", "binary", "trace", "identity", "directory", "definition"]

#: Kinds that no person's token writes, whatever its scopes: who people are and act for, where they work, and what the
#: server judges by. The space's own operations and software without a person (`system/` scopes) write them.
CLOSED: frozenset[Kind] = frozenset({"trace", "identity", "directory", "definition"})

#: Index row, of no stored index, by which a write is judged: the one patient that every element of the table names.
WHOSE = "_whose"

#: Kinds: `record` is somebody's; `work` is a professional's and of no patient, or of many; `shared` is referred to from
#: many records, so that professionals add to it and change none of it; `binary` has rules of its own; the others are
#: `CLOSED`. Columns, each with several elements where the type has them and `-` for none:
#:   whose    each value is the patient, by a literal reference, and there is one;
#:   among    of patients only the one is there; others than patients may be beside;
#:   parties  who else takes part and may read it: anybody, named as those of `among` are, not by an identifier alone;
#:   read     search parameters by which what it says of the patient may be read.
#: Decided for reading, beside whose it is: who takes part in an appointment, who a message is from and to, who a
#: coverage is a contract of, who a patient is linked to (R4 Patient.link: one person). Not for reading: who performed,
#: recorded, asserted, wrote, attested or paid for what stands in another's record, members of groups (they would see
#: each other), other participants of a care team. Who acts for somebody has their record by that, not by such links.
_TABLE = """
type                                   kind       whose           among              parties            read
Account                                record     subject         -                  -                  subject
ActivityDefinition                     definition -               -                  -                  -
AdverseEvent                           record     subject         -                  -                  subject
AllergyIntolerance                     record     patient         -                  -                  patient
Appointment                            record     -               participant.actor  -                  actor
AppointmentResponse                    record     -               actor              -                  actor
AuditEvent                             trace      -               -                  -                  patient
Basic                                  record     subject         -                  -                  patient
Binary                                 binary     -               -                  -                  -
BiologicallyDerivedProduct             shared     -               -                  -                  -
BodyStructure                          record     patient         -                  -                  patient
Bundle                                 work       -               -                  -                  -
CapabilityStatement                    definition -               -                  -                  -
CarePlan                               record     subject         -                  -                  patient
CareTeam                               record     subject         -                  -                  patient
CatalogEntry                           definition -               -                  -                  -
ChargeItem                             record     subject         -                  -                  subject
ChargeItemDefinition                   definition -               -                  -                  -
Claim                                  record     patient         -                  -                  patient
ClaimResponse                          record     patient         -                  -                  patient
ClinicalImpression                     record     subject         -                  -                  subject
CodeSystem                             definition -               -                  -                  -
Communication                          record     subject         -                  sender,recipient   subject,sender,recipient
CommunicationRequest                   record     subject         -                  sender,recipient,requester subject,sender,recipient,requester
CompartmentDefinition                  definition -               -                  -                  -
Composition                            record     subject         -                  -                  subject
ConceptMap                             definition -               -                  -                  -
Condition                              record     subject         -                  -                  patient
Consent                                record     patient         -                  -                  patient
Contract                               record     subject         -                  -                  patient
Coverage                               record     beneficiary     -                  policyHolder,subscriber,payor beneficiary,policy-holder,subscriber,payor
CoverageEligibilityRequest             record     patient         -                  -                  patient
CoverageEligibilityResponse            record     patient         -                  -                  patient
DetectedIssue                          record     patient         -                  -                  patient
Device                                 record     patient         -                  -                  patient
DeviceDefinition                       definition -               -                  -                  -
DeviceMetric                           work       -               -                  -                  -
DeviceRequest                          record     subject         -                  -                  subject
DeviceUseStatement                     record     subject         -                  -                  subject
DiagnosticReport                       record     subject         -                  -                  subject
DocumentManifest                       record     subject         -                  -                  subject
DocumentReference                      record     subject         -                  -                  subject
EffectEvidenceSynthesis                definition -               -                  -                  -
Encounter                              record     subject         -                  -                  patient
Endpoint                               directory  -               -                  -                  -
EnrollmentRequest                      record     candidate       -                  -                  subject
EnrollmentResponse                     work       -               -                  -                  -
EpisodeOfCare                          record     patient         -                  -                  patient
EventDefinition                        definition -               -                  -                  -
Evidence                               definition -               -                  -                  -
EvidenceVariable                       definition -               -                  -                  -
ExampleScenario                        definition -               -                  -                  -
ExplanationOfBenefit                   record     patient         -                  -                  patient
FamilyMemberHistory                    record     patient         -                  -                  patient
Flag                                   record     subject         -                  -                  patient
Goal                                   record     subject         -                  -                  patient
GraphDefinition                        definition -               -                  -                  -
Group                                  work       -               -                  -                  -
GuidanceResponse                       record     subject         -                  -                  patient
HealthcareService                      directory  -               -                  -                  -
ImagingStudy                           record     subject         -                  -                  patient
Immunization                           record     patient         -                  -                  patient
ImmunizationEvaluation                 record     patient         -                  -                  patient
ImmunizationRecommendation             record     patient         -                  -                  patient
ImplementationGuide                    definition -               -                  -                  -
InsurancePlan                          directory  -               -                  -                  -
Invoice                                record     subject         -                  -                  subject
Library                                definition -               -                  -                  -
Linkage                                work       -               -                  -                  -
List                                   record     subject         -                  -                  subject
Location                               directory  -               -                  -                  -
Measure                                definition -               -                  -                  -
MeasureReport                          record     subject         -                  -                  patient
Media                                  record     subject         -                  -                  subject
Medication                             shared     -               -                  -                  -
MedicationAdministration               record     subject         -                  -                  patient
MedicationDispense                     record     subject         -                  -                  subject
MedicationKnowledge                    definition -               -                  -                  -
MedicationRequest                      record     subject         -                  -                  subject
MedicationStatement                    record     subject         -                  -                  subject
MedicinalProduct                       definition -               -                  -                  -
MedicinalProductAuthorization          definition -               -                  -                  -
MedicinalProductContraindication       definition -               -                  -                  -
MedicinalProductIndication             definition -               -                  -                  -
MedicinalProductIngredient             definition -               -                  -                  -
MedicinalProductInteraction            definition -               -                  -                  -
MedicinalProductManufactured           definition -               -                  -                  -
MedicinalProductPackaged               definition -               -                  -                  -
MedicinalProductPharmaceutical         definition -               -                  -                  -
MedicinalProductUndesirableEffect      definition -               -                  -                  -
MessageDefinition                      definition -               -                  -                  -
MessageHeader                          work       -               -                  -                  -
MolecularSequence                      record     patient         -                  -                  patient
NamingSystem                           definition -               -                  -                  -
NutritionOrder                         record     patient         -                  -                  patient
Observation                            record     subject         -                  -                  subject
ObservationDefinition                  definition -               -                  -                  -
OperationDefinition                    definition -               -                  -                  -
OperationOutcome                       work       -               -                  -                  -
Organization                           directory  -               -                  -                  -
OrganizationAffiliation                directory  -               -                  -                  -
Parameters                             work       -               -                  -                  -
Patient                                identity   -               -                  -                  link
PaymentNotice                          work       -               -                  -                  -
PaymentReconciliation                  work       -               -                  -                  -
Person                                 identity   -               -                  -                  patient
PlanDefinition                         definition -               -                  -                  -
Practitioner                           directory  -               -                  -                  -
PractitionerRole                       directory  -               -                  -                  -
Procedure                              record     subject         -                  -                  patient
Provenance                             trace      -               -                  -                  patient
Questionnaire                          definition -               -                  -                  -
QuestionnaireResponse                  record     subject         -                  -                  subject
RelatedPerson                          identity   -               -                  -                  patient
RequestGroup                           record     subject         -                  -                  subject
ResearchDefinition                     definition -               -                  -                  -
ResearchElementDefinition              definition -               -                  -                  -
ResearchStudy                          work       -               -                  -                  -
ResearchSubject                        record     individual      -                  -                  individual
RiskAssessment                         record     subject         -                  -                  subject
RiskEvidenceSynthesis                  definition -               -                  -                  -
Schedule                               record     actor           -                  -                  actor
SearchParameter                        definition -               -                  -                  -
ServiceRequest                         record     subject         -                  -                  subject
Slot                                   work       -               -                  -                  -
Specimen                               record     subject         -                  -                  subject
SpecimenDefinition                     definition -               -                  -                  -
StructureDefinition                    definition -               -                  -                  -
StructureMap                           definition -               -                  -                  -
Subscription                           definition -               -                  -                  -
Substance                              shared     -               -                  -                  -
SubstanceNucleicAcid                   definition -               -                  -                  -
SubstancePolymer                       definition -               -                  -                  -
SubstanceProtein                       definition -               -                  -                  -
SubstanceReferenceInformation          definition -               -                  -                  -
SubstanceSourceMaterial                definition -               -                  -                  -
SubstanceSpecification                 definition -               -                  -                  -
SupplyDelivery                         record     patient         -                  -                  patient
SupplyRequest                          record     deliverTo       -                  -                  subject
Task                                   record     for             -                  -                  patient
TerminologyCapabilities                definition -               -                  -                  -
TestReport                             definition -               -                  -                  -
TestScript                             definition -               -                  -                  -
ValueSet                               definition -               -                  -                  -
VerificationResult                     directory  -               -                  -                  -
VisionPrescription                     record     patient         -                  -                  patient
"""  # noqa: E501 - a row a line


class Row(NamedTuple):
    """A type's row of the table: its kind, and what the columns name."""

    kind: Kind
    whose: tuple[str, ...]
    among: tuple[str, ...]
    parties: tuple[str, ...]
    read: tuple[str, ...]


@cache
def rows() -> dict[str, Row]:
    """The row of each resource type."""
    found = {}
    for line in _TABLE.strip().splitlines()[1:]:
        type, kind, *columns = line.split()
        found[type] = Row(kind, *(() if one == "-" else tuple(one.split(",")) for one in columns))  # type: ignore[arg-type]
    return found


@lru_cache(maxsize=8192)
def readable(patient: str, type: str) -> Filter:
    """What of `type` says something of the patient (id) that their own apps may read; `NOTHING` where nothing can."""
    own: list[Filter] = [Id((patient,))] if type == "Patient" else []
    found = [*own, *(Refers(param, f"Patient/{patient}") for param in rows()[type].read)]
    return either(found) if found else NOTHING


@dataclass(frozen=True, slots=True)
class Named:
    """What an element beside a literal reference says too: that whoever is referred to has an identifier.

    Attributes:
        reference: "Patient/1", whom it is said of; "" where nobody here is.
        system, value: of the identifier.
        element: where it stands, for the reason of a refusal.
    """

    reference: str
    system: str
    value: str
    element: str


@dataclass(frozen=True, slots=True)
class Owner:
    """What a resource says of whose it is.

    Attributes:
        patient: "Patient/1" when every element of the type's row says so; None when they do not agree or do not say.
        element: the first that does not, as FHIRPath; the type alone where nothing does.
        named: identifiers that must be those of whom they are said of.
    """

    patient: str | None
    element: str
    named: tuple[Named, ...] = ()


def owner(type: str, tree: dict[str, Any], base: str) -> Owner:
    """Whose a resource is.

    Only a literal reference to a Patient of this server says so: relative, or absolute under `base`, with a version or
    without. What is named by an identifier or a display alone, is contained, stands elsewhere or is a `urn:` is nobody
    here.

    Args:
        type: resource type.
        tree: the resource.
        base: the server's own public base.
    """
    row, said, parties = rows()[type], _Said(tree, base), _Said(tree, base)
    for paths, notes, others in ((row.whose, said, False), (row.among, said, True), (row.parties, parties, True)):
        for path in paths:
            for node, element in _values(tree, path, type):
                notes.take(node, element, others)
    first = next((f"{type}.{path}" for path in (*row.whose, *row.among)), type)
    wrong = said.wrong or parties.wrong or ("" if len(said.patients) == 1 else first)
    if wrong:
        return Owner(None, wrong)
    [patient] = said.patients
    return Owner(patient, first, (*said.named, *parties.named))


class _Said:
    """What references say, one after the other."""

    def __init__(self, tree: dict[str, Any], base: str) -> None:
        self.base = base
        # An id is asked for before what is sent was judged: anything may stand there.
        inside = tree.get("contained")
        listed = [one for one in inside if isinstance(one, dict)] if isinstance(inside, list) else []
        self.contained = {str(one.get("id")): one.get("resourceType") for one in listed}
        self.patients: set[str] = set()
        self.named: list[Named] = []
        self.wrong = ""

    def take(self, node: Any, element: str, others: bool) -> None:
        """Note a Reference; `others` than patients may stand there."""
        reference = node.get("reference") if isinstance(node, dict) else ""
        found = parse(reference, self.base) if isinstance(reference, str) else None
        # With a fragment it is something inside what it names.
        here = found.target if found is not None and found.local and not found.fragment else ""
        if here.startswith("Patient/"):
            self.patients.add(here)
        elif not others or not (here or self._another(node, found)):
            self.wrong = self.wrong or element
        identifier = node.get("identifier") if isinstance(node, dict) else None
        if isinstance(identifier, dict):
            system, value = str(identifier.get("system", "")), str(identifier.get("value", ""))
            self.named.append(Named(here, system, value, f"{element}.identifier"))

    def _another(self, node: Any, found: Reference | None) -> bool:
        """Whether it is surely no patient of this server: a name alone, or a literal reference to another type."""
        if found is None:
            return isinstance(node, dict) and node.keys() <= _NAME_ALONE and node.get("type") != "Patient"
        kind = self.contained.get(found.fragment) if found.contained else found.type
        return kind not in (None, "Patient")


#: Members of a Reference that say nothing by which somebody is found.
_NAME_ALONE = frozenset({"display", "_display", "type", "id"})


def _values(node: Any, path: str, place: str) -> Iterator[tuple[Any, str]]:
    """Each value at `path`, with the FHIRPath of where it stands."""
    name, _, rest = path.partition(".")
    value = node.get(name) if isinstance(node, dict) else None
    if value is None:
        return
    many = isinstance(value, list)
    for number, one in enumerate(value if many else [value]):
        at = f"{place}.{name}[{number}]" if many else f"{place}.{name}"
        if rest:
            yield from _values(one, rest, at)
        else:
            yield one, at
