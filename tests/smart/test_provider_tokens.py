"""An identity provider's id_token is for this server, for this sign-in and of now: OpenID Connect Core §3.1.3.7."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fhir_server.smart.federation import tokens
from fhir_server.smart.fetch import Refused

ISSUER, CLIENT = "https://provider.example", "space"
GOOD: dict[str, Any] = {"iss": ISSUER, "sub": "somebody", "aud": CLIENT, "nonce": "n", "acr": "eidas2"}


def judge(**changes: Any) -> None:
    now = int(time.time())
    claims = {
        name: value for name, value in {**GOOD, "iat": now, "exp": now + 60, **changes}.items() if value is not None
    }
    said = {"alg": "RS256"}
    tokens.identity(
        claims, said, issuer=ISSUER, client_id=CLIENT, nonce="n", access_token="a", levels=("eidas2", "eidas3")
    )


@pytest.mark.parametrize("aud", [CLIENT, [CLIENT]])
def test_a_token_for_this_server_alone_is_taken(aud: Any) -> None:
    judge(aud=aud)


#: A claim that is not as it must be.
WRONG: list[dict[str, Any]] = [
    {"aud": "other"},
    {"aud": [CLIENT, "other"]},
    {"aud": [CLIENT, "other"], "azp": CLIENT},
    {"aud": ["other", CLIENT], "azp": "other"},
    {"aud": []},
    {"aud": None},
    {"iss": "https://evil.example"},
    {"iss": None},
    {"nonce": "m"},
    {"nonce": None},
    {"exp": 1_000_000_000},
    {"exp": None},
    {"iat": 1_000_000_000},
    {"iat": None},
    {"sub": None},
    {"sub": ""},
    {"sub": 7},
    {"acr": "eidas1"},
    {"acr": None},
]


@pytest.mark.parametrize("changes", WRONG)
def test_a_token_that_is_not_of_this_sign_in_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        judge(**changes)
