"""Codes of a document: those that their systems do not have are refused, and what a strict caller is held to besides.

PDSm (https://interop.esante.gouv.fr/ig/fhir/pdsm) binds each element as extensible, to terminologies it names; the DMP
takes value sets JDV_J57, J66, J60, J61 and J62. https://hl7.org/fhir/R4/terminologies.html#extensible
"""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.access.grant import Grant
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.record.sharing.dmp_codes import VALUE_SETS
from tests.profiles import resources as r
from tests.profiles.resources import nos
from tests.server.calls import Answer
from tests.space.record.callers import OWN, SYSTEM, Caller, Tree, document, grant, labelled

SOFTWARE = grant(None, SYSTEM)
PATIENT = grant("Patient/a", OWN, patient="a")
A00, A05 = nos("TRE_A00-ProducteurDocNonPS"), nos("TRE_A05-TypeDocComplementaire")
#: Element → its place, a code of the DMP's value set, one that its system has and the value set has not (None: all are).
ELEMENTS: dict[str, tuple[str, tuple[str, str], str | None]] = {
    "category": ("category.0", (nos("TRE_A03-ClasseDocument"), "10"), "99"),
    "type": ("type", (A05, "SYNTH"), "PIECE-IDENTITE"),
    "content.format": ("content.0.format", (nos("TRE_A11-IheFormatCode"), "urn:ihe:iti:xds-sd:pdf:2008"),
                       "urn:ihe:iti:dsg:enveloping:2014"),
    "context.facilityType": ("context.facilityType", (nos("TRE_R02-SecteurActivite"), "SA01"), "SA43"),
    "context.practiceSetting": ("context.practiceSetting", (nos("TRE_A01-CadreExercice"), "HAD"), "ESSMS"),
}  # fmt: skip
SNOMED = ("http://snomed.info/sct", "394802001")
WHERE = {"category": "category[0]", "content.format": "content[0].format"}

#: What is said → whether it is refused: of R4 alone (lenient, strict), of PDSm (lenient, strict).
SAID: dict[str, tuple[bool, bool, bool, bool]] = {
    "known": (False, False, False, False),
    "known, and another system's beside it": (False, False, False, False),
    "of the system, and no value set of the DMP's": (False, False, False, True),
    "not of the system": (True, True, True, True),
    "another system's": (False, False, True, True),
    "without a system": (False, False, True, True),
    "words alone": (False, False, True, True),
}


def value(element: str, said: str) -> Any:
    """A CodeableConcept, or the Coding of a format."""
    _, (system, code), beyond = ELEMENTS[element]
    good, other = {"system": system, "code": code}, dict(zip(("system", "code"), SNOMED, strict=True))
    codings: list[Tree] = {
        "known": [good],
        "known, and another system's beside it": [other, good],
        "of the system, and no value set of the DMP's": [{"system": system, "code": beyond}],
        "not of the system": [{"system": system, "code": "INCONNU"}],
        "another system's": [other],
        "without a system": [{"code": code}],
        "words alone": [],
    }[said]
    if element == "content.format":
        return codings[-1] if codings else {"display": "PDF"}
    return {"coding": codings} if codings else {"text": "En toutes lettres"}


def cases() -> Iterator[tuple[str, str, bool, bool]]:
    for element in ELEMENTS:
        for said in SAID:
            for shared in (False, True):
                yield element, said, shared, False
                yield element, said, shared, True


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def houses(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[bool, House]]:
    """A lenient server, and one that holds its software to the guides."""
    folders = [tmp_path_factory.mktemp(name) for name in ("lenient", "strict")]
    async with (
        opened(Settings(data=folders[0])) as lenient,
        opened(Settings(data=folders[1], pdsm_clients={"app": "strict"})) as strict,
    ):
        for house in (lenient, strict):
            await Caller(house).put({"resourceType": "Patient", "id": "a"})
        yield {False: lenient, True: strict}


def refusals(answer: Answer) -> list[str]:
    """The element of each error."""
    return [one["expression"][0] for one in answer.json["issue"] if one["severity"] == "error"]


async def test_each_element_takes_the_codes_that_its_caller_is_held_to(houses: dict[bool, House]) -> None:
    assert ELEMENTS.keys() == VALUE_SETS.keys()
    wrong = []
    for element, said, shared, strict in cases():
        place, *_ = ELEMENTS[element]
        plain = {**copy.deepcopy(r.DOCUMENT), "subject": {"reference": "Patient/a"}}
        if not shared:
            del plain["meta"]
        tree = r.changed(plain, place, value(element, said))
        answer = await Caller(houses[strict], SOFTWARE)("POST", "DocumentReference/$validate", tree)
        errors = refusals(answer)
        refused = SAID[said][2 * shared + strict]
        at = f"DocumentReference.{WHERE.get(element, element)}"
        if bool(errors) != refused or not all(one.startswith(at) for one in errors):
            wrong.append((element, said, shared, strict, answer.json["issue"]))
    assert wrong == []


async def test_what_is_refused_is_not_stored_and_names_the_element(houses: dict[bool, House]) -> None:
    tree = {**copy.deepcopy(r.DOCUMENT), "subject": {"reference": "Patient/a"}}
    tree["context"]["facilityType"] = value("context.facilityType", "of the system, and no value set of the DMP's")
    answer = await Caller(houses[True], SOFTWARE)("POST", "DocumentReference", tree)
    assert (answer.status, refusals(answer)) == (422, ["DocumentReference.context.facilityType"])
    assert b"JDV_J61" in answer.response.body
    found = await Caller(houses[True], SOFTWARE)("GET", "DocumentReference?patient=a&status=current")
    assert found.resources == []


async def test_people_are_held_to_them_whatever_a_document_says_of_itself(houses: dict[bool, House]) -> None:
    for strict, house in houses.items():
        tree = document("", author={"reference": "Patient/a"}, type={"text": "Mes notes"}) | {"id": None}
        answer = await Caller(house, PATIENT)("POST", "DocumentReference", {k: v for k, v in tree.items() if v})
        assert answer.status == (422 if strict else 201), answer.json
        assert not strict or refusals(answer) == ["DocumentReference.type"]


HERE = [{"system": A00, "code": "EXP_PATIENT"}]
#: Codings of the facility, and of the practice setting, of what a patient files → whether it is theirs.
SETTINGS: list[tuple[str, list[Tree], bool]] = [
    ("the patient's expression", HERE, True),
    ("a referenced app's", [{"system": A00, "code": "SNR"}], True),
    ("the code of another system", [{"system": "http://example.org/x", "code": "EXP_PATIENT"}], False),
    ("no system", [{"code": "EXP_PATIENT"}], False),
    ("a hospital beside it", [*HERE, {"system": nos("TRE_R02-SecteurActivite"), "code": "SA01"}], False),
    ("another system's beside it", [*HERE, {"system": SNOMED[0], "code": SNOMED[1]}], False),
    ("the insurance's", [{"system": A00, "code": "ALIM_AM"}], False),
    ("no code", [{"display": "Chez moi"}], False),
    ("words alone", [], True),
]


async def test_every_coding_of_where_a_patients_document_comes_from_is_theirs(houses: dict[bool, House]) -> None:
    caller = Caller(houses[False], PATIENT)
    for name in ("facilityType", "practiceSetting"):
        for words, codings, theirs in SETTINGS:
            concept = {"coding": codings} if codings else {"text": "Chez moi"}
            new = own(context={name: concept}, type=r.concept(A05, "DOCPAT03"))
            answer = await caller("POST", "DocumentReference", new)
            assert answer.status == (201 if theirs else 422), (name, words, answer.json)
            assert theirs or answer.expressions == [f"DocumentReference.context.{name}"]


def own(**more: Any) -> Tree:
    """A patient's document."""
    tree = document("", author={"reference": "Patient/a"}, **more)
    return {name: one for name, one in tree.items() if name != "id"}


UNTYPED = [{"system": A05, "code": "EXPPAT_2", "display": "Autre document du patient"}]


@pytest.mark.parametrize(
    ("type", "kept"), [(None, None), ({"text": "Mes notes"}, "Mes notes")], ids=["no type", "words alone"]
)
async def test_a_patients_document_without_a_type_is_one_of_their_others(
    houses: dict[bool, House], type: Tree | None, kept: str | None
) -> None:
    answer = await Caller(houses[False], PATIENT)("POST", "DocumentReference", own(**({"type": type} if type else {})))
    assert answer.status == 201, answer.json
    assert answer.json["type"]["coding"] == UNTYPED and answer.json["type"].get("text") == kept
    assert answer.json["category"][0]["coding"][0]["code"] == "90"
    software = await Caller(houses[False], SOFTWARE)("POST", "DocumentReference", document("") | {"id": "x"})
    assert software.status == 201 and "type" not in software.json


async def test_a_patients_document_does_not_become_anothers_by_an_update(houses: dict[bool, House]) -> None:
    caller = Caller(houses[False], PATIENT)
    stored = (await caller("POST", "DocumentReference", own(type=r.concept(A05, "DOCPAT03")))).json
    hospital = {"facilityType": r.concept(nos("TRE_R02-SecteurActivite"), "SA01")}
    for more, element in (
        ({"type": r.concept("http://loinc.org", "34112-3")}, "type"),
        ({"type": {"text": "Compte rendu"}}, "type"),
        ({"type": None}, "type"),
        ({"context": hospital}, "context.facilityType"),
    ):
        tree = {name: one for name, one in {**stored, **more}.items() if one is not None}
        answer = await caller("PUT", f"DocumentReference/{stored['id']}", tree)
        assert (answer.status, answer.expressions) == (422, [f"DocumentReference.{element}"]), answer.json
    other = {**stored, "type": r.concept(A05, "DOCPAT05")}
    assert (await caller("PUT", f"DocumentReference/{stored['id']}", other)).status == 200


def patched(path: str, value: Any) -> list[Tree]:
    return [{"op": "add", "path": path, "value": value}]


SYSTEM_OF = "http://terminology.hl7.org/CodeSystem/condition-category"
#: Caller, resource, patch → the elements of the errors. A document's metadata are patched alone; other types wholly.
PATCHES: list[tuple[Grant, str, list[Tree], list[str]]] = [
    (PATIENT, "DocumentReference/d", patched("/securityLabel", labelled("MASQUE_PS")), []),
    (SOFTWARE, "DocumentReference/d", patched("/securityLabel", [{"text": "caché"}]), ["securityLabel[0]"]),
    (SOFTWARE, "Condition/c", patched("/recordedDate", "2026-01-02"), []),
    (SOFTWARE, "Condition/c", patched("/category/0/coding/0/code", "autre"), ["category[0].coding[0].code"]),
    (SOFTWARE, "Condition/c", patched("/category/0/coding/0/code", "problem-list-item"), []),
]


async def test_what_was_stored_under_other_rules_is_masked_and_corrected_bit_by_bit(tmp_path: Path) -> None:
    """Filed by a lenient caller, or before codes were demanded; a patch answers for what it changes."""
    coded = r.concept(nos("TRE_A01-CadreExercice"), "DE_PASSAGE")
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/a"},
                 "category": [r.concept(SYSTEM_OF, "inconnu")]}  # fmt: skip
    async with opened(Settings(data=tmp_path, code_levels={"unknown-code": "off"})) as house:
        for tree in ({"resourceType": "Patient", "id": "a"}, condition):
            await Caller(house).put(tree)
        await Caller(house, SOFTWARE).put(document("d", context={"practiceSetting": coded}, type=r.concept(*SNOMED)))
    async with opened(Settings(data=tmp_path, pdsm="strict")) as house:
        for grant_of, url, patch, refused in PATCHES:
            caller, kind = Caller(house, grant_of), "application/json-patch+json"
            answer = await caller("PATCH", url, patch, kind)
            assert answer.status == (422 if refused else 200), answer.json
            at = [f"{url.partition('/')[0]}.{one}" for one in refused]
            assert not refused or refusals(answer) == at
            data = b64encode(json.dumps(patch).encode()).decode()
            binary = {"resourceType": "Binary", "contentType": kind, "data": data}
            entry = {"resource": binary, "request": {"method": "PATCH", "url": url}}
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
            assert (await caller("POST", "", bundle)).status == answer.status
        whole = (await Caller(house, SOFTWARE)("GET", "DocumentReference/d")).json
        put = await Caller(house, SOFTWARE)("PUT", "DocumentReference/d", whole)
        assert put.status == 422, "a whole resource is judged whole"
