"""What software may say of itself when it registers: RFC 7591 §2, §3.2.2 and §5, RFC 8252 §7.3, OWASP ASVS 12.6."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.smart.clients.metadata import Wrong, read
from tests.smart.browser import CALLBACK

PUBLIC: dict[str, Any] = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
EC = {"kty": "EC", "crv": "P-384", "kid": "a", "x": "A" * 64, "y": "A" * 64}
REDIRECT, OTHER = "invalid_redirect_uri", "invalid_client_metadata"

#: Redirect URIs that no code is sent to.
REDIRECTS: list[Any] = [
    None,
    [],
    CALLBACK,
    ["http://app.example/callback"],
    ["https://app.example/callback#here"],
    ["https://user@app.example/callback"],
    ["https://*.app.example/callback"],
    ["https://app.example\\@evil.example/"],
    ["javascript:alert(1)"],
    ["data:text/html,a"],
    ["/callback"],
    ["https:///callback"],
    ["https://app.example/a b"],
    ["https://app.example:99999/"],
    ["http://localhost.evil.example/"],
    [CALLBACK, 1],
    [f"{CALLBACK}{n}" for n in range(21)],
]
#: Other metadata that are not right.
WRONG: list[dict[str, Any]] = [
    {"grant_types": ["implicit"]},
    {"grant_types": ["password"]},
    {"grant_types": ["refresh_token"]},
    {"grant_types": ["client_credentials"]},
    {"grant_types": "authorization_code"},
    {"response_types": ["token"]},
    {"response_types": ["code", "id_token"]},
    {"response_types": []},
    {"token_endpoint_auth_method": "client_secret_post"},
    {"token_endpoint_auth_method": ["none"]},
    {"token_endpoint_auth_method": "private_key_jwt"},
    {"token_endpoint_auth_signing_alg": "RS256"},
    {"token_endpoint_auth_signing_alg": ["RS384"]},
    {"id_token_signed_response_alg": "none"},
    {"jwks": {"keys": [EC]}, "jwks_uri": "https://app.example/jwks"},
    {"jwks": {"keys": []}},
    {"jwks": [EC]},
    {"jwks": {"keys": [{**EC, "d": "A" * 64}]}},
    {"jwks": {"keys": [{**EC, "crv": "P-256"}]}},
    {"jwks": {"keys": [{**EC, "x": "A" * 65}]}},
    {"jwks": {"keys": [{**EC, "use": "enc"}]}},
    {"jwks": {"keys": [{**EC, "alg": "RS384"}]}},
    {"jwks": {"keys": [{**EC, "kid": None}]}},
    {"jwks": {"keys": [EC, EC]}},
    {"jwks": {"keys": [{"kty": "oct", "kid": "a", "k": "AAAA"}]}},
    {"jwks": {"keys": [{"kty": "RSA", "kid": "a", "n": "A" * 171, "e": "AQAB"}]}},
    {"scope": ["patient/*.rs"]},
    {"scope": "a" * 8_001},
    {"client_name": "x" * 101},
    {"client_name": "Banque\u202eexe"},
    {"client_name": 1},
    {"software_version": {}},
    {"policy_uri": "javascript:alert(1)"},
]
PAGES = ("logo_uri", "client_uri", "policy_uri", "tos_uri", "jwks_uri", "initiate_login_uri")
#: Addresses inside a network, in disguise or not, and others that are not plain https.
INSIDE: list[Any] = [
    "http://app.example/a",
    "https://127.0.0.1/a",
    "https://localhost/a",
    "https://app.localhost/a",
    "https://10.1.2.3/a",
    "https://169.254.169.254/latest",
    "https://[::1]/a",
    "https://[::ffff:10.0.0.1]/a",
    "https://[fd00::1]/a",
    "https://intranet/a",
    "https://db.internal/a",
    "https://db.internal./a",
    "https://2130706433/a",
    "https://0x7f.1/a",
    "file:///etc/passwd",
    "https://a@app.example/a",
    "https://app.example:99999/a",
    ["https://app.example/a"],
]


def refused(**changes: Any) -> Wrong:
    with pytest.raises(Wrong) as wrong:
        read({**PUBLIC, **changes})
    return wrong.value


@pytest.mark.parametrize("uris", REDIRECTS)
def test_a_code_goes_to_https_or_to_the_app_s_own_machine(uris: Any) -> None:
    assert refused(redirect_uris=uris).code == REDIRECT


@pytest.mark.parametrize("changes", WRONG)
def test_what_is_not_right_is_refused(changes: dict[str, Any]) -> None:
    assert refused(**changes).code == OTHER


@pytest.mark.parametrize("member", PAGES)
@pytest.mark.parametrize("uri", INSIDE)
def test_addresses_inside_a_network_are_not_even_kept(member: str, uri: Any) -> None:
    found = refused(**{member: uri})
    assert found.code == OTHER and found.words.startswith(member)


def test_what_is_not_said_is_as_the_rfc_has_it() -> None:
    found = read({"redirect_uris": [CALLBACK], "jwks": None})
    assert (found.kind, found.grants) == ("confidential-symmetric", ("authorization_code",))


def test_a_key_set_is_on_this_machine_only_for_development() -> None:
    keyed = {**PUBLIC, "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://127.0.0.1:9/jwks"}
    assert read(keyed, loopback=True).jwks_uri == "http://127.0.0.1:9/jwks"
    with pytest.raises(Wrong, match="jwks_uri"):
        read(keyed)
