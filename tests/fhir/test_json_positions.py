"""https://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.location"""

from __future__ import annotations

import pytest

from fhir_server.fhir.json_positions import positions

TEXT = """{
  "resourceType": "Observation",
  "note": [{"text": "a \\" } ]"}, {"text": "é", "x": [1, {"y": 2}]}],
  "_status": {
    "extension": [{"url": "u"}]
  },
  "valueQuantity": {"value": 1.0,
    "unit": "g"}, "code": {}
}"""


@pytest.mark.parametrize(
    ("expression", "place"),
    [
        ("Observation", (1, 1)),
        ("Observation.resourceType", (2, 3)),
        ("Observation.note", (3, 3)),
        ("Observation.note[1]", (3, 34)),
        ("Observation.note[1].text", (3, 35)),
        ("Observation.note[1].x[1].y", (3, 58)),
        ("Observation.status.extension[0].url", (5, 20)),
        ("Observation.value.unit", (8, 5)),
        ("Observation.code", (8, 19)),
        # What is missing is missed in its holder.
        ("Observation.code.coding[0]", (8, 19)),
        ("Observation.subject", (1, 1)),
    ],
)
def test_an_element_is_found_where_it_stands(expression: str, place: tuple[int, int]):
    assert positions(TEXT, [expression]) == {expression: place}


def test_many_are_found_in_one_reading():
    names = "".join(f'\n{{"family": "{n}"}},' for n in range(1000))
    found = positions(f'{{"name": [{names}\n{{}}]}}', [f"Patient.name[{n}].family" for n in range(1000)])
    assert [line for line, _ in found.values()] == list(range(2, 1002))
