"""One test for each threat: RFC 9700, https://hl7.org/fhir/smart-app-launch/best-practices.html, OWASP ASVS 2 to 4, 12."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from fhir_server.smart import lifetimes
from fhir_server.smart.fetch import Refused, fetch, public
from tests.server.closed import BASE, ROOT, TOKEN, Space
from tests.smart.browser import CALLBACK, PASSWORD, Browser, a_person, an_app, answered, launched

SCOPES = "openid fhirUser launch/patient offline_access patient/*.cruds"
SCOPE = "openid launch/patient patient/*.rs offline_access"


async def a_code(space: Space, browser: Browser, request: dict[str, str]) -> str:
    page = await browser.open(request)
    page = await browser.sign_in(page) if "auth/sign-in" in page.text else page
    page = await browser.submit(page, decision="allow") if "auth/consent" in page.text else page
    return answered(page)["code"]


async def test_one_code_redeemed_fifty_times_at_once_succeeds_once_and_the_family_ends(space: Space) -> None:
    await space.put({"resourceType": "Patient", "id": "p1"})
    await a_person(space)
    app = await an_app(space, SCOPES)
    code = await a_code(space, Browser(space), app.request(SCOPE))
    answers = await asyncio.gather(*[space.http.post(TOKEN, data=app.exchange(code)) for _ in range(50)])
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.json()["error"] for answer in answers if answer.status_code != 200} == {"invalid_grant"}
    await asyncio.sleep(0.6)
    assert (await space.fhir("GET", "Patient/p1", won[0]["access_token"])).status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": won[0]["refresh_token"], "client_id": "app"}
    assert (await space.http.post(TOKEN, data=form)).json()["error"] == "invalid_grant"


async def test_one_refresh_token_used_fifty_times_at_once_gives_one_token(space: Space) -> None:
    """Tabs of one app that refresh together go on together: there is one successor, whoever asks."""
    await a_person(space)
    app = await an_app(space, SCOPES)
    body = (await launched(space, app, SCOPE)).json()
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"], "client_id": "app"}
    answers = await asyncio.gather(*[space.http.post(TOKEN, data=form) for _ in range(50)])
    assert {answer.status_code for answer in answers} == {200}
    [successor] = {answer.json()["refresh_token"] for answer in answers}
    assert len(await space.house.engine.records.list("refresh")) == 1
    assert (await space.http.post(TOKEN, data={**form, "refresh_token": successor})).status_code == 200


#: How a refresh token that was used comes again, seconds later, by whom, its successor used or not → it is refused.
REUSES = [
    (0, "app", False, False),
    (lifetimes.GRACE - 1, "app", False, False),
    (lifetimes.GRACE + 1, "app", False, True),
    (0, "app", True, True),
    (0, "other", False, True),
]


@pytest.mark.parametrize(("after", "client", "moved_on", "stolen"), REUSES)
async def test_a_refresh_token_that_comes_again_is_a_second_tab_or_a_theft(
    space: Space, monkeypatch: pytest.MonkeyPatch, after: float, client: str, moved_on: bool, stolen: bool
) -> None:
    """RFC 9700 §4.14.2: a theft ends everything the authorization gave."""
    await a_person(space)
    app = await an_app(space, SCOPES)
    await an_app(space, SCOPES, "other")
    body = (await launched(space, app, SCOPE)).json()

    async def refreshed(token: str, id: str = "app") -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": id}
        return await space.http.post(TOKEN, data=form)

    newest = (await refreshed(body["refresh_token"])).json()["refresh_token"]
    if moved_on:
        newest = (await refreshed(newest)).json()["refresh_token"]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + after)
    again = await refreshed(body["refresh_token"], client)
    assert (again.status_code == 400) is stolen
    assert ((await refreshed(newest)).status_code == 400) is stolen


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/callback/",
        "https://app.example/callback?x=1",
        "https://app.example/CALLBACK",
        "https://app.example.evil.example/callback",
        "https://app.example/callback/../evil",
        "http://app.example/callback",
        "https://app.example:444/callback",
        'https://evil.example/"><script>',
        None,
    ],
)
async def test_exact_redirect_and_open_redirect(space: Space, uri: str | None) -> None:
    app = await an_app(space, SCOPES)
    answer = await Browser(space).open(app.request(SCOPE, redirect_uri=uri))
    assert answer.status_code == 400 and "location" not in answer.headers
    # The page's own links may repeat the request, encoded; nothing leads there, and nothing runs.
    assert 'href="http://evil' not in answer.text and 'href="https://evil' not in answer.text
    assert "<script" not in answer.text


#: What is wrong with a request from a known app → the error it is answered with.
REQUESTS: list[tuple[dict[str, Any], str]] = [
    *(({"max_age": age}, "invalid_request") for age in ("-1", "²", "1.5", "9" * 400, "x")),
    ({"prompt": "none login"}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"aud": "https://elsewhere.example/fhir"}, "invalid_request"),
    ({"aud": None}, "invalid_request"),
    ({"state": None}, "invalid_request"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"request": "a.b.c"}, "invalid_request"),
    ({"launch": "unknown"}, "invalid_request"),
    ({"scope": "system/*.rs"}, "invalid_scope"),
    ({"response_type": "token"}, "unsupported_response_type"),
]


@pytest.mark.parametrize(("changes", "error"), REQUESTS)
async def test_a_wrong_request_is_told_to_the_app_with_the_issuer(
    space: Space, changes: dict[str, Any], error: str
) -> None:
    app = await an_app(space, SCOPES)
    back = answered(await Browser(space).open(app.request(**{"scope": SCOPE, **changes})))
    assert (back["error"], back["iss"]) == (error, ROOT)


async def test_csrf(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(SCOPE)))
    ask = str(page.url).partition("ask=")[2]
    for data, headers in (
        ({"decision": "allow"}, {}),
        ({"decision": "allow", "word": "0" * 64}, {}),
        ({"decision": "allow", "word": _word(page)}, {"Origin": "https://evil.example"}),
    ):
        answer = await browser.http.post(f"/auth/consent?ask={ask}", data=data, headers=headers)
        assert answer.status_code == 403


async def test_an_ask_belongs_to_the_browser_that_brought_it(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    page = await Browser(space).open(app.request(SCOPE))
    other = await Browser(space).http.get(str(page.url))
    assert other.status_code == 400


async def test_clickjacking_and_script_injection(space: Space) -> None:
    page = await Browser(space).http.get("/auth/sign-in")
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and "unsafe-inline" not in policy and "<script" not in page.text
    cookie = page.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie


@pytest.mark.parametrize(
    "changes",
    [{"code_verifier": "a" * 43}, {"code_verifier": None}, {"redirect_uri": CALLBACK + "2"}, {"client_id": "other"}],
)
async def test_code_injection(space: Space, changes: dict[str, Any]) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    await an_app(space, SCOPES, "other")
    code = await a_code(space, Browser(space), app.request(SCOPE))
    answer = await space.http.post(TOKEN, data=app.exchange(code, **changes))
    assert answer.status_code == 400 and answer.json()["error"] in ("invalid_grant", "invalid_request")


async def test_mix_up(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(SCOPE)))
    assert answered(await browser.submit(page, decision="allow"))["iss"] == ROOT


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/jwks",
        "https://localhost/jwks",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/jwks",
        "https://[::1]/jwks",
        "https://[::ffff:10.0.0.1]/jwks",
        # What leads on to an IPv4 address: RFC 4291 §2.5.5.1, RFC 3056, RFC 6052; RFC 3879 of one network alone.
        "https://[::10.0.0.1]/jwks",
        "https://[2002:a00:1::1]/jwks",
        "https://[64:ff9b::169.254.169.254]/jwks",
        "https://192.88.99.1/jwks",
        "https://[fec0::1]/jwks",
        "http://example.org/jwks",
        "file:///etc/passwd",
        "https://user@192.168.0.1/jwks",
        "https:///jwks",
    ],
)
async def test_ssrf_through_jwks_uri(url: str) -> None:
    assert not public(url)
    with pytest.raises(Refused, match=r"public network|Only https|plain URL|no address"):
        await fetch(url)


def test_addresses_of_the_public_network_are_asked() -> None:
    """A network of IPv6 alone reaches IPv4 through NAT64 (RFC 6052 §2.1)."""
    for host in ("8.8.8.8", "[2001:4860:4860::8888]", "[64:ff9b::8.8.8.8]", "example.org"):
        assert public(f"https://{host}/jwks")


@pytest.mark.parametrize("alg", ["none", "HS256"])
async def test_algorithm_confusion(space: Space, alg: str) -> None:
    import base64
    import json

    await space.backend()
    good = space.assertion().split(".")
    header = base64.urlsafe_b64encode(json.dumps({"alg": alg, "kid": "k1"}).encode()).rstrip(b"=").decode()
    forged = f"{header}.{good[1]}.{'' if alg == 'none' else good[2]}"
    assert (await space.ask_token(forged)).json()["error"] == "invalid_client"


async def test_enumeration_of_clients_and_people(space: Space) -> None:
    await a_person(space)
    await space.backend()
    other = space.assertion(jti="another").split(".")
    forged = ".".join([*space.assertion().split(".")[:2], other[2]])
    known, unknown = await space.ask_token(forged), await space.ask_token(space.assertion("nobody"))
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    browser = Browser(space)
    page = await browser.http.get("/auth/sign-in")
    wrong = await browser.sign_in(page, "nathalie", "x" * 20)
    nobody = await browser.sign_in(page, "nobody", "x" * 20)
    assert wrong.status_code == nobody.status_code == 403
    assert wrong.text.replace("nathalie", "") == nobody.text.replace("nobody", "")


async def test_guessing_a_password_locks_the_login_for_the_right_one_too(space: Space) -> None:
    await a_person(space)
    browser = Browser(space)
    page = await browser.http.get("/auth/sign-in")
    for _ in range(5):
        assert (await browser.sign_in(page, password="x" * 20)).status_code == 403
    assert (await browser.sign_in(page)).status_code == 429


async def test_wrong_audience(space: Space) -> None:
    await space.backend()
    token = await space.backend_token()
    authenticate = space.house.authorization.authenticate
    await authenticate({"authorization": f"Bearer {token}"}, BASE)
    from fhir_server.fhir.outcome import Unauthorized

    with pytest.raises(Unauthorized):
        await authenticate({"authorization": f"Bearer {token}"}, "https://elsewhere.example/fhir")


async def test_secrets_in_logs(space: Space, capfd: pytest.CaptureFixture[str]) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    code = await a_code(space, Browser(space), app.request(SCOPE))
    body = (await space.http.post(TOKEN, data=app.exchange(code))).json()
    await space.fhir("GET", "Patient", body["access_token"])
    said = "".join(capfd.readouterr())
    for secret in (code, body["access_token"], body["refresh_token"], PASSWORD, app.verifier, app.state):
        assert secret not in said


async def test_secrets_are_kept_as_digests(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    body = (await launched(space, app, SCOPE)).json()
    kept = b""
    for kind in ("access", "refresh", "session", "account", "family", "code-family", "refresh-family", "client"):
        rows = await space.house.engine.records.list(kind)
        kept += b"".join(key.encode() + value for key, value in rows)
    assert kept
    for secret in (body["access_token"], body["refresh_token"], PASSWORD):
        assert secret.encode() not in kept


def _word(page: httpx.Response) -> str:
    return page.text.partition('name="word" value="')[2].partition('"')[0]
