"""Codes are codes of their systems, whatever they are bound to, and rightly called: what is wrong, and how bad it is.

https://hl7.org/fhir/R4/datatypes.html#Coding, https://hl7.org/fhir/R4/terminologies.html#strength
"""

from __future__ import annotations

import asyncio
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.changes.follower import Follower
from fhir_server.fhir import ucum
from fhir_server.store.embedded.concepts import EmbeddedConcepts
from fhir_server.store.embedded.engine import open_engine
from fhir_server.terminology import shipped
from fhir_server.terminology.resources import artifact, concepts
from fhir_server.terminology.service import Terminology
from fhir_server.validation.codings import FLAWS
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.types import compile
from fhir_server.validation.validator import Validator
from tests.terminology.conftest import Speaking
from tests.terminology.making import ANIMALS, URL
from tests.validation.profiled import DIV, observation, patient, profile

WHOLE, PART, NONE, ELSEWHERE = URL, f"{URL}-part", f"{URL}-none", "http://example.org/nowhere"
SUPPLEMENT, SET = f"{URL}-more", "http://example.org/all-animals"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ACTS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
UCUM = "http://unitsofmeasure.org"

SYSTEMS: list[dict[str, Any]] = [
    ANIMALS,
    {**ANIMALS, "url": PART, "content": "fragment", "valueSet": f"{SET}-part"},
    {k: v for k, v in ANIMALS.items() if k != "concept"}
    | {"url": NONE, "content": "not-present", "valueSet": f"{SET}-no"},
    {
        **ANIMALS,
        "url": SUPPLEMENT,
        "content": "supplement",
        "supplements": URL,
        "valueSet": f"{SET}-more",
        "concept": [{"code": "dog", "designation": [{"language": "de", "value": "Hund"}]}],
    },
]

#: (system, code, display) → what is said of it, the same under every binding and under none.
SAID: list[tuple[str, str, str, set[tuple[str, str]]]] = [
    (WHOLE, "cat", "", set()),
    (WHOLE, "cat", "Cat", set()),
    (WHOLE, "cat", " cAT ", set()),
    (WHOLE, "mammal", "Mammifère", set()),
    (WHOLE, "dog", "Hund", set()),
    (WHOLE, "cat", "Dog", {("warning", "wrong-display")}),
    (WHOLE, "CAT", "", {("error", "unknown-code")}),
    (WHOLE, "unicorn", "", {("error", "unknown-code")}),
    (WHOLE, "unicorn", "Unicorn", {("error", "unknown-code")}),
    (WHOLE, "dodo", "", {("warning", "inactive-code")}),
    (WHOLE, "dodo", "Raven", {("warning", "inactive-code"), ("warning", "wrong-display")}),
    (WHOLE, "animal", "", {("warning", "abstract-code")}),
    (PART, "cat", "Cat", set()),
    (PART, "cat", "Dog", {("warning", "wrong-display")}),
    (PART, "dodo", "", {("warning", "inactive-code")}),
    (PART, "unicorn", "Unicorn", set()),
    (NONE, "cat", "Dog", set()),
    (ELSEWHERE, "cat", "Dog", set()),
    (SUPPLEMENT, "dog", "", {("error", "not-a-code-system")}),
    ("http://hl7.org/fhir/ValueSet/administrative-gender", "male", "", {("error", "not-a-code-system")}),
    (CATEGORY, "vital-sings", "", {("error", "unknown-code")}),
    (CATEGORY, "vital-signs", "Vital Signs", set()),
    (CATEGORY, "vital-signs", "Laboratory", {("warning", "wrong-display")}),
    (ACTS, "NOTHING", "", {("warning", "younger-code")}),
    ("http://terminology.hl7.org/CodeSystem/v2-0203", "NOTHING", "", {("warning", "younger-code")}),
    (ACTS, "AMB", "ambulatory", set()),
    (UCUM, "kgs", "", {("error", "unknown-code")}),
    (UCUM, "mm[Hg]", "", set()),
    ("urn:ietf:bcp:13", "no media type", "", {("error", "unknown-code")}),
    ("urn:ietf:bcp:47", "fr-CA", "", set()),
    ("urn:ietf:bcp:47", "not_one", "", {("error", "unknown-code")}),
]  # fmt: skip


def coding(system: str, code: str, display: str = "") -> dict[str, Any]:
    return {"system": system, "code": code} | ({"display": display} if display else {})


def said(server: Speaking, tree: dict[str, Any], *profiles: dict[str, Any]) -> set[tuple[str, str | None]]:
    registry = Profiles()
    for one in profiles:
        registry.add(one)
    judge = Validator(registry, codes=server.terminology)
    found = judge.validate(tree, profiles=[one["url"] for one in profiles])
    return {(issue.severity, issue.key) for issue in found if issue.key in FLAWS}


@pytest.mark.parametrize("strength", ["", "example", "preferred", "extensible", "required"])
async def test_what_is_said_of_a_code_is_the_same_under_every_binding(server: Speaking, strength: str) -> None:
    for one in SYSTEMS:
        await server.post("CodeSystem", one)
    await server.terminology.refresh()
    binding = {"strength": strength, "valueSet": SET}
    bound = [profile("b", "Observation", {"id": "Observation.code", "binding": binding})] if strength else []
    for system, code, display, expected in SAID:
        tree = observation(code={"coding": [coding(WHOLE, "cat"), coding(system, code, display)]})
        assert said(server, tree, *bound) == expected, (system, code, display)


ORIGIN = "http://example.org/origin"
#: Where a code stands, bound or not: the path of its flaw, and the resource with it.
PLACES: list[tuple[str, dict[str, Any]]] = [
    ("Observation.meta.tag[0].code", observation(meta={"tag": [coding(WHOLE, "unicorn")]})),
    ("Observation.category[0].coding[0].code", observation(category=[{"coding": [coding(WHOLE, "unicorn")]}])),
    (
        "Observation.component[0].code.coding[1].code",
        observation(component=[{"code": {"coding": [{"code": "a"}, coding(WHOLE, "unicorn")]}, "valueBoolean": True}]),
    ),
    (
        "Observation.value.coding[0].code",
        observation(valueCodeableConcept={"text": "a", "coding": [coding(WHOLE, "unicorn")]}),
    ),
    (
        "Observation.subject.identifier.type.coding[0].code",
        observation(subject={"identifier": {"value": "1", "type": {"coding": [coding(WHOLE, "unicorn")]}}}),
    ),
    (
        "DocumentReference.content[0].format.code",
        {
            "resourceType": "DocumentReference",
            "text": DIV,
            "status": "current",
            "content": [{"attachment": {"title": "a"}, "format": coding(WHOLE, "unicorn")}],
        },
    ),
    (
        "Questionnaire.item[0].item[0].item[0].code[0].code",
        {
            "resourceType": "Questionnaire",
            "text": DIV,
            "status": "draft",
            "item": [
                {
                    "linkId": "1",
                    "type": "group",
                    "item": [
                        {
                            "linkId": "2",
                            "type": "group",
                            "item": [{"linkId": "3", "type": "string", "code": [coding(WHOLE, "unicorn")]}],
                        }
                    ],
                }
            ],
        },
    ),
    ("Observation.value.code", observation(valueQuantity={"value": 1, "system": UCUM, "code": "kgs"})),
    ("Patient.extension[0].value.code", patient(extension=[{"url": ORIGIN, "valueCoding": coding(UCUM, "kgs")}])),
    (
        "Patient.identifier[0].type.coding[0].code",
        patient(identifier=[{"type": {"coding": [coding(WHOLE, "unicorn")]}, "value": "1"}]),
    ),
    (
        "Condition.onset.code",
        {
            "resourceType": "Condition",
            "text": DIV,
            "subject": {"reference": "Patient/1"},
            "onsetAge": {"value": 1, "system": UCUM, "code": "year"},
        },
    ),
    (
        "Observation.contained[0].code.coding[0].code",
        observation(
            contained=[{"resourceType": "Medication", "id": "m", "code": {"coding": [coding(WHOLE, "unicorn")]}}],
            focus=[{"reference": "#m"}],
        ),
    ),
    (
        "Bundle.entry[0].resource.code.coding[0].code",
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {
                    "fullUrl": "urn:uuid:0a9e9d2c-5a7b-4a33-a2fd-0d9d2cbb1c11",
                    "resource": observation(code={"coding": [coding(WHOLE, "unicorn")]}),
                }
            ],
        },
    ),
]


@pytest.mark.parametrize(("at", "tree"), PLACES, ids=[at for at, _ in PLACES])
async def test_a_code_is_judged_wherever_it_stands(server: Speaking, at: str, tree: dict[str, Any]) -> None:
    await server.post("CodeSystem", ANIMALS)
    await server.terminology.refresh()
    found = Validator(Profiles(), codes=server.terminology).validate(tree)
    assert [(i.severity, i.code, i.expression) for i in found if i.key == "unknown-code"] == [
        ("error", "code-invalid", at)
    ]


async def test_a_code_of_another_version_than_is_here_cannot_be_told(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    await server.terminology.refresh()
    for version, expected in (("1", {("error", "unknown-code")}), ("2", set())):
        tree = observation(code={"coding": [{**coding(WHOLE, "unicorn"), "version": version}]})
        assert said(server, tree) == expected


YOUNG = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def _load(known: Terminology, system: dict[str, Any]) -> None:
    """As a store has it that was filled before the server refused what has the canonical of its own."""
    body = msgspec.json.encode(system)
    known.concepts.load([(artifact("CodeSystem/1", "1", body), [*concepts(body)])], [], known.concepts.mark())
    known.library.generation += 1


async def test_a_code_that_is_younger_than_the_copy_of_r4_warns_until_a_younger_edition_is_here(
    server: Speaking,
) -> None:
    later = {**ANIMALS, "url": YOUNG, "version": "2099", "valueSet": f"{SET}-young"}
    tree = observation(code={"coding": [coding(YOUNG, "cat")]})
    none = observation(code={"coding": [coding(YOUNG, "unicorn")]})
    assert said(server, tree) == said(server, none) == set()  # nothing was looked at yet
    await server.terminology.refresh()
    assert said(server, tree) == said(server, none) == {("warning", "younger-code")}
    _load(server.terminology, later)
    assert said(server, tree) == set()
    assert said(server, none) == {("error", "unknown-code")}


async def test_a_code_is_judged_anew_once_its_system_has_changed(server: Speaking) -> None:
    tree = observation(code={"coding": [coding(WHOLE, "unicorn")]})
    await server.terminology.refresh()
    assert said(server, tree) == said(server, tree) == set()
    await server.post("CodeSystem", ANIMALS)
    await server.terminology.refresh()
    assert said(server, tree) == {("error", "unknown-code")}


@pytest.mark.parametrize("level", ["error", "warning", "off"])
async def test_how_bad_it_is_can_be_set(server: Speaking, level: Any) -> None:
    judge = Validator(Profiles(), codes=server.terminology, code_levels={"unknown-code": level, "wrong-display": level})
    await server.terminology.refresh()
    for one in (coding(CATEGORY, "vital-sings"), coding(CATEGORY, "vital-signs", "Laboratory")):
        found = judge.validate(observation(category=[{"coding": [one]}]))
        assert {i.severity for i in found if i.key in FLAWS} == ({level} - {"off"})


async def test_a_write_with_an_unknown_code_is_refused_and_with_a_wrong_display_is_not(server: Speaking) -> None:
    wrong = observation(category=[{"coding": [coding(CATEGORY, "vital-sings")]}])
    answer = await server.post("Observation", wrong)
    assert answer.status == 422
    (issue,) = [one for one in answer.json["issue"] if one["severity"] == "error"]
    assert issue["expression"] == ["Observation.category[0].coding[0].code"]
    named = observation(category=[{"coding": [coding(CATEGORY, "vital-signs", "Laboratory")]}])
    assert (await server.post("Observation", named)).status == 201


async def test_what_is_stored_later_counts_although_nothing_was_asked_before(server: Speaking) -> None:
    tree = observation(code={"coding": [coding(WHOLE, "unicorn")]})
    assert (await server.post("Observation", tree)).status == 201
    await server.post("CodeSystem", ANIMALS)
    assert (await server.post("Observation", tree)).status == 422


async def test_what_comes_with_the_server_is_known_alike_with_and_without_the_store_of_concepts(
    tmp_path: Path, prepared: Path
) -> None:
    engine = open_engine(tmp_path / "fhir.sqlite")
    asked = Terminology(lambda: EmbeddedConcepts(prepared), engine.store, Follower(engine))
    bare = Terminology(lambda: EmbeddedConcepts(tmp_path / "none.sqlite"), engine.store, Follower(engine))
    try:
        await asked.refresh()
        await bare.learn([("", "a", "b")])
        assert not bare.library.ready
        for line in shipped.lines("CodeSystem"):
            url = msgspec.json.decode(line).get("url", "")
            codes = [one.code for one in concepts(line)][::7]
            for code in chain(codes, ("no such code", codes[0].swapcase() if codes else "x")):
                assert bare.known_code(url, "", code) == asked.known_code(url, "", code), (url, code)
            await asyncio.sleep(0)
        assert not (tmp_path / "none.sqlite").exists()
    finally:
        await asked.close()
        await engine.close()


def test_the_units_that_need_no_second_look_are_units() -> None:
    assert [unit for unit in compile.USUAL_UNITS if not ucum.is_valid(unit)] == []
