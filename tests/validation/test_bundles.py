"""What holds between a Bundle, its entries and what they refer to, by the type of the Bundle.

https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/documents.html#content, https://hl7.org/fhir/R4/messaging.html
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation.bundles import RULES
from fhir_server.validation.validator import validate
from tests.validation.profiled import DIV

Tree = dict[str, Any]
BASE = "http://example.org/fhir"
AUTHOR, OTHER = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "urn:uuid:1c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"


def found(tree: Tree, *keys: str) -> list[tuple[str, str | None, str | None]]:
    wanted = keys or (*RULES, "reference-target")
    return [(i.severity, i.key, i.expression) for i in validate(tree) if i.key in wanted]


def resource(type: str, id: str = "1", **members: Any) -> Tree:
    own: dict[str, Any] = {
        "Composition": {
            "status": "final",
            "type": {"text": "a"},
            "date": "2020",
            "author": [{"display": "a"}],
            "title": "a",
        },
        "Observation": {"status": "final", "code": {"text": "a"}},
        "MessageHeader": {"eventUri": "urn:a", "source": {"endpoint": "http://example.org"}},
        "OperationOutcome": {"issue": [{"severity": "warning", "code": "invalid"}]},
    }.get(type, {})
    return {"resourceType": type, "id": id, "text": DIV, **own, **members}


def entry(resource: Tree, url: str | None = "", **members: Any) -> Tree:
    own = f"{BASE}/{resource['resourceType']}/{resource.get('id')}" if url == "" else url
    return {**({"fullUrl": own} if own else {}), "resource": resource, **members}


def bundle(type: str, *entries: Tree, **members: Any) -> Tree:
    head: Tree = {"resourceType": "Bundle", "type": type, "entry": [*entries]}
    if type in ("document", "message"):
        head |= {"timestamp": "2020-01-01T00:00:00Z", "identifier": {"system": "urn:a", "value": "1"}}
    if type in ("transaction", "batch"):
        requests = ({"request": {"method": "POST", "url": one["resource"]["resourceType"]}} for one in entries)
        head["entry"] = [{**one, **request} for one, request in zip(entries, requests, strict=True)]
    return {**head, **members}


def document(*entries: Tree, **composition: Any) -> Tree:
    return bundle("document", entry(resource("Composition", **composition)), *entries)


NAMED = [
    ("subject", lambda to: {"subject": to}, "subject.reference"),
    ("encounter", lambda to: {"encounter": to}, "encounter.reference"),
    ("author", lambda to: {"author": [to]}, "author[0].reference"),
    ("attester", lambda to: {"attester": [{"mode": "legal", "party": to}]}, "attester[0].party.reference"),
    ("custodian", lambda to: {"custodian": to}, "custodian.reference"),
    ("event", lambda to: {"event": [{"detail": [to]}]}, "event[0].detail[0].reference"),
    ("section author", lambda to: {"section": [{"title": "a", "author": [to], "text": DIV}]}, "section[0].author[0].reference"),
    ("section focus", lambda to: {"section": [{"title": "a", "focus": to, "text": DIV}]}, "section[0].focus.reference"),
    ("section entry", lambda to: {"section": [{"title": "a", "entry": [to]}]}, "section[0].entry[0].reference"),
    (
        "inner section",
        lambda to: {"section": [{"title": "a", "section": [{"title": "b", "entry": [to]}]}]},
        "section[0].section[0].entry[0].reference",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "members", "at"), NAMED, ids=[name for name, _, _ in NAMED])
@pytest.mark.parametrize("reference", ["Patient/1", f"{BASE}/Patient/1", AUTHOR])
def test_a_document_holds_what_its_composition_refers_to(name: str, members: Any, at: str, reference: str):
    there = members({"reference": reference})
    held = entry(resource("Patient"), AUTHOR if reference == AUTHOR else "")
    keys = ("document-reference", "document-unreachable")
    assert found(document(held, **there), *keys) == []
    assert found(document(**there), *keys) == [("error", "document-reference", f"Bundle.entry[0].resource.{at}")]


@pytest.mark.parametrize(
    "members",
    [
        {"author": [{"display": "a"}]},
        {"author": [{"identifier": {"system": "urn:a", "value": "1"}}]},
        {"author": [{"reference": "#p"}], "contained": [{"resourceType": "Practitioner", "id": "p"}]},
    ],
)
def test_what_is_contained_or_only_named_is_no_entry(members: Tree):
    assert found(document(**members)) == []


def test_a_reference_from_a_composition_leads_to_one_entry():
    first = entry(resource("Patient", meta={"versionId": "1"}))
    second = entry(resource("Patient", meta={"versionId": "2"}))
    at = "Bundle.entry[0].resource.subject.reference"
    assert found(document(first, second, subject={"reference": "Patient/1"})) == [("error", "document-ambiguous", at)]
    assert found(document(first, second, subject={"reference": "Patient/1/_history/2"}), "document-ambiguous") == []
    missing = document(first, second, subject={"reference": "Patient/1/_history/3"})
    assert found(missing, "document-reference") == [("error", "document-reference", at)]


def test_a_document_holds_nothing_that_its_composition_does_not_lead_to():
    subject = {"reference": "Patient/1"}
    behind = entry(resource("Organization", "o"))
    patient = entry(resource("Patient", managingOrganization={"reference": "Organization/o"}))
    back = entry(resource("Observation", "b", subject=subject))
    assert found(document(patient, behind, back, subject=subject)) == []
    loose = entry(resource("Observation", "l"))
    assert found(document(patient, behind, loose, subject=subject)) == [
        ("error", "document-unreachable", "Bundle.entry[3]")
    ]


@pytest.mark.parametrize(
    ("url", "id", "key"),
    [
        (f"{BASE}/Patient/1", "1", ""),
        (AUTHOR, "1", ""),
        ("urn:oid:1.2.3", "1", ""),
        (f"{BASE}/anything/1", "1", ""),
        (f"{BASE}/Patient/2", "1", "entry-full-url"),
        (f"{BASE}/Group/1", "1", "entry-full-url"),
        ("Patient/1", "1", "entry-full-url-absolute"),
    ],
)
@pytest.mark.parametrize(
    ("type", "severity"),
    [
        ("document", "error"), ("message", "error"), ("collection", "error"), ("searchset", "error"),
        ("transaction", "warning"), ("batch", "warning"), ("history", "error"),
    ],
)  # fmt: skip
def test_how_bad_a_full_url_is(type: str, severity: str, url: str, id: str, key: str):
    tree = bundle(type, entry(resource("Patient", id), url))
    expected = [(severity, key, "Bundle.entry[0]")] if key else []
    assert found(tree, "entry-full-url", "entry-full-url-absolute") == expected


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        (f"{BASE}/Patient/1", True),
        (f"{BASE}/Group/1", False),
        (f"{BASE}/anything", False),
        (AUTHOR, False),
    ],
)
@pytest.mark.parametrize("type", ["document", "message", "collection", "transaction", "batch"])
def test_a_resource_on_a_server_has_an_id_unless_it_is_on_its_way_there(type: str, url: str, wrong: bool):
    one = {k: v for k, v in resource("Patient").items() if k != "id"}
    said = [("error", "entry-full-url-id", "Bundle.entry[0]")] if wrong and type not in ("transaction", "batch") else []
    assert found(bundle(type, entry(one, url)), "entry-full-url-id") == said


@pytest.mark.parametrize(
    ("type", "severity"),
    [
        ("document", "error"), ("message", "error"), ("collection", "warning"), ("searchset", "warning"),
        ("history", "warning"), ("transaction", ""), ("batch", ""), ("transaction-response", ""), ("batch-response", ""),
    ],
)  # fmt: skip
def test_which_entries_need_a_full_url(type: str, severity: str):
    tree = bundle(type, entry(resource("Patient"), None))
    assert found(tree, "entry-full-url-missing") == (
        [(severity, "entry-full-url-missing", "Bundle.entry[0]")] if severity else []
    )


@pytest.mark.parametrize("relation", ["self", "first", "last", "next", "previous"])
def test_a_relation_that_leads_to_one_place_stands_once(relation: str):
    link = {"relation": relation, "url": f"{BASE}/Patient"}
    for type in ("searchset", "history", "document", "collection"):
        tree = bundle(type, link=[link, {**link, "url": f"{BASE}/Patient?a=b"}])
        assert found(tree, "bundle-link") == [("error", "bundle-link", "Bundle.link[1].relation")]
        assert found(bundle(type, link=[link]), "bundle-link") == []


def test_other_relations_may_stand_several_times():
    links = [{"relation": "stylesheet", "url": f"{BASE}/Binary/{n}"} for n in (1, 2)]
    assert found(bundle("document", link=links), "bundle-link") == []


SELF = [{"relation": "self", "url": f"{BASE}/Patient?name=a"}]


@pytest.mark.parametrize(
    ("one", "key"),
    [
        (entry(resource("Patient"), search={"mode": "match"}), ""),
        (entry(resource("Observation"), search={"mode": "include"}), ""),
        (entry(resource("OperationOutcome"), search={"mode": "outcome"}), ""),
        (entry({k: v for k, v in resource("OperationOutcome").items() if k != "id"}, AUTHOR, search={"mode": "outcome"}), ""),
        (entry(resource("Patient"), search={"mode": "outcome"}), "search-outcome"),
        (entry(resource("Observation"), search={"mode": "match"}), "search-type"),
        (entry({k: v for k, v in resource("Patient").items() if k != "id"}, AUTHOR), "search-id"),
    ],
)  # fmt: skip
def test_what_a_search_answers(one: Tree, key: str):
    assert {k for _, k, _ in found(bundle("searchset", one, link=SELF))} == ({key} if key else set())


def test_the_type_searched_is_told_by_the_self_link_alone():
    one = entry(resource("Observation"), search={"mode": "match"})
    for link in (
        [],
        [{"relation": "self", "url": f"{BASE}?_type=Patient"}],
        [{"relation": "next", "url": f"{BASE}/Patient"}],
    ):
        assert found(bundle("searchset", one, link=link), "search-type") == []
    posted = [{"relation": "self", "url": f"{BASE}/Patient/_search?name=a"}]
    assert found(bundle("searchset", one, link=posted), "search-type") != []


def test_a_message_holds_what_it_is_about():
    head = resource("MessageHeader", focus=[{"reference": "Patient/1"}])
    assert found(bundle("message", entry(head), entry(resource("Patient")))) == []
    assert found(bundle("message", entry(head))) == [
        ("error", "message-reference", "Bundle.entry[0].resource.focus[0].reference")
    ]


@pytest.mark.parametrize("type", ["transaction", "batch", "collection", "document"])
def test_a_reference_leads_to_an_entry_of_a_type_its_element_allows(type: str):
    one = entry(resource("Observation", "o", encounter={"reference": AUTHOR}), OTHER)
    key = "reference-target"
    assert found(bundle(type, one, entry(resource("Encounter"), AUTHOR)), key) == []
    assert found(bundle(type, one), key) == []
    wrong = bundle(type, one, entry(resource("Patient"), AUTHOR))
    assert found(wrong, key) == [("error", key, "Bundle.entry[0].resource.encounter.reference")]


def test_that_is_so_of_references_in_what_an_entry_contains():
    inside = {**resource("Observation", "i", encounter={"reference": AUTHOR}), "text": None}
    inside = {k: v for k, v in inside.items() if v is not None}
    one = entry(resource("Observation", "o", contained=[inside], hasMember=[{"reference": "#i"}]), OTHER)
    wrong = bundle("collection", one, entry(resource("Patient"), AUTHOR))
    assert found(wrong, "reference-target") == [
        ("error", "reference-target", "Bundle.entry[0].resource.contained[0].encounter.reference")
    ]
