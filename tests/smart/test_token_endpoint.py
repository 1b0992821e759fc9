"""What the token, introspection and revocation endpoints answer: RFC 6749 §2.3, §5 and §6, RFC 7009, RFC 7636, RFC 7662."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fhir_server.smart.secret import digest
from tests.server.closed import BEARER, ROOT, TOKEN, Space
from tests.smart.browser import App, Browser, a_person, an_app, answered, launched

SCOPE = "openid launch/patient patient/*.rs offline_access"
INTROSPECT, REVOKE = f"{ROOT}/auth/introspect", f"{ROOT}/auth/revoke"


async def tokens(space: Space, scope: str = SCOPE, **changes: Any) -> tuple[App, dict[str, Any]]:
    """An app of a patient's, and its token answer."""
    await space.put({"resourceType": "Patient", "id": "p1"})
    await a_person(space)
    app = await an_app(space, f"{SCOPE} user/*.rs launch online_access", **changes)
    return app, (await launched(space, app, scope)).json()


async def refreshed(space: Space, token: str, **more: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "app", **more}
    return await space.http.post(TOKEN, data=form)


async def introspected(space: Space, token: str, by: str = "gate") -> dict[str, Any]:
    form = {"client_assertion_type": BEARER, "client_assertion": space.assertion(by), "token": token}
    found: dict[str, Any] = (await space.http.post(INTROSPECT, data=form)).json()
    return found


#: A request that is wrong → status and error of RFC 6749 §5.2.
WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "invalid_request"),
    ({"scope": "a"}, 400, "invalid_request"),
    ({"grant_type": "password", "client_id": "app"}, 400, "unsupported_grant_type"),
    ({"grant_type": "authorization_code"}, 401, "invalid_client"),
    ({"grant_type": "authorization_code", "client_id": "nobody", "code": "a"}, 401, "invalid_client"),
    ({"grant_type": "authorization_code", "client_id": "app"}, 400, "invalid_request"),
    ({"grant_type": "authorization_code", "client_id": "app", "code": "a"}, 400, "invalid_grant"),
    ({"grant_type": "authorization_code", "client_id": "app", "code": "a" * 300}, 400, "invalid_grant"),
    ({"grant_type": "refresh_token", "client_id": "app"}, 400, "invalid_grant"),
    ({"grant_type": "refresh_token", "client_id": "app", "refresh_token": "a"}, 400, "invalid_grant"),
    ({"grant_type": "client_credentials", "client_id": "app"}, 401, "invalid_client"),
    ({"grant_type": "client_credentials", "client_id": "app", "scope": "a" * 20_001}, 400, "invalid_request"),
]


async def test_what_is_wrong_with_a_request_is_said_as_the_rfc_has_it(space: Space) -> None:
    await an_app(space, SCOPE)
    for form, status, error in WRONG:
        answer = await space.http.post(TOKEN, data=form)
        assert (answer.status_code, answer.json()["error"]) == (status, error), form
        assert answer.headers["cache-control"] == "no-store" and answer.headers["pragma"] == "no-cache"
        assert ("www-authenticate" in answer.headers) is (status == 401)


@pytest.mark.parametrize("length", [42, 43, 128, 129])
async def test_a_verifier_has_43_to_128_characters(space: Space, length: int) -> None:
    await a_person(space)
    app = await an_app(space, SCOPE)
    app.verifier = "v" * length
    answer = await launched(space, app, SCOPE)
    expected = (200, None) if 43 <= length <= 128 else (400, "invalid_request")
    assert (answer.status_code, answer.json().get("error")) == expected


async def test_basic_credentials_are_form_encoded_and_refused_in_their_own_scheme(space: Space) -> None:
    await a_person(space)
    id, secret = "app:é", "s:é%+/ 1"
    app = await an_app(space, SCOPE, id, kind="confidential-symmetric", secret_hash=digest(secret))
    browser = Browser(space)
    page = await browser.submit(await browser.sign_in(await browser.open(app.request("openid"))), decision="allow")
    form = app.exchange(answered(page)["code"], client_id=None)

    async def by(header: str) -> httpx.Response:
        return await space.http.post(TOKEN, data=form, headers={"Authorization": header})

    def basic(pair: str) -> str:
        return "Basic " + base64.b64encode(pair.encode()).decode()

    for header in (basic("app"), basic(":"), basic(f"{quote(id, safe='')}:wrong"), "Basic %%%", "Basic /////w=="):
        refused = await by(header)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client"), header
        assert refused.headers["www-authenticate"] == f'Basic realm="{ROOT}"'
    assert (await by(basic(f"{quote(id, safe='')}:{quote(secret, safe='')}"))).status_code == 200


async def test_a_client_proves_who_it_is_in_one_way(space: Space) -> None:
    await space.backend()
    answer = await space.ask_token(space.assertion(), client_secret="word")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_secret_in_the_body_is_no_proof(space: Space) -> None:
    await an_app(space, SCOPE, kind="confidential-symmetric", secret_hash=digest("word"))
    form = {"grant_type": "refresh_token", "refresh_token": "a", "client_id": "app", "client_secret": "word"}
    assert (await space.http.post(TOKEN, data=form)).json()["error"] == "invalid_client"


async def test_a_refresh_that_asks_for_too_much_may_be_asked_again(space: Space) -> None:
    _, body = await tokens(space)
    refused = await refreshed(space, body["refresh_token"], scope="patient/*.cruds")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    assert (await refreshed(space, body["refresh_token"])).status_code == 200


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("", SCOPE),
        ("patient/*.rs", "patient/*.rs"),
        ("patient/Observation.rs", "patient/Observation.rs"),
        ("patient/Observation.r?category=laboratory", "patient/Observation.r?category=laboratory"),
        ("patient/Observation.read openid", "patient/Observation.read openid"),
        ("patient/*.cruds", None),
        ("user/*.rs", None),
        ("launch", None),
    ],
)
async def test_a_refresh_narrows_and_never_widens(space: Space, asked: str, granted: str | None) -> None:
    _, body = await tokens(space)
    answer = await refreshed(space, body["refresh_token"], **({"scope": asked} if asked else {}))
    assert answer.json().get("scope") == granted


async def test_a_narrowed_refresh_does_not_narrow_the_next(space: Space) -> None:
    _, body = await tokens(space)
    narrowed = (await refreshed(space, body["refresh_token"], scope="patient/Patient.r")).json()
    assert (await space.fhir("GET", "Observation", narrowed["access_token"])).status_code == 403
    assert (await refreshed(space, narrowed["refresh_token"])).json()["scope"] == SCOPE


@pytest.mark.parametrize("ended", ["account", "delegation"])
async def test_a_refresh_ends_with_the_account_or_the_delegation(space: Space, ended: str) -> None:
    await space.put({"resourceType": "Patient", "id": "child"})
    account = await a_person(space, subject="RelatedPerson/r1", wards=("child",))
    app = await an_app(space, SCOPE)
    body = (await launched(space, app, SCOPE)).json()
    await space.backend("gate", introspects=True)
    assert (await introspected(space, body["access_token"]))["active"]
    changed = replace(account, open=False) if ended == "account" else replace(account, wards=())
    await space.house.authorization.accounts.revise(account, changed)
    for token in (body["access_token"], body["refresh_token"]):
        assert await introspected(space, token) == {"active": False}
    assert (await refreshed(space, body["refresh_token"])).json()["error"] == "invalid_grant"


async def test_introspection_tells_what_smart_asks(space: Space) -> None:
    _, body = await tokens(space, SCOPE)
    await space.backend("gate", introspects=True)
    told = await introspected(space, body["access_token"])
    assert {name: told[name] for name in ("active", "client_id", "patient", "scope", "iss", "token_type")} == {
        "active": True, "client_id": "app", "patient": "p1", "scope": body["scope"], "iss": ROOT, "token_type": "Bearer",
    }  # fmt: skip
    assert isinstance(told["exp"], int) and told["exp"] - told["iat"] <= 300 and told["sub"]
    refresh = await introspected(space, body["refresh_token"])
    assert refresh["active"] and "token_type" not in refresh
    assert await introspected(space, "nothing") == {"active": False}


async def test_a_resource_server_introspects_with_its_own_access_token(space: Space) -> None:
    """https://hl7.org/fhir/smart-app-launch/token-introspection.html#authorization-to-perform-token-introspection"""
    _, body = await tokens(space)
    await space.backend("gate", introspects=True)
    await space.backend("lab")
    found = {}
    for id in ("gate", "lab"):
        token = await space.backend_token("system/*.rs", id)
        headers = {"Authorization": f"Bearer {token}"}
        found[id] = await space.http.post(INTROSPECT, data={"token": body["access_token"]}, headers=headers)
    assert found["gate"].json()["active"] is True
    assert found["lab"].status_code == 401 and found["lab"].headers["www-authenticate"].startswith("Bearer ")


async def test_a_public_client_does_not_introspect(space: Space) -> None:
    _, body = await tokens(space)
    form = {"token": body["access_token"], "client_id": "app"}
    assert (await space.http.post(INTROSPECT, data=form)).status_code == 401


async def test_revoking_an_access_token_leaves_the_refresh_token(space: Space) -> None:
    _, body = await tokens(space)
    form = {"token": body["access_token"], "client_id": "app", "token_type_hint": "refresh_token"}
    assert (await space.http.post(REVOKE, data=form)).status_code == 200
    await asyncio.sleep(0.6)
    assert (await space.fhir("GET", "Patient/p1", body["access_token"])).status_code == 401
    assert (await refreshed(space, body["refresh_token"])).status_code == 200


async def test_revoking_a_refresh_token_ends_everything_it_gave(space: Space) -> None:
    _, body = await tokens(space)
    form = {"token": body["refresh_token"], "client_id": "app", "token_type_hint": "nonsense"}
    assert (await space.http.post(REVOKE, data=form)).status_code == 200
    await asyncio.sleep(0.6)
    assert (await space.fhir("GET", "Patient/p1", body["access_token"])).status_code == 401
    assert (await refreshed(space, body["refresh_token"])).json()["error"] == "invalid_grant"


async def test_revoking_what_is_unknown_or_another_s_answers_the_same_and_ends_nothing(space: Space) -> None:
    _, body = await tokens(space)
    await an_app(space, SCOPE, "other")
    answers = [
        await space.http.post(REVOKE, data={"token": token, "client_id": "other"})
        for token in ("nothing", body["access_token"], body["refresh_token"], "x" * 600)
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    await asyncio.sleep(0.6)
    assert (await space.fhir("GET", "Patient/p1", body["access_token"])).status_code == 200
    assert (await space.http.post(REVOKE, data={"client_id": "app"})).json()["error"] == "invalid_request"
    assert (await space.http.post(REVOKE, data={"token": "a", "client_id": "nobody"})).status_code == 401
