"""Profiles over REST: claims judge every write, `$validate` says the same, StructureDefinitions add profiles.

https://hl7.org/fhir/R4/resource-operation-validate.html, https://hl7.org/fhir/R4/profiling.html,
https://hl7.org/fhir/R4/structuredefinition.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from tests.profiles import resources as r
from tests.profiles.resources import changed
from tests.validation.profiled import profile

JSON = {"content-type": "application/fhir+json"}
XML = {"content-type": "application/fhir+xml"}
BORN = profile("born", "Patient", {"id": "Patient.birthDate", "min": 1})
TOLD = profile("told", "DocumentReference", {"id": "DocumentReference.docStatus", "min": 1})
CLAIMING = {"resourceType": "Patient", "meta": {"profile": [BORN["url"]]}}
DOCUMENT = changed(r.DOCUMENT, "subject", {"reference": "http://example.org/fhir/Patient/1"})
WRONG = changed(changed(DOCUMENT, "custodian"), "contained.2")
PLACE = "DocumentReference.custodian"


def caller(house: House) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(house.asgi), base_url="http://example.org/fhir/", headers=JSON
    )


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(data=folder, open=True, **given)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(settings(tmp_path)) as house, caller(house) as client:
        yield client


def keys(answer: httpx.Response, severity: str = "error") -> set[tuple[str, str]]:
    return {
        (issue["details"]["coding"][0]["code"], issue["expression"][0])
        for issue in answer.json()["issue"]
        if issue["severity"] == severity and "details" in issue
    }


async def test_a_claim_is_judged_by_create_update_batch_and_transaction(server: httpx.AsyncClient):
    created = await server.post("DocumentReference", json=WRONG)
    updated = await server.put("DocumentReference/1", json={**WRONG, "id": "1"})
    assert [created.status_code, updated.status_code] == [422, 422]
    assert keys(created) == keys(updated) == {("cardinality-min", PLACE)}
    for kind, status in (("transaction", 422), ("batch", 200)):
        answer = await server.post("", json={"resourceType": "Bundle", "type": kind, "entry": [r.entry(WRONG)]})
        assert answer.status_code == status
        outcome = answer.json() if status == 422 else answer.json()["entry"][0]["response"]["outcome"]
        assert outcome["issue"][0]["expression"] == ["Bundle.entry[0].resource.custodian"]
    assert (await server.post("DocumentReference", json=DOCUMENT)).status_code == 201


async def test_a_patch_cannot_break_what_the_resource_claims(server: httpx.AsyncClient):
    await server.put("Patient/1", json={**r.PATIENT, "id": "1"})
    patch = [{"op": "remove", "path": "/birthDate"}]
    answer = await server.patch("Patient/1", json=patch, headers={"content-type": "application/json-patch+json"})
    assert (answer.status_code, keys(answer)) == (422, {("cardinality-min", "Patient.birthDate")})


async def test_the_profile_of_a_transaction_judges_it_whole(server: httpx.AsyncClient):
    lot = changed(
        changed(r.LOT, "entry.0.resource.subject", DOCUMENT["subject"]), "entry.1.resource.subject", DOCUMENT["subject"]
    )
    # Its content is three letters, and no PDF.
    for place in ("entry.1.resource.content.0.attachment.contentType", "entry.2.resource.contentType"):
        lot = changed(lot, place, "text/plain")
    assert (await server.put("Patient/1", json={**r.PATIENT, "id": "1"})).status_code == 201
    alone = changed(lot, "entry.0")
    answer = await server.post("", json=alone)
    assert answer.status_code == 422
    assert ("pdsm-bundle-submissionset", "Bundle") in keys(answer)
    assert (await server.post("", json=lot)).status_code == 200


ATTACHMENT = "entry.1.resource.content.0.attachment"

#: What is changed of a lot → the rule that is then broken, and where. Bundle and entry claim profiles that say it.
WRONG_LOTS = [
    (f"{ATTACHMENT}.hash", None, "cardinality-min", "Bundle.entry[1].resource.content[0].attachment.hash"),
    (f"{ATTACHMENT}.hash", "AAAA", "pdsm-hash", "Bundle.entry[1].resource.content[0].attachment.hash"),
    ("entry.1.resource.masterIdentifier", None, "cardinality-min", "Bundle.entry[1].resource.masterIdentifier"),
    ("entry.0.resource.extension", None, "cardinality-min", "Bundle.entry[0].resource.extension"),
]


@pytest.mark.parametrize(("place", "value", "key", "where"), WRONG_LOTS)
async def test_what_the_profiles_of_a_lot_and_of_its_entry_say_alike_is_told_once(
    server: httpx.AsyncClient, place: str, value: Any, key: str, where: str
):
    answer = await server.post("", json=changed(r.LOT, place, value))
    assert answer.status_code == 422
    assert (key, where) in keys(answer)
    told = [repr(issue) for issue in answer.json()["issue"]]
    assert len(told) == len(set(told))


async def test_what_a_lot_finds_right_by_one_profile_is_still_judged_by_the_others_it_claims(server: httpx.AsyncClient):
    added = await server.put("StructureDefinition/told", json={**TOLD, "id": "told"})
    assert added.status_code == 201
    claims = [*r.LOT["entry"][1]["resource"]["meta"]["profile"], TOLD["url"]]
    answer = await server.post("", json=changed(r.LOT, "entry.1.resource.meta.profile", claims))
    assert ("cardinality-min", "Bundle.entry[1].resource.docStatus") in keys(answer)


@pytest.mark.parametrize(("setting", "status"), [("warning", 201), ("error", 422)])
async def test_a_claim_to_an_unknown_profile(tmp_path: Path, setting: str, status: int):
    async with opened(settings(tmp_path, unknown_profiles=setting)) as house, caller(house) as client:
        answer = await client.post("Patient", json=CLAIMING, headers={"prefer": "return=OperationOutcome"})
    assert answer.status_code == status
    assert ("unknown-profile", "Patient.meta.profile[0]") in keys(answer, setting)


@pytest.mark.parametrize(("level", "status"), [("strict", 422), ("lenient", 201), ("off", 201)])
async def test_the_level_of_a_profile_is_a_setting(tmp_path: Path, level: Any, status: int):
    async with opened(settings(tmp_path, profile_levels={"*": level})) as house, caller(house) as client:
        assert (await client.post("DocumentReference", json=WRONG)).status_code == status


def parameters(**given: Any) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": name, **value} for name, value in given.items()]}


SIMPLIFIED = r.PDSM + "pdsm-simplified-publish"


@pytest.mark.parametrize(
    ("url", "body", "found"),
    [
        ("DocumentReference/$validate", WRONG, {("cardinality-min", PLACE)}),
        ("DocumentReference/$validate", DOCUMENT, set()),
        ("DocumentReference/$validate", parameters(resource={"resource": WRONG}), {("cardinality-min", PLACE)}),
        (f"DocumentReference/$validate?profile={SIMPLIFIED}", changed(r.SIMPLE, "meta"), set()),
        (
            f"DocumentReference/$validate?profile={SIMPLIFIED}",
            changed(changed(r.SIMPLE, "meta"), "custodian"),
            {("cardinality-min", PLACE)},
        ),
        (
            "DocumentReference/$validate",
            parameters(profile={"valueUri": SIMPLIFIED}, resource={"resource": changed(r.SIMPLE, "custodian")}),
            {("cardinality-min", PLACE)},
        ),
        (
            "DocumentReference/$validate?profile=http://x.example/p",
            r.SIMPLE,
            {("unknown-profile", "DocumentReference")},
        ),
        (
            f"DocumentReference/1/$validate?mode=profile&profile={SIMPLIFIED}",
            None,
            {
                ("cardinality-max", "DocumentReference.content[0].attachment.url"),
                ("cardinality-max", "DocumentReference.identifier"),
                ("cardinality-min", "DocumentReference.content[0].attachment.data"),
            },
        ),
        ("DocumentReference/1/$validate", None, set()),
        (
            "Bundle/$validate",
            {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": WRONG}]},
            {("cardinality-min", "Bundle.entry[0].resource.custodian")},
        ),
    ],
)
async def test_validate_says_what_a_write_would(server: httpx.AsyncClient, url: str, body: Any, found: set[Any]):
    await server.put("DocumentReference/1", json={**DOCUMENT, "id": "1"})
    answer = await (server.post(url, json=body) if body else server.get(url))
    assert answer.status_code == 200
    assert keys(answer) == found
    assert all("diagnostics" in issue for issue in answer.json()["issue"])


async def test_mode_profile_names_a_profile(server: httpx.AsyncClient):
    await server.put("DocumentReference/1", json={**DOCUMENT, "id": "1"})
    assert (await server.get("DocumentReference/1/$validate?mode=profile")).status_code == 400


WRAP = '<Parameters xmlns="http://hl7.org/fhir">\n<parameter><name value="resource"/><resource>\n%s\n</resource></parameter></Parameters>'
PATIENT = '<Patient xmlns="http://hl7.org/fhir">\n <gender value="x"/>\n</Patient>'


@pytest.mark.parametrize(("body", "line"), [(PATIENT, 2), (WRAP % PATIENT, 4)])
async def test_an_issue_in_xml_says_line_and_column(server: httpx.AsyncClient, body: str, line: int):
    answer = await server.post("Patient/$validate", content=body, headers={**XML, "accept": "application/fhir+json"})
    [issue] = [i for i in answer.json()["issue"] if i["severity"] == "error"]
    assert issue["expression"] == ["Patient.gender"]
    assert issue["location"] == [f"line {line}, column 2"]


async def test_a_structure_definition_adds_a_profile_for_all_workers_and_takes_it_away(tmp_path: Path):
    async with (
        opened(settings(tmp_path)) as one,
        opened(settings(tmp_path)) as two,
        caller(one) as here,
        caller(two) as there,
    ):
        assert (await here.put("StructureDefinition/born", json={**BORN, "id": "born"})).status_code == 201
        await two.following.refresh()
        answers = [await client.post("Patient", json=CLAIMING) for client in (here, there)]
        assert [keys(a) for a in answers] == [{("cardinality-min", "Patient.birthDate")}] * 2
        retired = {**BORN, "id": "born", "status": "retired"}
        assert (await here.put("StructureDefinition/born", json=retired)).status_code == 200
        await two.following.refresh()
        assert [(await c.post("Patient", json=CLAIMING)).status_code for c in (here, there)] == [201, 201]


async def test_a_profile_that_was_stored_is_there_after_a_restart(tmp_path: Path):
    async with opened(settings(tmp_path)) as house, caller(house) as client:
        await client.put("StructureDefinition/born", json={**BORN, "id": "born"})
    async with opened(settings(tmp_path)) as house, caller(house) as client:
        assert (await client.post("Patient", json=CLAIMING)).status_code == 422
        await client.delete("StructureDefinition/born")
        assert (await client.post("Patient", json=CLAIMING)).status_code == 201


BAD = profile("bad", "Patient", {"id": "Patient.nothing", "min": 1})
MALFORMED = profile(
    "bad",
    "Patient",
    {"id": "Patient.gender", "constraint": [{"key": "a-1", "severity": "error", "human": "x", "expression": "((("}]},
)


@pytest.mark.parametrize("definition", [BAD, MALFORMED, {**BORN, "baseDefinition": BORN["url"]}])
async def test_a_bad_profile_is_refused_with_the_reason(server: httpx.AsyncClient, definition: dict[str, Any]):
    answer = await server.post("StructureDefinition", json=definition)
    assert answer.status_code == 422
    said = await server.post("StructureDefinition/$validate", json=definition)
    assert keys(said) == keys(answer) != set()


async def test_a_logical_model_is_content_and_no_profile(server: httpx.AsyncClient):
    model = {**BAD, "kind": "logical", "derivation": "specialization", "type": "http://example.org/model"}
    answer = await server.post("StructureDefinition", json=model)
    assert answer.status_code in (201, 422)
    assert not any(key.startswith("profile-") for key, _ in (keys(answer) if answer.status_code == 422 else ()))


async def test_the_statement_names_the_profiles_of_each_type(server: httpx.AsyncClient):
    statement = (await server.get("metadata")).json()
    rows = {row["type"]: row for row in statement["rest"][0]["resource"]}
    assert SIMPLIFIED in rows["DocumentReference"]["supportedProfile"]
    assert "supportedProfile" not in rows["Account"]
