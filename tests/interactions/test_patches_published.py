"""HL7's own tests of FHIRPath Patch, and the community's of JSON Patch, all of them.

https://github.com/FHIR/fhir-test-cases (r4/patch/fhir-patch-tests.xml), https://github.com/json-patch/json-patch-tests
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from fhir_server.fhir import xml
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid, Malformed
from fhir_server.interactions.patching import fhirpath_patch, json_patch
from tests.published import fhir_test_cases, json_patch_tests


def part(case: Xml.Element, name: str) -> dict[str, Any]:
    [resource] = case.findall(f"{name}/*")
    return parse(xml.to_json(Xml.tostring(resource)))


def made(case: Xml.Element) -> dict[str, Any] | str:
    try:
        return fhirpath_patch.read(part(case, "diff"))(part(case, "input"))  # type: ignore[no-any-return]
    except (Malformed, Invalid):
        return "refused"


def test_every_published_fhirpath_patch_makes_what_it_says() -> None:
    folder = fhir_test_cases()
    if folder is None:
        pytest.skip("HL7's test cases could not be fetched")
    cases = list(Xml.parse(folder / "patch" / "fhir-patch-tests.xml").iter("case"))
    assert len(cases) > 30
    for case in cases:
        wanted = "refused" if case.find("output/*") is None else part(case, "output")
        assert made(case) == wanted, case.get("name")


def outcome(test: dict[str, Any]) -> Any:
    try:
        return json_patch.read(json.dumps(test["patch"]).encode())(deepcopy(test["doc"]))
    except (Malformed, Invalid):
        return "refused"


def test_every_published_json_patch_makes_what_it_says_or_is_refused() -> None:
    folder = json_patch_tests()
    if folder is None:
        pytest.skip("the JSON Patch tests could not be fetched")
    tests = [
        test
        for name in ("tests.json", "spec_tests.json")
        for test in json.loads((folder / name).read_bytes())
        if "patch" in test and not test.get("disabled")
    ]
    assert len(tests) > 90
    for test in tests:
        # A test without an outcome is of patches that apply.
        wanted = "refused" if "error" in test else test.get("expected", outcome(test))
        assert outcome(test) == wanted, test.get("comment")
        assert wanted != "refused" or "error" in test, test.get("comment")
