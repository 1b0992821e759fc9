"""A provider that does not answer says nothing of the person: they are told that, and may try again.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1, RFC 9110 §15.6.4 (503)
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from fhir_server.settings import IdentityProvider
from fhir_server.smart import fetch
from tests.server.closed import ROOT, serving
from tests.smart.browser import Browser
from tests.smart.federated import simulating

#: Issuers that are not there: a closed port, a name without an address.
ABSENT = ["https://127.0.0.1:1", "https://idp.invalid"]


@pytest.mark.parametrize("issuer", ABSENT)
@pytest.mark.parametrize(("language", "said"), [("fr", "ne répond pas"), ("en", "does not answer")])
async def test_the_way_to_a_provider_that_is_not_there_is_a_page_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, issuer: str, language: str, said: str
) -> None:
    monkeypatch.setenv("SECRET", "word")
    provider = IdentityProvider(
        id="psc", kind="psc", name="Pro Santé Connect", issuer=issuer, client_id="us", client_secret_variable="SECRET"
    )
    async with serving(tmp_path, identity_providers=(provider,), loopback_keys=True) as space:
        answer = await space.http.get(f"{ROOT}/auth/with/psc", headers={"Accept-Language": language})
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert said in answer.text and "reconnu" not in answer.text and "recognised" not in answer.text


#: What comes back → the status of the page, and its words.
BACK = [
    ({"error": "temporarily_unavailable"}, 503, "ne répond pas"),
    ({"error": "server_error"}, 503, "ne répond pas"),
    ({"error": "access_denied"}, 403, "pas été reconnu"),
    ({"error": "invalid_request"}, 403, "pas été reconnu"),
    ({"code": "forged"}, 403, "pas été reconnu"),
]


@pytest.mark.parametrize(("given", "status", "said"), BACK)
async def test_what_the_provider_answers_is_told_apart(
    tmp_path: Path, given: dict[str, str], status: int, said: str
) -> None:
    async with simulating(tmp_path) as space:
        browser = Browser(space)
        away = await browser.http.get("/auth/with/psc")
        state = parse_qs(urlsplit(away.headers["location"]).query)["state"][0]
        # RFC 9207: whose answer it is.
        issuer = f"{ROOT}/simulators/psc"
        answer = await browser.http.get("/auth/with/psc/callback", params={"state": state, "iss": issuer, **given})
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


@pytest.mark.parametrize(("failure", "down"), [(fetch.Unreachable("gone"), True), (fetch.Refused("not it"), False)])
def test_only_what_may_answer_another_time_counts_as_down(failure: fetch.Refused, down: bool) -> None:
    assert isinstance(failure, fetch.Unreachable) is down
