"""https://hl7.org/fhir/R4/fhirpath.html, https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression."""

from __future__ import annotations

import pytest

from fhir_server.search.indexing.elements import Leaf, NoSuchElement, reached


@pytest.mark.parametrize(
    "clause, type, roots, leaves",
    [
        ("Patient.gender", "Patient", ("gender",), [("Patient.gender", "code")]),
        ("gender", "Patient", ("gender",), [("Patient.gender", "code")]),
        ("Patient.contact.telecom.use", "Patient", ("contact",), [("ContactPoint.use", "code")]),
        ("Resource.meta.tag", "Patient", ("meta",), [("Meta.tag", "Coding")]),
        ("(Observation.value as Quantity)", "Observation", ("valueQuantity",), [("Observation.value[x]", "Quantity")]),
        ("Observation.value.as(Quantity)", "Observation", ("valueQuantity",), [("Observation.value[x]", "Quantity")]),
        ("Observation.value.ofType(FHIR.Quantity).unit", "Observation", ("valueQuantity",), [("Quantity.unit", "string")]),
        ("value.as(CodeableConcept).text", "Observation.component", ("valueCodeableConcept",), [("CodeableConcept.text", "string")]),
        ("(Observation.value as CodeableConcept).text", "Observation", ("valueCodeableConcept",), [("CodeableConcept.text", "string")]),
        ("Patient.deceased", "Patient", ("deceasedBoolean", "deceasedDateTime"), [("Patient.deceased[x]", "boolean"), ("Patient.deceased[x]", "dateTime")]),
        ("Account.subject.where(resolve() is Patient)", "Account", ("subject",), [("Account.subject", "Reference")]),
        ("Patient.telecom.where(system = 'phone')", "Patient", ("telecom",), [("Patient.telecom", "ContactPoint")]),
        ("Patient.name[0].given", "Patient", ("name",), [("HumanName.given", "string")]),
        ("Bundle.entry[0].resource", "Bundle", ("entry",), [("Bundle.entry.resource", "Resource")]),
        ("Patient.extension('http://a.example/(x)')", "Patient", ("extension",), [("Extension", "Extension")]),
        ("Questionnaire.item.item.code", "Questionnaire", ("item",), [("Questionnaire.item.code", "Coding")]),
        ("Patient.where(active).name", "Patient", (), [("Patient.name", "HumanName")]),
        ("Observation", "Observation", (), [("Observation", "Observation")]),
    ],
)  # fmt: skip
def test_a_path_is_followed_to_its_elements(
    clause: str, type: str, roots: tuple[str, ...], leaves: list[tuple[str, str]]
) -> None:
    found = reached(clause, type)
    assert found is not None
    assert found.roots == roots
    assert found.leaves == tuple(Leaf(*leaf) for leaf in leaves)


@pytest.mark.parametrize("clause, type", [("Patient.nmae", "Patient"), ("Patient.name.nope", "Patient"), ("Patient.gender.x", "Patient"), ("Patient.valueQuantity", "Patient"), ("Observation.valueQuantity", "Observation")])  # fmt: skip
def test_a_step_that_is_not_there_is_named(clause: str, type: str) -> None:
    with pytest.raises(NoSuchElement, match=clause.rpartition(".")[2]):
        reached(clause, type)


@pytest.mark.parametrize("clause", ["Patient.deceased.exists() and Patient.deceased != false", "Patient.name.count() > 1", "Patient.descendants()", "1 + 1", "(", "Patient.name.where(", "Patient..name", "", "Patient.contained.name"])  # fmt: skip
def test_of_what_is_more_than_a_path_nothing_is_said(clause: str) -> None:
    found = reached(clause, "Patient")
    assert found is None or (clause == "" and found.roots == ())
