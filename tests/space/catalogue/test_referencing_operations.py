"""The way into the catalogue over REST, under real tokens.

https://fhir-server.example/OperationDefinition/Task-referencing-file and Task-referencing-step; CSP R1111-38.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import Any

import httpx
import pytest

from fhir_server.space.catalogue import apps
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.dossiers import response
from tests.server.closed import TOKEN, Space
from tests.site.catalogue import a_patient
from tests.smart.browser import CALLBACK, Browser, a_person, an_app, answered, launched
from tests.space.catalogue.filing import ANSWERS, APP, DPIA, MET, TODAY

SCOPE = "user/Task.cruds user/Device.rs user/Binary.r user/AuditEvent.rs"
STAFF = {"verifier": "sacha", "commission": "claude", "administrator": "alix"}
ATTACHMENT = {"title": DPIA.title, "contentType": "text/html", "data": base64.b64encode(DPIA.data).decode()}
CARD = replace(APP, publisher="Organization/alize")


async def staffed(space: Space, *duties: str) -> dict[str, str]:
    """Duty → a token of somebody who has it, through the same software; "stranger" is another publisher.

    Without `duties` everybody signs in, else those that are named: a test that needs one waits for no other.
    """
    await space.put({"resourceType": "Organization", "id": "alize", "name": "Éditeur Alizé Santé"})
    await space.put({"resourceType": "Organization", "id": "melisse", "name": "Mélisse Logiciels"})
    app = await an_app(space, SCOPE, "workbench")
    people: list[tuple[str, str, dict[str, Any]]] = [
        ("publisher", "camille", {"duties": ("publisher",), "organization": "Organization/alize"}),
        ("stranger", "dominique", {"duties": ("publisher",), "organization": "Organization/melisse"}),
        *((duty, login, {"duties": (duty,)}) for duty, login in STAFF.items()),
    ]
    found = {}
    for key, login, more in (one for one in people if not duties or one[0] in duties):
        await a_person(space, login, f"Person/{login}", **more)
        browser = Browser(space)
        await browser.sign_in(await browser.http.get("/auth/sign-in"), login)
        found[key] = (await launched(space, app, SCOPE, browser)).json()["access_token"]
    return found


def parameters(**given: Any) -> dict[str, Any]:
    """A Parameters body: resources, data types and primitives by the name of their parameter."""
    rows: list[dict[str, Any]] = []
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            key = KEYS.get(name, "valueString") if not (isinstance(one, dict) and "resourceType" in one) else "resource"
            rows.append({"name": name, key: one})
    return {"resourceType": "Parameters", "parameter": rows}


KEYS = {"step": "valueCode", "opinion": "valueCode", "start": "valueDate", "end": "valueDate"}
KEYS |= {"reconsentBy": "valueDate", "version": "valueInteger", "dpia": "valueAttachment"}


async def file(space: Space, token: str, card: App = CARD, **changes: Any) -> httpx.Response:
    given = {"app": apps.to_device(card), "answers": response(ANSWERS), "dpia": ATTACHMENT, **changes}
    body = parameters(**{name: value for name, value in given.items() if value is not None})
    return await space.fhir("POST", "Task/$referencing-file", token, json=body)


async def step(space: Space, token: str, id: str, step: str, **given: Any) -> httpx.Response:
    return await space.fhir("POST", f"Task/{id}/$referencing-step", token, json=parameters(step=step, **given))


CRITERIA = [f"{code}|met" for code in MET]
SIGNED = {"start": TODAY.isoformat(), "end": TODAY.replace(year=TODAY.year + 3, day=1).isoformat()}
#: Duty, step, what it is taken with: the whole road.
ROAD: list[tuple[str, str, dict[str, Any]]] = [
    ("verifier", "return", {"reason": "Le contact manque.", "criterion": "SEC-07|not-met|Absente"}),
    ("publisher", "complete", {"answers": response({**ANSWERS, "dpo": "Jo"})}),
    ("verifier", "verify", {"criterion": CRITERIA}),
    ("commission", "opine", {"reason": "Utile.", "opinion": "reserved"}),
    ("administrator", "accept", {"reason": "Accepté."}),
    ("administrator", "sign", SIGNED),
]


async def referenced(space: Space, tokens: dict[str, str], app: App = CARD) -> str:
    """The id of the file of an app that took the whole road."""
    answer = await file(space, tokens["publisher"], app)
    assert answer.status_code == 201, answer.text
    id = str(answer.json()["id"])
    for duty, name, given in ROAD:
        taken = await step(space, tokens[duty], id, name, **given)
        assert taken.status_code == 200, (name, taken.text)
    return id


async def test_an_app_takes_the_whole_road_over_rest(space: Space) -> None:
    tokens = await staffed(space)
    id = await referenced(space, tokens)
    task = (await space.fhir("GET", f"Task/{id}", tokens["publisher"])).json()
    assert (task["status"], task["businessStatus"]["coding"][0]["code"]) == ("completed", "signed")
    device = (await space.fhir("GET", task["focus"]["reference"])).json()
    assert (device["status"], apps.from_device(device).status) == ("active", "EN_LIGNE")
    found = (await space.fhir("GET", "Device?type=application")).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [device["id"]]


async def test_filing_answers_201_with_where_the_file_is(space: Space) -> None:
    tokens = await staffed(space, "publisher")
    answer = await file(space, tokens["publisher"])
    made = answer.json()
    assert (answer.status_code, made["resourceType"], made["meta"]["versionId"]) == (201, "Task", "1")
    assert answer.headers["location"].endswith(f"/Task/{made['id']}/_history/1")
    assert answer.headers["etag"] == 'W/"1"'


async def test_the_assessment_is_read_by_those_who_see_the_file_alone(space: Space) -> None:
    tokens = await staffed(space)
    [attached] = [
        one["valueAttachment"]
        for one in (await file(space, tokens["publisher"])).json()["input"]
        if "valueAttachment" in one
    ]
    assert attached["contentType"] == "application/pdf" and "data" not in attached
    read = {duty: (await space.fhir("GET", attached["url"], token)).status_code for duty, token in tokens.items()}
    assert read == {"publisher": 200, "stranger": 404, "verifier": 200, "commission": 200, "administrator": 200}
    assert (await space.fhir("GET", attached["url"])).status_code == 401
    for duty in ("publisher", "administrator"):
        changed = {"resourceType": "Binary", "contentType": "text/plain", "id": attached["url"].split("/")[1]}
        answer = await space.fhir("PUT", attached["url"], tokens[duty], json=changed)
        assert answer.status_code in (403, 404)


async def test_a_file_of_another_publisher_is_as_absent_as_none(space: Space) -> None:
    tokens = await staffed(space, "publisher", "stranger")
    id = (await file(space, tokens["publisher"])).json()["id"]
    there, nowhere = [await step(space, tokens["stranger"], one, "abandon", reason="x") for one in (id, "none")]
    assert there.status_code == nowhere.status_code == 404 and there.json() == nowhere.json()
    there, nowhere = [await space.fhir("GET", f"Task/{one}", tokens["stranger"]) for one in (id, "none")]
    assert there.status_code == nowhere.status_code == 404 and there.json() == nowhere.json()
    assert (await space.fhir("GET", "Task", tokens["stranger"])).json()["total"] == 0


async def test_a_step_of_another_duty_is_403_and_one_too_early_409(space: Space) -> None:
    tokens = await staffed(space)
    id = (await file(space, tokens["publisher"])).json()["id"]
    answers = {
        (duty, name): (await step(space, tokens[duty], id, name, reason="x", **more)).status_code
        for duty, name, more in (
            ("publisher", "verify", {}),
            ("verifier", "sign", SIGNED),
            ("commission", "opine", {"opinion": "favourable"}),
            ("administrator", "accept", {}),
            ("administrator", "suspend", {}),
        )
    }
    assert list(answers.values()) == [403, 403, 409, 409, 409]


async def test_two_steps_at_once_over_rest_are_one_and_a_409(space: Space) -> None:
    tokens = await staffed(space, "publisher", "verifier")
    id = (await file(space, tokens["publisher"])).json()["id"]
    answers = await asyncio.gather(
        step(space, tokens["verifier"], id, "verify", criterion=CRITERIA),
        step(space, tokens["verifier"], id, "return", reason="x"),
        step(space, tokens["verifier"], id, "return", reason="y"),
    )
    assert sorted(one.status_code for one in answers) == [200, 409, 409]


async def test_a_version_that_is_no_more_is_409(space: Space) -> None:
    tokens = await staffed(space, "publisher")
    id = (await file(space, tokens["publisher"])).json()["id"]
    assert (await step(space, tokens["publisher"], id, "abandon", reason="x", version=7)).status_code == 409
    assert (await step(space, tokens["publisher"], id, "abandon", reason="x", version=1)).status_code == 200


@pytest.mark.parametrize(("scope", "status"), [("user/Task.rs", 403), ("user/Task.c", 201), ("user/Device.cruds", 403)])
async def test_a_token_needs_the_scope_to_write_tasks(space: Space, scope: str, status: int) -> None:
    await a_person(space, "camille", "Person/camille", duties=("publisher",), organization="Organization/alize")
    app = await an_app(space, scope)
    browser = Browser(space)
    await browser.sign_in(await browser.http.get("/auth/sign-in"), "camille")
    token = (await launched(space, app, scope, browser)).json()["access_token"]
    assert (await file(space, token)).status_code == status


@pytest.mark.parametrize("subject", ["Patient/p1", "Practitioner/d1"])
async def test_others_than_staff_take_no_steps_whatever_their_scopes(space: Space, subject: str) -> None:
    await a_patient(space)
    await a_person(space, subject=subject)
    token = (await launched(space, await an_app(space, "user/Task.cruds"), "user/Task.cruds")).json()["access_token"]
    assert (await file(space, token)).status_code == 403
    assert (await step(space, token, "t", "abandon", reason="x")).status_code == 403


async def test_software_alone_takes_no_steps(space: Space) -> None:
    await space.backend()
    assert (await file(space, await space.backend_token())).status_code == 403


async def test_no_token_writes_or_deletes_a_file_or_an_app_around_the_steps(space: Space) -> None:
    tokens = await staffed(space, "administrator", "publisher")
    made = (await file(space, tokens["publisher"])).json()
    await space.backend()
    for token in (tokens["publisher"], tokens["administrator"], await space.backend_token()):
        for address in (f"Task/{made['id']}", made["focus"]["reference"]):
            type, _, id = address.partition("/")
            body = {"resourceType": type, "id": id}
            changed = {**made, "status": "completed"} if type == "Task" else {**body, **apps.to_device(CARD), "id": id}
            assert (await space.fhir("PUT", address, token, json=changed)).status_code in (403, 404)
            assert (await space.fhir("DELETE", address, token)).status_code in (403, 404)
    assert (await space.fhir("GET", f"Task/{made['id']}", tokens["publisher"])).json() == made


DEVICE = apps.to_device(CARD)
#: What is sent to file → status: wrong in every way, and never the server's fault.
BAD_FILES: list[tuple[dict[str, Any], int]] = [
    ({"app": None}, 400),
    ({"answers": None}, 400),
    ({"dpia": None}, 422),
    ({"app": {"resourceType": "Patient"}}, 400),
    ({"app": {"resourceType": "Device"}}, 400),
    ({"app": {**DEVICE, "extension": "x"}}, 422),
    ({"app": {**DEVICE, "extension": [1]}}, 422),
    ({"app": {**DEVICE, "extension": [{"url": f"{apps.PROFILE}-purpose", "extension": [{"url": "code"}]}]}}, 422),
    ({"app": {**DEVICE, "deviceName": [{"name": 3, "type": "user-friendly-name"}]}}, 422),
    ({"app": {**DEVICE, "identifier": [None]}}, 422),
    ({"app": {**DEVICE, "version": {"value": "1"}}}, 422),
    ({"app": {**DEVICE, "url": ["https://x"]}}, 422),
    ({"app": {**DEVICE, "url": "https://[x"}}, 422),
    ({"app": {**DEVICE, "note": [{"text": {"a": 1}}]}}, 422),
    ({"app": {**DEVICE, "type": "application"}}, 422),
    ({"app": {**DEVICE, "owner": "Organization/alize"}}, 422),
    ({"answers": {"resourceType": "Questionnaire"}}, 400),
    ({"answers": {"resourceType": "QuestionnaireResponse"}}, 422),
    ({"answers": {**response(ANSWERS), "item": "x"}}, 422),
    ({"answers": {**response(ANSWERS), "item": [{"linkId": 3, "answer": [3]}]}}, 422),
    ({"answers": response({})}, 422),
    ({"dpia": {"title": "x"}}, 400),
    ({"dpia": {"title": 3, "data": "JVBE"}}, 400),
    ({"dpia": {"title": "x", "data": "é"}}, 400),
    ({"dpia": {"title": "x", "data": ["JVBE"]}}, 400),
    ({"dpia": {"title": "x", "data": "AAAA"}}, 422),
    ({"dpia": [ATTACHMENT, ATTACHMENT]}, 400),
    ({"dpia": "x"}, 400),
    ({"nothing": "x"}, 400),
]


@pytest.mark.parametrize(("changes", "status"), BAD_FILES)
async def test_a_file_that_is_wrong_is_refused_and_nothing_is_kept(
    space: Space, changes: dict[str, Any], status: int
) -> None:
    token = (await staffed(space, "publisher"))["publisher"]
    answer = await file(space, token, **changes)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), answer.text
    assert (await space.fhir("GET", "Task?_summary=count", token)).json()["total"] == 0


#: What is sent with a step → status.
BAD_STEPS: list[tuple[dict[str, Any], int]] = [
    ({}, 400),
    ({"step": "nothing"}, 422),
    ({"step": ["verify", "verify"]}, 400),
    ({"step": "verify", "criterion": "SEC-01"}, 400),
    ({"step": "verify", "criterion": "SEC-01|perhaps"}, 400),
    ({"step": "verify", "criterion": "|met"}, 400),
    ({"step": "verify", "criterion": "XXX|met"}, 422),
    ({"step": "verify", "opinion": "delighted"}, 400),
    ({"step": "verify", "opinion": "favourable"}, 422),
    ({"step": "verify", "start": "tomorrow"}, 400),
    ({"step": "verify", "version": "one"}, 400),
    ({"step": "verify", "app": {"resourceType": "Patient"}}, 400),
    ({"step": "verify", "answers": {"resourceType": "QuestionnaireResponse", "status": 3}}, 422),
    ({"step": "return"}, 422),
    ({"step": "return", "reason": "x" * 4001}, 422),
    ({"step": "return", "reason": ["a", "b"]}, 400),
]


@pytest.mark.parametrize(("given", "status"), BAD_STEPS)
async def test_a_step_that_is_wrong_is_refused_and_changes_nothing(
    space: Space, given: dict[str, Any], status: int
) -> None:
    tokens = await staffed(space, "publisher", "verifier")
    made = (await file(space, tokens["publisher"])).json()
    body = parameters(**given)
    answer = await space.fhir("POST", f"Task/{made['id']}/$referencing-step", tokens["verifier"], json=body)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), answer.text
    assert (await space.fhir("GET", f"Task/{made['id']}", tokens["verifier"])).json() == made


async def test_a_suspension_cuts_tokens_at_once_and_its_end_gives_them_back(space: Space) -> None:
    """CSP R1111-39: a suspended app neither reads nor writes."""
    tokens = await staffed(space)
    quick = replace(
        CARD, redirect_uris=(CALLBACK,), purposes=(replace(CARD.purposes[0], scopes=("patient/Observation.crs",)),)
    )
    id = await referenced(space, tokens, quick)
    await a_patient(space)
    await a_person(space)
    device = (await space.fhir("GET", f"Task/{id}", tokens["publisher"])).json()["focus"]["reference"]
    scope = "launch/patient offline_access patient/Observation.crs"
    app = await an_app(space, scope, CARD.client, device=device.removeprefix("Device/"))
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(scope)))
    answer = await browser.submit(page, decision="allow", **{"purpose-suivi": "yes", "special-offline_access": "yes"})
    body = (await space.http.post(TOKEN, data=app.exchange(answered(answer)["code"]))).json()
    assert (await space.fhir("GET", "Observation", body["access_token"])).status_code == 200
    assert (await step(space, tokens["administrator"], id, "suspend", reason="Une faille.")).status_code == 200
    assert (await space.fhir("GET", "Observation", body["access_token"])).status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"], "client_id": app.id}
    assert (await space.http.post(TOKEN, data=form)).status_code in (400, 401)
    assert (await space.fhir("GET", device)).status_code == 404
    assert (await step(space, tokens["administrator"], id, "resume", reason="Corrigée.")).status_code == 200
    assert (await space.fhir("GET", device)).status_code == 200
    assert (await space.fhir("GET", "Observation", body["access_token"])).status_code == 200


async def test_anybody_reads_and_searches_apps_on_line_and_their_publishers_alone(space: Space) -> None:
    tokens = await staffed(space)
    await referenced(space, tokens)
    draft = replace(CARD, client="draft", name="Brouillon")
    hidden = (await file(space, tokens["publisher"], draft)).json()["focus"]["reference"]
    names = [
        entry["resource"]["deviceName"][0]["name"]
        for query in ("Device", "Device?device-name=carnet", "Device?organization=Organization/alize")
        for entry in (await space.fhir("GET", query)).json()["entry"]
    ]
    assert names == ["Carnet Tension"] * 3
    assert (await space.fhir("GET", hidden)).status_code == 404
    found = (await space.fhir("GET", "Organization")).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["alize"]
    assert (await space.fhir("GET", "Organization/melisse")).status_code == 404
    assert (await space.fhir("GET", "Task")).status_code == 401
    assert (await space.fhir("POST", "Device", json=DEVICE)).status_code == 401
    profiled = await space.fhir("GET", f"Device?_profile={apps.PROFILE}")
    assert profiled.json()["total"] == 1
