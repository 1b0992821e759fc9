"""https://hl7.org/fhir/smart-app-launch/backend-services.html, RFC 6750, RFC 7523, RFC 7662, RFC 7009."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.server.closed import BASE, ROOT, TOKEN, Space

PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"family": "DEMO", "given": ["Nathalie"]}]}


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
async def test_a_backend_service_reads_with_a_token_it_signed_for(space: Space, alg: str) -> None:
    await space.put(PATIENT)
    await space.backend(alg=alg)
    answer = await space.ask_token(space.assertion(alg=alg), "system/Patient.rs")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["token_type"], body["scope"]) == ("Bearer", "system/Patient.rs") and body["expires_in"] <= 300
    assert "refresh_token" not in body and answer.headers["cache-control"] == "no-store"
    read = await space.fhir("GET", "Patient/p1", body["access_token"])
    assert read.status_code == 200 and read.json()["id"] == "p1"


async def test_without_a_token_only_what_the_server_can_do_is_told(space: Space) -> None:
    await space.put(PATIENT)
    for path in ("Patient/p1", "Patient", "Patient/p1/$everything", ""):
        answer = await space.fhir("GET", path)
        assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer realm=")
        assert answer.json()["resourceType"] == "OperationOutcome"
    assert (await space.fhir("GET", "metadata")).status_code == 200


@pytest.mark.parametrize(
    ("header", "error"),
    [("Bearer nothing", True), ("Bearer ", True), ("Basic bGFiOng=", False), ("Bearer " + "a" * 5000, True)],
)
async def test_a_token_that_is_not_valid_is_refused_without_a_reason(space: Space, header: str, error: bool) -> None:
    answer = await space.http.get(f"{BASE}/Patient", headers={"Authorization": header})
    assert answer.status_code == 401
    assert ('error="invalid_token"' in answer.headers["www-authenticate"]) is error


#: asked · allowed · granted ("" for invalid_scope)
GRANTED = [
    ("system/*.rs", "system/*.cruds", "system/*.rs"),
    ("system/*.read", "system/*.cruds", "system/*.read"),
    ("system/*.*", "system/Patient.rs", "system/Patient.rs"),
    ("system/Patient.cruds", "system/*.rs", "system/Patient.rs"),
    ("system/*.rs", "system/Patient.r system/Observation.rs", "system/Patient.r system/Observation.rs"),
    ("system/Observation.rs?code=1234-5", "system/*.rs", "system/Observation.rs?code=1234-5"),
    ("system/Observation.rs", "system/Observation.rs?code=1-2", "system/Observation.rs?code=1-2"),
    ("system/Observation.rs?nothing=1", "system/*.rs", ""),
    ("system/Observation.rs?subject.name=a", "system/*.rs", ""),
    ("system/Patient.cruds", "system/Observation.rs", ""),
    ("patient/*.rs", "patient/*.rs system/*.rs", ""),
    ("user/*.rs openid", "system/*.rs", ""),
    ("system/Nothing.rs", "system/*.rs", ""),
    ("system/Patient.sr", "system/*.rs", ""),
    ("", "system/*.rs", ""),
]


@pytest.mark.parametrize(("asked", "allowed", "granted"), GRANTED)
async def test_what_is_granted_is_asked_and_allowed(space: Space, asked: str, allowed: str, granted: str) -> None:
    await space.backend(scopes=allowed)
    answer = await space.ask_token(space.assertion(), asked)
    if granted:
        assert (answer.status_code, answer.json()["scope"]) == (200, granted)
    else:
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


async def test_a_granular_scope_narrows_reads_searches_totals_and_writes(space: Space) -> None:
    def observation(id: str, code: str) -> dict[str, Any]:
        coding = {"coding": [{"system": "http://loinc.org", "code": code}]}
        return {"resourceType": "Observation", "id": id, "status": "final", "code": coding}

    await space.put(observation("o1", "1-1"))
    await space.put(observation("o2", "2-2"))
    await space.backend()
    token = await space.backend_token("system/Observation.cruds?code=http://loinc.org|1-1")
    assert (await space.fhir("GET", "Observation/o1", token)).status_code == 200
    assert (await space.fhir("GET", "Observation/o2", token)).status_code == 404
    assert (await space.fhir("GET", "Observation?_total=accurate", token)).json()["total"] == 1
    refused = observation("", "2-2")
    del refused["id"]
    assert (await space.fhir("POST", "Observation", token, json=refused)).status_code == 403
    assert (await space.fhir("GET", "Patient", token)).status_code == 403


async def test_suspending_a_client_ends_its_tokens_at_once_and_gives_no_more(space: Space) -> None:
    await space.backend()
    token = await space.backend_token()
    assert (await space.fhir("GET", "Patient", token)).status_code == 200
    await space.clients.set_status("lab", "suspended")
    await asyncio.sleep(0.6)
    assert (await space.fhir("GET", "Patient", token)).status_code == 401
    assert (await space.ask_token(space.assertion())).json()["error"] == "invalid_client"


@pytest.mark.parametrize("status", ["draft", "suspended"])
async def test_only_an_active_client_gets_a_token(space: Space, status: str) -> None:
    await space.backend(status=status)
    answer = await space.ask_token(space.assertion())
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_token_that_was_revoked_is_of_no_use(space: Space) -> None:
    await space.backend()
    token = await space.backend_token()
    proof = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    revoked = await space.http.post(
        f"{ROOT}/auth/revoke", data={"token": token, "client_assertion": space.assertion(), **proof}
    )
    assert revoked.status_code == 200
    await asyncio.sleep(0.6)
    assert (await space.fhir("GET", "Patient", token)).status_code == 401


async def test_introspection_tells_a_token_s_client_and_resource_servers_only(space: Space) -> None:
    await space.backend()
    await space.backend("other")
    await space.backend("gate", introspects=True)
    token = await space.backend_token("system/Patient.rs")
    proof = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "token": token}
    found = {}
    for id in ("lab", "other", "gate"):
        answer = await space.http.post(
            f"{ROOT}/auth/introspect", data={**proof, "client_assertion": space.assertion(id)}
        )
        found[id] = answer.json()
    assert found["other"] == {"active": False}
    assert found["lab"] == found["gate"] and found["lab"]["scope"] == "system/Patient.rs"
    assert found["lab"]["active"] is True and found["lab"]["client_id"] == "lab" and found["lab"]["aud"] == BASE
    assert (await space.http.post(f"{ROOT}/auth/introspect", data={"token": token})).status_code == 401


async def test_an_expired_token_is_refused(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    await space.backend()
    token = await space.backend_token()
    assert (await space.fhir("GET", "Patient", token)).status_code == 200
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 301)
    assert (await space.fhir("GET", "Patient", token)).status_code == 401


#: What is wrong with an assertion: the threat it is. SMART: none of them gets a token.
ASSERTIONS: dict[str, dict[str, Any]] = {
    "an expired assertion": {"exp": int(time.time()) - 120},
    "an assertion that lives too long": {"exp": int(time.time()) + 3600},
    "an assertion from the future": {"iat": int(time.time()) + 3600},
    "an assertion not valid yet": {"nbf": int(time.time()) + 3600},
    "an assertion without an end": {"exp": None},
    "an assertion for another audience": {"aud": "https://elsewhere.example/token"},
    "an assertion without an audience": {"aud": None},
    "an assertion without an identifier": {"jti": None},
    "an assertion by another issuer": {"iss": "other"},
    "an assertion for nobody": {"sub": "nobody", "iss": "nobody"},
    "an end that is no number": {"exp": "never"},
    "an identifier that is no text": {"jti": ["a"]},
}


@pytest.mark.parametrize("threat", ASSERTIONS)
async def test_a_wrong_assertion_gets_no_token(space: Space, threat: str) -> None:
    await space.backend()
    answer = await space.ask_token(space.assertion(**ASSERTIONS[threat]))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_an_assertion_is_used_once(space: Space) -> None:
    await space.backend()
    assertion = space.assertion()
    assert (await space.ask_token(assertion)).status_code == 200
    assert (await space.ask_token(assertion)).json()["error"] == "invalid_client"


async def test_parameters_sent_twice_and_bodies_that_are_no_forms_are_refused(space: Space) -> None:
    twice = await space.http.post(
        TOKEN, content="grant_type=a&grant_type=b", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    json = await space.http.post(TOKEN, json={"grant_type": "client_credentials"})
    for answer in (twice, json):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_discovery_says_what_works(space: Space) -> None:
    found = (await space.http.get(f"{BASE}/.well-known/smart-configuration")).json()
    assert found["token_endpoint"] == TOKEN
    assert found["introspection_endpoint"] == f"{ROOT}/auth/introspect"
    assert "private_key_jwt" in found["token_endpoint_auth_methods_supported"]
    assert {"RS384", "ES384"} <= set(found["token_endpoint_auth_signing_alg_values_supported"])
    assert {"client-confidential-asymmetric", "permission-v2"} <= set(found["capabilities"])
