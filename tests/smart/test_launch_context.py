"""What comes with an access token: scopes-and-launch-context.html#launch-context-arrives-with-your-access_token"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.server.closed import ROOT, TOKEN, Space
from tests.server.people import a_care_team
from tests.site.accessible import document, said
from tests.smart.browser import Browser, a_person, an_app, answered

SCOPES = "launch openid fhirUser patient/*.rs launch/patient launch/encounter"


def of(type: str, id: str, patient: str = "p1", **more: Any) -> dict[str, Any]:
    subject = {"subject": {"reference": f"Patient/{patient}"}} if patient else {}
    return {"resourceType": type, "id": id, **subject, **more}


@pytest.fixture
async def doctor(space: Space) -> Browser:
    """A doctor of the hospital `h`, signed in, before two patients who have an encounter and a document each."""
    for patient in ("p1", "p2"):
        await space.put({"resourceType": "Patient", "id": patient})
        await space.put(of("Encounter", f"e-{patient}", patient, status="in-progress"))
        await space.put(of("DocumentReference", f"d-{patient}", patient, status="current"))
        await space.put(a_care_team(patient, "PractitionerRole/r"))
    await space.put({"resourceType": "Organization", "id": "h", "name": "Hôpital"})
    role = {"resourceType": "PractitionerRole", "id": "r", "organization": {"reference": "Organization/h"}}
    await space.put(role)
    await a_person(space, "docteur", "Practitioner/d1", roles=("PractitionerRole/r",))
    browser = Browser(space)
    await browser.sign_in(await browser.http.get("/auth/sign-in"), "docteur")
    return browser


async def opened(browser: Browser, **fields: Any) -> httpx.Response:
    """The answer to opening the app on a patient."""
    page = await browser.http.get("/auth/me")
    word = page.text.partition('name="word" value="')[2].partition('"')[0]
    data = {"word": word, "client": "app", "patient": "p1", **fields}
    return await browser.http.post("/auth/launch", data=data, headers={"Origin": ROOT})


async def body_of(space: Space, browser: Browser, scope: str = SCOPES, **fields: Any) -> dict[str, Any]:
    """The token answer to an app that was opened so."""
    app = await an_app(space, SCOPES, launch_uri="https://app.example/launch")
    answer = await opened(browser, **fields)
    launch = parse_qs(urlsplit(answer.headers["location"]).query)["launch"][0]
    page = await browser.open(app.request(scope, launch=launch))
    page = page if page.is_redirect else await browser.submit(page, decision="allow")
    found: dict[str, Any] = (await space.http.post(TOKEN, data=app.exchange(answered(page)["code"]))).json()
    return found


async def test_an_app_is_opened_on_an_encounter_a_document_and_an_intent(space: Space, doctor: Browser) -> None:
    context = ["DocumentReference/d-p1", "Organization/h"]
    body = await body_of(space, doctor, encounter="e-p1", intent="reconcile-medications", context=context)
    assert (body["patient"], body["encounter"], body["intent"]) == ("p1", "e-p1", "reconcile-medications")
    assert body["fhirContext"] == [{"reference": one} for one in context]
    assert (body["need_patient_banner"], body["tenant"]) == (False, "h")


async def test_the_style_of_the_pages_is_where_the_answer_says(space: Space, doctor: Browser) -> None:
    url = (await body_of(space, doctor))["smart_style_url"]
    answer = await space.http.get(url, headers={"Origin": "https://any.example"})
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == "*"
    style = answer.json()
    assert style["color_text"].startswith("#") and all(isinstance(value, str) for value in style.values())


async def test_a_launch_without_an_encounter_does_not_grant_its_scope(space: Space, doctor: Browser) -> None:
    body = await body_of(space, doctor)
    assert "launch/encounter" not in body["scope"].split() and "encounter" not in body


async def test_introspection_tells_the_context_again(space: Space, doctor: Browser) -> None:
    body = await body_of(space, doctor, encounter="e-p1", context=["DocumentReference/d-p1"])
    await space.backend("gate", introspects=True)
    proof = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    form = {**proof, "client_assertion": space.assertion("gate"), "token": body["access_token"]}
    told = (await space.http.post(f"{ROOT}/auth/introspect", data=form)).json()
    names = ("patient", "encounter", "fhirContext", "need_patient_banner", "smart_style_url", "tenant", "scope")
    assert {name: told[name] for name in names} == {name: body[name] for name in names}
    assert told["active"] and told["iss"] == ROOT and told["sub"] and told["client_id"] == "app"


@pytest.mark.parametrize(
    "fields",
    [
        {"encounter": "e-p2"},
        {"encounter": "nothing"},
        {"encounter": "../e-p1"},
        {"intent": "deux mots"},
        {"intent": "x" * 65},
        {"context": ["DocumentReference/d-p2"]},
        {"context": ["DocumentReference/nothing"]},
        {"context": ["Patient/p1"]},
        {"context": ["Encounter/e-p1"]},
        {"context": ["Nothing/1"]},
        {"context": ["https://elsewhere.example/DocumentReference/1"]},
        {"context": ["Organization/h"] * 21},
    ],
)
async def test_nothing_of_another_patient_s_is_handed_on(space: Space, doctor: Browser, fields: dict[str, Any]) -> None:
    await an_app(space, SCOPES, launch_uri="https://app.example/launch")
    assert (await opened(doctor, **fields)).status_code == 403


async def standalone(space: Space, login: str = "nathalie") -> tuple[Any, Browser, httpx.Response]:
    """An app that asks for an encounter, and the page that the person signed in sees."""
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    request = app.request("launch/patient launch/encounter patient/*.rs")
    return app, browser, await browser.sign_in(await browser.open(request), login)


async def answer_of(space: Space, app: Any, browser: Browser, page: httpx.Response) -> dict[str, Any]:
    code = answered(await browser.submit(page, decision="allow"))["code"]
    found: dict[str, Any] = (await space.http.post(TOKEN, data=app.exchange(code))).json()
    return found


@pytest.mark.parametrize(("chosen", "granted"), [("e-p1", True), ("", False)])
async def test_a_person_chooses_an_encounter_or_none(space: Space, doctor: Browser, chosen: str, granted: bool) -> None:
    await space.put(of("Encounter", "e2", status="finished", period={"start": "2026-02-03T10:00:00Z"}))
    await a_person(space)
    app, browser, page = await standalone(space)
    words = said(document(page))
    assert "3 février 2026" in words and "e-p1" in words and "e-p2" not in page.text
    still = await browser.submit(page, encounter="e-p2")
    assert "auth/encounter" in still.text
    body = await answer_of(space, app, browser, await browser.submit(still, encounter=chosen))
    assert body.get("encounter") == (chosen or None)
    assert ("launch/encounter" in body["scope"].split()) is granted and body["patient"] == "p1"


async def test_a_professional_chooses_the_patient_first(space: Space, doctor: Browser) -> None:
    app, browser, page = await standalone(space, "docteur")
    page = await browser.submit(page, patient="p2")
    assert "e-p2" in page.text and "e-p1" not in page.text
    body = await answer_of(space, app, browser, await browser.submit(page, encounter="e-p2"))
    assert (body["patient"], body["encounter"]) == ("p2", "e-p2")
