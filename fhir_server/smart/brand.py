"""What apps show people of this server, to recognise it by: a User-access Brand, and the style of its pages.

https://hl7.org/fhir/smart-app-launch/brands.html,
https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#styling
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fhir_server.settings import Settings
from fhir_server.smart.addresses import Addresses
from fhir_server.store.protocol import Records

_GUIDE = "http://hl7.org/fhir/smart-app-launch"
_CORE = "http://hl7.org/fhir/StructureDefinition"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
#: RFC 3986 as an identifier's system: the value is a web address.
_URI = "urn:ietf:rfc:3986"

#: The colours and sizes of `site/static/site.css`, for apps that take them over.
STYLE: Mapping[str, str] = {
    "color_background": "#ffffff",
    "color_error": "#a11b12",
    "color_highlight": "#0b4aa2",
    "color_modal_backdrop": "#1b1b1f",
    "color_success": "#1a5e2c",
    "color_text": "#1b1b1f",
    "dim_border_radius": "4px",
    "dim_font_size": "16px",
    "dim_spacing_size": "16px",
    "font_family_body": "system-ui, sans-serif",
    "font_family_heading": "system-ui, sans-serif",
}
#: The style's address is its version: it changes when the style does.
STYLE_VERSION = hashlib.sha256(msgspec.json.encode(STYLE)).hexdigest()[:16]


def style_url(addresses: Addresses) -> str:
    """`smart_style_url` of token answers."""
    return addresses.at(f"style/{STYLE_VERSION}/smart-style.json")


class Brands:
    """The brands of this server: those of the operator's file, or one made from the settings."""

    def __init__(self, settings: Settings, records: Records) -> None:
        """Read when the server is put together, so that a wrong file is noticed then.

        Raises:
            ValueError: the file is not a Bundle of brands whose first Organization has an identifier.
        """
        self._settings = settings
        self._records = records
        self._given = _given(settings.brands) if settings.brands is not None else None

    def identifier(self, addresses: Addresses) -> dict[str, Any]:
        """`user_access_brand_identifier`: the primary brand's."""
        if self._given is None:
            return {"system": _URI, "value": self._site(addresses)}
        first = next(one for one in _resources(self._given) if one.get("resourceType") == "Organization")
        return {name: first["identifier"][0][name] for name in ("system", "value") if name in first["identifier"][0]}

    async def bundle(self, addresses: Addresses) -> tuple[bytes, str]:
        """The Bundle as JSON, and its weak ETag."""
        tree = self._given or self._made(addresses)
        known = hashlib.sha256(msgspec.json.encode(tree)).hexdigest()[:32]
        if "timestamp" not in tree:
            # Every worker says the same: when these contents were first told.
            now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            await self._records.add("brands", known, now.encode())
            stamp = await self._records.get("brands", known)
            tree = {"resourceType": tree["resourceType"], "timestamp": (stamp or b"").decode() or now, **tree}
        return msgspec.json.encode(tree), f'W/"{known}"'

    def _site(self, addresses: Addresses) -> str:
        """The web presence, without path nor `www.`."""
        parts = urlsplit(self._settings.brand_url or addresses.issuer)
        return f"{parts.scheme}://{parts.netloc.removeprefix('www.')}"

    def _made(self, addresses: Addresses) -> dict[str, Any]:
        here, name = addresses.issuer, self._settings.brand_name
        return {
            "resourceType": "Bundle",
            "meta": {"profile": [f"{_GUIDE}/StructureDefinition/user-access-brands-bundle"]},
            "type": "collection",
            "entry": [
                {"fullUrl": f"{here}/Organization/user-access-brand", "resource": self._organization(addresses, name)},
                {"fullUrl": f"{here}/Endpoint/user-access-endpoint", "resource": _endpoint(addresses, name)},
            ],
        }

    def _organization(self, addresses: Addresses, name: str) -> dict[str, Any]:
        here = f"{addresses.issuer}/"
        reference = {"reference": "Endpoint/user-access-endpoint"}
        category = {"system": f"{_GUIDE}/CodeSystem/user-access-category", "code": "aggregator"}
        portal = [
            {"url": "portalName", "valueString": name},
            {"url": "portalUrl", "valueUrl": here},
            {"url": "portalEndpoint", "valueReference": reference},
        ]
        return {
            "resourceType": "Organization",
            "id": "user-access-brand",
            "meta": {"profile": [f"{_GUIDE}/StructureDefinition/user-access-brand"]},
            "extension": [{"url": f"{_CORE}/organization-portal", "extension": portal}],
            "identifier": [{"system": _URI, "value": self._site(addresses)}],
            "active": True,
            "type": [{"coding": [category]}],
            "name": name,
            "telecom": [{"system": "url", "value": self._settings.brand_url or here}],
            "endpoint": [reference],
        }


def _endpoint(addresses: Addresses, name: str) -> dict[str, Any]:
    return {
        "resourceType": "Endpoint",
        "id": "user-access-endpoint",
        "meta": {"profile": [f"{_GUIDE}/StructureDefinition/user-access-endpoint"]},
        "extension": [{"url": f"{_CORE}/endpoint-fhir-version", "valueCode": "4.0.1"}],
        "status": "active",
        "connectionType": {"system": f"{_TERMINOLOGY}/endpoint-connection-type", "code": "hl7-fhir-rest"},
        "name": f"{name} (FHIR R4)",
        "managingOrganization": {"reference": "Organization/user-access-brand"},
        "contact": [{"system": "url", "value": f"{addresses.issuer}/docs"}],
        "payloadType": [{"coding": [{"system": f"{_TERMINOLOGY}/endpoint-payload-type", "code": "none"}]}],
        "address": addresses.base,
    }


def _given(file: Path) -> dict[str, Any]:
    wrong = f"FHIR_BRANDS: {file} is not a collection Bundle whose first Organization has an identifier."
    try:
        tree = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, OSError):
        raise ValueError(wrong) from None
    brands = [one for one in _resources(tree) if one.get("resourceType") == "Organization"]
    identifiers = brands[0].get("identifier") if brands else None
    first = identifiers[0] if isinstance(identifiers, list) and identifiers else None
    if tree.get("type") != "collection" or not isinstance(first, dict) or not first.get("value"):
        raise ValueError(wrong)
    return tree


def _resources(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = tree.get("entry")
    found = [one.get("resource") for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    return [one for one in found if isinstance(one, dict)]
