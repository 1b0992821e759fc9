"""The international patient summary: what stands in which section, a right document, and nothing of what is hidden.

https://hl7.org/fhir/uv/ips/STU2/OperationDefinition-summary.html, https://hl7.org/fhir/R4/documents.html,
https://hl7.org/fhir/R4/composition.html, CSP R1111-46.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from xml.etree import ElementTree

import pytest
import pytest_asyncio

from fhir_server.access.grant import Grant, Scope
from fhir_server.app import House, opened
from fhir_server.fhir.references import walk_references
from fhir_server.settings import Settings
from fhir_server.space.profile.narrative import line
from fhir_server.space.profile.sections import SECTIONS as ROWS
from tests.server.people import a_care_team, kept
from tests.space.profile.record import BESIDE, ENDED, INSIDE, SECTIONS, Tree, allergy, condition
from tests.space.record.callers import ALL, BASE, OWN, SYSTEM, Caller, grant
from tests.space.record.gated import chosen
from tests.space.record.test_leak_matrix import told

pytestmark = pytest.mark.asyncio(loop_scope="module")

INS = {"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "160012312345612"}
TWICE = {"system": "urn:system", "value": "twice"}
URL = "Patient/a/$summary"
HOLDER = grant("Patient/a", OWN, patient="a")
STRANGER = grant("Practitioner/stranger", ALL, purpose="TREAT")
#: Who sees the record.
LET_IN: dict[str, Grant] = {
    "patient": grant("Patient/a", ALL),
    "patient's app": HOLDER,
    "representative": grant("Patient/mother", ALL, wards=frozenset({"a"})),
    "of the team": grant("Practitioner/other", ALL),
    "of the team, in context": grant("Practitioner/other", OWN, patient="a"),
    "software": grant(None, SYSTEM),
}
#: Who sees that there is such a patient, and nothing of the record.
KEPT_OUT: dict[str, Grant] = {
    "stranger": STRANGER,
    "stranger's tool": grant("Practitioner/stranger", OWN, patient="a", purpose="TREAT"),
    "blocked": grant("Practitioner/blocked", ALL),
}
#: Who has no such patient: another, with their own app, and with an app that is let in to another's record.
NOBODYS: dict[str, Grant] = {
    "another patient": grant("Patient/b", ALL),
    "another's app": grant("Patient/b", OWN, patient="b"),
}


async def peopled(house: House, full: bool) -> None:
    """Everybody; with the record of the one patient, or without."""
    record = [*ENDED, *(tree for trees in SECTIONS.values() for tree in trees)] if full else []
    people: list[Tree] = [
        {"resourceType": "Patient", "id": "a", "identifier": [INS, TWICE], "name": [{"family": "Durand"}],
         "link": [{"other": {"reference": "Patient/c"}, "type": "seealso"}]},
        {"resourceType": "Patient", "id": "b", "identifier": [TWICE]},
        *({"resourceType": "Patient", "id": id} for id in ("c", "mother")),
        *({"resourceType": "Practitioner", "id": id} for id in ("other", "stranger", "blocked")),
        a_care_team("a", "Practitioner/other", "Practitioner/blocked"),
        chosen("blocked", "Practitioner/blocked"),
    ]  # fmt: skip
    await kept(house, *people, *BESIDE, *record, base=BASE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worlds(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[House, House]]:
    """With a record, and without one."""
    async with AsyncExitStack() as stack:
        made = []
        for full in (True, False):
            settings = Settings(data=tmp_path_factory.mktemp("world"), base_url=BASE)
            house = await stack.enter_async_context(opened(settings))
            await peopled(house, full)
            made.append(house)
        yield made[0], made[1]


async def asked(house: House, who: Grant = HOLDER, url: str = URL, **headers: str) -> Tree:
    answer = await Caller(house, who)("GET", url, **headers)
    assert answer.status == 200, answer.json
    return dict(answer.json)


def resources(bundle: Tree) -> dict[str, Tree]:
    """Address under the base, or `urn:`, → what is there."""
    return {one["fullUrl"].removeprefix(f"{BASE}/"): one["resource"] for one in bundle["entry"]}


def sections(bundle: Tree) -> dict[str, Tree]:
    return {one["code"]["coding"][0]["code"]: one for one in bundle["entry"][0]["resource"]["section"]}


def listed(section: Tree) -> set[str]:
    return {one["reference"].removeprefix(f"{BASE}/") for one in section.get("entry", ())}


def named(*trees: Tree) -> set[str]:
    return {f"{tree['resourceType']}/{tree['id']}" for tree in trees}


@pytest.mark.parametrize("code", [row.code for row in ROWS])
async def test_each_section_has_what_is_of_it_and_says_it_in_words(worlds: tuple[House, House], code: str) -> None:
    section = sections(await asked(worlds[0]))[code]
    assert listed(section) == named(*SECTIONS[code])
    div = ElementTree.fromstring(section["text"]["div"])
    assert len(list(div.iter("{http://www.w3.org/1999/xhtml}li"))) == len(SECTIONS[code])
    assert "emptyReason" not in section


@pytest.mark.parametrize(
    "words", ["asthmaknown", "insulintaken", "paracetamol", "71 kg (2024-01-10)", "5 < 6 & fine", "mother, diabetes",
              "appendix (2010-02-03)", "pump", "walks with a stick", "A+", "measlesknown (guéri ou terminé)"]
)  # fmt: skip
async def test_what_is_said_in_words_is_what_the_data_say(worlds: tuple[House, House], words: str) -> None:
    divs = [ElementTree.fromstring(one["text"]["div"]) for one in sections(await asked(worlds[0])).values()]
    assert any(words in "".join(div.itertext()) for div in divs)


async def test_what_ended_and_what_is_anothers_is_nowhere(worlds: tuple[House, House]) -> None:
    found = resources(await asked(worlds[0], LET_IN["software"]))
    assert not named(*ENDED) & found.keys()
    assert not {"Condition/hers", "Condition/theirs", "Patient/b", "Encounter/e"} & found.keys()


@pytest.mark.parametrize("name", LET_IN)
async def test_whoever_is_let_in_is_given_all_of_it_closed_in_itself(worlds: tuple[House, House], name: str) -> None:
    """R4 documents.html; bdl-9, bdl-10 and bdl-11; each reference leads to an entry."""
    bundle = await asked(worlds[0], LET_IN[name])
    found = resources(bundle)
    assert found.keys() >= named(*(tree for trees in SECTIONS.values() for tree in trees)) | INSIDE | {"Patient/a"}
    assert len(found) == len(bundle["entry"])
    assert bundle["type"] == "document" and bundle["identifier"]["system"] and bundle["identifier"]["value"]
    assert bundle["timestamp"] and bundle["entry"][0]["resource"]["resourceType"] == "Composition"
    pointed = {node["reference"].removeprefix(f"{BASE}/") for node, _ in walk_references(bundle)}
    assert pointed <= found.keys()
    # Nothing is there that nothing leads to.
    assert found.keys() - pointed == {bundle["entry"][0]["fullUrl"]}
    assert found["Patient/a"]["link"][0]["other"]["extension"][0]["valueCode"] == "unknown"


@pytest.mark.parametrize("full", [True, False])
async def test_the_servers_own_validator_finds_the_document_right(worlds: tuple[House, House], full: bool) -> None:
    house = worlds[not full]
    bundle = await asked(house)
    answer = await Caller(house, LET_IN["software"])("POST", "Bundle/$validate", bundle)
    assert [one for one in answer.json["issue"] if one["severity"] in ("error", "fatal")] == []
    del bundle["identifier"]
    wrong = await Caller(house, LET_IN["software"])("POST", "Bundle/$validate", bundle)
    assert "error" in {one["severity"] for one in wrong.json["issue"]}, "bdl-9 was not judged"


@pytest.mark.parametrize("name", KEPT_OUT)
async def test_to_who_is_kept_out_a_record_and_none_are_the_same_summary(
    worlds: tuple[House, House], name: str
) -> None:
    full, empty = [await Caller(house, KEPT_OUT[name])("GET", URL) for house in worlds]
    assert full.status == 200 and told(full) == told(empty)
    required = {row.code for row in ROWS if row.required}
    assert sections(full.json).keys() == required
    for section in sections(full.json).values():
        assert section["emptyReason"]["coding"][0]["code"] == "unavailable" and "entry" not in section
        assert "Aucune information disponible" in section["text"]["div"]


@pytest.mark.parametrize("url", [URL, f"Patient/$summary?identifier={INS['system']}|{INS['value']}"])
@pytest.mark.parametrize("name", NOBODYS)
async def test_who_does_not_see_the_patient_is_told_of_none(worlds: tuple[House, House], name: str, url: str) -> None:
    caller = Caller(worlds[0], NOBODYS[name])
    hidden, absent = await caller("GET", url), await caller("GET", re.sub("/a/|1600", "/none/", url))
    assert hidden.status == absent.status == 404
    assert hidden.json["issue"][0]["code"] == absent.json["issue"][0]["code"] == "not-found"


async def test_one_hidden_resource_is_not_told_by_what_refers_to_it(worlds: tuple[House, House]) -> None:
    """Of a report of one's own in a record that is closed to its author, the result another wrote is not said."""
    report = {"resourceType": "DiagnosticReport", "id": "mine", "status": "final", "subject": {"reference": "Patient/a"},
              "code": {"text": "x"}, "performer": [{"reference": "Practitioner/stranger"}],
              "result": [{"reference": "Observation/glucose"}]}  # fmt: skip
    found = []
    for house in worlds:
        await kept(house, report, base=BASE)
        found.append(await Caller(house, STRANGER)("GET", URL))
        await Caller(house)("DELETE", "DiagnosticReport/mine")
    assert told(found[0]) == told(found[1])
    assert "DiagnosticReport/mine" in resources(found[0].json)
    assert "glucose" not in found[0].response.body.decode()


#: Level and parameters → status, and code of the issue.
CALLS: dict[str, tuple[int, str]] = {
    f"Patient/$summary?identifier={INS['system']}|{INS['value']}": (200, ""),
    f"Patient/$summary?identifier={INS['value']}": (200, ""),
    "Patient/$summary": (400, "required"),
    "Patient/$summary?identifier=urn:system|twice": (412, "multiple-matches"),
    "Patient/$summary?identifier=urn:system|none": (404, "not-found"),
    f"{URL}?identifier=x": (400, "invalid"),
    f"{URL}?profile=http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips": (200, ""),
    f"{URL}?profile=http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips|2.0.0": (200, ""),
    f"{URL}?profile=http://example.org/other": (400, "not-supported"),
    f"{URL}?graph=http://example.org/graph": (400, "not-supported"),
    f"{URL}?other=x": (400, "not-supported"),
    "Patient/none/$summary": (404, "not-found"),
    "Patient/a/_history/1/$summary": (404, "not-supported"),
    "Observation/weight/$summary": (404, "not-supported"),
    "$summary": (404, "not-supported"),
}


@pytest.mark.parametrize("url", CALLS)
async def test_calls_are_answered_as_the_definition_says(worlds: tuple[House, House], url: str) -> None:
    answer = await Caller(worlds[0], LET_IN["software"])("GET", url)
    status, code = CALLS[url]
    assert answer.status == status, answer.json
    if code:
        assert answer.json["issue"][0]["code"] == code
        assert INS["value"] not in answer.response.body.decode()
    else:
        assert answer.json["entry"][0]["resource"]["subject"]["reference"] == f"{BASE}/Patient/a"


async def test_an_identifier_may_be_posted_so_that_no_log_has_it(worlds: tuple[House, House]) -> None:
    body = {"resourceType": "Parameters",
            "parameter": [{"name": "identifier", "valueString": f"{INS['system']}|{INS['value']}"}]}  # fmt: skip
    answer = await Caller(worlds[0], LET_IN["of the team"])("POST", "Patient/$summary", body)
    assert answer.status == 200 and "Patient/a" in resources(answer.json)


@pytest.mark.parametrize(
    "accept, title, section, other, words",
    [
        ("", "Résumé médical international", "Allergies et intolérances", "Allergies and intolerances", "Aucune"),
        ("fr-FR,en;q=0.5", "Résumé médical international", "Allergies et intolérances", "Allergies and intolerances",
         "Aucune"),
        ("en-GB", "International Patient Summary", "Allergies and intolerances", "Allergies et intolérances",
         "No information"),
    ],
)  # fmt: skip
async def test_titles_are_in_one_language_with_the_other_beside(
    worlds: tuple[House, House], accept: str, title: str, section: str, other: str, words: str
) -> None:
    """https://hl7.org/fhir/R4/extension-translation.html"""
    bundle = await asked(worlds[1], **({"accept_language": accept} if accept else {}))
    head, found = bundle["entry"][0]["resource"], sections(bundle)["48765-2"]
    assert head["title"] == title and found["title"] == section and words in found["text"]["div"]
    parts: list[dict[str, Any]] = found["_title"]["extension"][0]["extension"]
    assert {one["url"]: one.get("valueString", one.get("valueCode")) for one in parts}["content"] == other


async def test_that_there_is_none_is_said_only_where_somebody_said_so(worlds: tuple[House, House]) -> None:
    """Absent is not none: a negative assertion is an entry of its section, and takes the place of emptyReason."""
    absent = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
    said = [
        allergy("no-allergy", code={"coding": [{"system": absent, "code": "no-known-allergies"}], "text": "Aucune"}),
        condition("no-problem", code={"coding": [{"system": absent, "code": "no-known-problems"}], "text": "Aucune"}),
    ]
    await kept(worlds[1], *said, base=BASE)
    found = sections(await asked(worlds[1]))
    for tree in said:
        await Caller(worlds[1])("DELETE", f"{tree['resourceType']}/{tree['id']}")
    assert listed(found["48765-2"]) == {"AllergyIntolerance/no-allergy"} and "emptyReason" not in found["48765-2"]
    assert listed(found["11450-4"]) == {"Condition/no-problem"} and "emptyReason" not in found["11450-4"]
    assert found["10160-0"]["emptyReason"]["coding"][0]["code"] == "unavailable"


async def test_without_a_scope_for_patients_there_is_no_summary(worlds: tuple[House, House]) -> None:
    few = Grant((Scope("patient", "Observation", frozenset("rs")),), subject="Patient/a", patient="a", client="app")
    assert (await Caller(worlds[0], few)("GET", URL)).status == 403


async def test_of_types_without_a_scope_nothing_is_in_it(worlds: tuple[House, House]) -> None:
    scopes = tuple(Scope("patient", type, frozenset("rs")) for type in ("Patient", "AllergyIntolerance"))
    bundle = await asked(worlds[0], Grant(scopes, subject="Patient/a", patient="a", client="app", traced=False))
    assert {one["resourceType"] for one in resources(bundle).values()} == {
        "Composition", "Patient", "AllergyIntolerance", "Device"}  # fmt: skip


#: A resource, and what is said of it in words.
LINES: dict[str, tuple[Tree, str]] = {
    "a medication inside": (
        {"resourceType": "MedicationStatement", "medicationReference": {"reference": "#m"},
         "contained": [{"resourceType": "Medication", "id": "m", "code": {"text": "aspirin"}}]},
        "aspirin",
    ),
    "a device by its name": (
        {"resourceType": "DeviceUseStatement", "device": {"reference": "#d"},
         "contained": [{"resourceType": "Device", "id": "d", "deviceName": [{"name": "pacer", "type": "other"}]}]},
        "pacer",
    ),
    "a display for what is not inside": (
        {"resourceType": "MedicationRequest", "medicationReference": {"display": "iron"}, "authoredOn": "2024-02"},
        "iron (2024-02)",
    ),
    "a category where there is no name": (
        {"resourceType": "CarePlan", "status": "active", "category": [{"text": "weight"}]}, "weight",
    ),
    "a code for want of words": ({"resourceType": "Condition", "code": {"coding": [{"code": "J45"}]}}, "J45"),
    "its type for want of all": ({"resourceType": "CarePlan", "status": "on-hold"}, "CarePlan (on-hold)"),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
async def test_a_resource_is_one_line_by_the_best_name_that_it_has(name: str) -> None:
    tree, words = LINES[name]
    assert line(tree, {}) == words
