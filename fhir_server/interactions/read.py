"""The current version of one resource: its stored bytes, untouched.

https://hl7.org/fhir/R4/http.html#read
"""

from __future__ import annotations

from fhir_server.interactions import binary
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.preconditions import unmodified
from fhir_server.interactions.shaping import shown


async def read(request: Request, context: Context) -> Response:
    """200 with the resource, 304 when the client has it already.

    Raises:
        NotFound: absent, or hidden from this caller (404).
        Gone: deleted (410).
    """
    version = await context.repository.read(*request.path)
    if request.headers:
        if request.path[0] == "Binary" and binary.wants_raw(request):
            return unmodified(request, version) or binary.raw(version)
        return unmodified(request, version) or shown(request, version)
    return shown(request, version)
