"""Event notification: its three profiles, their extensions and codes, strict and lenient, and the guide's own examples.

https://interop.esante.gouv.fr/ig/fhir/nde (3.0.0)
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation.levels import Levels
from fhir_server.validation.profiles import packages
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.examples import shared_data
from tests.profiles.judging import Rule, errors, said
from tests.profiles.resources import changed
from tests.space.events.people import GUIDE, TYPES, declaration, event_type, named, request, subscription

LENIENT = Validator(Profiles(), levels=Levels({"*": "lenient"}))
S, C = "Subscription", "CommunicationRequest"
SUBSCRIPTION, DECLARATION, REQUEST = subscription(), declaration(), request("1", "mailto:team@exemple.fr")
VALID = {"subscription": SUBSCRIPTION, "declaration": DECLARATION, "request": REQUEST}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_resource_of_each_profile_passes_without_a_word(name: str):
    assert said(VALID[name]) == []


def test_each_profile_knows_the_types_of_event_that_are_notified():
    """JDV_J46: nineteen of the codes of TRE_R254."""
    for code, right in {"SOR": True, "ADM": True, "DOC": True, "NOT": True, "NRE": False, "NREC": False}.items():
        assert (errors(declaration(code=code)) == set()) is right, code
    assert errors(declaration(code="x")) != set()


TWICE = [*SUBSCRIPTION["extension"], event_type("ADM")]
RULES: list[Rule] = [
    (SUBSCRIPTION, "contained.0", named("pat", "Organization", "", "", "x"), "reference-target", f"{S}.extension[1].value.reference"),
    *((SUBSCRIPTION, f"extension.{n}", None, "cardinality-min", f"{S}.extension") for n in range(5)),
    (SUBSCRIPTION, "extension", TWICE, "cardinality-max", f"{S}.extension"),
    (SUBSCRIPTION, "extension.0", {"url": GUIDE + "start", "valueDate": "2026-01-01"}, "slice-type", ""),
    (DECLARATION, "contained", None, "cardinality-min", f"{C}.contained"),
    (DECLARATION, "extension.0", None, "cardinality-min", f"{C}.extension"),
    (DECLARATION, "extension.1", None, "cardinality-min", f"{C}.extension"),
    (DECLARATION, "subject", None, "cardinality-min", f"{C}.subject"),
    (DECLARATION, "about", [{"reference": "Patient/1"}], "event-subject", C),
    (DECLARATION, "payload", None, "cardinality-min", f"{C}.payload"),
    (DECLARATION, "payload", [{"contentString": "a"}] * 2, "cardinality-max", f"{C}.payload"),
    (DECLARATION, "requester", None, "cardinality-min", f"{C}.requester"),
    (DECLARATION, "requester.reference", "Organization/1", "reference-aggregation", f"{C}.requester.reference"),
    (DECLARATION, "subject.reference", "Patient/1", "reference-aggregation", f"{C}.subject.reference"),
    (REQUEST, "extension.0", None, "cardinality-min", f"{C}.extension"),
    (REQUEST, "extension.1", None, "", ""),
    (REQUEST, "basedOn", None, "cardinality-min", f"{C}.basedOn"),
    (REQUEST, "basedOn.1", {"reference": "Subscription/2"}, "cardinality-max", f"{C}.basedOn"),
    (REQUEST, "medium", None, "cardinality-min", f"{C}.medium"),
    (REQUEST, "recipient", None, "cardinality-min", f"{C}.recipient"),
    (REQUEST, "recipient.0.extension", None, "cardinality-min", f"{C}.recipient[0].extension"),
    (REQUEST, "recipient.0.reference", "Practitioner/1", "reference-aggregation", f"{C}.recipient[0].reference"),
]  # fmt: skip


@pytest.mark.parametrize(("tree", "path", "value", "key", "at"), RULES)
def test_one_change_breaks_one_rule(tree: dict[str, Any], path: str, value: Any, key: str, at: str):
    found = errors(changed(tree, path, value))
    assert (key, at) in found if key and at else bool(found) == bool(key)


@pytest.mark.parametrize("element", ["subject.reference", "requester.reference"])
def test_who_is_here_may_be_referred_to_when_lenient(element: str):
    reference = "Patient/1" if element.startswith("subject") else "Organization/1"
    tree = changed(DECLARATION, element, reference)
    tree["contained"] = [one for one in tree["contained"] if f"#{one['id']}" in str(tree)]
    assert errors(tree) != set()
    assert errors(tree, LENIENT) == set()


#: The guide's example → what is an error in it at any level: an RPPS of twelve digits, and whatever it is of.
EXAMPLES = {
    "CommunicationRequest-com1.json": {"fr-core-rpps", "target-profile"},
    "CommunicationRequest-com2.json": set(),
    "Subscription-sub1.json": {"fr-core-rpps", "target-profile", "profile-type"},
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_guide_s_examples_are_judged_alike_strict_and_lenient(name: str):
    data = shared_data()
    if data is None or not (data / "ig").is_dir():
        pytest.skip("the national guides are not beside the checkout")
    tree = packages.load(data / "ig" / "ans.fhir.fr.nde-3.0.0.tgz").examples[name]
    for found in (errors(tree), errors(tree, LENIENT)):
        assert {key for key, _ in found} == EXAMPLES[name]
    if EXAMPLES[name]:
        assert errors(changed(tree, "contained.2.identifier.0.value", "99700218896")) == set()
    assert TYPES in str(tree)
