"""Whatever stands where, in what is judged across elements, entries and code systems: issues, and never an exception.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.terminology.conftest import Speaking
from tests.validation.test_bundles import SELF, bundle, document, entry, resource
from tests.validation.test_robustness import ODD

UCUM = "http://unitsofmeasure.org"
CATEGORY = {
    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
    "code": "vital-signs",
    "display": "a",
}
SIGN = resource(
    "Observation",
    category=[{"coding": [CATEGORY]}],
    code={"coding": [{"system": "http://loinc.org", "code": "8867-4", "version": "1"}]},
    subject={"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
    effectiveDateTime="2026-01-01",
    valueQuantity={"value": 5, "unit": "a", "system": UCUM, "code": "/min"},
)
PERSON = resource(
    "Patient",
    language="fr",
    photo=[{"contentType": "a/b", "data": "AAAA", "size": 3, "hash": "AAAA"}],
    identifier=[{"system": "urn:ietf:rfc:3986", "value": "urn:a"}],
    communication=[{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "fr"}]}}],
)
TREES = {
    "observation": SIGN,
    "patient": PERSON,
    "document": document(
        entry(PERSON),
        entry(SIGN),
        subject={"reference": "Patient/1"},
        section=[{"title": "a", "entry": [{"reference": "Observation/1"}], "section": [{"title": "b"}]}],
    ),
    "searchset": bundle("searchset", entry(PERSON, search={"mode": "match"}), link=SELF),
    "message": bundle("message", entry(resource("MessageHeader", focus=[{"reference": "Patient/1"}])), entry(PERSON)),
}


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*way, key)
        yield from _places(child, (*way, key))


@pytest.mark.parametrize("name", TREES)
async def test_an_odd_value_at_every_place_is_never_an_exception(server: Speaking, name: str) -> None:
    await server.terminology.refresh()
    judge = Validator(Profiles(), codes=server.terminology)
    for way in _places(TREES[name]):
        for odd in ODD:
            changed = copy.deepcopy(TREES[name])
            holder: Any = changed
            for step in way[:-1]:
                holder = holder[step]
            holder[way[-1]] = odd
            judge.validate(changed)
