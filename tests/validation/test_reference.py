"""The compiled schema means the same to jsonschema, the reference implementation of JSON Schema, as to the engine we run.

https://json-schema.org/draft/2020-12/json-schema-core
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir.json import parse
from fhir_server.validation.engine import compiled
from fhir_server.validation.reference import reference
from fhir_server.validation.types.compile import schema
from tests.examples import examples_folder

EXAMPLES = [
    "Patient-example",
    "Patient-newborn",
    "Observation-example",
    "Observation-blood-pressure",
    "Observation-10minute-apgar-score",
    "DocumentReference-example",
    "MedicationRequest-medrx0311",
    "Questionnaire-3141",
    "Condition-example",
    "CarePlan-example",
    "Appointment-example",
    "AllergyIntolerance-example",
    "ValueSet-example-extensional",
    "Bundle-bundle-example",
]
#: What a value is replaced by.
ODD: list[Any] = [
    None, "", " ", "a", "a b", "2020-02-30", "#x", "Patient/1", "Foo/1", 0, -1, 1, 2**31, True, Decimal("1.0"),
    Decimal("1.5"), [], {}, [None], ["a"], [{}], {"id": "a"}, {"reference": "Foo/1"}, {"extension": [{"url": "a"}]},
    "final", "a\n", {"text": "a"}, {"coding": [{"code": "a"}]},
]  # fmt: skip


def _mutated(tree: Any, source: random.Random) -> Any:
    """`tree` with one value replaced, removed, doubled, or one property renamed or added."""
    if isinstance(tree, dict) and tree:
        key = source.choice(list(tree))
        if source.random() < 0.7 and isinstance(tree[key], dict | list) and tree[key]:
            return {**tree, key: _mutated(tree[key], source)}
        return _changed(tree, key, source)
    if isinstance(tree, list) and tree:
        at = source.randrange(len(tree))
        if source.random() < 0.8:
            return [*tree[:at], _mutated(tree[at], source), *tree[at + 1 :]]
        return source.choice([tree[:at] + tree[at + 1 :], [*tree, tree[at]], [*tree, None]])
    return source.choice(ODD)


def _changed(tree: dict[str, Any], key: str, source: random.Random) -> dict[str, Any]:
    rest = {k: v for k, v in tree.items() if k != key}
    match source.randrange(6):
        case 0:
            return rest
        case 1:
            return {**rest, source.choice(["foo", "_" + key, key.removeprefix("_"), "id", "extension"]): tree[key]}
        case 2:
            return {
                **tree,
                source.choice(["valueString", "deceasedDateTime", "_" + key, "contained"]): source.choice(ODD),
            }
        case 3:
            return {**tree, "_" + key: source.choice(ODD)}
        case 4:
            return {**tree, key: [tree[key]]}
        case _:
            return {**tree, key: source.choice(ODD)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_engine_and_reference_agree_on_random_mutations(name: str):
    folder = examples_folder()
    if folder is None:
        pytest.skip("HL7's examples are not here and could not be fetched")
    tree = parse((folder / f"{name}.json").read_bytes())
    type = tree["resourceType"]
    source = random.Random(name)
    engine, slow = compiled(schema(type)), reference(type)
    refused = 0
    for _ in range(150):
        changed = tree
        for _ in range(source.choice([1, 1, 2])):
            changed = _mutated(changed, source)
        judged = engine.is_valid(changed)
        refused += not judged
        assert judged == slow.is_valid(changed), list(engine.iter_errors(changed)) or changed
        assert judged == (not list(engine.iter_errors(changed)))
    assert refused > 5
