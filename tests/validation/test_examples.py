"""HL7's own examples are right, or stand here with the reason they are wrong. https://hl7.org/fhir/R4/downloads.html"""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_server.fhir.json import parse
from fhir_server.validation.validator import validate
from tests.examples import examples_folder

CONFORMANCE = frozenset(
    (
        "StructureDefinition ValueSet CodeSystem SearchParameter ConceptMap OperationDefinition CompartmentDefinition "
        "CapabilityStatement"
    ).split()
)

#: Example → the rules it breaks and where, each read against the specification.
WRONG: dict[str, set[tuple[str, str]]] = {
    # A narrative of white space: txt-2.
    "ActivityDefinition-blood-tubes-supply": {("txt-2", "ActivityDefinition.text.div")},
    "ActivityDefinition-heart-valve-replacement": {("txt-2", "ActivityDefinition.text.div")},
    "EventDefinition-example": {("txt-2", "EventDefinition.text.div")},
    "Questionnaire-zika-virus-exposure-assessment": {("txt-2", "Questionnaire.text.div")},
    # Two entries with one fullUrl and no version; a code system as a value set, a bare OID as a whole URI.
    "Bundle-dataelements": {
        ("bdl-7", "Bundle"),
        ("canonical-target", "Bundle.entry[2696].resource.snapshot.element[0].binding.valueSet"),
        ("identifier-uri", "Bundle.entry[1600].resource.snapshot.element[0].example[0].value.value"),
    },
    "Bundle-resources": {
        ("canonical-target", "Bundle.entry[107].resource.differential.element[12].binding.valueSet"),
        ("canonical-target", "Bundle.entry[107].resource.snapshot.element[20].binding.valueSet"),
        ("identifier-uri", "Bundle.entry[82].resource.differential.element[1].example[0].value.value"),
        ("identifier-uri", "Bundle.entry[82].resource.snapshot.element[9].example[0].value.value"),
    },
    "StructureDefinition-ExplanationOfBenefit": {
        ("canonical-target", "StructureDefinition.differential.element[12].binding.valueSet"),
        ("canonical-target", "StructureDefinition.snapshot.element[20].binding.valueSet"),
    },
    "StructureDefinition-Consent": {
        ("identifier-uri", "StructureDefinition.differential.element[1].example[0].value.value"),
        ("identifier-uri", "StructureDefinition.snapshot.element[9].example[0].value.value"),
    },
    "Organization-2.16.840.1.113883.19.5": {("identifier-uri", "Organization.identifier[0].value")},
    # Documents with an entry whose fullUrl is that of another id.
    "Bundle-10bb101f-a121-4264-a920-67be9cb82c74": {("entry-full-url", "Bundle.entry[2]")},
    "Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe": {("entry-full-url", "Bundle.entry[3]")},
    # A collection whose fullUrls are those of other ids.
    "Bundle-lri-example": {("entry-full-url", f"Bundle.entry[{n}]") for n in range(1, 17)},
    # A digest written in hexadecimal, an age in barns, an OID of letters, UUIDs in capitals, systems without a scheme.
    "DiagnosticReport-example-pgx": {("attachment-hash", "DiagnosticReport.presentedForm[0].hash")},
    "List-example-double-cousin-relationship": {("maximum-binding", "List.contained[5].age.code")},
    "Library-zika-virus-intervention-logic": {
        ("primitive-format", f"Library.dataRequirement[{n}].codeFilter[0].valueSet") for n in (0, 1)
    },
    "TerminologyCapabilities-example": {("primitive-format", "TerminologyCapabilities.url")},
    "CapabilityStatement-example": {("primitive-format", "CapabilityStatement.url")},
    "Bundle-valuesets": {
        ("absolute-uri", "Bundle.entry[499].resource.compose.include[0].system"),
        ("code-system-property", "Bundle.entry[2].resource.property[35].code"),
    },
    # A property that is declared twice.
    "CodeSystem-snomedct": {("code-system-property", "CodeSystem.property[35].code")},
    "ValueSet-example-hierarchical": {("absolute-uri", "ValueSet.compose.include[0].system")},
    # Patterns of types: not abstract, and without a base.
    **{
        f"StructureDefinition-{name}": {("sdf-4", "StructureDefinition")}
        for name in ("Definition", "Event", "FiveWs", "Request")
    },
    # Codes that end with a no-break space.
    "Bundle-v2-valuesets": {
        ("primitive-format", f"Bundle.entry[814].resource.concept[{n}].code") for n in (74, 208, 444, 445)
    },
    # A DeviceDefinition where a Device is asked for.
    "DeviceMetric-example": {("reference-target", "DeviceMetric.parent.reference")},
    # A Procedure as the reason of a use.
    "DeviceUseStatement-example": {("reference-target", "DeviceUseStatement.reasonReference[0].reference")},
    # A Practitioner where only an Organization may dispense.
    "MedicationRequest-medrx0301": {("reference-target", "MedicationRequest.dispenseRequest.performer.reference")},
    # An Encounter as the performer.
    "Observation-clinical-gender": {("reference-target", "Observation.performer[0].reference")},
    "CodeSystem-v2-0550": {("primitive-format", f"CodeSystem.concept[{n}].code") for n in (74, 208, 444, 445)},
    # Search parameters of extensions that no resource type uses.
    **{
        f"SearchParameter-{kind.lower()}-extensions-{kind}-{name}": {("cardinality-min", "SearchParameter.base")}
        for kind, name in (
            *(("CodeSystem", n) for n in ("author", "effective", "end", "keyword", "workflow")),
            *(("ValueSet", n) for n in ("author", "effective", "end", "keyword", "workflow")),
        )
    },
    # An id of 66 characters.
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject": {
        ("primitive-format", "SearchParameter.id")
    },
    # Items without the linkId that an item has.
    "Questionnaire-qs1": set(),
    # The guide of the specification itself: no name, no status, and a reference to that id of 66 characters.
    **{
        name: {
            ("cardinality-min", "ImplementationGuide.name"),
            ("cardinality-min", "ImplementationGuide.status"),
            ("reference-format", "ImplementationGuide.manifest.resource[11904].reference.reference"),
        }
        for name in ("ig-r4", "ImplementationGuide-fhir")
    },
}


def _files(conformance: bool) -> list[Path]:
    folder = examples_folder()
    if folder is None:
        pytest.skip("HL7's examples are not here and could not be fetched")
    found = sorted(p for p in folder.glob("*.json") if p.name not in ("package.json", ".index.json"))
    return [p for p in found if _is_conformance(p) is conformance]


def _is_conformance(file: Path) -> bool:
    # The largest bundles hold the same definitions once more.
    return file.name.partition("-")[0] in CONFORMANCE or file.stat().st_size > 3_000_000


def _judge(files: list[Path]) -> None:
    wrong = {}
    for file in files:
        tree = parse(file.read_bytes())
        found = {(i.key, i.expression) for i in validate(tree) if i.severity != "warning"}
        expected = WRONG.get(file.stem, set())
        if file.stem == "Questionnaire-qs1":
            assert {key for key, _ in found} == {"cardinality-min"}
        elif found != expected:
            wrong[file.stem] = found
    assert not wrong


def test_published_examples_are_right_or_wrong_for_a_known_reason():
    _judge(_files(conformance=False))


@pytest.mark.slow
def test_published_definitions_are_right_or_wrong_for_a_known_reason():
    _judge(_files(conformance=True))
