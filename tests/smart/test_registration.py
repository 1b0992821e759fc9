"""Software registers itself, and changes or removes its registration: RFC 7591, RFC 7592, RFC 9700 §2.1."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from fhir_server.smart import registration
from fhir_server.space.catalogue.apps import App as Referenced
from fhir_server.space.catalogue.opening import of
from tests.server.closed import BASE, ROOT, TOKEN, Space, serving
from tests.smart.browser import CALLBACK, App, Browser, a_person, answered

REGISTER = f"{ROOT}/auth/register"
PUBLIC: dict[str, Any] = {
    "client_name": "Carnet d’essai",
    "redirect_uris": [CALLBACK],
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": "openid fhirUser launch/patient offline_access patient/*.rs",
}
#: Systems of INS numbers: of demonstration, and of real people.
INVENTED, REAL = "urn:oid:1.2.250.1.213.1.4.11", "urn:oid:1.2.250.1.213.1.4.8"


async def register(space: Space, token: str = "", **changes: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return await space.http.post(REGISTER, json={**PUBLIC, **changes}, headers=headers)


def own(told: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {told['registration_access_token']}"}


async def a_patient(space: Space, id: str = "p1", system: str = INVENTED) -> None:
    identifier = [{"system": system, "value": "269054958815780"}]
    await space.put({"resourceType": "Patient", "id": id, "identifier": identifier, "name": [{"family": "DEMO"}]})


async def the_answer(space: Space, app: App, scope: str = PUBLIC["scope"]) -> dict[str, str]:
    """What comes back to the app when the person accepts everything asked."""
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(scope)))
    if not page.is_redirect:
        assert "n’accède qu’à des patients fictifs" in page.text or "invented patients only" in page.text
        page = await browser.submit(page, decision="allow", **{"purpose-essai": "yes", "special-offline_access": "yes"})
    return answered(page)


async def test_discovery_says_where_software_registers_only_where_it_may(space: Space, tmp_path: Any) -> None:
    openid, oauth = (f"{ROOT}/.well-known/{name}" for name in ("openid-configuration", "oauth-authorization-server"))
    for url in (f"{BASE}/.well-known/smart-configuration", openid, oauth):
        assert (await space.http.get(url)).json()["registration_endpoint"] == REGISTER
    async with serving(tmp_path / "off", registration="off") as closed:
        found = (await closed.http.get(f"{BASE}/.well-known/smart-configuration")).json()
        assert "registration_endpoint" not in found
        assert (await closed.http.post(REGISTER, json=PUBLIC)).status_code == 404


async def test_a_public_app_registers_and_reads_back_what_is_known_of_it(space: Space) -> None:
    answer = await register(space)
    assert answer.status_code == 201 and answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert {name: told[name] for name in PUBLIC} == {**PUBLIC, "scope": told["scope"]}
    assert set(told["scope"].split()) == set(PUBLIC["scope"].split())
    assert told["response_types"] == ["code"] and told["client_id_issued_at"] > 0 and "client_secret" not in told
    assert told["registration_client_uri"] == f"{REGISTER}/{told['client_id']}"
    again = await space.http.get(told["registration_client_uri"], headers=own(told))
    assert (again.status_code, again.json()) == (200, told)


async def test_a_draft_is_an_app_in_pre_series_with_no_publisher(space: Space) -> None:
    told = (await register(space, software_version="2.1", client_uri="https://carnet.example/")).json()
    [app] = await of(space.house.services).catalogue.all()
    assert isinstance(app, Referenced)
    assert (app.status, app.client, app.publisher, app.version) == ("PRESERIE", told["client_id"], "", "2.1")
    assert [purpose.scopes for purpose in app.purposes] == [("patient/*.rs",)]
    await space.backend()
    token = await space.backend_token()
    device = (await space.fhir("GET", f"Device/{app.id}", token)).json()
    judged = (await space.fhir("POST", "Device/$validate", token, json=device)).json()
    assert {issue["severity"] for issue in judged["issue"]} == {"warning"}


async def test_a_secret_is_told_once_and_kept_as_a_digest(space: Space) -> None:
    told = (await register(space, token_endpoint_auth_method="client_secret_basic")).json()
    assert told["client_secret"] and told["client_secret_expires_at"] == 0
    assert "client_secret" not in (await space.http.get(told["registration_client_uri"], headers=own(told))).json()
    kept = b"".join(value for _, value in await space.house.engine.records.list("client"))
    assert told["client_secret"].encode() not in kept and told["registration_access_token"].encode() not in kept


async def test_a_draft_reads_an_invented_patient_who_accepts(space: Space) -> None:
    await a_patient(space)
    await a_patient(space, "p2")
    await a_person(space)
    app = App((await register(space)).json()["client_id"])
    back = await the_answer(space, app)
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    assert body["patient"] == "p1" and "patient/*.rs" in body["scope"].split() and body["refresh_token"]
    assert (await space.fhir("GET", "Patient/p1", body["access_token"])).status_code == 200
    assert (await space.fhir("GET", "Patient/p2", body["access_token"])).status_code == 404


@pytest.mark.parametrize("scope", [PUBLIC["scope"], "openid fhirUser"])
@pytest.mark.parametrize(
    ("subject", "wards"), [("Patient/real", ()), ("Patient/p1", ("real",)), ("RelatedPerson/r", ("real",))]
)
async def test_a_draft_learns_nothing_of_who_is_real_or_acts_for_them(
    space: Space, subject: str, wards: tuple[str, ...], scope: str
) -> None:
    await a_patient(space)
    await a_patient(space, "real", REAL)
    await a_person(space, subject=subject, wards=wards)
    app = App((await register(space)).json()["client_id"])
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(scope)))
    if not page.is_redirect:
        page = await browser.submit(page, patient="real")
    assert answered(page)["error"] == "access_denied"


async def test_a_draft_learns_nothing_of_professionals_and_staff(space: Space) -> None:
    await a_patient(space)
    app = App((await register(space)).json()["client_id"])
    for login, subject in (("docteur", "Practitioner/d1"), ("agent", "Person/s1")):
        await a_person(space, login, subject)
        browser = Browser(space)
        page = await browser.sign_in(await browser.open(app.request("openid fhirUser")), login)
        assert answered(page)["error"] == "access_denied"


async def test_a_draft_of_a_backend_service_gets_no_token(space: Space) -> None:
    jwks = {"keys": [{**space.key("ES384").as_dict(private=False), "kid": "k1", "use": "sig"}]}
    told = (
        await register(
            space, token_endpoint_auth_method="private_key_jwt", jwks=jwks, grant_types=["client_credentials"],
            redirect_uris=None, scope="system/*.rs",
        )
    ).json()  # fmt: skip
    assert told["response_types"] == [] and told["scope"] == ""
    answer = await space.ask_token(space.assertion(told["client_id"]), "system/*.rs")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uris": ["http://evil.example/"]}, "invalid_redirect_uri"),
        ({"logo_uri": "https://10.1.2.3/a"}, "invalid_client_metadata"),
    ],
)
async def test_metadata_that_are_not_right_register_nothing(space: Space, changes: dict[str, Any], error: str) -> None:
    answer = await register(space, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert not await space.clients.list() and not await of(space.house.services).catalogue.all()


@pytest.mark.parametrize("content", [b"[]", b"null", b"{", b"\xff", b"[" * 30_000, b'{"a":"' + b"x" * 70_000 + b'"}'])
async def test_a_body_that_is_no_object_is_refused(space: Space, content: bytes) -> None:
    answer = await space.http.post(REGISTER, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
    assert (await space.http.post(REGISTER, data={"client_name": "a"})).status_code == 400


@pytest.mark.parametrize(
    ("scope", "kept"),
    [
        ("patient/Observation.rs user/*.rs system/*.rs nothing", "patient/Observation.rs"),
        ("patient/*.read openid", "patient/*.read openid"),
        ("patient/Observation.cruds?category=vital-signs", "patient/Observation.cruds?category=vital-signs"),
    ],
)
async def test_scopes_beyond_one_patient_are_left_out_and_the_answer_says_so(
    space: Space, scope: str, kept: str
) -> None:
    assert (await register(space, scope=scope)).json()["scope"] == kept


@pytest.mark.parametrize("uri", ["http://localhost:3000/cb", "http://127.0.0.1/cb?x=1", "http://[::1]:80/cb"])
async def test_a_native_app_is_called_back_on_its_own_machine(space: Space, uri: str) -> None:
    assert (await register(space, redirect_uris=[uri])).json()["redirect_uris"] == [uri]


async def test_what_is_not_understood_is_ignored(space: Space) -> None:
    answer = await register(space, contacts=["a@b.example"], software_statement="a.b.c", x={"y": 1}, jwks=None)
    assert answer.status_code == 201 and "contacts" not in answer.json()


async def test_a_change_replaces_the_registration_as_a_whole(space: Space) -> None:
    told = (await register(space, client_uri="https://carnet.example/")).json()
    body = {"client_id": told["client_id"], "redirect_uris": ["https://app.example/new"], "scope": "patient/Patient.r"}
    answer = await space.http.put(told["registration_client_uri"], json=body, headers=own(told))
    assert answer.status_code == 200
    changed = answer.json()
    assert changed["token_endpoint_auth_method"] == "client_secret_basic" and changed["client_secret"]
    assert changed["redirect_uris"] == ["https://app.example/new"] and "client_uri" not in changed
    assert changed["scope"] == "patient/Patient.r" and changed["grant_types"] == ["authorization_code"]
    [app] = await of(space.house.services).catalogue.all()
    assert (app.url, app.purposes[0].scopes) == ("", ("patient/Patient.r",))


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "other"},
        {"client_id": None},
        {"registration_access_token": "a"},
        {"registration_client_uri": REGISTER},
        {"client_secret_expires_at": 0},
        {"client_id_issued_at": 1},
        {"client_secret": "mine"},
        {"redirect_uris": ["http://evil.example"]},
    ],
)
async def test_a_change_that_is_not_right_changes_nothing(space: Space, changes: dict[str, Any]) -> None:
    told = (await register(space)).json()
    body = {**PUBLIC, "client_id": told["client_id"], **changes}
    assert (await space.http.put(told["registration_client_uri"], json=body, headers=own(told))).status_code == 400
    assert (await space.http.get(told["registration_client_uri"], headers=own(told))).json() == told


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_another_s_token_and_an_unknown_client_answer_the_same(space: Space, method: str) -> None:
    told, other = (await register(space)).json(), (await register(space)).json()
    await space.clients.add(replace((await space.clients.list())[0], id="certified", registration_hash=None))
    answers = [
        await space.http.request(method, f"{REGISTER}/{id}", json=PUBLIC, headers=headers)
        for id, headers in (
            (told["client_id"], own(other)),
            ("nobody", own(told)),
            ("certified", own(told)),
            (told["client_id"], {"Authorization": f"Basic {told['registration_access_token']}"}),
        )
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)


async def test_removal_ends_the_app_and_everything_it_was_given(space: Space) -> None:
    await a_patient(space)
    await a_person(space)
    told = (await register(space)).json()
    app = App(told["client_id"])
    body = (await space.http.post(TOKEN, data=app.exchange((await the_answer(space, app))["code"]))).json()
    assert (await space.http.delete(told["registration_client_uri"], headers=own(told))).status_code == 204
    await asyncio.sleep(0.6)
    assert (await space.fhir("GET", "Patient/p1", body["access_token"])).status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"], "client_id": app.id}
    assert (await space.http.post(TOKEN, data=form)).json()["error"] == "invalid_client"
    assert (await space.http.get(told["registration_client_uri"], headers=own(told))).status_code == 401
    assert not await space.clients.list() and not await of(space.house.services).catalogue.all()


@pytest.mark.parametrize("status", ["EN_LIGNE", "HORS_LIGNE", "SUSPENDUE", "DEREFERENCEE"])
async def test_what_was_reviewed_no_longer_changes_by_registration(space: Space, status: Any) -> None:
    told = (await register(space)).json()
    [app] = await of(space.house.services).catalogue.all()
    await of(space.house.services).catalogue.save(replace(app, status=status))
    body = {**PUBLIC, "client_id": told["client_id"], "redirect_uris": ["https://evil.example/"]}
    changed = await space.http.put(told["registration_client_uri"], json=body, headers=own(told))
    removed = await space.http.delete(told["registration_client_uri"], headers=own(told))
    assert (changed.status_code, removed.status_code) == (403, 403)
    assert (await space.clients.list())[0].redirect_uris == (CALLBACK,)


async def test_registrations_from_one_address_are_limited(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "FROM_ADDRESS", 3)
    statuses = [(await register(space)).status_code for _ in range(5)]
    assert statuses == [201, 201, 201, 429, 429]
    assert "retry-after" in (await register(space)).headers


async def test_drafts_of_nobody_make_room_when_they_are_old(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "DRAFTS", 2)
    for _ in range(2):
        assert (await register(space)).status_code == 201
    assert (await register(space)).status_code == 429
    [first, _] = await space.clients.list()
    await space.clients.replace(replace(first, registered=1))
    assert (await register(space)).status_code == 201
    assert first.id not in {client.id for client in await space.clients.list()}
    assert len(await of(space.house.services).catalogue.all()) == 2


async def test_what_a_publisher_registers_is_theirs(space: Space) -> None:
    from tests.smart.browser import an_app, launched

    staff = {"login": "alize", "subject": "Person/s1", "organization": "Organization/alize"}
    await a_person(space, **staff, duties=("publisher",))
    desk = await an_app(space, "user/Task.cruds openid", "desk")
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(desk.request("user/Task.cruds")), "alize")
    page = await browser.submit(page, decision="allow")
    token = (await space.http.post(TOKEN, data=desk.exchange(answered(page)["code"]))).json()["access_token"]
    told = (await register(space, token)).json()
    [app] = await of(space.house.services).catalogue.of_publisher("Organization/alize")
    assert app.client == told["client_id"]
    await a_patient(space)
    await a_person(space)
    other = await an_app(space, "launch/patient patient/*.rs", "other")
    patient = (await launched(space, other, "launch/patient patient/*.rs")).json()["access_token"]
    assert (await register(space, patient)).status_code == 403
    assert (await register(space, "nothing")).status_code == 401


async def test_each_step_leaves_a_trace(space: Space) -> None:
    told = (await register(space)).json()
    body = {**PUBLIC, "client_id": told["client_id"]}
    await space.http.put(told["registration_client_uri"], json=body, headers=own(told))
    await space.http.delete(told["registration_client_uri"], headers=own(told))
    await space.backend()
    token = await space.backend_token()
    found = (await space.fhir("GET", "AuditEvent?_count=50", token)).json()
    codes = [entry["resource"]["subtype"][0]["code"] for entry in found["entry"]]
    assert {"registration", "registration-update", "registration-removal"} <= set(codes)
    assert told["registration_access_token"] not in str(found)


LASTING = "openid offline_access online_access patient/*.rs"
#: `grant_types` and `scope` as registered (None: left out) → whether access that goes on is registered, and given.
GOING_ON: list[tuple[list[str] | None, str | None, bool]] = [
    (["authorization_code", "refresh_token"], LASTING, True),
    (["authorization_code", "refresh_token"], None, True),
    (["authorization_code"], LASTING, False),
    (["authorization_code"], None, False),
    (None, LASTING, True),
    (None, "openid patient/*.rs", False),
    (None, None, False),
    (["authorization_code", "refresh_token"], "openid launch/patient patient/*.rs", False),
]


@pytest.mark.parametrize(("grants", "scope", "goes_on"), GOING_ON)
async def test_access_that_goes_on_is_granted_with_a_refresh_token_or_not_at_all(
    space: Space, grants: list[str] | None, scope: str | None, goes_on: bool
) -> None:
    """RFC 7591 §2 and §3.2.1: what is registered is told, and holds."""
    told = (await register(space, grant_types=grants, scope=scope)).json()
    assert ("refresh_token" in told["grant_types"]) is (goes_on or grants == ["authorization_code", "refresh_token"])
    assert ("offline_access" in told["scope"].split()) is goes_on
    await a_patient(space)
    await a_person(space)
    app = App(told["client_id"])
    back = await the_answer(space, app, "openid launch/patient patient/*.rs offline_access")
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    assert ("offline_access" in body["scope"].split()) is ("refresh_token" in body)
    assert not ("refresh_token" in body and not goes_on)
