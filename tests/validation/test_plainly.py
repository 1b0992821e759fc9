"""What is seen at once of an invariant is what FHIRPath says of it.

https://hl7.org/fhir/R4/bundle.html#invs, https://hl7.org/fhir/R4/list.html#invs,
https://hl7.org/fhir/R4/organization.html#invs
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fhir_server.fhir.fhirpath.expression import compile
from fhir_server.fhir.fhirpath.nodes import Node, root
from fhir_server.fhir.fhirpath.shapes import shape
from fhir_server.validation.types import invariants
from fhir_server.validation.types.plainly import is_plain

_KINDS = (
    "document",
    "message",
    "transaction",
    "batch",
    "history",
    "searchset",
    "batch-response",
    "transaction-response",
)
_ROWS: list[dict[str, Any]] = [
    {},
    {"fullUrl": "urn:uuid:1"},
    {"fullUrl": "urn:uuid:2", "request": {"method": "GET", "url": "Patient"}},
    {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "meta": {"versionId": "1"}}},
    {"fullUrl": "http://h/Patient/1/_history/2", "resource": {"resourceType": "Composition"}},
    {"fullUrl": "urn:uuid:3", "response": {"status": "200"}},
    {"search": {"mode": "match"}, "resource": {"resourceType": "Patient"}},
    {"request": {"method": "POST", "url": "Patient"}, "response": {"status": "201"}},
]
_BUNDLES: list[dict[str, Any]] = [
    {"resourceType": "Bundle", **kind, **rows}
    for kind in ({}, *({"type": kind} for kind in _KINDS))
    for rows in ({}, *({"entry": [*some]} for n in (1, 2) for some in itertools.product(_ROWS, repeat=n)))
]


@pytest.mark.parametrize("rule", [*invariants.evaluated("Bundle"), *invariants.evaluated("Bundle.entry")])
def test_what_is_seen_at_once_of_a_bundle_is_what_fhirpath_says(rule: invariants.Invariant):
    ready, seen = compile(rule.expression, rule.type), 0
    for bundle in _BUNDLES:
        whole = root(bundle)
        for value in bundle.get("entry", ()) if rule.type == "Bundle.entry" else [bundle]:
            if is_plain(rule.expression, value):
                seen += 1
                node = whole if value is bundle else Node(value, shape(rule.type), parent=whole)
                assert ready.truth(node, root=whole) is True, value
    assert seen or rule.key in _NEVER


_LIST_ROWS: list[dict[str, Any]] = [
    {"item": {"display": "x"}},
    {"deleted": True},
    {"deleted": False},
    {"_deleted": {"extension": [{"url": "urn:x", "valueString": "x"}]}},
    {"date": "2026-01-01"},
    {"_date": {"extension": [{"url": "urn:x", "valueString": "x"}]}},
]
_OTHERS: dict[str, list[dict[str, Any]]] = {
    "List": [
        {"resourceType": "List", **mode, **rows}
        for mode in ({}, *({"mode": mode} for mode in ("working", "snapshot", "changes")))
        for rows in ({}, *({"entry": [*some]} for n in (1, 2) for some in itertools.product(_LIST_ROWS, repeat=n)))
    ],
    "Organization": [
        {"resourceType": "Organization", **name, **identifier}
        for name in ({}, {"name": "x"}, {"_name": {"extension": [{"url": "urn:x", "valueString": "x"}]}})
        for identifier in ({}, {"identifier": [{"value": "1"}]}, {"identifier": [{"value": "1"}, {"use": "old"}]})
    ],
}


@pytest.mark.parametrize(
    ("rule", "value"),
    [(rule, one) for type, some in _OTHERS.items() for rule in invariants.evaluated(type) for one in some],
)
def test_what_is_seen_at_once_of_others_is_what_fhirpath_says(rule: invariants.Invariant, value: dict[str, Any]):
    whole = root(value)
    truth = compile(rule.expression, rule.type).truth(whole, root=whole)
    assert truth is True or not is_plain(rule.expression, value)


def test_each_of_them_is_seen():
    rules = {rule.key: rule for type in _OTHERS for rule in invariants.evaluated(type)}
    seen = {key: sum(is_plain(rule.expression, one) for one in _OTHERS[rule.type]) for key, rule in rules.items()}
    assert {key: seen[key] > 0 for key in ("lst-2", "lst-3", "org-1")} == {"lst-2": True, "lst-3": True, "org-1": True}


#: What a Bundle has to have before it is asked.
_NEVER = {"bdl-1"}


@pytest.mark.parametrize("value", [None, "Bundle", 1, [], {"entry": {}}, {"entry": [1]}, {"type": 1, "fullUrl": []}])
def test_what_is_no_bundle_is_no_reason_to_fail(value: Any):
    for rule in (*invariants.evaluated("Bundle"), *invariants.evaluated("Bundle.entry")):
        assert is_plain(rule.expression, value) in (True, False)
