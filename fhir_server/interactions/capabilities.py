"""What this server does, as `/metadata` says it: the published statement completed with the build and the registry.

https://hl7.org/fhir/R4/http.html#capabilities, https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from fhir_server.fhir import definitions
from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.fhir.version import VERSION
from fhir_server.interactions import statement
from fhir_server.interactions.exchange import Context, Request, Response, Security
from fhir_server.interactions.shaping import part
from fhir_server.search.asking.query import REFUSED
from fhir_server.search.parameters.registry import Registry, described
from fhir_server.settings import Settings
from fhir_server.validation.profiles.registry import Profiles

MODES = frozenset({"full", "normative", "terminology"})
#: When this process first spoke of itself; a statement says since when it holds.
_SINCE = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def capabilities(request: Request, context: Context) -> Response:
    """200 with the CapabilityStatement, or with TerminologyCapabilities for `mode=terminology`.

    Raises:
        InvalidParameter: `mode` is none of full, normative, terminology (400).
    """
    mode = next((value for name, value in request.query if name == "mode"), "full")
    if mode not in MODES:
        raise InvalidParameter("mode is full, normative or terminology.", "http.mode")
    registry = context.repository.registry
    body = terminology(context.base) if mode == "terminology" else _statement(context, registry)
    return Response(200, part(tuple(pair for pair in request.query if pair[0] != "mode"), body))


@lru_cache(maxsize=8)
def _encoded(
    base: str,
    registry: Registry,
    generation: int,
    cors: bool,
    profiles: Profiles | None,
    profiled: int,
    security: Security | None,
) -> bytes:
    # `generation` and `profiled` are in the key only: a registry that has changed is described anew.
    return msgspec.json.encode(completed(base, registry, cors, profiles, security))


def _statement(context: Context, registry: Registry) -> bytes:
    settings: Settings = context.settings
    profiles = context.validator.profiles if context.validator else None
    changes = profiles.generation if profiles else 0
    cors = bool(settings.cors_origins) or not settings.open
    return _encoded(context.base, registry, registry.generation, cors, profiles, changes, context.security)


def completed(
    base: str, registry: Registry, cors: bool, profiles: Profiles | None = None, security: Security | None = None
) -> dict[str, Any]:
    """The statement with everything that is known only while the server runs."""
    secured = {**(security(base) if security else {}), "cors": cors}
    supported = profiles.supported() if profiles else {}
    published = statement.published()
    [rest] = published["rest"]
    included, reverse = _includes(registry)
    resources = [
        {**_resource(row, registry, included, reverse), **_profiled(supported.get(row["type"]))}
        for row in rest["resource"]
    ]
    common = _searched(registry, "Resource")
    return {
        **published,
        "date": _SINCE,
        "software": {"name": "fhir-server", "version": VERSION},
        "implementation": {"description": "FHIR R4 server", "url": base},
        "rest": [
            {
                **rest,
                "extension": [{"url": statement.WEBSOCKET, "valueUri": statement.socket_url(base)}],
                "security": {**rest["security"], **secured},
                "resource": resources,
                "searchParam": common,
            }
        ],
    }


def _profiled(canonicals: list[str] | None) -> dict[str, Any]:
    return {"supportedProfile": canonicals} if canonicals else {}


def _searched(registry: Registry, type: str) -> list[dict[str, Any]]:
    """The parameters of a type that a search may use."""
    return [described(parameter) for code, parameter in registry.of(type).items() if code not in REFUSED]


Names = Mapping[str, list[str]]


def _includes(registry: Registry) -> tuple[Names, Names]:
    """For each type, what `_include` and `_revinclude` it can be asked with."""
    included: dict[str, list[str]] = {type: [] for type in statement.resources()}
    reverse: dict[str, list[str]] = {type: [] for type in statement.resources()}
    for type in statement.resources():
        for code, parameter in registry.of(type).items():
            if parameter.type != "reference":
                continue
            name = f"{type}:{code}"
            included[type].append(name)
            for target in parameter.target:
                if target in reverse:
                    reverse[target].append(name)
    return included, reverse


def _resource(row: dict[str, Any], registry: Registry, included: Names, reverse: Names) -> dict[str, Any]:
    type = row["type"]
    own = _searched(registry, type)
    found = {**row, "searchInclude": ["*", *included[type]], "searchRevInclude": reverse[type], "searchParam": own}
    operations = found.pop("operation", None)
    found = {key: value for key, value in found.items() if value}
    return {**found, "operation": operations} if operations else found


@lru_cache(maxsize=8)
def terminology(base: str) -> bytes:
    """The TerminologyCapabilities of a server whose FHIR base is `base`, as JSON."""
    return msgspec.json.encode(
        {
            "resourceType": "TerminologyCapabilities",
            "id": "fhir-server",
            "url": f"{base}/metadata?mode=terminology",
            "name": "FhirServerTerminology",
            "status": "active",
            "date": _SINCE,
            "kind": "instance",
            "software": {"name": "fhir-server", "version": VERSION},
            "implementation": {"description": f"FHIR R4 {definitions.FHIR_VERSION} server", "url": base},
            "codeSearch": "all",
        }
    )
