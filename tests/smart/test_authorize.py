"""What an authorization request may say, and what comes of it: app-launch.html#obtain-authorization-code, RFC 6749 §4.1."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.smart.authorizing.requests import Launch
from tests.server.closed import BASE, ROOT, TOKEN, Space
from tests.smart.browser import Browser, a_person, an_app, answered, launched

SCOPES = "openid fhirUser launch launch/patient launch/encounter patient/*.cruds user/*.rs offline_access"


@pytest.fixture
async def space_of_p1(space: Space) -> Space:
    await space.put({"resourceType": "Patient", "id": "p1"})
    await a_person(space)
    return space


@pytest.mark.parametrize("aud", [BASE, f"{BASE}/"])
async def test_the_audience_is_the_base_with_or_without_its_last_slash(space_of_p1: Space, aud: str) -> None:
    app = await an_app(space_of_p1, SCOPES)
    assert (await launched(space_of_p1, app, "launch/patient patient/*.rs", aud=aud)).status_code == 200


@pytest.mark.parametrize("aud", [f"{ROOT}", f"{BASE}/Patient", f"{BASE}?a=b", BASE.upper(), "fhir", f"{BASE} "])
async def test_nothing_else_is_the_audience(space: Space, aud: str) -> None:
    app = await an_app(space, SCOPES)
    back = answered(await Browser(space).open(app.request(SCOPES, aud=aud)))
    assert (back["error"], back["iss"], back["state"]) == ("invalid_request", ROOT, app.state)


#: Asked → granted: what is not known, not allowed, or not about a person is left out.
GRANTED: list[tuple[str, str]] = [
    ("launch/patient patient/*.rs nothing patient/Nothing.rs", "launch/patient patient/*.rs"),
    ("patient/*.read", "patient/*.read"),
    ("patient/*.write", "patient/*.write"),
    ("patient/*.*", "patient/*.*"),
    ("patient/*.rs system/*.rs", "patient/*.rs"),
    ("patient/Observation.sr patient/Patient.r", "patient/Patient.r"),
    ("user/*.cruds", "user/*.rs"),
    (
        "patient/Observation.rs?category=laboratory&status=final patient/Observation.rs?nothing=1",
        "patient/Observation.rs?category=laboratory&status=final",
    ),
    # There is no encounter.
    ("launch/patient launch/encounter patient/*.rs", "launch/patient patient/*.rs"),
    ("launch/diagnosticreport patient/*.rs", "patient/*.rs"),
]


@pytest.mark.parametrize(("asked", "granted"), GRANTED)
async def test_what_cannot_be_granted_is_left_out_and_the_answer_says_what_was(
    space_of_p1: Space, asked: str, granted: str
) -> None:
    app = await an_app(space_of_p1, SCOPES)
    body = (await launched(space_of_p1, app, asked)).json()
    assert body["scope"] == granted
    assert ("patient" in body) is ("patient" in granted)


async def test_a_granular_scope_gives_exactly_what_its_constraints_say(space_of_p1: Space) -> None:
    def observation(id: str, category: str, status: str) -> dict[str, Any]:
        return {
            "resourceType": "Observation", "id": id, "status": status, "subject": {"reference": "Patient/p1"},
            "category": [{"coding": [{"code": category}]}], "code": {"text": "a"},
        }  # fmt: skip

    for id, category, status in (
        ("o1", "laboratory", "final"),
        ("o2", "laboratory", "preliminary"),
        ("o3", "x", "final"),
    ):
        await space_of_p1.put(observation(id, category, status))
    app = await an_app(space_of_p1, SCOPES)
    scope = "patient/Patient.rs patient/Observation.rs?category=laboratory&status=final"
    token = (await launched(space_of_p1, app, scope)).json()["access_token"]
    found = (await space_of_p1.fhir("GET", "Observation?_total=accurate", token)).json()
    assert ([entry["resource"]["id"] for entry in found["entry"]], found["total"]) == (["o1"], 1)
    statuses = [(await space_of_p1.fhir("GET", f"Observation/o{n}", token)).status_code for n in (1, 2, 3)]
    assert statuses == [200, 404, 404]
    included = (await space_of_p1.fhir("GET", "Patient?_id=p1&_revinclude=Observation:subject", token)).json()
    assert [entry["resource"]["id"] for entry in included["entry"]] == ["p1", "o1"]
    chained = (await space_of_p1.fhir("GET", "Patient?_has:Observation:subject:status=preliminary", token)).json()
    assert "entry" not in chained


async def test_the_scope_launch_needs_a_launch_and_a_launch_needs_the_scope(space_of_p1: Space) -> None:
    app = await an_app(space_of_p1, SCOPES)
    account = await space_of_p1.house.authorization.accounts.by_login("nathalie")
    assert account is not None
    launch = await space_of_p1.house.authorization.requests.launch(Launch("app", account.id, "p1"))
    for request in (app.request("launch patient/*.rs"), app.request("patient/*.rs", launch=launch)):
        back = answered(await Browser(space_of_p1).open(request))
        assert (back["error"], back["iss"]) == ("invalid_request", ROOT)


async def test_every_answer_to_the_app_names_the_issuer_and_repeats_the_state(space_of_p1: Space) -> None:
    app = await an_app(space_of_p1, SCOPES)
    state = 'a b&c=é+"<>'
    browser = Browser(space_of_p1)
    page = await browser.sign_in(await browser.open(app.request("openid", state=state)))
    for back in (
        answered(await browser.submit(page, decision="deny")),
        answered(await browser.open(app.request("openid", state=state, prompt="none"))),
        answered(await browser.open(app.request("nothing", state=state))),
    ):
        assert back["error"] and (back["iss"], back["state"]) == (ROOT, state)


async def test_a_client_without_the_code_grant_asks_nobody(space: Space) -> None:
    app = await an_app(space, SCOPES, grants=("client_credentials",))
    back = answered(await Browser(space).open(app.request(SCOPES)))
    assert (back["error"], back["iss"]) == ("unauthorized_client", ROOT)


@pytest.mark.parametrize("status", ["suspended", "draft"])
async def test_software_that_is_not_let_in_is_not_known(space: Space, status: str) -> None:
    app = await an_app(space, SCOPES, status=status)
    answer = await Browser(space).open(app.request(SCOPES))
    assert answer.status_code == 400 and "location" not in answer.headers


async def test_a_redirect_uri_keeps_its_own_query(space_of_p1: Space) -> None:
    uri = "https://app.example/callback?tenant=a%20b"
    app = await an_app(space_of_p1, SCOPES, redirect_uris=(uri,))
    browser = Browser(space_of_p1)
    page = await browser.sign_in(await browser.open(app.request("openid", redirect_uri=uri)))
    location = (await browser.submit(page, decision="allow")).headers["location"]
    assert location.startswith(uri + "&code=")
    code = location.partition("code=")[2].partition("&")[0]
    assert (await space_of_p1.http.post(TOKEN, data=app.exchange(code, redirect_uri=uri))).status_code == 200


#: Registered, asked, kind of client → whether it is the same: only a native app's port on its own machine may differ.
LOOPBACK: list[tuple[str, str, str, bool]] = [
    ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "public", True),
    ("http://127.0.0.1:8000/cb?x=1", "http://127.0.0.1:51004/cb?x=1", "public", True),
    ("http://[::1]/cb", "http://[::1]:51004/cb", "public", True),
    ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "confidential-symmetric", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:51004/other", "public", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb?x=1", "public", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:51004@evil.example/cb", "public", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", "public", False),
    ("http://127.0.0.1/cb", "http://[::1]/cb", "public", False),
    ("http://localhost/cb", "http://localhost:51004/cb", "public", False),
    ("https://127.0.0.1/cb", "https://127.0.0.1:51004/cb", "public", False),
    ("https://app.example/cb", "https://app.example:444/cb", "public", False),
]


@pytest.mark.parametrize(("registered", "asked", "kind", "same"), LOOPBACK)
def test_a_redirect_uri_is_the_registered_one(registered: str, asked: str, kind: Any, same: bool) -> None:
    from fhir_server.smart.authlib_requests import Caller
    from fhir_server.smart.clients.registered import Client

    assert Caller(Client("app", "Carnet", kind, redirect_uris=(registered,))).check_redirect_uri(asked) is same
