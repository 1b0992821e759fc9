"""What the CapabilityStatement says of authorization, for clients that look there before discovery.

https://hl7.org/fhir/smart-app-launch/conformance.html#declaring-support-for-oauth2-endpoints,
https://hl7.org/fhir/R4/capabilitystatement.html (`rest.security`)
"""

from __future__ import annotations

from typing import Any

from fhir_server.smart.addresses import Addresses

_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SERVICES = "http://terminology.hl7.org/CodeSystem/restful-security-service"
#: Parts of the extension, each our endpoint of that name. Its definition in R4's package has none for introspection and
#: revocation: those are in the discovery document.
_ENDPOINTS = ("authorize", "token")


def security(base: str) -> dict[str, Any]:
    """The members of `rest.security` that say how to get a token for the FHIR base `base`."""
    addresses = Addresses(base)
    uris = [{"url": name, "valueUri": addresses.at(name)} for name in _ENDPOINTS]
    coding = {"system": _SERVICES, "code": "SMART-on-FHIR", "display": "SMART-on-FHIR"}
    return {
        "extension": [{"url": _URIS, "extension": uris}],
        "service": [{"coding": [coding], "text": "OAuth 2, SMART App Launch 2.2"}],
        "description": "Every request but this one carries a token: SMART App Launch 2.2.",
    }


def opened(base: str) -> dict[str, Any]:
    """The same of an open server."""
    return {"description": "Open: no token is asked for. For trials on one's own machine."}
