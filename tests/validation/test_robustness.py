"""Whatever stands where: issues, and never an exception. https://hl7.org/fhir/R4/validation.html"""

from __future__ import annotations

import random
from typing import Any

import pytest

from fhir_server.fhir.json import parse
from fhir_server.validation.explain import MOST
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.examples import examples_folder
from tests.validation.test_reference import EXAMPLES, _mutated
from tests.validation.test_rules import BUNDLE, PARAMETERS, PATIENT

ODD: list[Any] = [None, [], {}, [[]], [{}], {"a": {}}, "", 1, True, ["Patient"], {"id": ["a"]}, [None, None]]


@pytest.mark.parametrize("name", [*EXAMPLES, "RULES"])
def test_mutations_never_raise(name: str):
    folder = examples_folder()
    if folder is None:
        pytest.skip("HL7's examples are not here and could not be fetched")
    source = random.Random(name)
    trees = [PATIENT, BUNDLE, PARAMETERS] if name == "RULES" else [parse((folder / f"{name}.json").read_bytes())]
    judge = Validator(Profiles())
    for _ in range(150):
        changed = source.choice(trees)
        for _ in range(source.choice([1, 2, 5])):
            changed = _mutated(changed, source)
        if isinstance(changed, dict):
            judge.validate(changed)


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(
    "path", ["resourceType", "id", "meta", "text", "contained", "name", "extension", "identifier", "_birthDate", "link"]
)
def test_an_odd_value_anywhere_is_an_issue_and_no_exception(path: str, odd: Any):
    assert Validator(Profiles()).validate({**PATIENT, path: odd})


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("path", ["resourceType", "id", "meta", "contained", "name"])
def test_an_odd_value_in_a_contained_resource_is_an_issue(path: str, odd: Any):
    tree = {**PATIENT, "contained": [{**PATIENT["contained"][0], path: odd}]}
    assert Validator(Profiles()).validate(tree)


@pytest.mark.parametrize(
    "tree",
    [
        {"resourceType": "Patient", "extension": [0] * 50_000},
        {"resourceType": "Patient", "name": [{"famil": "x"}] * 50_000},
        {"resourceType": "Patient", **{f"k{n}": 0 for n in range(50_000)}},
        {"resourceType": "Patient", "name": [*[{"family": "x"}] * 50_000, {"famil": "x"}]},
        {"resourceType": "Patient", "contained": [{"resourceType": "Basic", "id": f"b{n}"} for n in range(20_000)]},
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": {"resourceType": "Patient", "x": 1}}] * 9_000,
        },
    ],
    ids=["items", "elements", "members", "the last alone", "contained", "entries"],
)
def test_a_body_of_nothing_but_mistakes_is_refused_within_bounds(tree: dict[str, Any]) -> None:
    found = Validator(Profiles()).validate(tree)
    assert any(issue.severity == "error" for issue in found)
    assert len(found) <= 2 * MOST + 1


def test_what_is_right_may_be_as_large_as_it_likes() -> None:
    names = [{"family": "x", "given": ["y", "z"]}] * 30_000
    found = Validator(Profiles()).validate({"resourceType": "Patient", "name": names})
    assert [issue.key for issue in found] == ["dom-6"]


@pytest.mark.parametrize("count", [3, 80])
def test_contained_resources_are_referred_to_however_many_they_are(count: int) -> None:
    inside = [{"resourceType": "Organization", "id": f"o{n}", "name": "x"} for n in range(count)]
    practitioners = [{"reference": f"#o{n}"} for n in range(count - 1)]
    tree = {"resourceType": "Patient", "contained": inside, "generalPractitioner": practitioners}
    keys = [issue.key for issue in Validator(Profiles()).validate(tree)]
    assert keys.count("dom-3") == 1
