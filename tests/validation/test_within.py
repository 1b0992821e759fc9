"""What a resource is judged by at once, on the way of one run, and what it is explained by slowly say the same.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhir_server.fhir import definitions
from fhir_server.fhir.json import parse
from fhir_server.validation.types import narrative
from fhir_server.validation.types.structure import explained, is_right
from fhir_server.validation.validator import validate
from tests.examples import examples_folder
from tests.validation.test_reference import _mutated


@cache
def _smallest() -> dict[str, list[Path]]:
    """The three smallest published examples of each resource type."""
    folder = examples_folder()
    if folder is None:
        return {}
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.glob("*-*.json"), key=lambda p: (p.stat().st_size, p.name)):
        of = found.setdefault(file.name.partition("-")[0], [])
        if len(of) < 3:
            of.append(file)
    return found


def _is_explained_as_right(tree: dict[str, Any]) -> bool:
    type = tree["resourceType"]
    return explained(tree, type, type, tree, []) == ([], True)


@pytest.mark.parametrize("type", sorted(definitions.resource_types() - {"Bundle", "Parameters"}))
def test_what_is_right_at_once_is_right_when_looked_at_slowly(type: str):
    if not _smallest():
        pytest.skip("HL7's examples are not here and could not be fetched")
    source = random.Random(type)
    for file in _smallest().get(type, []):
        tree = parse(file.read_bytes())
        for _ in range(12):
            changed = _mutated(tree, source)
            # What stands in contained resources is explained by their own types.
            if isinstance(changed, dict) and changed.get("resourceType") == type and "contained" not in changed:
                assert is_right(changed, type, changed) == _is_explained_as_right(changed), (file.name, changed)


@pytest.mark.parametrize(
    ("element", "key"),
    [
        ({"period": {"start": "2021", "end": "2020"}}, "per-1"),
        ({"period": {"start": "2020-01-01T00:00:00+05:00", "end": "2020-01-01T00:00:00+06:00"}}, "per-1"),
        ({"identifier": [{"id": "a", "value": "1"}, {"id": "a", "value": "2"}]}, "element-id"),
        ({"subject": {"reference": "#nobody"}}, "ref-1"),
        ({"extension": [{"url": "urn:a", "valuePeriod": {"start": "2021", "end": "2020"}}]}, "per-1"),
    ],
)
def test_what_a_schema_cannot_say_is_found_on_its_way(element: dict[str, Any], key: str):
    tree = {
        "resourceType": "Basic",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'},
        "code": {"text": "a"},
    }
    assert validate(tree) == []
    if "period" in element:
        element = {"identifier": [element]}
    assert [issue.key for issue in validate({**tree, **element})] == [key]


@pytest.mark.parametrize("max", ["many", "1.5", "", "-"])
def test_the_most_of_an_element_is_a_number_or_a_star(max: str):
    # eld-3 (https://hl7.org/fhir/R4/elementdefinition.html#invs) stands on a string, which no walk over objects meets.
    tree = {
        "resourceType": "StructureDefinition",
        "url": "urn:a",
        "name": "A",
        "status": "draft",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "max": "3"}]},
    }
    assert "error" not in {i.severity for i in validate(tree)}
    tree["differential"]["element"][0]["max"] = max  # type: ignore[index]
    assert [i.expression for i in validate(tree) if i.severity == "error"] == [
        "StructureDefinition.differential.element[0].max"
    ]


NAMESPACE = 'xmlns="http://www.w3.org/1999/xhtml"'
INSIDE = [
    "a", " ", "&#160;", "<p>a</p>", "<p>a</q>", "<p>a", "<P>a</P>", "<br/>", "<img src='a.png'/>", '<img src="a:b"/>',
    '<a href="https://a.example/b">c</a>', '<a href="java&#115;cript:a">c</a>', '<a href="javascript:a">c</a>',
    '<p style="color: red">a</p>', '<p style="width:expression(a)">a</p>', '<p style="color:-moz-binding">a</p>',
    '<p style="background: url(a)">a</p>', '<p class="a" class="b">a</p>', '<p onclick="a">b</p>', "<script>a</script>",
    '<p title="a > b"/>', "<!-- a -->", "<![CDATA[a]]>", "&nbsp;", "&amp;", "]]>", "a > b", "a & b", "<?a b?>",
    '<p xml:lang="fr">a</p>', '<p xmlns="urn:b">a</p>', "<b:p>a</b:p>", "\x01", "é", "<p title=a>b</p>",
]  # fmt: skip


@pytest.mark.parametrize("first", INSIDE)
def test_a_narrative_of_the_usual_shape_is_judged_as_the_reader_judges_it(first: str):
    for second in INSIDE:
        for div in (
            f"<div {NAMESPACE}>{first}{second}</div>",
            f"<div {NAMESPACE}><p>{first}</p>{second}</div>{second}",
        ):
            assert narrative.is_safe(div) == (narrative.problem(div) is None), div
