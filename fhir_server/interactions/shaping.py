"""`_summary` and `_elements` on one resource, where the stored bytes are not what was asked for.

https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements
"""

from __future__ import annotations

from fhir_server.fhir.subsetting import parse_elements, parse_summary, subset
from fhir_server.interactions.exchange import Request, Response
from fhir_server.store.protocol import Version

Query = tuple[tuple[str, str], ...]


def wanted(query: Query) -> tuple[str | None, frozenset[str] | None]:
    """What of a resource is asked for: `_summary` and the names in `_elements`; None for all.

    Raises:
        InvalidParameter: a value that R4 does not define.
    """
    summary = parse_summary(value for name, value in query if name == "_summary")
    return summary, parse_elements(value for name, value in query if name == "_elements")


def part(query: Query, body: bytes) -> bytes:
    """The part of `body` that its query asks for; `body` itself when it asks for all."""
    return subset(body, *wanted(query)) if query else body


def shown(request: Request, version: Version) -> Response:
    """The version as an answer, in the shape its query asks for."""
    return Response(
        200,
        part(request.query, version.body),
        version=version.version,
        at=version.at,
        location=f"{version.type}/{version.id}/_history/{version.version}",
    )
