"""Every published R4 example is indexed without a surprise. https://hl7.org/fhir/R4/downloads.html."""

from __future__ import annotations

import pytest

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.json import parse
from fhir_server.search.indexing.extract import BESIDE, extract
from fhir_server.search.indexing.plan import compile_plan
from fhir_server.search.indexing.rows import Rows
from fhir_server.store.filters import Index
from fhir_server.store.matching import pack, unpack
from tests.examples import examples_folder
from tests.search.rows_of import REGISTRY

LARGEST = 200_000
FOLDER = examples_folder()


@pytest.fixture(scope="module")
def examples() -> list[tuple[str, dict[str, object]]]:
    if FOLDER is None:
        pytest.skip("the published examples are not there and cannot be fetched")
    files = sorted(file for file in FOLDER.glob("*.json") if file.stat().st_size <= LARGEST)
    # Definitions are many and alike: some of each kind do.
    kinds = ("StructureDefinition-", "ValueSet-", "CodeSystem-", "SearchParameter-", "ConceptMap-")
    alike = [file for file in files if file.name.startswith(kinds)]
    chosen = [file for file in files if not file.name.startswith(kinds)] + alike[::15]
    trees = [(file.name, parse(file.read_bytes(), 1000)) for file in chosen]
    return [(name, tree) for name, tree in trees if tree.get("resourceType") in resource_types()]


def test_no_step_meets_a_surprise(examples: list[tuple[str, dict[str, object]]]) -> None:
    assert len(examples) > 700
    plans = {type: compile_plan(type, REGISTRY) for type in {str(tree["resourceType"]) for _, tree in examples}}
    for _, tree in examples:
        plan, rows = plans[str(tree["resourceType"])], Rows(REGISTRY.zone)
        for step in (*(step for member in tree for step in plan.by_member.get(member, ())), *plan.always):
            step(tree, rows)  # raises what `extract` would pass over


def test_every_index_is_stored_and_read_back_the_same(examples: list[tuple[str, dict[str, object]]]) -> None:
    for name, tree in examples:
        index = extract(str(tree["resourceType"]), tree, REGISTRY)
        assert unpack(pack(index)) == index, name
        assert len(set(index.words)) == len(index.words), name
        assert len(set(index.spans)) == len(index.spans), name
        assert all(span.low <= span.high for span in index.spans), name


def test_the_examples_reach_most_parameters(examples: list[tuple[str, dict[str, object]]]) -> None:
    seen = set()
    for _, tree in examples:
        type = str(tree["resourceType"])
        index = extract(type, tree, REGISTRY)
        seen |= {(type, row.param.partition("$")[0].partition(":")[0]) for row in (*index.words, *index.spans)}
    # A parameter that is never reached may be compiled to nothing.
    known = {(type, code) for type in resource_types() for code in REGISTRY.of(type)}
    assert seen - known <= {(type, beside) for type in resource_types() for beside in BESIDE}
    assert len(seen & known) > 1000


def test_an_empty_resource_has_an_empty_index() -> None:
    for type in resource_types() - {"Patient"}:  # `deceased` is false when it is not said
        found = extract(type, {"resourceType": type}, REGISTRY)
        assert found == Index(), type
