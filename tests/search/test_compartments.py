"""https://hl7.org/fhir/R4/compartmentdefinition.html, https://hl7.org/fhir/R4/compartmentdefinition-patient.html"""

from __future__ import annotations

import pytest

from fhir_server.search.asking.compartments import compartment_filter, compartment_types
from fhir_server.store.filters import NOTHING, Filter, Id, Or, Refers


@pytest.mark.parametrize(
    ("name", "type", "filter"),
    [
        ("Patient", "Observation", Or((Refers("subject", "Patient/1"), Refers("performer", "Patient/1")))),
        ("Patient", "Patient", Or((Id(("1",)), Refers("link", "Patient/1")))),
        ("Device", "Device", Id(("1",))),
        ("Encounter", "Encounter", Id(("1",))),
        ("Patient", "ValueSet", NOTHING),
        ("Nobody", "Observation", NOTHING),
    ],
)
def test_a_compartment_holds_its_owner_and_what_its_definition_says_refers_to_it(
    name: str, type: str, filter: Filter
) -> None:
    assert compartment_filter(name, "1", type) == filter


def test_the_types_of_a_compartment_are_those_with_a_parameter_and_the_owner() -> None:
    types = compartment_types("Patient")
    assert {"Patient", "Observation", "DocumentReference"} <= set(types)
    assert "ValueSet" not in types
    assert compartment_types("Nobody") == ()
