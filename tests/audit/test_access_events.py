"""Every decision about access leaves a trace: https://hl7.org/fhir/R4/auditevent.html, CSP R1111-43."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from fhir_server.smart import lifetimes
from fhir_server.store.filters import EVERYTHING
from tests.server.closed import ROOT, TOKEN, Space
from tests.smart.browser import PASSWORD, Browser, a_person, an_app, answered, launched
from tests.smart.federated import a_patient

SCOPES = "openid fhirUser launch/patient offline_access patient/*.rs"
DCM = "http://dicom.nema.org/resources/ontology/DCM"


async def traces(space: Space) -> list[dict[str, Any]]:
    """Every trace about access, oldest first; each is checked by an independent reader."""
    page = await space.house.engine.store.find({"AuditEvent": EVERYTHING}, count=200)
    found = [msgspec.json.decode(version.body, type=dict[str, Any]) for version in page.versions]
    for one in found:
        AuditEvent.model_validate(one)
    own = [one for one in found if one["type"]["code"] in ("110113", "110114")]
    return sorted(own, key=lambda one: one["recorded"])


def told(event: dict[str, Any]) -> tuple[str, str]:
    return event["subtype"][0]["code"], event["outcome"]


async def signed_in(space: Space) -> tuple[Browser, Any]:
    await space.put({"resourceType": "Patient", "id": "p1"})
    await a_person(space)
    browser = Browser(space)
    return browser, await browser.http.get("/auth/sign-in")


async def test_signing_in_and_out_is_traced_as_dicom_names_it(space: Space) -> None:
    browser, page = await signed_in(space)
    page = await browser.sign_in(page)
    word = page.text.partition('name="word" value="')[2].partition('"')[0]
    await browser.http.post("/auth/sign-out", data={"word": word})
    entered, left = await traces(space)
    assert (told(entered), told(left)) == (("110122", "0"), ("110123", "0"))
    assert entered["type"] == {"system": DCM, "code": "110114", "display": "User Authentication"}
    assert entered["agent"][0]["who"] == {"reference": "Patient/p1"}
    assert entered["agent"][0]["network"]["address"] == "127.0.0.1"


async def test_a_failure_names_whose_account_it_was_and_never_a_login_nobody_has(space: Space) -> None:
    browser, page = await signed_in(space)
    await browser.sign_in(page, "nathalie", "wrong password here")
    await browser.sign_in(page, "my-password-typed-as-login", "x" * 20)
    known, unknown = await traces(space)
    assert (told(known), told(unknown)) == (("110122", "4"), ("110122", "4"))
    assert known["agent"][0]["who"] == {"reference": "Patient/p1"}
    assert unknown["agent"][0]["who"] == {"display": "unknown"}
    text = json.dumps([known, unknown])
    assert "my-password" not in text and "wrong password" not in text and "nathalie" not in text


async def test_a_locked_login_does_not_fill_the_store_with_traces(space: Space) -> None:
    browser, page = await signed_in(space)
    for _ in range(8):
        await browser.sign_in(page, password="x" * 20)
    assert len(await traces(space)) == 5


async def test_what_was_granted_and_refused_is_traced_with_its_scopes_and_its_patient(space: Space) -> None:
    browser, _ = await signed_in(space)
    app = await an_app(space, SCOPES)
    page = await browser.sign_in(await browser.open(app.request(SCOPES)))
    answered(await browser.submit(page, decision="deny"))
    page = await browser.open(app.request(SCOPES))
    answered(await browser.submit(page, decision="allow"))
    _, refused, granted = await traces(space)
    assert (told(refused), told(granted)) == (("authorization-refused", "4"), ("authorization-granted", "0"))
    for event in (refused, granted):
        patient, scope = event["entity"]
        assert patient["what"] == {"reference": "Patient/p1"}
        assert scope["detail"][0]["valueString"] == SCOPES
        assert [agent["who"] for agent in event["agent"]] == [
            {"reference": "Patient/p1"},
            {"identifier": {"value": "app"}},
        ]


async def test_a_refresh_token_used_again_is_an_alert_traced_once(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    await signed_in(space)
    app = await an_app(space, SCOPES)
    body = (await launched(space, app, SCOPES)).json()
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"], "client_id": "app"}
    await space.http.post(TOKEN, data=form)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + lifetimes.GRACE + 1)
    for _ in range(3):
        await space.http.post(TOKEN, data=form)
    alerts = [event for event in await traces(space) if event["type"]["code"] == "110113"]
    assert [told(event) for event in alerts] == [("refresh-reuse", "4")]
    assert body["refresh_token"] not in json.dumps(alerts)


async def test_a_revocation_is_traced(space: Space) -> None:
    await signed_in(space)
    app = await an_app(space, SCOPES)
    body = (await launched(space, app, SCOPES)).json()
    form = {"token": body["refresh_token"], "client_id": "app"}
    assert (await space.http.post(f"{ROOT}/auth/revoke", data=form)).status_code == 200
    assert told((await traces(space))[-1]) == ("revocation", "0")


@pytest.mark.parametrize("kind", ["public", "backend"])
async def test_a_suspended_client_s_request_is_an_alert_traced_once_a_minute(space: Space, kind: str) -> None:
    if kind == "public":
        await an_app(space, SCOPES, "lab", status="suspended")
    else:
        await space.backend(status="suspended")
    for _ in range(3):
        form = {"grant_type": "refresh_token", "refresh_token": "x" * 43, "client_id": "lab"}
        answer = await (space.http.post(TOKEN, data=form) if kind == "public" else space.ask_token(space.assertion()))
        assert answer.status_code == 401
    [alert] = await traces(space)
    assert told(alert) == ("token-refused", "4")
    assert alert["agent"][0]["who"] == {"identifier": {"value": "lab"}}


async def test_a_patient_finds_the_traces_about_them(space: Space) -> None:
    await space.put(a_patient("p2"))
    await signed_in(space)
    app = await an_app(space, SCOPES)
    body = (await launched(space, app, SCOPES)).json()
    found = (
        await space.fhir(
            "GET", "AuditEvent?type=http://dicom.nema.org/resources/ontology/DCM|110114", body["access_token"]
        )
    ).json()
    assert {entry["resource"]["subtype"][0]["code"] for entry in found["entry"]} == {"110122", "authorization-granted"}


async def test_reading_leaves_no_trace_of_the_token_itself(space: Space) -> None:
    await signed_in(space)
    app = await an_app(space, SCOPES)
    body = (await launched(space, app, SCOPES)).json()
    before = len(await traces(space))
    for _ in range(3):
        await space.fhir("GET", "Patient/p1", body["access_token"])
    assert len(await traces(space)) == before
    assert PASSWORD not in json.dumps(await traces(space))


async def test_traces_of_access_name_a_professional_as_the_directory_does(space: Space) -> None:
    """CSP R1111-43: person, by RPPS, and establishment, at sign-in, launch, decision and sign-out alike."""
    rpps = {"system": "https://rpps.esante.gouv.fr", "value": "99700000012"}
    name = [{"family": "DEMO", "given": ["Anne"]}]
    await space.put({"resourceType": "Practitioner", "id": "d1", "identifier": [rpps], "name": name})
    await space.put({"resourceType": "Organization", "id": "o1", "name": "Maison de santé du Port"})
    held = {"practitioner": {"reference": "Practitioner/d1"}, "organization": {"reference": "Organization/o1"}}
    await space.put({"resourceType": "PractitionerRole", "id": "r1", **held})
    await space.put(a_patient("p1"))
    await a_person(space, "docteur", "Practitioner/d1", roles=("PractitionerRole/r1",))
    browser = Browser(space)
    await browser.sign_in(await browser.http.get("/auth/sign-in"), "docteur", password="x" * 20)
    await browser.sign_in(await browser.http.get("/auth/sign-in"), "docteur")
    app = await an_app(space, "launch patient/*.rs", launch_uri="https://app.example/launch")
    word = (await browser.http.get("/auth/me")).text.partition('name="word" value="')[2].partition('"')[0]
    given = {"word": word, "client": "app", "patient": "p1", "purpose": "TREAT"}
    opened = await browser.http.post("/auth/launch", data=given)
    launch = dict(parse_qsl(urlsplit(opened.headers["location"]).query))["launch"]
    page = await browser.open(app.request("launch patient/*.rs", launch=launch))
    await browser.submit(page, decision="allow")
    await browser.http.post("/auth/sign-out", data={"word": word})
    found = [one for one in await traces(space) if "/d1" in json.dumps(one["agent"])]
    kinds = [told(one) for one in found]
    assert {kind for kind, _ in kinds} >= {"110122", "launch", "authorization-granted", "110123"}, kinds
    for event in found:
        who = event["agent"][0]
        assert who["name"] == "Anne DEMO"
        assert who["who"]["identifier"] == {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "899700000012"}
    for event in (one for one, (kind, ended) in zip(found, kinds, strict=True) if kind != "110123" and ended == "0"):
        assert "Maison de santé du Port" in [one.get("name") for one in event["entity"]]
