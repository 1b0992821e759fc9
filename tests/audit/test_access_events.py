"""Every decision about access leaves a trace: https://hl7.org/fhir/R4/auditevent.html, CSP R1111-43."""

from __future__ import annotations

import json
import time
from typing import Any

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
