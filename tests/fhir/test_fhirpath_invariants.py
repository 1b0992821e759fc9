"""Every invariant of R4 compiles, and is true of the published examples but for those that are themselves wrong.

https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from fhir_server.fhir import definitions
from fhir_server.fhir.fhirpath import compiler
from fhir_server.fhir.fhirpath.environment import NO_SERVICES
from fhir_server.fhir.fhirpath.expression import Expression, compile, environment
from fhir_server.fhir.fhirpath.nodes import Node, children, root
from fhir_server.fhir.fhirpath.parser import parse
from fhir_server.fhir.json import parse as parse_json
from fhir_server.fhir.outcome import FhirError
from tests.examples import examples_folder

#: Rule → the examples that break it, and why they do.
BROKEN = {
    "txt-1": {
        "an empty div": {"blood-tubes-supply", "heart-valve-replacement", "example", "zika-virus-exposure-assessment"}
    },
    "txt-2": {
        "an empty div": {"blood-tubes-supply", "heart-valve-replacement", "example", "zika-virus-exposure-assessment"}
    },
    "sdf-4": {"a logical model that is concrete and has no base": {"Definition"}},
}
#: Examples per resource type; the rest say nothing new.
PER_TYPE = 6
LARGEST = 60_000  # bytes


def constraints() -> Iterator[tuple[str, definitions.Constraint]]:
    for type in definitions.types().values():
        for element in type.elements:
            for constraint in element.constraints:
                if constraint.expression:
                    yield element.path, constraint


@cache
def examples() -> list[dict[str, Any]]:
    folder = examples_folder()
    if folder is None:
        pytest.skip("the published R4 examples could not be fetched")
    found: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(folder.glob("*.json")):
        if file.stat().st_size < LARGEST and file.name.partition("-")[0] in definitions.resource_types():
            of_type = found.setdefault(file.name.partition("-")[0], [])
            if len(of_type) < PER_TYPE:
                of_type.append(parse_json(file.read_bytes()))
    return [tree for trees in found.values() for tree in trees]


@cache
def of_shape(path: str) -> list[definitions.Constraint]:
    element = definitions.elements(path.partition(".")[0])[path]
    return [constraint for constraint in element.constraints if constraint.expression]


@cache
def of_place(parent: str, name: str) -> list[definitions.Constraint]:
    found = definitions.children(parent)
    element = found.get(name) or found.get(name + "[x]")
    return [constraint for constraint in element.constraints if constraint.expression] if element else []


def rules(node: Node) -> dict[str, definitions.Constraint]:
    """The invariants of a node: those of its type and those its place adds."""
    found = list(of_shape(node.shape.path))
    if node.parent is not None and node.parent.shape.path != node.shape.path:
        found += of_place(node.parent.shape.path, node.name)
    return {constraint.key: constraint for constraint in found}


def everywhere(tree: dict[str, Any]) -> Iterator[tuple[Node, definitions.Constraint]]:
    nodes = [root(tree)]
    while nodes:
        node = nodes.pop()
        nodes += children(node)
        for constraint in rules(node).values():
            yield node, constraint


def test_every_invariant_of_r4_compiles() -> None:
    found = {constraint.expression for _, constraint in constraints()}
    assert len(found) > 150
    for expression in found:
        compile(expression or "")


def test_every_invariant_names_elements_that_are_there() -> None:
    refused = set()
    for path, constraint in constraints():
        element = definitions.elements(path.partition(".")[0])[path]
        own = not element.types or element.types[0].code in ("BackboneElement", "Element")
        for type in [path] if own else [type.code for type in element.types]:
            try:
                compile(constraint.expression or "", type)
            except Exception as error:
                refused.add((constraint.key, type, str(error).partition(": ")[2]))
    # A ChargeItemDefinition has no name, and a probability that is a decimal has no low: R4 says so all the same.
    assert {(key, type) for key, type, _ in refused} == {("cid-0", "ChargeItemDefinition"), ("ras-1", "decimal")}


def test_no_invariant_that_is_an_error_is_false_of_an_example_that_is_right() -> None:
    judged = 0
    broken: dict[str, set[str]] = {}
    for tree in examples():
        for node, constraint in everywhere(tree):
            judged += 1
            if constraint.severity == "error" and compile(constraint.expression or "").truth(node) is False:
                broken.setdefault(constraint.key, set()).add(str(tree.get("id")))
    assert judged > 5_000
    assert {key: ids - set().union(*BROKEN.get(key, {}).values()) for key, ids in broken.items()} == {
        key: set() for key in broken
    }


def test_a_shortcut_answers_what_the_general_closures_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setattr(compiler.shortcuts, "of", lambda tree: None)
        general = {
            constraint.expression: Expression(constraint.expression or "", parse(constraint.expression or ""))
            for _, constraint in constraints()
        }
    for tree in examples()[::4]:
        for node, constraint in everywhere(tree):
            assert compile(constraint.expression or "").truth(node) is general[constraint.expression].truth(node), (
                node.path,
                constraint.expression,
            )


@pytest.mark.parametrize(
    "text",
    [
        "fullUrl.contains('/_history/').not()",
        "fullUrl.startsWith('urn:')",
        "fullUrl.matches('^[a-z]+:')",
        "search.score.endsWith('5')",
        "%resource.type = 'batch'",
        "%resource.timestamp = '2024-01-01T00:00:00Z'",
        "%resource.nothing = 'batch'",
    ],
)
@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"fullUrl": "urn:a"},
        {"fullUrl": "http://a/_history/1"},
        {"fullUrl": 1, "_fullUrl": {"id": "a"}},
        {"_fullUrl": {"extension": [{"url": "http://e"}]}},
        {"fullUrl": ["urn:a", "urn:b"]},
        {"search": {"score": 5}},
    ],
)
@pytest.mark.parametrize("bundle", [{"type": "batch", "timestamp": "2024-01-01T00:00:00Z"}, {"type": ["batch"]}, {}])
def test_a_shortcut_answers_alike_of_what_is_odd(
    text: str, entry: dict[str, Any], bundle: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr(compiler.shortcuts, "of", lambda tree: None)
        general = Expression(text, parse(text))
    node = children(root({"resourceType": "Bundle", **bundle, "entry": [entry]}))[-1]
    assert _answer(Expression(text, parse(text)), node) == _answer(general, node)


def _answer(expression: Expression, node: Node) -> Any:
    try:
        return expression.truth(node)
    except FhirError as error:
        return type(error)


# A path goes on from those descendants alone that have children: where nothing is left out, the same is found.
@pytest.mark.parametrize("path", ["code", "extension.value", "id", "concept.code", "reference"])
def test_paths_from_descendants_find_what_paths_from_all_of_them_do(path: str) -> None:
    odd = {"resourceType": "Patient", "_birthDate": {"id": "a", "extension": [{"url": "http://e", "valueCode": "x"}]}}
    for tree in [*examples()[::4], odd]:
        found, all_of_them = (compile(f"descendants(){some}.{path}") for some in ("", ".where(true)"))
        assert [node.path for node in found.values(tree)] == [node.path for node in all_of_them.values(tree)]


# One that is broken for each shape of rule, so that a rule which is always true is noticed.
@pytest.mark.parametrize(
    ("key", "tree"),
    [
        ("dom-2", {"contained": [{"resourceType": "Patient", "contained": [{"resourceType": "Patient"}]}]}),
        ("dom-3", {"contained": [{"resourceType": "Patient", "id": "a"}]}),
        ("dom-4", {"contained": [{"resourceType": "Patient", "id": "a", "meta": {"versionId": "1"}}]}),
        ("dom-5", {"contained": [{"resourceType": "Patient", "id": "a", "meta": {"security": [{"code": "x"}]}}]}),
        ("dom-6", {}),
        ("obs-6", {"dataAbsentReason": {"text": "x"}, "valueString": "y"}),
        (
            "obs-7",
            {
                "valueString": "x",
                "code": {"coding": [{"system": "s", "code": "c"}]},
                "component": [{"code": {"coding": [{"system": "s", "code": "c"}]}}],
            },
        ),
    ],
)
def test_a_broken_rule_is_found(key: str, tree: dict[str, Any]) -> None:
    expression = next(c.expression for path, c in constraints() if c.key == key and "." not in path)
    assert compile(expression or "").truth({"resourceType": "Observation", **tree}) is False


@pytest.mark.parametrize(
    ("key", "type", "bundle"),
    [
        ("bdl-1", "Bundle", {"type": "batch", "total": 1}),
        ("bdl-3", "Bundle", {"type": "batch", "entry": [{"resource": {"resourceType": "Patient"}}]}),
        ("bdl-7", "Bundle", {"type": "collection", "entry": [{"fullUrl": "urn:a"}, {"fullUrl": "urn:a"}]}),
        ("bdl-11", "Bundle", {"type": "document", "entry": [{"resource": {"resourceType": "Patient"}}]}),
    ],
)
def test_a_broken_bundle_is_found(key: str, type: str, bundle: dict[str, Any]) -> None:
    expression = next(c.expression for path, c in constraints() if c.key == key and path == type)
    assert compile(expression or "").truth({"resourceType": type, **bundle}) is False


def test_a_contained_resource_is_referred_to_by_any_kind_of_reference() -> None:
    # dom-3, as published, asks `as()` of many items at once; it is read as `ofType()`.
    expression = next(c.expression for path, c in constraints() if c.key == "dom-3") or ""
    for link in (
        {"subject": {"reference": "#a"}},
        {"extension": [{"url": "http://e", "valueCanonical": "#a"}]},
        {"extension": [{"url": "http://e", "valueUri": "#a"}]},
    ):
        tree = {"resourceType": "Observation", "contained": [{"resourceType": "Patient", "id": "a"}], **link}
        assert compile(expression).truth(tree) is True


def test_an_evaluation_knows_its_resource_and_root() -> None:
    this, env = environment({"resourceType": "Patient"}, None, None, None, NO_SERVICES)
    assert this == env.context
    assert env.resource is env.root is this[0]
