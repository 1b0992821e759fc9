"""The current version of one resource: its stored bytes, untouched.

https://hl7.org/fhir/R4/http.html#read
"""

from __future__ import annotations

from fhir_server.interactions import binary_answers
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.preconditions import unmodified
from fhir_server.interactions.shaping import shown


async def read(request: Request, context: Context) -> Response:
    """200 with the resource, 304 when the client has it already.

    Raises:
        NotFound: absent, or hidden from this caller (404).
        Gone: deleted (410).
    """
    if request.path[0] == "Binary":
        type, id = request.path
        version = await context.repository.read(type, id, want="bare" if request.streams else "body")
        return await binary_answers.answered(request, context, version)
    version = await context.repository.read(*request.path)
    if request.headers:
        return unmodified(request, version) or shown(request, version)
    return shown(request, version)
