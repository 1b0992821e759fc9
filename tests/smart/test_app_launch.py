"""https://hl7.org/fhir/smart-app-launch/app-launch.html, scopes-and-launch-context.html, OpenID Connect Core."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from fhir_server.smart.authorizing.requests import Launch
from fhir_server.smart.tokens.signing_keys import Keys, key_file, signed
from tests.server.closed import BASE, ROOT, TOKEN, Space
from tests.smart.browser import CALLBACK, PASSWORD, Browser, a_person, an_app, answered, launched

SCOPES = "openid fhirUser profile launch launch/patient offline_access online_access patient/*.cruds user/*.rs"
IDENTITY = "openid fhirUser launch/patient patient/*.rs"


def patient(id: str, family: str = "DEMO") -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, "name": [{"family": family, "given": ["Nathalie"]}]}


async def test_a_patient_lets_an_app_read_their_record_and_no_one_else_s(space: Space) -> None:
    await space.put(patient("p1"))
    await space.put(patient("p2"))
    await a_person(space)
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.open(app.request(IDENTITY, nonce="n-1"))
    assert "Carnet" in page.text and page.headers["cache-control"] == "no-store"
    page = await browser.sign_in(page)
    assert "consulter toutes les données" in page.text or "see all the data" in page.text
    back = answered(await browser.submit(page, decision="allow"))
    assert (back["state"], back["iss"]) == (app.state, ROOT)
    answer = await space.http.post(TOKEN, data=app.exchange(back["code"]))
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["patient"], body["need_patient_banner"], body["scope"]) == ("p1", True, IDENTITY)
    assert (await space.fhir("GET", "Patient/p1", body["access_token"])).status_code == 200
    assert (await space.fhir("GET", "Patient/p2", body["access_token"])).status_code == 404
    found = await space.fhir("GET", "Patient", body["access_token"])
    assert [entry["resource"]["id"] for entry in found.json()["entry"]] == ["p1"]
    assert (await space.fhir("PUT", "Patient/p1", body["access_token"], json=patient("p1"))).status_code == 403


async def test_an_id_token_says_who_signed_in_and_can_be_checked(space: Space) -> None:
    await space.put(patient("p1"))
    account = await a_person(space)
    app = await an_app(space, SCOPES)
    body = (await launched(space, app, "openid fhirUser profile", nonce="n-1")).json()
    discovered = (await space.http.get(f"{ROOT}/.well-known/openid-configuration")).json()
    keys = KeySet.import_key_set((await space.http.get(discovered["jwks_uri"])).json())
    claims = jwt.decode(body["id_token"], keys, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["aud"], claims["sub"], claims["nonce"]) == (ROOT, "app", account.id, "n-1")
    assert claims["fhirUser"] == f"{BASE}/Patient/p1" and claims["exp"] - claims["iat"] <= 300
    told = await space.http.get(
        discovered["userinfo_endpoint"], headers={"Authorization": f"Bearer {body['access_token']}"}
    )
    assert told.json() == {name: claims[name] for name in ("sub", "fhirUser", "name", "profile")}


async def test_a_rotated_key_stays_published_while_what_it_signed_may_be_shown(space: Space) -> None:
    keys = Keys(space.house.engine.records, key_file(space.house.settings.data))
    before = (await keys.jwks())["keys"][0]["kid"]
    shown = signed({"sub": "a"}, await keys.signing())
    after = await keys.rotate()
    published = (await space.http.get(f"{ROOT}/auth/jwks")).json()
    assert [key["kid"] for key in published["keys"]] == [after, before]
    assert not {"d", "p", "q"} & set(published["keys"][0])
    assert jwt.decode(shown, KeySet.import_key_set(published), algorithms=["RS256"]).claims["sub"] == "a"
    assert (await keys.signing()).kid == after


async def test_a_person_allows_less_than_was_asked(space: Space) -> None:
    await space.put(patient("p1"))
    await a_person(space)
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    scope = "launch/patient patient/Patient.rs patient/Observation.cruds"
    page = await browser.sign_in(await browser.open(app.request(scope)))
    back = answered(await browser.submit(page, decision="allow", scope=["patient/Patient.rs"]))
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    assert body["scope"] == "launch/patient patient/Patient.rs"
    assert (await space.fhir("GET", "Observation", body["access_token"])).status_code == 403


async def test_a_person_refuses(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(IDENTITY)))
    back = answered(await browser.submit(page, decision="deny"))
    assert (back["error"], back["state"], back["iss"]) == ("access_denied", app.state, ROOT)


async def test_somebody_who_acts_for_several_chooses_for_whom(space: Space) -> None:
    for id in ("p1", "child", "other"):
        await space.put(patient(id))
    await a_person(space, wards=("child",))
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(IDENTITY)))
    assert 'value="child"' in page.text and 'value="other"' not in page.text
    still = await browser.submit(page, patient="other")
    assert "auth/patient" in still.text
    page = await browser.submit(still, patient="child")
    back = answered(await browser.submit(page, decision="allow"))
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    assert body["patient"] == "child"
    assert (await space.fhir("GET", "Patient/p1", body["access_token"])).status_code == 404


async def test_the_end_of_a_delegation_ends_access(space: Space) -> None:
    from dataclasses import replace

    await space.put(patient("child"))
    account = await a_person(space, subject="RelatedPerson/r1", wards=("child",))
    app = await an_app(space, SCOPES)
    token = (await launched(space, app, IDENTITY)).json()["access_token"]
    assert (await space.fhir("GET", "Patient/child", token)).status_code == 200
    await space.house.authorization.accounts.revise(account, replace(account, wards=()))
    await asyncio.sleep(0.6)
    assert (await space.fhir("GET", "Patient/child", token)).status_code == 401


async def test_a_doctor_finds_a_patient_and_reads_under_the_patient_s_context_alone(space: Space) -> None:
    await space.put(patient("p1", "DURAND"))
    await space.put(patient("p2", "MARTIN"))
    await a_person(space, "docteur", "Practitioner/d1", roles=("PractitionerRole/a", "PractitionerRole/b"))
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(IDENTITY)), "docteur")
    page = await browser.submit(page, role="PractitionerRole/b")
    assert 'value="p1"' not in page.text and 'value="p2"' not in page.text
    ask = str(page.url).partition("ask=")[2]
    found = await browser.http.post(f"/auth/find?ask={ask}", data={"word": _word(page.text), "name": "durand nathalie"})
    assert "durand" not in found.headers["location"]
    found = await browser.http.get(found.headers["location"])
    assert 'value="p1"' in found.text and 'value="p2"' not in found.text
    page = await browser.submit(found, patient="p1")
    back = answered(await browser.submit(page, decision="allow"))
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    assert body["patient"] == "p1"
    assert (await space.fhir("GET", "Patient/p2", body["access_token"])).status_code == 404


async def test_an_ehr_launch_opens_the_app_on_the_patient_at_hand_once_and_asks_nothing_the_second_time(
    space: Space,
) -> None:
    await space.put(patient("p1"))
    doctor = await a_person(space, "docteur", "Practitioner/d1")
    app = await an_app(space, SCOPES + " launch/encounter", launch_uri="https://app.example/launch")
    browser = Browser(space)
    asks = space.house.authorization.requests
    scope = "launch openid fhirUser patient/*.rs launch/encounter"
    context = {"encounter": "e1", "intent": "reconcile"}
    launch = await asks.launch(Launch("app", doctor.id, "p1", context))
    page = await browser.sign_in(await browser.open(app.request(scope, launch=launch)), "docteur")
    back = answered(await browser.submit(page, decision="allow"))
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    assert (body["patient"], body["encounter"], body["intent"]) == ("p1", "e1", "reconcile")
    assert body["need_patient_banner"] is False
    again = await asks.launch(Launch("app", doctor.id, "p1", context))
    assert "code" in answered(await browser.open(app.request(scope, launch=again)))
    replayed = answered(await browser.open(app.request(scope, launch=again)))
    assert replayed["error"] == "invalid_request"


async def test_a_launch_is_for_the_one_who_made_it(space: Space) -> None:
    await space.put(patient("p1"))
    doctor = await a_person(space, "docteur", "Practitioner/d1")
    await a_person(space, subject="Patient/p2")
    app = await an_app(space, SCOPES)
    launch = await space.house.authorization.requests.launch(Launch("app", doctor.id, "p1"))
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request("launch patient/*.rs", launch=launch)))
    assert answered(page)["error"] == "access_denied"


async def test_refresh_tokens_rotate_and_the_second_use_of_one_ends_them_all(space: Space) -> None:
    await space.put(patient("p1"))
    await a_person(space)
    app = await an_app(space, SCOPES)
    first = (await launched(space, app, IDENTITY + " offline_access")).json()

    async def refreshed(token: str, **more: str) -> Any:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "app", **more}
        return await space.http.post(TOKEN, data=form)

    second = (await refreshed(first["refresh_token"], scope="patient/Patient.rs")).json()
    assert second["scope"] == "patient/Patient.rs" and second["refresh_token"] != first["refresh_token"]
    third = (await refreshed(second["refresh_token"])).json()
    assert third["scope"] == IDENTITY + " offline_access"
    assert (await space.fhir("GET", "Patient/p1", third["access_token"])).status_code == 200
    assert (await refreshed(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await refreshed(third["refresh_token"])).json()["error"] == "invalid_grant"
    await asyncio.sleep(0.6)
    assert (await space.fhir("GET", "Patient/p1", third["access_token"])).status_code == 401


async def test_a_refresh_cannot_ask_for_more(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    body = (await launched(space, app, IDENTITY + " offline_access")).json()
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"], "client_id": "app"}
    answer = await space.http.post(TOKEN, data={**form, "scope": "patient/*.cruds"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


async def test_online_access_ends_with_the_session(space: Space) -> None:
    account = await a_person(space)
    app = await an_app(space, SCOPES)
    body = (await launched(space, app, IDENTITY + " online_access")).json()
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"], "client_id": "app"}
    body = (await space.http.post(TOKEN, data=form)).json()
    await space.house.authorization.sessions.end_all(account.id)
    answer = await space.http.post(TOKEN, data={**form, "refresh_token": body["refresh_token"]})
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("prompt", "signed_in", "outcome"),
    [("none", False, "login_required"), ("none", True, "consent_required"), ("login", True, "auth/sign-in")],
)
async def test_prompts_of_openid_connect(space: Space, prompt: str, signed_in: bool, outcome: str) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    if signed_in:
        await browser.sign_in(await browser.http.get("/auth/sign-in"))
    page = await browser.open(app.request("openid fhirUser", prompt=prompt))
    assert outcome in (page.text if outcome.startswith("auth") else answered(page)["error"])


async def test_an_authorization_request_may_be_posted(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(IDENTITY), "POST"))
    assert "code" in answered(await browser.submit(page, decision="allow"))


async def test_a_client_with_a_secret_uses_it(space: Space) -> None:
    from fhir_server.smart.secret import digest

    await a_person(space)
    app = await an_app(space, SCOPES, kind="confidential-symmetric", secret_hash=digest("s3cret"))
    browser = Browser(space)
    codes = []
    for _ in range(3):
        page = await browser.open(app.request("openid fhirUser"))
        page = await browser.sign_in(page) if "auth/sign-in" in page.text else page
        page = await browser.submit(page, decision="allow") if "auth/consent" in page.text else page
        codes.append(answered(page)["code"])
    for code, auth, status in zip(codes, (None, ("app", "wrong"), ("app", "s3cret")), (401, 401, 200), strict=True):
        answer = await space.http.post(TOKEN, data=app.exchange(code), auth=auth)
        assert answer.status_code == status


async def test_a_provisional_code_activates_an_account_once(space: Space) -> None:
    from fhir_server.smart.people.accounts import Account

    authorization = space.house.authorization
    account = Account("a1", "new", "New", "Patient/p1")
    await authorization.accounts.add(account)
    code = await authorization.people.provisional(account)
    browser = Browser(space)
    start = await browser.http.get("/auth/sign-in")
    page = await browser.sign_in(start, "new", code)
    weak = await browser.submit(page, password="short")
    assert weak.status_code == 400
    page = await browser.submit(weak, password=PASSWORD)
    assert (await browser.sign_in(start, "new", code)).status_code == 403
    done = await browser.http.post(
        "/auth/sign-in", data={"word": _word(page.text), "login": "new", "password": PASSWORD}
    )
    assert done.status_code == 303 and "session" in done.headers["set-cookie"]


def _word(page: str) -> str:
    return page.partition('name="word" value="')[2].partition('"')[0]


async def test_a_second_factor_is_asked_and_used_once(space: Space) -> None:
    import pyotp

    secret = pyotp.random_base32()
    await a_person(space, totp=secret)
    browser = Browser(space)
    page = await browser.http.get("/auth/sign-in")
    code = pyotp.TOTP(secret).now()
    assert (await browser.sign_in(page)).status_code == 403
    assert (await browser.sign_in(page, code="000000" if code != "000000" else "111111")).status_code == 403
    first = await browser.http.post(
        "/auth/sign-in", data={"word": _word(page.text), "login": "nathalie", "password": PASSWORD, "code": code}
    )
    assert first.status_code == 303
    assert (await browser.sign_in(page, code=code)).status_code == 403


async def test_discovery_names_only_what_answers(space: Space) -> None:
    found = (await space.http.get(f"{BASE}/.well-known/smart-configuration")).json()
    for name in ("authorization", "token", "introspection", "revocation"):
        path = found[f"{name}_endpoint"]
        answer = await space.http.request("GET" if name == "authorization" else "POST", path)
        assert answer.status_code in (400, 401), path
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["issuer"] == ROOT and CALLBACK
