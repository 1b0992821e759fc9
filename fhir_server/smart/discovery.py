"""What this authorization server can do, and where: written from what is wired, so that it cannot claim more.

https://hl7.org/fhir/smart-app-launch/conformance.html, OpenID Connect Discovery §3, RFC 8414 §2, RFC 9207 §3
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.access.software_statement import ALGORITHMS
from fhir_server.smart.addresses import Addresses
from fhir_server.smart.clients.registered import METHODS, PROOFS
from fhir_server.smart.tokens.signing_keys import ALGORITHM

#: https://hl7.org/fhir/smart-app-launch/conformance.html#capabilities
CAPABILITIES = [
    "authorize-post",
    "launch-ehr",
    "launch-standalone",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "context-standalone-encounter",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
]
#: Shown as examples: every resource type has the like, with search constraints too.
SCOPES = [
    "openid",
    "fhirUser",
    "profile",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
    "patient/*.rs",
    "patient/*.cruds",
    "user/*.rs",
    "user/*.cruds",
    "system/*.rs",
    "system/*.cruds",
]


def configuration(
    addresses: Addresses, brand: Mapping[str, Any], registers: bool = False, management: str | None = None
) -> dict[str, Any]:
    """`.well-known/smart-configuration`, under the FHIR base.

    Args:
        addresses: of the server.
        brand: Identifier of its primary User-access Brand.
        registers: whether software may register itself.
        management: path of the page where people see and end what apps may do; None where there is none.
    """
    return {
        **_common(addresses, registers),
        **({"management_endpoint": f"{addresses.issuer}{management}"} if management is not None else {}),
        "user_access_brand_bundle": addresses.at("user-access-brands.json"),
        "user_access_brand_identifier": dict(brand),
        "capabilities": CAPABILITIES,
    }


def openid(addresses: Addresses, registers: bool = False) -> dict[str, Any]:
    """`.well-known/openid-configuration`, under the issuer."""
    return {
        **_common(addresses, registers),
        "userinfo_endpoint": addresses.at("userinfo"),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "response_modes_supported": ["query"],
        "claims_supported": ["sub", "fhirUser", "name", "profile", "auth_time"],
        "prompt_values_supported": ["none", "login", "consent"],
        "request_uri_parameter_supported": False,
    }


def _common(addresses: Addresses, registers: bool) -> dict[str, Any]:
    return {
        **({"registration_endpoint": addresses.at("register")} if registers else {}),
        "issuer": addresses.issuer,
        "jwks_uri": addresses.at("jwks"),
        "authorization_endpoint": addresses.at("authorize"),
        "token_endpoint": addresses.at("token"),
        "token_endpoint_auth_methods_supported": list(METHODS.values()),
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": SCOPES,
        "introspection_endpoint": addresses.at("introspect"),
        "revocation_endpoint": addresses.at("revoke"),
        # RFC 8414 §2: left out, they would be client_secret_basic alone, or nothing.
        **{f"{name}_endpoint_auth_methods_supported": list(ways) for name, ways in PROOFS.items()},
        **{f"{name}_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS) for name in PROOFS},
    }
