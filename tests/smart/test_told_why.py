"""What software is told when it is refused: RFC 6750 §3 and §3.1, RFC 7523 §3, RFC 9110 §11.4."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.server.closed import BASE, BEARER, ROOT, TOKEN, Space, serving

ELSEWHERE = "https://elsewhere.example/token"
NOW = int(time.time())
#: Claims of an assertion whose signature holds → the claim that the answer names.
CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"aud": ELSEWHERE}, "aud"),
    ({"aud": None}, "aud"),
    ({"aud": [TOKEN, ELSEWHERE]}, "aud"),
    ({"aud": [ELSEWHERE, TOKEN]}, "aud"),
    ({"aud": []}, "aud"),
    ({"aud": [[TOKEN]]}, "aud"),
    ({"aud": {"a": TOKEN}}, "aud"),
    ({"aud": ROOT}, "aud"),
    ({"iss": "other"}, "iss"),
    ({"iss": None}, "iss"),
    ({"exp": None}, "exp"),
    ({"exp": "never"}, "exp"),
    ({"exp": True}, "exp"),
    ({"exp": 1e300}, "exp"),
    ({"exp": NOW - 3600}, "exp"),
    ({"exp": NOW + 36_000}, "exp"),
    ({"iat": NOW + 36_000}, "iat"),
    ({"nbf": NOW + 36_000}, "nbf"),
    ({"jti": None}, "jti"),
    ({"jti": ""}, "jti"),
    ({"jti": ["a"]}, "jti"),
    ({"jti": "a" * 600}, "jti"),
]


@pytest.mark.parametrize(("claims", "named"), CLAIMS)
async def test_once_the_signature_holds_the_claim_that_does_not_is_named(
    space: Space, caplog: pytest.LogCaptureFixture, claims: dict[str, Any], named: str
) -> None:
    await space.backend()
    assertion = space.assertion(**claims)
    answer = await space.ask_token(assertion)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert f"The {named} " in answer.json()["error_description"]
    assert "lab" in caplog.text and named in caplog.text
    assert ELSEWHERE not in answer.text + caplog.text and assertion not in caplog.text


async def test_an_audience_that_is_this_token_endpoint_alone_is_taken_in_either_form(space: Space) -> None:
    await space.backend()
    for aud in (TOKEN, [TOKEN]):
        assert (await space.ask_token(space.assertion(aud=aud))).status_code == 200


async def test_an_assertion_that_is_refused_for_another_reason_is_not_used_up(space: Space) -> None:
    await space.backend()
    await space.ask_token(space.assertion(jti="one", aud=ELSEWHERE))
    assert (await space.ask_token(space.assertion(jti="one"))).status_code == 200
    again = (await space.ask_token(space.assertion(jti="one"))).json()
    assert "jti" in again["error_description"]


async def test_before_the_signature_holds_there_is_one_sentence(space: Space) -> None:
    await space.backend()
    signed = space.assertion(aud=ELSEWHERE).rpartition(".")[0]
    other = space.assertion(exp=NOW - 3600).rpartition(".")[2]
    wrong = [f"{signed}.{other}", space.assertion("nobody"), "a.b.c", space.assertion(header={"kid": "k2"})]
    answers = {(await space.ask_token(one)).text for one in wrong}
    assert len(answers) == 1 and "aud" not in answers.pop()


@pytest.mark.parametrize("endpoint", ["introspect", "revoke"])
async def test_every_endpoint_holds_the_audience(space: Space, endpoint: str) -> None:
    await space.backend()
    form = {"client_assertion_type": BEARER, "client_assertion": space.assertion(aud=[TOKEN, ELSEWHERE]), "token": "a"}
    assert (await space.http.post(f"{ROOT}/auth/{endpoint}", data=form)).status_code == 401


async def test_without_a_public_url_an_assertion_is_for_the_server_s_own_address_whatever_the_host(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, base_url="") as space:
        await space.backend()
        form = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_assertion_type": BEARER}
        for host, own in (("evil.example", "evil.example"), ("127.0.0.1:8080", "127.0.0.1:8080")):
            form["client_assertion"] = space.assertion(aud=f"http://{own}/auth/token")
            answer = await space.http.post(f"http://{host}/auth/token", data=form)
            assert answer.status_code == (200 if own == "127.0.0.1:8080" else 401)


#: `Authorization` of a request with a good token in place of {}: the status it is answered with.
HEADERS = [
    ("Bearer {}", 200),
    ("Bearer  {}", 200),
    ("Bearer     {}", 200),
    ("bearer {}", 200),
    ("BEARER {}", 200),
    ("Bearer\t{}", 401),
    ("Bearer{}", 401),
    ("Bearer {} x", 401),
    ("Bearer {},{}", 401),
    ("Bearer {}, Bearer {}", 401),
    ('Bearer "{}"', 401),
    ('Bearer token="{}"', 401),
    ("Bearer:{}", 401),
    ("{}", 401),
    ("Token {}", 401),
    ("DPoP {}", 401),
    ("Bearer", 401),
    ("", 401),
]


@pytest.mark.parametrize(("header", "status"), HEADERS)
async def test_a_token_comes_after_its_scheme_and_spaces_alone(space: Space, header: str, status: int) -> None:
    await space.backend()
    given = {"Authorization": header.replace("{}", await space.backend_token())}
    answer = await space.http.get(f"{BASE}/Patient", headers=given)
    assert answer.status_code == status
    if status == 401:
        said = answer.headers["www-authenticate"]
        assert said.startswith(f'Bearer realm="{ROOT}"')
        malformed = header.lower().split(" ")[0] in ("bearer", "bearer:{}", "bearer\t{}") and header != ""
        assert ('error="invalid_token"' in said) is (malformed and header.partition(" ")[0] == "Bearer")


async def test_a_header_sent_twice_is_no_token(space: Space) -> None:
    await space.backend()
    token = await space.backend_token()
    twice = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    assert (await space.http.get(f"{BASE}/Patient", headers=twice)).status_code == 401


#: (scope held, method, path, body, scope named)
FORBIDDEN: list[tuple[str, str, str, dict[str, Any] | None, str]] = [
    ("system/Observation.rs", "GET", "Patient", None, "system/Patient.s"),
    ("system/Observation.rs", "GET", "Patient/1", None, "system/Patient.r"),
    ("system/Observation.rs", "POST", "Patient", {"resourceType": "Patient"}, "system/Patient.c"),
    ("system/Observation.rs", "PUT", "Patient/1", {"resourceType": "Patient", "id": "1"}, "system/Patient."),
    ("system/Observation.rs", "DELETE", "Patient/1", None, "system/Patient.d"),
    ("system/Observation.rs", "POST", "$reindex", None, "system/SearchParameter.u"),
]


@pytest.mark.parametrize(("held", "method", "path", "body", "named"), FORBIDDEN)
async def test_a_token_that_does_not_reach_far_enough_is_told_which_scope_would(
    space: Space, held: str, method: str, path: str, body: dict[str, Any] | None, named: str
) -> None:
    await space.backend()
    token = await space.backend_token(held)
    answer = await space.fhir(method, path, token, **({"json": body} if body else {}))
    assert answer.status_code == 403
    said = answer.headers["www-authenticate"]
    assert said.startswith(f'Bearer realm="{ROOT}", error="insufficient_scope", scope="{named}')


async def test_who_asks_about_a_person_is_told_what_is_missing(space: Space) -> None:
    """OpenID Connect Core §5.3.3, RFC 6750 §3.1: nothing was sent; what was sent is no token; it has no scope for it."""
    await space.backend()
    token = await space.backend_token()
    asked = {"": (401, None), "Bearer x": (401, "invalid_token"), f"Bearer {token}": (403, "insufficient_scope")}
    for header, (status, error) in asked.items():
        answer = await space.http.get(f"{ROOT}/auth/userinfo", headers={"Authorization": header} if header else {})
        assert answer.status_code == status
        said = answer.headers["www-authenticate"]
        assert said.startswith(f'Bearer realm="{ROOT}"') and (f'error="{error}"' in said or error is None)
        assert ("error=" in said) is (error is not None)


async def test_a_token_that_registers_nothing_is_told_which_would(space: Space) -> None:
    await space.backend()
    headers = {"Authorization": f"Bearer {await space.backend_token()}"}
    metadata = {"redirect_uris": ["https://app.example/back"]}
    answer = await space.http.post(f"{ROOT}/auth/register", json=metadata, headers=headers)
    assert answer.status_code == 403
    assert 'error="insufficient_scope", scope="user/Task.c"' in answer.headers["www-authenticate"]


async def test_discovery_says_how_clients_prove_themselves_at_each_endpoint(space: Space) -> None:
    """RFC 8414 §2; each way that is named is taken, and no other."""
    await space.backend()
    found = (await space.http.get(f"{BASE}/.well-known/smart-configuration")).json()
    for endpoint in ("revocation", "introspection"):
        assert "private_key_jwt" in found[f"{endpoint}_endpoint_auth_methods_supported"]
        assert set(found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]) == {"RS384", "ES384"}
        form = {"token": "x", "client_assertion_type": BEARER, "client_assertion": space.assertion()}
        assert (await space.http.post(found[f"{endpoint}_endpoint"], data=form)).status_code == 200
    assert "none" in found["revocation_endpoint_auth_methods_supported"]
    assert "none" not in found["introspection_endpoint_auth_methods_supported"]
