"""The compiled schema means the same to jsonschema, the reference implementation of JSON Schema, as to the engine we run.

https://json-schema.org/draft/2020-12/json-schema-core
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import jsonschema
import pytest
from jsonschema.validators import extend
from referencing import Registry, Resource

from fhir_server.fhir.json import parse
from fhir_server.validation import narrative
from fhir_server.validation.aligned import KEYWORD, misaligned
from fhir_server.validation.compile import schema
from fhir_server.validation.engine import compiled
from fhir_server.validation.primitives import REGISTRY
from tests.examples import examples_folder


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    # JSON Schema's `$` is the end of the string; Python's also stands before a last line break.
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield jsonschema.ValidationError("pattern")


def _aligned(validator: Any, name: str, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, dict) and any(misaligned(instance, name)):
        yield jsonschema.ValidationError("aligned")


def _type(validator: Any, type: str, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    if type == "integer" and isinstance(instance, Decimal) and instance.as_tuple().exponent == 0:
        return  # Decimal("1") is written as the integer 1
    yield from jsonschema.Draft202012Validator.VALIDATORS["type"](validator, type, instance, schema)


@cache
def _reference(type: str) -> Any:
    formats = jsonschema.FormatChecker()
    formats.checks("xhtml")(narrative.is_safe)
    cls = extend(jsonschema.Draft202012Validator, {"pattern": _pattern, KEYWORD: _aligned, "type": _type})
    registry: Any = Registry().with_resources((u, Resource.from_contents(d)) for u, d in REGISTRY.items())
    return cls(schema(type), format_checker=formats, registry=registry)


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
    engine, reference = compiled(schema(type)), _reference(type)
    refused = 0
    for _ in range(150):
        changed = tree
        for _ in range(source.choice([1, 1, 2])):
            changed = _mutated(changed, source)
        judged = engine.is_valid(changed)
        refused += not judged
        assert judged == reference.is_valid(changed), list(engine.iter_errors(changed)) or changed
        assert judged == (not list(engine.iter_errors(changed)))
    assert refused > 5
