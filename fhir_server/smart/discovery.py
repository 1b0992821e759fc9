"""What this authorization server can do, and where: written from what is wired, so that it cannot claim more.

https://hl7.org/fhir/smart-app-launch/conformance.html, OpenID Connect Discovery §3, RFC 8414 §2, RFC 9207 §3
"""

from __future__ import annotations

from typing import Any

from fhir_server.smart.addresses import Addresses
from fhir_server.smart.client_keys import ALGORITHMS
from fhir_server.smart.clients import METHODS

#: https://hl7.org/fhir/smart-app-launch/conformance.html#capabilities
CAPABILITIES = [
    "client-confidential-asymmetric",
    "permission-v2",
]
#: Shown as examples: every resource type has the like, with search constraints too.
SCOPES = [
    "system/*.rs",
    "system/*.cruds",
]
GRANTS = ["client_credentials"]


def configuration(addresses: Addresses) -> dict[str, Any]:
    """`.well-known/smart-configuration`, under the FHIR base."""
    return {
        "token_endpoint": addresses.at("token"),
        "token_endpoint_auth_methods_supported": [METHODS[kind] for kind in ("confidential-asymmetric",)],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": GRANTS,
        "scopes_supported": SCOPES,
        "introspection_endpoint": addresses.at("introspect"),
        "revocation_endpoint": addresses.at("revoke"),
        "capabilities": CAPABILITIES,
    }
