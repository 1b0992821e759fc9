"""One test for each threat to codes, tokens, assertions and launches: RFC 9700 §4, RFC 8725, SMART best-practices.html."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from fhir_server.smart import lifetimes
from fhir_server.smart.authorizing.requests import Launch
from fhir_server.smart.secret import digest
from tests.server.closed import BASE, BEARER, ROOT, TOKEN, Space, serving
from tests.smart.browser import App, Browser, a_person, an_app, answered, launched

SCOPES = "openid fhirUser launch launch/patient offline_access patient/*.cruds"
SCOPE = "openid launch/patient patient/*.rs offline_access"


async def a_code(space: Space, app: App) -> str:
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(SCOPE)))
    return answered(await browser.submit(page, decision="allow"))["code"]


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """From now on it is later."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)


async def test_expired_codes(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    code = await a_code(space, app)
    later(monkeypatch, lifetimes.CODE + 1)
    assert (await space.http.post(TOKEN, data=app.exchange(code))).json()["error"] == "invalid_grant"


async def test_expired_refresh_tokens(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    body = (await launched(space, app, SCOPE)).json()
    later(monkeypatch, lifetimes.OFFLINE + 1)
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"], "client_id": "app"}
    assert (await space.http.post(TOKEN, data=form)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_future_assertions(space: Space, claim: str) -> None:
    await space.backend()
    soon = int(time.time()) + lifetimes.LEEWAY + 30
    refused = await space.ask_token(space.assertion(**{claim: soon, "exp": soon + 60}))
    assert refused.json()["error"] == "invalid_client"


async def test_assertions_that_live_too_long(space: Space) -> None:
    await space.backend()
    long = int(time.time()) + lifetimes.ASSERTION + lifetimes.LEEWAY + 30
    assert (await space.ask_token(space.assertion(exp=long))).json()["error"] == "invalid_client"


async def test_replayed_assertions_on_another_worker_or_endpoint(tmp_path: Path) -> None:
    async with serving(tmp_path) as here, serving(tmp_path) as there:
        await here.backend()
        assertion = here.assertion()
        answers = await asyncio.gather(*[worker.ask_token(assertion) for worker in (here, there) * 10])
        assert sum(answer.status_code == 200 for answer in answers) == 1
        form = {"client_assertion_type": BEARER, "client_assertion": assertion, "token": "a"}
        for endpoint in ("introspect", "revoke"):
            assert (await there.http.post(f"{ROOT}/auth/{endpoint}", data=form)).status_code == 401


async def test_assertions_of_another_server(space: Space) -> None:
    await space.backend()
    for aud in (ROOT, BASE, TOKEN + "/", TOKEN.upper(), "https://elsewhere.example/auth/token", [], ""):
        assert (await space.ask_token(space.assertion(aud=aud))).json()["error"] == "invalid_client", aud


async def test_replayed_launches(space: Space) -> None:
    await space.put({"resourceType": "Patient", "id": "p1"})
    doctor = await a_person(space, "docteur", "Practitioner/d1")
    app = await an_app(space, SCOPES)
    launch = await space.house.authorization.requests.launch(Launch("app", doctor.id, "p1"))
    request = app.request("launch patient/*.rs", launch=launch)
    pages = await asyncio.gather(*[Browser(space).open(request) for _ in range(20)])
    assert sum("auth/sign-in" in page.text for page in pages) == 1
    assert {answered(page)["error"] for page in pages if page.is_redirect} == {"invalid_request"}


async def test_stolen_launches(space: Space) -> None:
    """A launch is for one app and one person; whoever else brings it has spent it."""
    doctor = await a_person(space, "docteur", "Practitioner/d1")
    app, other = await an_app(space, SCOPES), await an_app(space, SCOPES, "other")
    launch = await space.house.authorization.requests.launch(Launch("app", doctor.id, "p1"))
    for thief in (other, app):
        back = answered(await Browser(space).open(thief.request("launch patient/*.rs", launch=launch)))
        assert back["error"] == "invalid_request"


async def test_expired_launches(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    doctor = await a_person(space, "docteur", "Practitioner/d1")
    app = await an_app(space, SCOPES)
    launch = await space.house.authorization.requests.launch(Launch("app", doctor.id, "p1"))
    later(monkeypatch, lifetimes.LAUNCH + 1)
    back = answered(await Browser(space).open(app.request("launch patient/*.rs", launch=launch)))
    assert back["error"] == "invalid_request"


async def test_refresh_tokens_of_another_client(space: Space) -> None:
    """Who shows another's refresh token gets nothing, and does not end what is not theirs."""
    await a_person(space)
    app = await an_app(space, SCOPES)
    await an_app(space, SCOPES, "other")
    body = (await launched(space, app, SCOPE)).json()
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
    for _ in range(2):
        stolen = await space.http.post(TOKEN, data={**form, "client_id": "other"})
        assert stolen.json()["error"] == "invalid_grant"
    assert (await space.http.post(TOKEN, data={**form, "client_id": "app"})).status_code == 200


async def test_algorithm_confusion_with_keys(space: Space) -> None:
    """The key's type decides, not the header: RFC 8725 §3.1."""
    await space.backend(alg="RS384")
    now = int(time.time())
    claims = {"iss": "lab", "sub": "lab", "aud": TOKEN, "exp": now + 60, "jti": "a"}
    pem = space.key("RS384").as_pem(private=False)
    stranger = ECKey.generate_key("P-384")
    forged = {
        "the public key as a shared secret": _hmac("HS384", claims, pem),
        "another algorithm of the same key": jwt.encode(
            {"alg": "RS256", "kid": "k1"}, claims, space.key("RS384"), algorithms=["RS256"]
        ),
        "another type of key": jwt.encode({"alg": "ES384", "kid": "k1"}, claims, stranger, algorithms=["ES384"]),
        "a key of its own in the header": jwt.encode(
            {"alg": "ES384", "kid": "k1", "jwk": stranger.as_dict(private=False)},
            claims,
            stranger,
            algorithms=["ES384"],
        ),
    }
    for how, assertion in forged.items():
        assert (await space.ask_token(assertion)).json()["error"] == "invalid_client", how
    assert (await space.ask_token(space.assertion(alg="RS384", jti="a"))).status_code == 200


def _hmac(alg: str, claims: dict[str, Any], key: bytes) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": alg, "kid": "k1"}, claims)
    ]
    signed = hmac.digest(key, ".".join(parts).encode(), "sha384")
    return ".".join([*parts, base64.urlsafe_b64encode(signed).rstrip(b"=").decode()])


async def test_signatures_that_were_changed(space: Space) -> None:
    await space.backend()
    head, body, _ = space.assertion().split(".")
    other = space.assertion(jti="b").split(".")[2]
    for forged in (f"{head}.{body}.{other}", f"{head}.{body}.", f"{head}.{body}", "a.b.c", "." * 2, "é"):
        assert (await space.ask_token(forged)).json()["error"] in ("invalid_client", "invalid_request")


async def test_tokens_in_addresses_and_bodies(space: Space) -> None:
    """RFC 9700 §4.3.2: a token travels in the Authorization header alone."""
    await space.backend()
    token = await space.backend_token()
    assert (await space.fhir("GET", f"Patient?access_token={token}")).status_code == 401
    assert (await space.http.post(f"{BASE}/Patient/_search", data={"access_token": token})).status_code == 401
    assert (await space.http.get(f"{BASE}/Patient", headers={"Cookie": f"access_token={token}"})).status_code == 401


async def test_one_kind_of_token_for_another(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    code = await a_code(space, app)
    body = (await space.http.post(TOKEN, data=app.exchange(code))).json()
    for wrong in (code, body["refresh_token"], body["id_token"], app.verifier):
        assert (await space.fhir("GET", "Patient/p1", wrong)).status_code == 401
    for wrong in (code, body["access_token"], body["id_token"]):
        form = {"grant_type": "refresh_token", "refresh_token": wrong, "client_id": "app"}
        assert (await space.http.post(TOKEN, data=form)).json()["error"] == "invalid_grant"


async def test_timing_of_secrets(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret, right or wrong, short or long, is compared whole, as a digest, in constant time."""
    compared: list[tuple[int, int]] = []
    exact = hmac.compare_digest

    def compare(one: Any, other: Any) -> bool:
        compared.append((len(one), len(other)))
        return exact(one, other)

    await an_app(space, SCOPES, kind="confidential-symmetric", secret_hash=digest("word"))
    monkeypatch.setattr(hmac, "compare_digest", compare)
    form = {"grant_type": "refresh_token", "refresh_token": "a"}
    for secret in ("w", "wore", "x" * 500):
        refused = await space.http.post(TOKEN, data=form, auth=("app", secret))
        assert refused.json()["error"] == "invalid_client"
    assert compared == [(64, 64)] * 3


async def test_guessing_tokens(space: Space) -> None:
    """RFC 6749 §10.10: 256 random bits each, none like another."""
    await space.backend()
    tokens = {await space.backend_token() for _ in range(20)}
    assert len(tokens) == 20 and min(map(len, tokens)) >= 43


async def test_secrets_of_registrations_in_logs(space: Space, capfd: pytest.CaptureFixture[str]) -> None:
    await space.backend()
    assertion = space.assertion()
    await space.ask_token(assertion)
    metadata = {"redirect_uris": ["https://app.example/callback"]}
    told = (await space.http.post(f"{ROOT}/auth/register", json=metadata)).json()
    headers = {"Authorization": f"Bearer {told['registration_access_token']}"}
    await space.http.get(told["registration_client_uri"], headers=headers)
    await space.http.post(TOKEN, data={"grant_type": "refresh_token"}, auth=(told["client_id"], told["client_secret"]))
    said = "".join(capfd.readouterr())
    for secret in (assertion, told["client_secret"], told["registration_access_token"]):
        assert secret not in said
