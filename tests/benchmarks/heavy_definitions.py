"""Definitions that cost those who use them: code systems, value sets, maps, search parameters, profiles."""

from __future__ import annotations

from tests.benchmarks.calls import Call, Tree, as_json, bundle, entry, large_patient


def code_system(size: float) -> list[Call]:
    concepts = [
        {"code": f"c{i}", "display": f"Concept number {i}", "definition": "A concept among many others."}
        for i in range(int(230_000 * size))
    ]
    tree = {
        "resourceType": "CodeSystem",
        "id": "large",
        "url": "http://example.org/cs",
        "status": "active",
        "content": "complete",
        "concept": concepts,
    }
    return [Call("PUT", "CodeSystem/large", as_json(tree))]


def expansion(size: float) -> list[Call]:
    include = [{"system": "http://hl7.org/fhir/resource-types"} for _ in range(int(40_000 * size))]
    tree = {
        "resourceType": "ValueSet",
        "id": "large",
        "url": "http://example.org/vs",
        "status": "active",
        "compose": {"include": include},
    }
    return [Call("PUT", "ValueSet/large", as_json(tree)), Call("GET", "ValueSet/large/$expand")]


def sets_of_sets(size: float) -> list[Call]:
    n = int(300 * size) + 2
    rows = []
    for i in range(n):
        compose = {
            "include": [{"valueSet": [f"http://example.org/chain/{j}"]} for j in range(i)]
            or [{"system": "http://hl7.org/fhir/resource-types"}]
        }
        tree = {
            "resourceType": "ValueSet",
            "id": f"chain{i}",
            "url": f"http://example.org/chain/{i}",
            "status": "active",
            "compose": compose,
        }
        rows.append(entry("PUT", f"ValueSet/chain{i}", tree))
    return [Call("POST", "", bundle("transaction", rows)), Call("GET", f"ValueSet/chain{n - 1}/$expand")]


def translation(size: float) -> list[Call]:
    element = [
        {"code": f"c{i}", "target": [{"code": f"t{i}", "equivalence": "equal"}]} for i in range(int(300_000 * size))
    ]
    tree = {
        "resourceType": "ConceptMap", "id": "large", "url": "http://example.org/cm", "status": "active",
        "group": [{"source": "http://example.org/a", "target": "http://example.org/b", "element": element}],
    }  # fmt: skip
    return [
        Call("PUT", "ConceptMap/large", as_json(tree)),
        Call("GET", "ConceptMap/large/$translate?system=http://example.org/a&code=c7&target=http://example.org/b"),
    ]


def parameter(size: float) -> list[Call]:
    tree = {
        "resourceType": "SearchParameter", "id": "costly", "url": "http://example.org/sp", "name": "costly", "status": "active",
        "description": "x", "code": "costly", "base": ["Patient"], "type": "string",
        "expression": "Patient.name.where(" + "descendants().descendants().count() >= 0 and " * 40 + "true).family",
    }  # fmt: skip
    rows = [entry("PUT", f"Patient/n{i}", {**large_patient(30), "id": f"n{i}"}) for i in range(int(300 * size) + 1)]
    return [Call("POST", "", bundle("transaction", rows)), Call("PUT", "SearchParameter/costly", as_json(tree))]


def profile(size: float) -> list[Call]:
    constraints = [
        {"key": f"h-{i}", "severity": "error", "human": "x", "expression": "descendants().descendants().count() >= 0"}
        for i in range(int(1_500 * size) + 1)
    ]
    return profiled([{"id": "Patient", "path": "Patient", "constraint": constraints}], 400)


def sliced_profile(size: float) -> list[Call]:
    slicing = {
        "discriminator": [{"type": "value", "path": "use"}, {"type": "value", "path": "family"}],
        "rules": "open",
    }
    rows: list[Tree] = [{"id": "Patient.name", "path": "Patient.name", "slicing": slicing}]
    # Few enough are judged in the worker's own turn.
    for i in range(int(900 * max(size, 0.3)) + 1):
        rows.append({"id": f"Patient.name:s{i}", "path": "Patient.name", "sliceName": f"s{i}"})
        rows.append(
            {"id": f"Patient.name:s{i}.family", "path": "Patient.name.family", "patternString": f"X{i}", "min": 1}
        )
        rows.append({"id": f"Patient.name:s{i}.use", "path": "Patient.name.use", "patternCode": "usual", "min": 1})
    return profiled(rows, 1_500)


def profiled(rows: list[Tree], names: int) -> list[Call]:
    definition = {
        "resourceType": "StructureDefinition", "id": "hostile", "url": "http://example.org/sd", "name": "Hostile", "status": "active",
        "kind": "resource", "abstract": False, "type": "Patient", "derivation": "constraint", "fhirVersion": "4.0.1",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "differential": {"element": rows},
    }  # fmt: skip
    claimed = {**large_patient(names), "id": "claims", "meta": {"profile": ["http://example.org/sd"]}}
    return [
        Call("PUT", "StructureDefinition/hostile", as_json(definition)),
        Call("PUT", "Patient/claims", as_json(claimed)),
    ]
