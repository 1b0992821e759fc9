"""What validation costs in process, beside jsonschema in pure Python on the same schemas and fhir.resources' models.

The ratio is generous to both: jsonschema is given structure only, without invariants and codes of the terminology, and
fhir.resources knows neither profiles nor invariants.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from fhir_server.fhir.fhirpath.expression import compile
from fhir_server.fhir.paths import compile_path
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.reference import of_schema, reference
from fhir_server.validation.validator import Validator
from tests.benchmarks import inputs
from tests.benchmarks.inputs import Tree
from tests.benchmarks.timing import table, told, took

HEAD = ("Validation of", "target", "median", "CPU", "least CPU", "jsonschema", "fhir.resources")


def validation(seconds: float) -> Iterator[str]:
    """The tables."""
    judge = Validator(Profiles())
    whole, life = inputs.life()
    cases = [
        ("an ordinary Patient, base R4", "≤ 30 µs", inputs.patient()),
        ("an ordinary Observation, base R4", "≤ 30 µs", inputs.observation()),
        ("an ordinary DocumentReference, base R4", "≤ 30 µs", inputs.document()),
        ("a PDSm comprehensive DocumentReference: profile, slices, invariants", "≤ 500 µs", inputs.comprehensive()),
        (f"a {whole}, invariants included", "≤ 150 ms", life),
    ]
    yield table(HEAD, [_row(*case, judge, seconds) for case in cases])
    yield "jsonschema and fhir.resources: least CPU."
    yield table(("FHIRPath", "median", "CPU", "least CPU"), [*_paths(seconds)])


def _row(name: str, target: str, tree: Tree, judge: Validator, seconds: float) -> tuple[str, ...]:
    refused = [issue for issue in judge.validate(tree) if issue.severity == "error"]
    assert not refused, refused[0]
    ours = took(lambda: judge.validate(tree), seconds)
    slow = _jsonschema(tree, judge)
    typed = _model(tree)
    theirs = [told(took(call, seconds / 2, rounds=2).least) for call in (slow, typed)]
    return name, target, told(ours.wall), told(ours.cpu), told(ours.least), *theirs


def _jsonschema(tree: Tree, judge: Validator) -> Callable[[], Any]:
    """The same resource by the same schemas, one run for each resource and each profile claimed."""
    runs = [(reference(one["resourceType"]), one) for one in _resources(tree)]
    assert judge.conformance is not None
    for canonical in tree.get("meta", {}).get("profile", ()):
        runs.append((of_schema(judge.conformance.schema(canonical)), tree))

    def run() -> None:
        for validator, one in runs:
            assert validator.is_valid(one)

    return run


def _resources(tree: Tree) -> Iterator[Tree]:
    yield tree
    yield from tree.get("contained", ())
    for entry in tree.get("entry", ()) if tree["resourceType"] == "Bundle" else ():
        yield from _resources(entry["resource"])


def _model(tree: Tree) -> Callable[[], Any]:
    type = tree["resourceType"]
    model = getattr(importlib.import_module(f"fhir.resources.R4B.{type.lower()}"), type)
    return lambda: model.model_validate(tree)


#: A path of a search parameter, and invariants of R4 from the plain to the dearest.
_PATHS = (
    ("plain path", "Patient", "Patient.name.family"),
    ("choice and type", "Observation", "Observation.value.ofType(Quantity).value"),
    ("obs-6", "Observation", "dataAbsentReason.empty() or value.empty()"),
    (
        "dom-3",
        "Patient",
        "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) |"
        " %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#')"
        ".exists() or descendants().where(as(canonical) = '#').exists() or"
        " descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()",
    ),
)


def _paths(seconds: float) -> Iterator[tuple[str, ...]]:
    trees = {"Patient": inputs.patient(), "Observation": inputs.observation()}
    indexed = compile_path("Patient.name.family", "Patient")
    assert indexed is not None
    found = took(lambda: indexed(trees["Patient"]), seconds / 2)
    yield "as search indexes it: `Patient.name.family`", told(found.wall), told(found.cpu), told(found.least)
    for name, type, text in _PATHS:
        ready, tree = compile(text), trees[type]
        one = took(lambda ready=ready, tree=tree: ready.values(tree), seconds / 2)  # type: ignore[misc]
        shown = f"`{text}`" if len(text) < 60 else f"`{text[:40]}…`"
        yield f"{name}: {shown}", told(one.wall), told(one.cpu), told(one.least)
