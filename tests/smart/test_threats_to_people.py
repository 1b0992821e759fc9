"""One test for each threat to people and their browsers: RFC 9700 §4, OWASP ASVS 2, 3, 5, 12 and 13."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import argon2
import httpx
import pytest

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.smart.fetch import Refused, fetch
from fhir_server.smart.people import credentials as people
from tests.server.closed import ROOT, TOKEN, Space, serving
from tests.server.command import run
from tests.server.process import operated
from tests.smart.browser import PASSWORD, Browser, a_person, an_app, answered, launched

SCOPES = "openid fhirUser launch/patient offline_access patient/*.cruds"
SCOPE = "openid launch/patient patient/*.rs"


def word_of(page: httpx.Response) -> str:
    return page.text.partition('name="word" value="')[2].partition('"')[0]


async def signed_in(space: Space, login: str = "nathalie") -> Browser:
    browser = Browser(space)
    await browser.sign_in(await browser.http.get("/auth/sign-in"), login)
    return browser


@pytest.mark.parametrize(
    "then",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/auth/me/../../evil", "/auth/me?x=//evil", "javascript:1", "/auth/me%0d%0aSet-Cookie:a=b"],
)  # fmt: skip
async def test_open_redirects_after_sign_in(space: Space, then: str) -> None:
    await a_person(space)
    browser = Browser(space)
    page = await browser.http.get("/auth/sign-in", params={"then": then})
    data = {"word": word_of(page), "login": "nathalie", "password": PASSWORD}
    answer = await browser.http.post("/auth/sign-in", params={"then": then}, data=data)
    assert (answer.status_code, answer.headers["location"]) == (303, "/mon-espace")


async def test_passwords_carried_on_by_a_redirection(space: Space) -> None:
    """RFC 9700 §4.12: 303, after which a browser asks with GET and without the form."""
    await a_person(space)
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.open(app.request(SCOPE))
    ask = str(page.url).partition("ask=")[2]
    data = {"word": word_of(page), "login": "nathalie", "password": PASSWORD}
    assert (await browser.http.post(f"/auth/sign-in?ask={ask}", data=data)).status_code == 303


async def test_session_fixation(space: Space) -> None:
    await a_person(space)
    browser = Browser(space)
    page = await browser.http.get("/auth/sign-in")
    browser.http.cookies.set("session", "a" * 43, domain="server.test")
    await browser.sign_in(page)
    assert await space.house.authorization.sessions.of("a" * 43) is None
    assert (await browser.http.get("/auth/me")).status_code == 200


async def test_sessions_that_outlive_a_sign_out(space: Space) -> None:
    await a_person(space)
    browser = await signed_in(space)
    kept = dict(browser.http.cookies)
    page = await browser.http.get("/auth/me")
    await browser.http.post("/auth/sign-out", data={"word": word_of(page)})
    again = httpx.AsyncClient(transport=httpx.ASGITransport(space.house.asgi), base_url=ROOT, cookies=kept)
    assert (await again.get("/auth/me")).status_code == 303


async def test_cookies_of_another_host_or_without_tls(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, base_url="https://space.example/fhir")) as house:
        transport = httpx.ASGITransport(house.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="https://space.example") as http:
            said = (await http.get("/auth/sign-in")).headers["set-cookie"]
    assert said.startswith("__Host-browser=")
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= {part.strip().lower() for part in said.split(";")}
    assert "domain=" not in said.lower()


#: Pages that people see, signed in or not.
PAGES = ["/", "/auth/sign-in", "/auth/me", "/mes-applications", "/catalogue", "/auth/continue?ask=nothing"]


@pytest.mark.parametrize("path", PAGES)
async def test_clickjacking_of_every_page(space: Space, path: str) -> None:
    await a_person(space)
    page = await (await signed_in(space)).http.get(path)
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff" and "referrer-policy" in page.headers


#: Forms of a signed-in person, each refused without the word its page was given.
FORMS = [
    "/auth/sign-in",
    "/auth/activate",
    "/auth/sign-out",
    "/auth/role",
    "/auth/find",
    "/auth/patient",
    "/auth/purpose",
    "/auth/consent",
    "/auth/launch",
    "/auth/me/password",
    "/auth/me/second-factor/start",
    "/auth/me/sign-out-everywhere",
]


@pytest.mark.parametrize("path", FORMS)
async def test_csrf_of_every_form(space: Space, path: str) -> None:
    await a_person(space)
    browser = await signed_in(space)
    for data in ({}, {"word": "0" * 64}):
        assert (await browser.http.post(path, data=data)).status_code == 403
    assert (await browser.http.get("/auth/me")).status_code == 200


async def test_decisions_sent_twice(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(SCOPE)))
    answered(await browser.submit(page, decision="allow"))
    assert (await browser.submit(page, decision="allow")).status_code == 403


async def test_scripts_in_what_apps_say_of_themselves(space: Space) -> None:
    from dataclasses import replace

    await a_person(space)
    app = await an_app(space, SCOPES)
    [client] = await space.clients.list()
    await space.clients.replace(replace(client, name="<script>alert(1)</script>"))
    browser = Browser(space)
    page = await browser.open(app.request(SCOPE, state='"><script>', nonce="'><script>"))
    assert "<script" not in page.text and "&lt;script&gt;" in page.text
    assert "<script" not in (await browser.sign_in(page)).text


async def test_ssrf_through_logo_uri(tmp_path: Path) -> None:
    """A logo is never fetched, nor shown before somebody has reviewed the app."""
    asked: list[bytes] = []
    async with serving(tmp_path, loopback_keys=True) as space:
        with socket.create_server(("127.0.0.1", 0)) as site:
            site.setblocking(False)
            logo = f"http://127.0.0.1:{site.getsockname()[1]}/logo.svg"
            metadata = {"redirect_uris": ["https://app.example/callback"], "logo_uri": logo, "client_name": "Carnet"}
            told = (
                await space.http.post(f"{ROOT}/auth/register", json={**metadata, "token_endpoint_auth_method": "none"})
            ).json()
            assert told["logo_uri"] == logo
            page = await Browser(space).http.get(
                "/auth/authorize", params={"client_id": told["client_id"], "response_type": "code"}
            )
            assert logo not in page.text
            with pytest.raises(BlockingIOError):
                asked.append(site.accept()[0].recv(1))
    assert not asked


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["169.254.169.254"], ["::1"], ["100.64.0.1"], ["0.0.0.0"]],
)
async def test_ssrf_through_names_of_private_addresses(addresses: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address of the name must be public, and the one that was checked is the one connected to."""

    def resolved(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        assert host == "keys.example"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with pytest.raises(Refused, match="public network"):
        await fetch("https://keys.example/jwks")


async def test_enumeration_of_people_by_time(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown login costs one password check too: OWASP ASVS 2.2.1."""
    checks: list[str] = []
    verify = argon2.PasswordHasher.verify

    def counted(hasher: argon2.PasswordHasher, hashed: str, password: str) -> bool:
        checks.append(password)
        return verify(hasher, hashed, password)

    await a_person(space)
    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    browser = Browser(space)
    page = await browser.http.get("/auth/sign-in")
    for login in ("nathalie", "nobody"):
        assert (await browser.sign_in(page, login, "x" * 20)).status_code == 403
    assert checks == ["x" * 20] * 2


def test_a_password_costs_whoever_guesses_it_what_owasp_asks(tmp_path: Path) -> None:
    """As the server hashes it in a process of its own. OWASP password storage: argon2id, 19 MiB, two passes, one lane."""
    (tmp_path / "password").write_text(PASSWORD)
    arguments = ("--subject", "Patient/1", "--password-file", tmp_path / "password", "--data", tmp_path)
    assert run("account", "add", "zoe", *arguments).returncode == 0

    async def kept(house: House) -> str | None:
        account = await house.authorization.accounts.by_login("zoe")
        return account.password if account else None

    assert (operated(tmp_path, kept) or "").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_enumeration_of_patients(space: Space) -> None:
    """Who is another's patient answers like who is nobody, in reads, searches, writes, pages and choices."""
    for id in ("p1", "other"):
        await space.put({"resourceType": "Patient", "id": id, "name": [{"family": id.upper()}]})
    await space.put({"resourceType": "Observation", "id": "o", "subject": {"reference": "Patient/other"}})
    await a_person(space)
    app = await an_app(space, SCOPES)
    token = (await launched(space, app, "launch/patient patient/*.cruds")).json()["access_token"]

    async def fhir(method: str, path: str) -> tuple[int, str]:
        answer = await space.fhir(method, path, token)
        return answer.status_code, answer.text

    for hidden, absent in (("Patient/other", "Patient/nobody"), ("Observation/o", "Observation/n")):
        for path in ("", "/_history", "/_history/1"):
            found, missing = await fhir("GET", hidden + path), await fhir("GET", absent + path)
            assert found[0] == missing[0] and found[1].replace(hidden, absent) == missing[1], path
        assert (await fhir("DELETE", hidden))[0] == (await fhir("DELETE", absent))[0]
    for query in ("Patient?_id={}", "Observation?subject=Patient/{}", "Patient?family={}"):
        totals = [
            (await space.fhir("GET", query.format(id) + "&_total=accurate", token)).json()["total"]
            for id in ("other", "nobody")
        ]
        assert totals == [0, 0]
    browser = await signed_in(space)
    pages = [await browser.http.get(f"/mes-applications/{id}") for id in ("other", "nobody")]
    assert pages[0].status_code == pages[1].status_code == 404
    assert pages[0].text.replace("other", "nobody") == pages[1].text


async def test_opening_an_app_on_somebody_else_s_record(space: Space) -> None:
    for id in ("p1", "other"):
        await space.put({"resourceType": "Patient", "id": id})
    await a_person(space)
    await an_app(space, SCOPES, launch_uri="https://app.example/launch")
    browser = await signed_in(space)
    word = word_of(await browser.http.get("/auth/me"))
    answers = [
        await browser.http.post("/auth/launch", data={"word": word, "client": client, "patient": patient})
        for client, patient in (("app", "other"), ("app", "nobody"), ("app", ""), ("nobody", "p1"))
    ]
    assert {answer.status_code for answer in answers} == {403}


async def test_rate_limits_of_sign_in(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the logins, one address guesses so often and no more."""
    monkeypatch.setattr(people, "FAILURES_OF_ADDRESS", 3)
    browser = Browser(space)
    page = await browser.http.get("/auth/sign-in")
    statuses = [(await browser.sign_in(page, f"login{n}", "x" * 20)).status_code for n in range(5)]
    assert statuses == [403, 403, 403, 429, 429]


async def test_codes_and_names_in_pages_of_errors(space: Space) -> None:
    """What was sent is not told back: neither a code nor a client's secret is in an answer that refuses it."""
    await an_app(space, SCOPES)
    secret = "s3cret-s3cret-s3cret"
    form = {"grant_type": "authorization_code", "code": secret, "client_id": "app", "code_verifier": secret * 3}
    assert secret not in (await space.http.post(TOKEN, data=form)).text
    assert secret not in (await space.http.post(TOKEN, data=form, auth=("app", secret))).text
